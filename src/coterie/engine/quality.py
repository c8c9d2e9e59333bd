"""How good a clustering is, by the usual internal measures. Noise is left out of all but its own share."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.special import logsumexp
from sklearn.metrics import pairwise_distances, silhouette_score

from coterie.engine.arrays import NOISE, Labels, Matrix, drawn
from coterie.engine.describe import Description, describe
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
    rows = looked_at(labels, density=density, seed=seed)
    found = describe(matrix, labels)
    return measure(found, labels, rows, matrix[rows], cosine=cosine, density=density, seed=seed)


def looked_at(labels: Labels, *, density: bool, seed: int) -> NDArray[np.int64]:
    """The rows whose vectors the measures take, rising; of all others the description of the groups is enough."""
    chosen = _for_silhouette(labels, seed)
    return np.union1d(chosen, _for_densities(labels, seed)) if density else chosen


def measure(
    found: Description,
    labels: Labels,
    rows: NDArray[np.int64],
    vectors: Matrix,
    *,
    cosine: bool,
    density: bool,
    seed: int,
) -> dict[str, float]:
    """The same where the groups are described already; of the `rows` looked at (m), the `vectors` (m, d)."""
    grouped = labels != NOISE
    measured = {"noise_ratio": float(1 - grouped.mean())}
    if not 2 <= int((found.sizes > 0).sum()) < int(grouped.sum()):
        return measured
    measured["davies_bouldin_score"] = _davies_bouldin(found, labels)
    measured["calinski_harabasz_score"] = _calinski_harabasz(found)
    chosen = _for_silhouette(labels, seed)
    if 2 <= len(np.unique(labels[chosen])) < len(chosen):
        metric = "cosine" if cosine else "euclidean"
        own = vectors[np.searchsorted(rows, chosen)]
        measured["silhouette_score"] = float(silhouette_score(own, labels[chosen], metric=metric))
        measured["silhouette_sample_size"] = float(len(chosen))
    if density:
        chosen = _for_densities(labels, seed)
        score = dbcv(vectors[np.searchsorted(rows, chosen)], labels[chosen])
        if score is not None:
            measured["dbcv_score"] = score
            measured["dbcv_sample_size"] = float(len(chosen))
    return {name: value for name, value in measured.items() if np.isfinite(value)}


def _for_silhouette(labels: Labels, seed: int) -> NDArray[np.int64]:
    grouped = np.flatnonzero(labels != NOISE)
    return grouped[drawn(len(grouped), SILHOUETTE_ROWS, seed)]


def _for_densities(labels: Labels, seed: int) -> NDArray[np.int64]:
    return drawn(len(labels), DENSITY_ROWS, seed)


def _davies_bouldin(found: Description, labels: Labels) -> float:
    """The mean over groups of the worst ratio of two groups' mean distances from their centroids to that between
    these."""
    grouped = labels != NOISE
    sums = np.bincount(labels[grouped], found.distances[grouped].astype(np.float64), minlength=len(found.sizes))
    present = found.sizes > 0
    inside = sums[present] / found.sizes[present]
    between = pairwise_distances(found.centroids[present].astype(np.float64))
    if np.allclose(inside, 0) or np.allclose(between, 0):
        return 0.0
    between[between == 0] = np.inf
    return float(((inside[:, None] + inside) / between).max(axis=1).mean())


def _calinski_harabasz(found: Description) -> float:
    """The ratio of the spread between groups to that inside them."""
    sizes, rows, groups = found.sizes, int(found.sizes.sum()), int((found.sizes > 0).sum())
    centroids = found.centroids.astype(np.float64)
    away = ((centroids - sizes @ centroids / rows) ** 2).sum(axis=1)
    inside = float(sizes @ found.variances)
    return float(sizes @ away) * (rows - groups) / (inside * (groups - 1)) if inside > 0 else 1.0


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
