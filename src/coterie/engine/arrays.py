"""Input that is fit to compute with."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coterie.engine.errors import EngineError

Matrix = NDArray[np.float32]
Labels = NDArray[np.int32]

NOISE = -1
"""The label of a row that belongs to no group."""

ORIGINS = ("fitted", "assigned", "reassigned", "proposed")
"""How a row came by its group: in the fit, by its likeness to those that were, as noise above the budget, or with
others that fitted into no group."""

_CHECK_ROWS = 65_536


def as_matrix(vectors: ArrayLike) -> Matrix:
    """`vectors` (n, d) of any float type as C-contiguous float32, copied only if it must be.

    Raises EngineError for no rows, for what is no table of numbers, and for NaN or infinity.
    """
    matrix = np.ascontiguousarray(vectors, dtype=np.float32)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise EngineError("not_a_matrix", "vectors are a table of n rows and at least one column")
    if len(matrix) == 0:
        raise EngineError("no_vectors", "there is nothing to cluster: no document has a vector of this name")
    for start in range(0, len(matrix), _CHECK_ROWS):  # in blocks: a mask of the whole would be a quarter of it
        if not np.isfinite(matrix[start : start + _CHECK_ROWS]).all():
            raise EngineError("not_finite", "vectors hold NaN or infinity (or overflow 32-bit floats)")
    return matrix


def unit_rows(matrix: Matrix) -> Matrix:
    """The rows scaled to length one; a row of zeros stays as it is."""
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    scaled: Matrix = np.divide(matrix, lengths, out=np.zeros_like(matrix), where=lengths > 0)
    return scaled


def drawn(rows: int, most: int, seed: int) -> NDArray[np.int64]:
    """The numbers of at most so many of the rows, drawn by a seed, rising."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def all_alike(matrix: Matrix) -> bool:
    """Whether there is but one distinct row."""
    blocks = range(0, len(matrix), _CHECK_ROWS)
    return all((matrix[start : start + _CHECK_ROWS] == matrix[0]).all() for start in blocks)


def check_enough(matrix: Matrix, name: str, wanted: int) -> None:
    """Raises EngineError where a parameter asks for more rows than there are."""
    if wanted > len(matrix):
        raise EngineError(
            "too_few_vectors",
            f"{name} needs {wanted} vectors and there are {len(matrix)}: lower {name} or add documents",
        )
