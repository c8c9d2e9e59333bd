"""Rows that were not in the sample find their groups.

Partitions (k-means): the nearest centroid. Densities (HDBSCAN): the label of the nearest sampled row, unless it is
farther than the group's own rows are from each other; noise stays noise.
"""

import numpy as np
from numpy.typing import NDArray

from coterie.engine.arrays import NOISE, Labels, Matrix
from coterie.engine.nearest import distances_to, nearest
from coterie.engine.neighbours import exact_neighbours

REACH_QUANTILE = 0.99
"""A row joins a group within the distance that this share of the group's rows keep to their nearest fellow."""


def by_centroid(rows: Matrix, centroids: Matrix) -> Labels:
    """The nearest centroid's label of each row."""
    return nearest(rows, centroids)


def by_density(rows: Matrix, sample: Matrix, labels: Labels) -> Labels:
    """The label of each row's nearest sampled row within that group's reach, else noise."""
    closest = nearest(rows, sample)
    distance = distances_to(rows, sample, closest)
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
        if len(members) > 1:
            reaches[group] = np.quantile(exact_neighbours(members, 1).distances, REACH_QUANTILE)
    return reaches
