"""k-means: starts by scikit-learn, and Lloyd's rounds over many rows on every core."""

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from coterie.engine.arrays import Labels, Matrix, check_enough, drawn
from coterie.engine.describe import centroids_of, means
from coterie.engine.kernels.search import add_rows
from coterie.engine.nearest import nearest
from coterie.engine.projection import principal_components
from coterie.engine.specs import DEFAULT_SEED, KMeansParams
from coterie.engine.threads import Workers

STARTS = 10_000
"""Of more rows, a sample of so many is clustered first, `n_init` times, in its principal components; the best result is
where all rows begin. It is as good a start as one over all rows, for a tenth of the time (`benchmarks/README.md`)."""

STARTS_A_GROUP = 25
"""The sample has at least so many rows for each group."""

STRIPES = 16
"""Sums are taken over so many parts and then added up, in this order on any number of threads."""


def kmeans(matrix: Matrix, spec: KMeansParams) -> Labels:
    """Labels (n) int32 in 0..k-1. Raises EngineError when there are fewer rows than groups.

    Fewer than k distinct rows give fewer groups. The labels do not depend on the number of threads: scikit-learn's sums
    would, so it gets one.
    """
    check_enough(matrix, "n_clusters", spec.n_clusters)
    seed = DEFAULT_SEED if spec.random_state is None else spec.random_state
    chosen = drawn(len(matrix), max(STARTS, STARTS_A_GROUP * spec.n_clusters), seed)
    sample = matrix[chosen]
    groups = distinct_up_to(sample, spec.n_clusters)  # of the rows themselves: equal ones may be projected unequally
    if len(chosen) == len(matrix):
        return plain_kmeans(matrix, spec, groups, seed)
    start = plain_kmeans(principal_components(sample, seed=seed).of(sample), spec, groups, seed)
    return lloyd(matrix, centroids_of(sample, start), most=spec.max_iter, tolerance=spec.tol)


def plain_kmeans(matrix: Matrix, spec: KMeansParams, groups: int, seed: int) -> Labels:
    """The same by scikit-learn alone, over all rows from the start, into at most so many `groups` as rows differ."""
    model = KMeans(
        n_clusters=groups,
        init=spec.init,
        n_init=spec.n_init,
        max_iter=spec.max_iter,
        tol=spec.tol,
        random_state=seed,
        algorithm=spec.algorithm if groups > 1 else "lloyd",
    )
    with threadpool_limits(1):
        labels: Labels = model.fit_predict(matrix).astype(np.int32)
    return labels


def lloyd(matrix: Matrix, centres: Matrix, *, most: int, tolerance: float) -> Labels:
    """Labels (n) after at most so many rounds from `centres` (k, d), or as soon as these move, in sum of squares, by
    less than `tolerance` times the mean variance of a dimension. A group that loses its last row stays where it is."""
    least = least_move(matrix, tolerance)
    labels = nearest(matrix, centres)
    for _ in range(most - 1):
        before_move, centres = centres, moved(centres, *_sums(matrix, labels, len(centres)))
        done = float(((centres - before_move) ** 2).sum()) <= least
        before, labels = labels, nearest(matrix, centres)
        if done or (before == labels).all():
            break
    return labels


def least_move(matrix: Matrix, tolerance: float) -> float:
    """How far, in sum of squares, centres must move for another round to be worth it."""
    return tolerance * float(np.var(matrix[drawn(len(matrix), STARTS, 0)], axis=0).mean())


def moved(centres: Matrix, sums: NDArray[np.float64], sizes: NDArray[np.int64]) -> Matrix:
    """The centres (k, d) of groups with these `sums` (k, d) and `sizes` (k); where one is empty, as it was."""
    return np.where(sizes[:, None] > 0, means(sums, sizes), centres)


def _sums(matrix: Matrix, labels: Labels, groups: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The sum of each group's rows (k, d), and how many there are (k)."""
    ends = np.linspace(0, len(matrix), STRIPES + 1).astype(np.int64)
    parts = np.zeros((STRIPES, groups, matrix.shape[1]))

    def add(number: int) -> None:
        part = slice(ends[number], ends[number + 1])
        add_rows(matrix[part], labels[part], parts[number])

    with Workers() as workers:
        workers.each(add, [(number,) for number in range(STRIPES)])
    return parts.sum(axis=0), np.bincount(labels, minlength=groups)


def distinct_up_to(matrix: Matrix, limit: int) -> int:
    """How many distinct rows there are, counted no further than `limit`."""
    seen: set[bytes] = set()
    for row in matrix:
        seen.add(row.tobytes())
        if len(seen) == limit:
            break
    return len(seen)
