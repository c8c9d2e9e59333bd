"""How good a clustering is, by the usual internal measures. Noise is left out of all but its own share."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.special import logsumexp
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, pairwise_distances, silhouette_score

from coterie.engine.arrays import NOISE, Labels, Matrix, drawn
from coterie.engine.specs import DEFAULT_SEED

SILHOUETTE_ROWS = 10_000
"""Above so many rows the silhouette, which compares all pairs, is that of a seeded sample."""

DENSITY_ROWS = 2_000
"""Above so many rows the validity of densities, which compares all pairs several times, is that of a seeded sample."""


def quality(
    matrix: Matrix, labels: Labels, *, cosine: bool, density: bool = False, seed: int = DEFAULT_SEED
) -> dict[str, float]:
    """Measures of `labels` (n) on `matrix` (n, d): `noise_ratio`, and where two groups or more have any meaning for
    them `silhouette_score` (Rousseeuw 1987; cosine distance if `cosine`), `davies_bouldin_score` (1979) and
    `calinski_harabasz_score` (1974), with `silhouette_sample_size`, the rows that it was computed on; for density
    methods `dbcv_score` (Moulavi and others 2014) and its `dbcv_sample_size`."""
    grouped = labels != NOISE
    measures = {"noise_ratio": float(1 - grouped.mean())}
    of = labels[grouped]
    groups = len(np.unique(of))
    if not 2 <= groups < len(of):
        return measures
    rows = matrix[grouped]
    measures["davies_bouldin_score"] = float(davies_bouldin_score(rows, of))
    measures["calinski_harabasz_score"] = float(calinski_harabasz_score(rows, of))
    chosen = drawn(len(of), SILHOUETTE_ROWS, seed)
    if 2 <= len(np.unique(of[chosen])) < len(chosen):
        metric = "cosine" if cosine else "euclidean"
        measures["silhouette_score"] = float(silhouette_score(rows[chosen], of[chosen], metric=metric))
        measures["silhouette_sample_size"] = float(len(chosen))
    if density:
        chosen = drawn(len(labels), DENSITY_ROWS, seed)
        score = dbcv(matrix[chosen], labels[chosen])
        if score is not None:
            measures["dbcv_score"] = score
            measures["dbcv_sample_size"] = float(len(chosen))
    return {name: value for name, value in measures.items() if np.isfinite(value)}


def dbcv(matrix: Matrix, labels: Labels) -> float | None:
    """Density-based cluster validation, -1..1: how much denser groups are inside than what lies between them, weighted
    by their share of all rows, noise included. None with fewer than two groups of two distinct rows or more.

    A group's inner edges are those of its spanning tree of mutual reachability between rows of two edges or more (all,
    where there are none such).
    """
    rows = [matrix[labels == group].astype(np.float64) for group in range(int(labels.max(initial=NOISE)) + 1)]
    groups = {number: own for number, members in enumerate(rows) if (own := _inner(members)) is not None}
    if len(groups) < 2:
        return None
    inner = np.vstack([rows[group][each.rows] for group, each in groups.items()])
    core = np.concatenate([each.core for each in groups.values()])
    owner = np.repeat(list(groups), [len(each.rows) for each in groups.values()])
    score = 0.0
    for group, own in groups.items():
        reach = pairwise_distances(inner[owner == group], inner[owner != group])
        between = float(np.maximum(reach, np.maximum(own.core[:, None], core[owner != group])).min())
        worth = (between - own.sparseness) / (max(between, own.sparseness) or 1.0)
        score += worth * len(rows[group]) / len(labels)
    return score


class _Inner(NamedTuple):
    rows: NDArray[np.int64]
    core: NDArray[np.float64]
    sparseness: float


def _inner(rows: NDArray[np.float64]) -> _Inner | None:
    """The inner rows of a group with their core distances over all others (in logarithms: a power of d overflows)."""
    if len(rows) < 2:
        return None
    table = pairwise_distances(rows)
    np.fill_diagonal(table, np.inf)
    if not (table > 0).all():
        table[table == 0] = np.finfo(np.float64).tiny
    dimensions = rows.shape[1]
    core = np.exp(-(logsumexp(-dimensions * np.log(table), axis=1) - np.log(len(rows) - 1)) / dimensions)
    reach = np.maximum(table, np.maximum(core[:, None], core))
    np.fill_diagonal(reach, 0)
    tree = minimum_spanning_tree(reach).tocoo()
    degree = np.bincount(np.r_[tree.row, tree.col], minlength=len(rows))
    inner = np.flatnonzero(degree > 1)
    edges = (degree[tree.row] > 1) & (degree[tree.col] > 1)
    if len(inner) == 0:
        inner = np.arange(len(rows))
    sparseness = float(tree.data[edges].max() if edges.any() else tree.data.max(initial=0.0))
    return _Inner(inner, core[inner], sparseness)
