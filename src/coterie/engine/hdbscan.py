"""HDBSCAN*: groups by density, over a spanning tree of mutual reachability.

Up to EXACT_ROWS rows, or where it is asked for, the tree is that of all pairs. Beyond, it is that of approximate
neighbours with real edges between components. Euclidean and cosine run here; the other metrics by scikit-learn.

Rows that are all alike are one group: there is no density to tell them apart by. Fewer rows than `min_cluster_size`
are all noise, as the definition has it.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree
from sklearn.metrics import pairwise_distances

from coterie.engine.arrays import NOISE, Labels, Matrix, all_alike, unit_rows
from coterie.engine.densities import CondensedTree, choose, condense, labels_of, persistence
from coterie.engine.neighbours import (
    Neighbours,
    approximate_neighbours,
    exact_neighbours,
)
from coterie.engine.projection import principal_components
from coterie.engine.spanning import SpanningTree, as_walked, spanning_tree
from coterie.engine.specs import DEFAULT_SEED, HDBSCANParams

EXACT_ROWS = 20_000
"""More rows than this get approximate neighbours."""

BY_PRODUCTS = ("euclidean", "l2", "cosine")
"""The metrics that matrix products give."""

NEIGHBOURS = 15
"""At least so many are listed for each row, for the spanning tree to choose from."""


@dataclass(frozen=True)
class Densities:
    """Of n rows: `labels` (n) int32 with -1 for noise, `probabilities` (n) float32, how strongly each belongs; the
    condensed tree with the clusters that were `chosen`, and how long each of them lasts (`persistence`, 0..1); `None`
    where there is no tree."""

    labels: Labels
    probabilities: NDArray[np.float32]
    tree: CondensedTree | None = None
    chosen: NDArray[np.bool_] | None = None
    persistence: NDArray[np.float64] | None = None


def hdbscan(matrix: Matrix, spec: HDBSCANParams, *, seed: int = DEFAULT_SEED) -> Densities:
    """Groups of `matrix` (n, d) by density."""
    smallest, neighbours = sizes(spec)
    rows = len(matrix)
    if rows < smallest or rows < 2:
        return Densities(np.full(rows, NOISE, np.int32), np.zeros(rows, np.float32))
    if all_alike(matrix):
        return Densities(np.zeros(rows, np.int32), np.ones(rows, np.float32))
    exact = rows <= EXACT_ROWS or spec.match_reference_implementation or spec.metric not in BY_PRODUCTS
    cosine = spec.metric == "cosine"
    matrix = unit_rows(matrix) if cosine else matrix
    tree = condense(_tree(matrix, spec, neighbours, exact, seed), smallest)
    chosen = choose(
        tree,
        method=spec.cluster_selection_method,
        epsilon=chord(spec.cluster_selection_epsilon) if cosine else spec.cluster_selection_epsilon,
        largest=spec.max_cluster_size,
        allow_single=spec.allow_single_cluster,
    )
    labels, probabilities = labels_of(tree, chosen, strict=spec.match_reference_implementation)
    return Densities(labels, probabilities, tree, chosen, persistence(tree, chosen))


def prepare() -> None:
    """Have every kernel compiled, or read from the disk where it was before: half a minute once, then a second."""
    rows = np.random.default_rng(0).normal(size=(256, 8)).astype(np.float32)
    spec = HDBSCANParams()
    hdbscan(rows, spec)
    condense(_tree(rows, spec, spec.min_cluster_size, exact=False, seed=0), spec.min_cluster_size)


def sizes(spec: HDBSCANParams) -> tuple[int, int]:
    """The smallest group, and which neighbour's distance is a row's core distance, itself not counted.

    `match_reference_implementation` counts as the first implementation by Campello and others does: a row is its own
    first neighbour, and a group has one more row than `min_cluster_size` says. So does the package `hdbscan`.
    """
    neighbours = spec.min_samples or spec.min_cluster_size
    if spec.match_reference_implementation:
        return spec.min_cluster_size + 1, max(1, neighbours - 1)
    return spec.min_cluster_size, neighbours


def chord(distance: float) -> float:
    """The euclidean distance of unit vectors whose cosine distance is given."""
    return math.sqrt(2 * min(distance, 2.0))


def _tree(matrix: Matrix, spec: HDBSCANParams, neighbours: int, exact: bool, seed: int) -> SpanningTree:
    if spec.metric not in BY_PRODUCTS:
        return _tree_by_table(matrix, spec, neighbours)
    wanted = min(max(neighbours, NEIGHBOURS), len(matrix) - 1)
    if exact:
        lists = exact_neighbours(matrix, wanted)
        core = core_distances(lists, neighbours)
        return as_walked(spanning_tree(matrix, lists, core, alpha=spec.alpha), lists, core, spec.alpha)
    projected = principal_components(matrix, seed=seed).of(matrix)
    lists = approximate_neighbours(matrix, projected, wanted, seed=seed)
    core = core_distances(lists, neighbours)
    return spanning_tree(matrix, lists, core, alpha=spec.alpha, projected=projected, seed=seed)


def core_distances(lists: Neighbours, neighbours: int) -> NDArray[np.float32]:
    """How far a row's so-manieth neighbour is, or its last one where there are fewer."""
    at = lists.distances[:, min(neighbours, lists.distances.shape[1]) - 1]
    if np.isfinite(at).all():
        return at.copy()
    finite = np.where(np.isfinite(lists.distances), lists.distances, -np.inf)
    return np.where(np.isfinite(at), at, finite.max(axis=1)).astype(np.float32)


def _tree_by_table(matrix: Matrix, spec: HDBSCANParams, neighbours: int) -> SpanningTree:
    """The tree over a table of all distances, for metrics that no product gives; n² of memory."""
    table = pairwise_distances(matrix.astype(np.float64), metric=spec.metric)
    core = np.partition(table, min(neighbours, len(table) - 1), axis=1)[:, min(neighbours, len(table) - 1)]
    reach = np.maximum(table / spec.alpha, np.maximum(core[:, None], core))
    np.fill_diagonal(reach, 0)
    found = minimum_spanning_tree(reach + np.where(reach > 0, 0, np.finfo(np.float64).tiny), overwrite=True).tocoo()
    order = np.lexsort((found.col, found.row, found.data))
    return SpanningTree(found.row[order].astype(np.int64), found.col[order].astype(np.int64), found.data[order])
