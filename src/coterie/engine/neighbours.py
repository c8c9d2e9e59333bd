"""Nearest neighbours by blocks of matrix products: of all pairs, or of those in cells near each other.

Products find candidates, more than are wanted; those are compared again by their differences, so that nothing is lost
to cancellation and equal rows are at distance 0.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coterie.engine.arrays import Matrix, drawn
from coterie.engine.describe import centroids_of
from coterie.engine.kernels import search as kernels
from coterie.engine.kmeans import distinct_up_to, plain_kmeans
from coterie.engine.nearest import nearest
from coterie.engine.projection import SAMPLE, principal_components
from coterie.engine.specs import KMeansParams
from coterie.engine.threads import Workers

BLOCK = 1024
"""Rows on either side of a product: its result, 4 MiB, stays in a processor's cache."""

SPARE = 4
"""Candidates beyond those wanted, against the rounding of products."""

CANDIDATES = 2
"""So many times as many candidates as are wanted are taken there, to be compared in full."""

PROBES = 8
"""Cells that are searched for the neighbours of one."""

STRETCH = 8192
"""Rows whose neighbours' neighbours are looked at in one go."""

CELL_ROUNDS = 4
"""Rounds of the k-means that makes cells."""

LARGEST_CELL = 3
"""A cell of more than so many times the usual number of rows is divided as it stands."""

NOBODY = np.int32(2**31 - 1)


class Neighbours(NamedTuple):
    """Of n rows: `indices` (n, k) int32 of the nearest others, nearest first, -1 where there are not so many;
    `distances` (n, k) float32, infinite there."""

    indices: NDArray[np.int32]
    distances: NDArray[np.float32]


def exact_neighbours(matrix: Matrix, k: int) -> Neighbours:
    """The k nearest rows of each of `matrix` (n, d), by euclidean distance.

    All pairs: n² d operations, half of what a product of the whole with itself takes.
    """
    rows = len(matrix)
    centred = matrix - matrix.mean(axis=0, dtype=np.float64).astype(np.float32)
    halves = np.einsum("ij,ij->i", centred, centred) / np.float32(2)
    ids = np.arange(rows, dtype=np.int32)
    scores, indices = _nobody(rows, min(k + SPARE, max(rows - 1, 1)))
    parts = [slice(start, min(start + BLOCK, rows)) for start in range(0, rows, BLOCK)]

    def meet(a: int, b: int) -> None:
        left, right = parts[a], parts[b]
        table = centred[left] @ centred[right].T
        kernels.keep_best_of_rows(table, halves[right], left.start, ids[right], scores[left], indices[left])
        if a != b:
            kernels.keep_best_of_columns(table, halves[left], left.start, right.start, scores[right], indices[right])

    with Workers() as workers:
        workers.each(meet, [(number, number) for number in range(len(parts))])
        for pairs in _tournament(len(parts)):
            workers.each(meet, pairs)
        indices[indices == NOBODY] = -1
        return _in_full(workers, centred, ids, indices, k)


def approximate_neighbours(matrix: Matrix, projected: Matrix, k: int, *, seed: int, probes: int = PROBES) -> Neighbours:
    """Most of the k nearest rows of each of `matrix` (n, d), in time that grows with n to the power of 1.5.

    In fewer dimensions, `projected` (n, p), the rows are put into about √n cells by k-means, and each cell is compared
    with the `probes` nearest ones (the inverted file of Sivic and Zisserman 2003). What is nearest there is compared in
    full, and then the neighbours of those neighbours are (the local join of Dong, Moses and Li 2011).
    """
    order, starts, centres, ordered = _cells(projected, seed)
    halves = np.einsum("ij,ij->i", ordered, ordered) / np.float32(2)
    rows = len(matrix)
    ids = np.arange(rows, dtype=np.int32)
    scores, candidates = _nobody(rows, min(CANDIDATES * k, max(rows - 1, 1)))
    near = _nearest_cells(centres, probes)
    names = np.r_[order, -1].astype(np.int32)

    def look(cell: int) -> None:
        for first in range(starts[cell], starts[cell + 1], BLOCK):
            own = slice(first, min(first + BLOCK, starts[cell + 1]))
            for other in near[cell]:
                theirs = slice(starts[other], starts[other + 1])
                table = ordered[own] @ ordered[theirs].T
                kernels.keep_best_of_rows(table, halves[theirs], first, ids[theirs], scores[own], candidates[own])
            candidates[own] = names[np.minimum(candidates[own], rows)]

    def explore(start: int) -> None:
        part = slice(start, start + STRETCH)
        kernels.explore(matrix, projected, names[:-1][part], lists, candidates[part], found.indices, found.distances)

    with Workers() as workers:
        workers.each(look, [(cell,) for cell in range(len(centres))])
        found = _in_full(workers, matrix, names[:-1], candidates, k)
        lists = found.indices.copy()
        workers.each(explore, [(start,) for start in range(0, rows, STRETCH)])
    return found


