"""Rows that were not in the sample find their groups.

Partitions (k-means): the nearest centroid. Densities (HDBSCAN): the label of the nearest sampled row, unless it is
farther than the group's own rows are from each other; noise stays noise.
"""

import numpy as np
from numpy.typing import NDArray

from coterie.engine.arrays import NOISE, Labels, Matrix

BLOCK = 2048
"""Rows compared at a time: bounds the table of distances to BLOCK times the rows of the sample."""

REACH_QUANTILE = 0.99
"""A row joins a group within the distance that this share of the group's rows keep to their nearest fellow."""


def nearest(rows: Matrix, targets: Matrix) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each of `rows` (n, d) the index of its nearest of `targets` (m, d) and their euclidean distance."""
    index = np.empty(len(rows), np.int64)
    distance = np.empty(len(rows), np.float32)
    lengths = np.einsum("ij,ij->i", targets, targets)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        table = lengths - 2 * (block @ targets.T)
        best = table.argmin(axis=1)
        index[start : start + BLOCK] = best
        distance[start : start + BLOCK] = np.linalg.norm(block - targets[best], axis=1)
    return index, distance


def by_centroid(rows: Matrix, centroids: Matrix) -> Labels:
    """The nearest centroid's label of each row."""
    return nearest(rows, centroids)[0].astype(np.int32)


def by_density(rows: Matrix, sample: Matrix, labels: Labels) -> Labels:
    """The label of each row's nearest sampled row within that group's reach, else noise."""
    closest, distance = nearest(rows, sample)
    assigned = labels[closest]
    reach = reaches(sample, labels)
    grouped = assigned != NOISE
    too_far = np.zeros(len(rows), bool)
    too_far[grouped] = distance[grouped] > reach[assigned[grouped]]
    return np.where(too_far, NOISE, assigned).astype(np.int32)


def reaches(sample: Matrix, labels: Labels) -> NDArray[np.float64]:
    """Of each group, the REACH_QUANTILE of its rows' distances to their nearest other row of it."""
    reaches = np.zeros(labels.max(initial=NOISE) + 1)
    for group in range(len(reaches)):
        members = sample[labels == group]
        reaches[group] = np.quantile(_to_nearest_fellow(members), REACH_QUANTILE) if len(members) > 1 else 0.0
    return reaches


def _to_nearest_fellow(members: Matrix) -> NDArray[np.float32]:
    distances = np.empty(len(members), np.float32)
    lengths = np.einsum("ij,ij->i", members, members)
    for start in range(0, len(members), BLOCK):
        block = members[start : start + BLOCK]
        table = lengths - 2 * (block @ members.T)
        table[np.arange(len(block)), np.arange(start, start + len(block))] = np.inf
        distances[start : start + BLOCK] = np.linalg.norm(block - members[table.argmin(axis=1)], axis=1)
    return distances
