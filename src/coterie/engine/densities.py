"""From a spanning tree to groups: merges, the condensed tree, and which of its clusters are taken.

Campello, Moulavi and Sander 2013; epsilon as in Malzer and Baum 2020; conventions as in McInnes and Healy 2017.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coterie.engine.arrays import NOISE, Labels
from coterie.engine.kernels import trees as kernels
from coterie.engine.spanning import SpanningTree

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class CondensedTree:
    """Clusters of rising density. Of each of c clusters (0 is the root, children come after parents): `parent` (-1 for
    the root), `birth` the density where it split off, `members`, `stability` its excess of mass, `peak` the highest
    density at which anything leaves it. Of each of n rows: `of_row` the cluster it falls out of, `at_density` where."""

    of_row: Integers
    at_density: Floats
    parent: Integers
    birth: Floats
    members: Integers
    stability: Floats
    peak: Floats

    @property
    def leaves(self) -> NDArray[np.bool_]:
        """Which clusters have none below them."""
        leaf = np.ones(len(self.parent), bool)
        leaf[self.parent[1:]] = False
        return leaf


def condense(tree: SpanningTree, min_cluster_size: int) -> CondensedTree:
    """The condensed tree. Density is the reciprocal of distance; at distance 0 it is twice the highest finite one."""
    left, right = tree.left.copy(), tree.right.copy()
    size = np.empty(2 * len(left) + 1, np.int64)
    kernels.link(left, right, size)
    positive = tree.weights[tree.weights > 0]
    floor = positive.min() / 2 if len(positive) else 1.0
    lambdas = 1 / np.maximum(tree.weights, floor)
    of_row, at_density, parent, birth, members = kernels.condense(left, right, size, lambdas, min_cluster_size)
    stability, peak = np.zeros(len(parent)), np.zeros(len(parent))
    kernels.stabilities(of_row, at_density, parent, birth, members, stability, peak)
    return CondensedTree(of_row, at_density, parent, birth, members, stability, peak)


def choose(
    tree: CondensedTree, *, method: str, epsilon: float, largest: int | None, allow_single: bool
) -> NDArray[np.bool_]:
    """Which clusters are groups: by excess of mass ("eom") or all leaves ("leaf"); those born nearer than `epsilon`
    give way to the first cluster above them that was not."""
    chosen = np.zeros(len(tree.parent), bool)
    if method == "leaf":
        chosen[:] = tree.leaves
        chosen[0] = len(chosen) == 1 and allow_single
    else:
        most = largest or len(tree.of_row)
        kernels.select_by_excess_of_mass(tree.parent, tree.members, tree.stability, most, allow_single, chosen)
    if epsilon > 0:
        chosen = _at_least(tree, chosen, epsilon, allow_single)
    return chosen


def labels_of(
    tree: CondensedTree, chosen: NDArray[np.bool_], *, strict: bool = False
) -> tuple[Labels, NDArray[np.float32]]:
    """Labels by group in the order of the clusters, noise -1; and how strongly each row belongs: its density as a
    share of its group's highest. With `strict`, what leaves a group at its very birth is noise."""
    label = (np.cumsum(chosen) - 1).astype(np.int32)
    labels = np.empty(len(tree.of_row), np.int32)
    kernels.labels_of(tree.of_row, tree.parent, chosen, label, labels)
    if chosen[0]:  # the root itself: what leaves it below its highest density is noise
        labels[(tree.of_row == 0) & (tree.at_density < tree.peak[0])] = NOISE
    at = np.flatnonzero(chosen)
    if strict:
        labels[(labels != NOISE) & (tree.at_density <= tree.birth[at][labels])] = NOISE
    peaks = tree.peak[at]
    strength = np.zeros(len(labels), np.float32)
    grouped = labels != NOISE
    top = peaks[labels[grouped]]
    strength[grouped] = np.minimum(tree.at_density[grouped], top) / top
    return labels, strength


def persistence(tree: CondensedTree, chosen: NDArray[np.bool_]) -> Floats:
    """Of each group, in the order of the clusters, how much of its mass lasts to its highest density, 0..1."""
    at = np.flatnonzero(chosen)
    return np.clip(tree.stability[at] / np.maximum(tree.members[at] * tree.peak[at], 1e-300), 0.0, 1.0)


def _at_least(tree: CondensedTree, chosen: NDArray[np.bool_], epsilon: float, allow_single: bool) -> NDArray[np.bool_]:
    kept = np.zeros(len(chosen), bool)
    for cluster in np.flatnonzero(chosen):
        at = int(cluster)
        while at > 0 and 1 / tree.birth[at] < epsilon:
            above = int(tree.parent[at])
            if above == 0 and not allow_single:
                break
            at = above
        kept[at] = True
    covered = np.zeros(len(kept), bool)
    for below, above in enumerate(tree.parent[1:], 1):
        covered[below] = covered[above] or kept[above]
    result: NDArray[np.bool_] = kept & ~covered
    return result
