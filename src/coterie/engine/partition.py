"""Rows and centres: who is nearest to which, and Lloyd's rounds (1982)."""

import numpy as np
from numpy.typing import NDArray

from coterie.engine.arrays import Matrix
from coterie.engine.threads import Workers

BLOCK = 2048


def nearest_centre(rows: Matrix, centres: Matrix) -> NDArray[np.int32]:
    """The index of each row's nearest centre, (n) int32; of equally near ones the first."""
    found = np.empty(len(rows), np.int32)
    halves = np.einsum("ij,ij->i", centres, centres) / np.float32(2)

    def look(start: int) -> None:
        table = rows[start : start + BLOCK] @ centres.T
        table -= halves
        found[start : start + BLOCK] = table.argmax(axis=1)

    with Workers() as workers:
        workers.each(look, [(start,) for start in range(0, len(rows), BLOCK)])
    return found


def means(rows: Matrix, of: NDArray[np.int32], centres: Matrix) -> Matrix:
    """The mean of each centre's rows, in double precision; a centre without rows stays where it is."""
    order = np.argsort(of, kind="stable")
    present, first, counts = np.unique(of[order], return_index=True, return_counts=True)
    sums = np.add.reduceat(rows[order], first, axis=0, dtype=np.float64)
    moved = centres.copy()
    moved[present] = sums / counts[:, None]
    return moved


def lloyd(rows: Matrix, centres: Matrix, rounds: int) -> Matrix:
    """The centres after some rounds."""
    for _ in range(rounds):
        centres = means(rows, nearest_centre(rows, centres), centres)
    return centres