def neighbours_among(rows: Matrix, targets: Matrix, k: int, *, seed: int, probes: int = PROBES) -> Neighbours:
    """Most of the k nearest of `targets` (m, d) for each of `rows` (n, d), by such cells; as far as they are from each
    other in the targets' principal components."""
    projection = principal_components(targets, seed=seed)
    order, starts, centres, projected = _cells(projection.of(targets), seed)
    halves = np.einsum("ij,ij->i", projected, projected) / np.float32(2)
    lengths = np.einsum("ij,ij->i", centres, centres)
    ids = np.arange(len(targets), dtype=np.int32)
    near = _nearest_cells(centres, probes)
    flat = projection.of(rows)
    indices = np.empty((len(rows), k), np.int32)
    distances = np.empty((len(rows), k), np.float32)

    def look(start: int) -> None:
        part = slice(start, start + STRETCH)
        own = flat[part]
        cells = (lengths - 2 * (own @ centres.T)).argmin(axis=1)
        by_cell = np.argsort(cells, kind="stable")
        bounds = np.searchsorted(cells[by_cell], np.arange(len(centres) + 1))
        scores, found = _nobody(len(own), k)
        for cell in np.unique(cells):
            span = slice(bounds[cell], bounds[cell + 1])
            asking = own[by_cell[span]]
            for other in near[cell]:
                theirs = slice(starts[other], starts[other + 1])
                table = asking @ projected[theirs].T
                kernels.keep_best_of_rows(table, halves[theirs], -STRETCH, ids[theirs], scores[span], found[span])
        squares = np.einsum("ij,ij->i", own, own)[by_cell, None] - 2 * scores
        listed = found != NOBODY
        indices[part][by_cell] = np.where(listed, order[np.where(listed, found, 0)], -1)
        distances[part][by_cell] = np.sqrt(np.maximum(squares, 0))

    with Workers() as workers:
        workers.each(look, [(start,) for start in range(0, len(rows), STRETCH)])
    return Neighbours(indices, distances)


def _nobody(rows: int, k: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    return np.full((rows, k), -np.inf, np.float32), np.full((rows, k), NOBODY, np.int32)


def _tournament(players: int) -> list[list[tuple[int, int]]]:
    """Rounds in which everyone meets everyone else once, and nobody two at a time (the circle method)."""
    ring = list(range(players + players % 2))
    rounds = []
    for _ in range(len(ring) - 1):
        half = len(ring) // 2
        pairs = zip(ring[:half], reversed(ring[half:]), strict=True)
        rounds.append([(min(pair), max(pair)) for pair in pairs if max(pair) < players])
        ring = [ring[0], ring[-1], *ring[1:-1]]
    return rounds


def _in_full(
    workers: Workers, matrix: Matrix, rows: NDArray[np.int32], candidates: NDArray[np.int32], k: int
) -> Neighbours:
    """The nearest k of each row's candidates; `rows` are the ids that these, (n, c), are in order of."""
    indices = np.empty((len(rows), k), np.int32)
    distances = np.empty((len(rows), k), np.float32)

    def compare(start: int) -> None:
        part = slice(start, start + BLOCK)
        kernels.sort_by_distance(matrix, rows[part], candidates[part], indices, distances)

    workers.each(compare, [(start,) for start in range(0, len(rows), BLOCK)])
    return Neighbours(indices, distances)


def _cells(projected: Matrix, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Matrix, Matrix]:
    """Rows by cell: their order, where each cell starts in it, the cells' centres, and the rows so ordered."""
    rows = len(projected)
    count = max(1, round(np.sqrt(rows)))
    sample = projected[drawn(rows, SAMPLE + 16 * count, seed)]
    spec = KMeansParams(count, CELL_ROUNDS, n_init=1, init="random")
    centres = centroids_of(sample, plain_kmeans(sample, spec, distinct_up_to(sample, count), seed))
    count = len(centres)
    of = nearest(projected, centres)
    order = np.argsort(of, kind="stable")
    bounds = np.searchsorted(of[order], np.arange(count + 1))
    most = LARGEST_CELL * max(1, rows // count)
    starts: list[int] = []
    kept: list[int] = []
    for cell in range(count):
        parts = -(-int(bounds[cell + 1] - bounds[cell]) // most)
        starts += [int(start) for start in np.linspace(bounds[cell], bounds[cell + 1], parts + 1)[:-1]]
        kept += [cell] * parts
    return order, np.array([*starts, rows]), centres[kept], projected[order]


def _nearest_cells(centres: Matrix, probes: int) -> NDArray[np.int64]:
    """Of each cell the nearest ones, itself first."""
    lengths = np.einsum("ij,ij->i", centres, centres)
    table = lengths - 2 * (centres @ centres.T)
    table[np.arange(len(centres)), np.arange(len(centres))] = -np.inf
    near = np.argpartition(table, probes - 1, axis=1)[:, :probes] if probes < len(centres) else np.argsort(table)
    own = np.take_along_axis(table, near, axis=1)
    return np.take_along_axis(near, np.argsort(own, axis=1, kind="stable"), axis=1)
