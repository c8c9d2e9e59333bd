"""The nearest of a few targets, for very many rows."""

import numpy as np
from numpy.typing import NDArray

from coterie.engine.arrays import Matrix
from coterie.engine.threads import Workers

BLOCK = 1024
"""Rows that are compared at a time."""

TABLE = 2**24
"""Entries that a table of rows and targets has at most."""


def nearest(rows: Matrix, targets: Matrix) -> NDArray[np.int32]:
    """For each of `rows` (n, d) the index (n) of its nearest of `targets` (m, d); of equally near ones the first."""
    index = np.empty(len(rows), np.int32)
    lengths = np.einsum("ij,ij->i", targets, targets) / np.float32(2)
    block = max(1, min(BLOCK, TABLE // len(targets)))

    def look(start: int) -> None:
        part = slice(start, start + block)
        index[part] = np.subtract(lengths, rows[part] @ targets.T).argmin(axis=1)

    with Workers() as workers:
        workers.each(look, [(start,) for start in range(0, len(rows), block)])
    return index


def distances_to(rows: Matrix, targets: Matrix, index: NDArray[np.int32]) -> NDArray[np.float32]:
    """How far each of `rows` (n, d) is from the one of `targets` (m, d) that `index` (n) names; (n)."""
    distances = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), BLOCK):
        part = slice(start, start + BLOCK)
        distances[part] = np.linalg.norm(rows[part] - targets[index[part]], axis=1)
    return distances
