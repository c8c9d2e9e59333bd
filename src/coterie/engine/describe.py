"""What a group looks like: its centre, its spread, how far each row is, and which rows stand for it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coterie.engine.arrays import NOISE, Labels, Matrix

BLOCK = 65_536


@dataclass(frozen=True)
class Description:
    """Of k groups over n rows of d: `centroids` (k, d), `sizes` (k), `variances` (k) the mean squared distance to the
    centroid, `distances` (n) of each row to its group's centroid (of noise: to the nearest one; 0 without groups),
    `representatives`: per group the rows nearest to its centroid, nearest first."""

    centroids: Matrix
    sizes: NDArray[np.int64]
    variances: NDArray[np.float64]
    distances: NDArray[np.float32]
    representatives: tuple[NDArray[np.int64], ...]


def describe(matrix: Matrix, labels: Labels, *, representatives: int = 10) -> Description:
    """Describe the groups of `matrix` (n, d) by `labels` (n), numbered from 0."""
    centroids = centroids_of(matrix, labels)
    distances = distances_from(centroids, matrix, labels)
    return described(centroids, labels, distances, representatives=representatives)


def described(
    centroids: Matrix, labels: Labels, distances: NDArray[np.float32], *, representatives: int = 10
) -> Description:
    """The same where the `centroids` (k, d) and the `distances` (n) from them are known already."""
    grouped = labels != NOISE
    sizes = np.bincount(labels[grouped], minlength=len(centroids))
    squares = np.bincount(labels[grouped], distances[grouped].astype(np.float64) ** 2, minlength=len(centroids))
    return Description(
        centroids, sizes, squares / np.maximum(sizes, 1), distances, _nearest(labels, distances, representatives)
    )


def centroids_of(matrix: Matrix, labels: Labels) -> Matrix:
    """The mean of each group's rows, (k, d) float32, summed in double precision."""
    groups = int(labels.max(initial=NOISE)) + 1
    return means(sums_of(matrix, labels, groups), np.bincount(labels[labels != NOISE], minlength=groups))


def means(sums: NDArray[np.float64], sizes: NDArray[np.int64]) -> Matrix:
    """Centroids (k, d) of groups whose rows have these `sums` (k, d); zeros where there is no row."""
    return (sums / np.maximum(sizes, 1)[:, None]).astype(np.float32)


def sums_of(matrix: Matrix, labels: Labels, groups: int) -> NDArray[np.float64]:
    """The sum of each group's rows, (k, d)."""
    sums = np.zeros((groups, matrix.shape[1]))
    for start in range(0, len(matrix), BLOCK):
        block, of = matrix[start : start + BLOCK], labels[start : start + BLOCK]
        order = np.argsort(of, kind="stable")
        order = order[np.searchsorted(of[order], 0) :]
        present, first = np.unique(of[order], return_index=True)
        if len(present):
            sums[present] += np.add.reduceat(block[order].astype(np.float64), first, axis=0)
    return sums


QUANTILES = np.linspace(0, 1, 21)
"""Shares of a group's rows, from the nearest to its centroid to the farthest."""


def quantiles(labels: Labels, distances: NDArray[np.float32], groups: int) -> NDArray[np.float32]:
    """How far from its centroid these shares of each group's rows are at most, (k, 21)."""
    order = np.lexsort((distances, labels))
    starts = np.searchsorted(labels[order], np.arange(groups + 1))
    ordered = distances[order]
    found = np.zeros((groups, len(QUANTILES)), np.float32)
    for group in range(groups):
        own = ordered[starts[group] : starts[group + 1]]
        found[group] = np.interp(QUANTILES * (len(own) - 1), np.arange(len(own)), own)
    return found


def distances_from(centroids: Matrix, matrix: Matrix, labels: Labels) -> NDArray[np.float32]:
    """How far each row of `matrix` (n, d) is from its group's centroid, or noise from the nearest; 0 without groups."""
    distances = np.zeros(len(matrix), np.float32)
    if len(centroids) == 0:
        return distances
    lengths = np.einsum("ij,ij->i", centroids, centroids)
    for start in range(0, len(matrix), BLOCK):
        block, of = matrix[start : start + BLOCK], labels[start : start + BLOCK].copy()
        noise = of == NOISE
        if noise.any():
            of[noise] = (lengths - 2 * (block[noise] @ centroids.T)).argmin(axis=1)
        distances[start : start + BLOCK] = np.linalg.norm(block - centroids[of], axis=1)
    return distances


def _nearest(labels: Labels, distances: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], ...]:
    order = np.lexsort((np.arange(len(labels)), distances, labels))
    ordered = labels[order]
    groups = int(labels.max(initial=NOISE)) + 1
    starts = np.searchsorted(ordered, np.arange(groups + 1))
    return tuple(order[starts[g] : min(starts[g] + count, starts[g + 1])] for g in range(groups))
