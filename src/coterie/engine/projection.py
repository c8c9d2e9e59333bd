"""Linear maps of rows: principal components."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from threadpoolctl import threadpool_limits

from coterie.engine.arrays import Matrix, drawn
from coterie.engine.threads import Workers

SAMPLE = 16_384
"""Rows of which the principal components are learnt."""

DIMENSIONS = 64
"""Components in which much is found that is then compared in full."""

STRETCH = 8192
"""Rows that are projected at a time."""


class Projection(NamedTuple):
    """A linear map of rows: `basis` (d, p), and the `centre` (d) that it takes to the origin."""

    basis: Matrix
    centre: Matrix

    def of(self, rows: Matrix) -> Matrix:
        """The rows (n, d) projected, (n, p); by blocks, so that the number of threads changes no sum."""
        projected = np.empty((len(rows), self.basis.shape[1]), np.float32)
        shift = self.centre @ self.basis

        def project(start: int) -> None:
            part = slice(start, start + STRETCH)
            np.subtract(rows[part] @ self.basis, shift, out=projected[part])

        with Workers() as workers:
            workers.each(project, [(start,) for start in range(0, len(rows), STRETCH)])
        return projected


def principal_components(matrix: Matrix, *, seed: int, dimensions: int = DIMENSIONS) -> Projection:
    """To the first principal components of `matrix` (n, d), at most `dimensions`, as a seeded sample has them."""
    centre, _, vectors = spectrum(matrix, seed=seed, most=dimensions)
    return Projection(np.ascontiguousarray(vectors), centre)


def spectrum(matrix: Matrix, *, seed: int, most: int | None = None) -> tuple[Matrix, NDArray[np.float32], Matrix]:
    """The mean (d) of a seeded sample of rows, and the variances (p) along its principal axes (d, p), widest first; all
    d of them, or at most so many."""
    dimensions = matrix.shape[1]
    first = max(0, dimensions - (most or dimensions))
    sample = matrix[drawn(len(matrix), SAMPLE, seed)]
    mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    sample -= mean
    with threadpool_limits(1, "blas"):
        covariance = sample.T @ sample  # the same array on both sides: half of the products
        values, vectors = eigh(covariance, subset_by_index=(first, dimensions - 1), check_finite=False)
    return mean, np.maximum(values[::-1], 0) / len(sample), vectors[:, ::-1]
