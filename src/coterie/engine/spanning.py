"""The minimum spanning tree of mutual reachability, by Borůvka's rounds over lists of neighbours.

In each round every component takes its lightest edge to another. The lists have most of these; a row whose list is
used up has no edge lighter than its last entry, and is compared with everything outside only if its component has found
none that is. The result is exact where the lists are. Where they are not, a few rows stand for each component: edges
between components are real ones all the same, never infinite, or two far parts would hang together by chance.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coterie.engine.arrays import Matrix
from coterie.engine.kernels import search, trees
from coterie.engine.neighbours import Neighbours
from coterie.engine.threads import Workers

BLOCK = 512
COLUMNS = 4096
BATCH = 16_384
"""Rows compared with everything before the lightest edges are looked at again."""

REPRESENTATIVES = 8


class SpanningTree(NamedTuple):
    """n - 1 edges, lightest first: the rows they join, and their weights (mutual reachability)."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    weights: NDArray[np.float64]


def spanning_tree(
    matrix: Matrix,
    lists: Neighbours,
    core: NDArray[np.float32],
    *,
    alpha: float = 1.0,
    projected: Matrix | None = None,
    seed: int = 0,
) -> SpanningTree:
    """The tree of `matrix` (n, d) with core distances `core` (n).

    Mutual reachability is the largest of two core distances and the distance over alpha. With `projected`, the rows in
    fewer dimensions, a few rows of each component are compared with the others there, instead of all in full.
    """
    forest = _Forest(matrix, lists, core, alpha)
    while forest.components > 1:
        forest.begin_round()
        if projected is None:
            forest.complete()
        else:
            forest.bridge(projected, np.random.default_rng(seed))
        forest.unite()
    return forest.tree()


def as_walked(tree: SpanningTree, lists: Neighbours, core: NDArray[np.float32], alpha: float) -> SpanningTree:
    """The tree as Prim's walk from row 0 meets its edges, where many are equally light.

    Mutual reachability has ties by nature: all edges to a row's nearest ones weigh its core distance. Which one is
    taken decides where single rows go, and Prim's walk is what the package `hdbscan` decides by. The walk needs the
    lists beside the tree, for they have the ties.
    """
    rows = len(core)
    weights = _reachability(lists, core, alpha)
    near, at = np.nonzero(lists.indices >= 0)
    one = np.r_[near, tree.left]
    other = np.r_[lists.indices[near, at], tree.right]
    weight = np.r_[weights[near, at], tree.weights.astype(np.float32)]
    begin, end = np.r_[one, other], np.r_[other, one]
    by_row = np.argsort(begin, kind="stable")
    starts = np.searchsorted(begin[by_row], np.arange(rows + 1))
    order, sources, steps = np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.float32)
    trees.walk(starts, end[by_row], np.r_[weight, weight][by_row], order, sources, steps)
    lightest = np.argsort(steps[1:].astype(np.float64))
    return SpanningTree(sources[1:][lightest], order[1:][lightest], steps[1:][lightest].astype(np.float64))


