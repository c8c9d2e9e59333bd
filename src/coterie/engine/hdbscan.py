"""HDBSCAN*, by scikit-learn.

Rows that are all alike are one group: there is no density to tell them apart by. Fewer rows than
`min_cluster_size` are all noise, as the definition has it.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import HDBSCAN

from coterie.engine.arrays import NOISE, Labels, Matrix, unit_rows
from coterie.engine.specs import HDBSCANParams


class Density(NamedTuple):
    """Labels (n) int32 with -1 for noise, and the strength of each membership (n) in 0..1."""

    labels: Labels
    probabilities: NDArray[np.float32]


def hdbscan(matrix: Matrix, spec: HDBSCANParams) -> Density:
    """Groups of `matrix` (n, d) by density."""
    rows = len(matrix)
    if rows < spec.min_cluster_size or rows < 2:
        return Density(np.full(rows, NOISE, np.int32), np.zeros(rows, np.float32))
    if (matrix == matrix[0]).all():
        return Density(np.zeros(rows, np.int32), np.ones(rows, np.float32))
    cosine = spec.metric == "cosine"
    # scikit-learn counts a point among its own neighbours, the reference implementation does not.
    neighbours = (spec.min_samples or spec.min_cluster_size) + int(spec.match_reference_implementation)
    model = HDBSCAN(
        min_cluster_size=spec.min_cluster_size,
        min_samples=min(neighbours, rows),
        cluster_selection_epsilon=_chord(spec.cluster_selection_epsilon) if cosine else spec.cluster_selection_epsilon,
        max_cluster_size=spec.max_cluster_size,
        metric="euclidean" if cosine else spec.metric,
        alpha=spec.alpha,
        cluster_selection_method=spec.cluster_selection_method,
        allow_single_cluster=spec.allow_single_cluster,
        copy=True,
    )
    model.fit(unit_rows(matrix) if cosine else matrix)
    probabilities = np.nan_to_num(model.probabilities_, nan=1.0).astype(np.float32)
    return Density(model.labels_.astype(np.int32), probabilities)


def _chord(distance: float) -> float:
    """The euclidean distance of unit vectors whose cosine distance is given."""
    return math.sqrt(2 * min(distance, 2.0))