class _Forest:
    """Trees on their way to become one."""

    def __init__(self, matrix: Matrix, lists: Neighbours, core: NDArray[np.float32], alpha: float) -> None:
        rows = len(matrix)
        self.matrix, self.core, self.alpha = matrix, core, alpha
        self.indices, self.weights = _by_reachability(lists, core, alpha)
        self.starts = np.zeros(rows, np.int64)
        self.bound = np.maximum(core, lists.distances[:, -1] / np.float32(alpha))
        self.found = np.full((rows, 2), -1, np.int32)
        self.reach = np.full((rows, 2), np.inf, np.float32)
        self.parents = np.arange(rows, dtype=np.int64)
        self.component = np.arange(rows, dtype=np.int64)
        self.components = rows
        self.left, self.right = np.empty(rows - 1, np.int64), np.empty(rows - 1, np.int64)
        self.weight = np.empty(rows - 1, np.float32)
        self.edges = 0

    def begin_round(self) -> None:
        """Every component's lightest edge, as far as the lists and earlier comparisons know it."""
        rows = len(self.component)
        self.best_weight = np.full(rows, np.inf, np.float32)
        self.best_from = np.full(rows, -1, np.int64)
        self.best_to = np.full(rows, -1, np.int64)
        trees.best_of_lists(self.indices, self.weights, self.starts, self.component, *self._best)
        compared = np.flatnonzero(self.found[:, 0] >= 0)
        self._improve(compared)

    def complete(self) -> None:
        """Compare with everything outside the rows that may have a lighter edge. The largest component waits instead:
        the others come to it."""
        open_rows, largest = self._open(), self._largest()
        if (self.component[open_rows] == largest).any():
            self._wait(largest)
            open_rows = open_rows[self.component[open_rows] != largest]
        open_rows = open_rows[np.argsort(self.bound[open_rows], kind="stable")]
        for start in range(0, len(open_rows), BATCH):
            batch = open_rows[start : start + BATCH]
            batch = batch[self.bound[batch] < self.best_weight[self.component[batch]]]
            self._compare(batch, self.matrix)

    def bridge(self, projected: Matrix, dice: np.random.Generator) -> None:
        """Compare with everything outside a few rows of each component whose lists are used up, the largest one's not:
        the densest ones, and some at random."""
        used_up = np.bincount(self.component, self.starts < self.indices.shape[1], len(self.component)) == 0
        largest = self._largest()
        if used_up[largest]:
            self._wait(largest)
        rows = np.flatnonzero(used_up[self.component] & (self.component != largest) & ~self._is_known())
        if len(rows) == 0:
            return
        for keys in (self.core[rows], dice.random(len(rows))):
            order = rows[np.lexsort((keys, self.component[rows]))]
            of = self.component[order]
            place = np.arange(len(of)) - np.searchsorted(of, of)
            self._compare(np.sort(order[place < REPRESENTATIVES // 2]), projected)

    def unite(self) -> None:
        """Join every component along its lightest edge."""
        self.edges = trees.unite(
            self.parents, self.component, *self._best, self.left, self.right, self.weight, self.edges
        )
        trees.roots(self.parents, self.component)
        self.components = len(self.component) - self.edges

    def tree(self) -> SpanningTree:
        low, high = np.minimum(self.left, self.right), np.maximum(self.left, self.right)
        order = np.lexsort((high, low, self.weight))
        return SpanningTree(low[order], high[order], self.weight[order].astype(np.float64))

    @property
    def _best(self) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
        return self.best_weight, self.best_from, self.best_to

    def _largest(self) -> int:
        return int(np.bincount(self.component).argmax())

    def _is_known(self) -> NDArray[np.bool_]:
        """Whether a row's own lightest edge is known from a comparison: what was found then is still outside."""
        outside = (self.found >= 0) & (self.component[self.found] != self.component[:, None])
        known: NDArray[np.bool_] = outside.any(axis=1)
        return known

    def _open(self) -> NDArray[np.int64]:
        lighter = self.bound < self.best_weight[self.component]
        return np.flatnonzero(lighter & ~self._is_known())

    def _wait(self, component: int) -> None:
        """Take back a component's edge: it is the lightest known, which need not be the lightest."""
        self.best_weight[component], self.best_from[component], self.best_to[component] = np.inf, -1, -1

    def _compare(self, rows: NDArray[np.int64], matrix: Matrix) -> None:
        """Find the two nearest other components of each row among all rows of `matrix`."""
        if len(rows) == 0:
            return
        squares = np.einsum("ij,ij->i", matrix, matrix)
        ids = np.arange(len(matrix), dtype=np.int32)
        scale = np.float32(1 / self.alpha**2)
        core = self.core**2
        found = np.full((len(rows), 2), -1, np.int32)
        found_in = np.full((len(rows), 2), -1, np.int64)
        reach = np.full((len(rows), 2), np.inf, np.float32)

        def look(start: int) -> None:
            part = slice(start, start + BLOCK)
            own = rows[part]
            ours = matrix[own]
            for first in range(0, len(matrix), COLUMNS):
                others = slice(first, first + COLUMNS)
                search.keep_nearest_outside(
                    ours @ matrix[others].T,
                    squares[others],
                    squares[own],
                    own,
                    ids[others],
                    self.component,
                    core,
                    scale,
                    found[part],
                    found_in[part],
                    reach[part],
                )

        with Workers() as workers:
            workers.each(look, [(start,) for start in range(0, len(rows), BLOCK)])
        self.found[rows] = found
        for which in (0, 1):
            self.reach[rows, which] = self._weights(rows, found[:, which])
        self.bound[rows] = np.maximum(self.bound[rows], self.reach[rows, 1])
        self._improve(rows)

    def _weights(self, rows: NDArray[np.int64], to: NDArray[np.int32]) -> NDArray[np.float32]:
        distances = np.empty(len(rows), np.float32)
        search.distances_of_pairs(self.matrix, rows, np.maximum(to, 0), distances)
        weights = np.maximum(np.maximum(self.core[rows], self.core[np.maximum(to, 0)]), distances / self.alpha)
        return np.where(to < 0, np.inf, weights).astype(np.float32)

    def _improve(self, rows: NDArray[np.int64]) -> None:
        for which in (0, 1):
            trees.improve(rows, self.found[rows, which], self.reach[rows, which], self.component, *self._best)


def _reachability(lists: Neighbours, core: NDArray[np.float32], alpha: float) -> NDArray[np.float32]:
    others = core[np.maximum(lists.indices, 0)]
    weights: NDArray[np.float32] = np.maximum(np.maximum(lists.distances / np.float32(alpha), others), core[:, None])
    weights[lists.indices < 0] = np.inf
    return weights


def _by_reachability(
    lists: Neighbours, core: NDArray[np.float32], alpha: float
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The lists ordered by mutual reachability, and that."""
    weights = _reachability(lists, core, alpha)
    order = np.argsort(weights, axis=1, kind="stable")
    return np.take_along_axis(lists.indices, order, 1), np.take_along_axis(weights, order, 1)
