"""Groups of groups: a tree over a clustering, cut at a few levels.

For density methods the groups part where they part in the condensed tree; for the others by average linkage of the
centroids (Sokal and Michener 1958). Levels nest, and what would have a single child is left out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from coterie.engine.arrays import Matrix
from coterie.engine.densities import CondensedTree

MOST_GROUPS = 5_000
"""Of more groups no tree is made: it compares all pairs of them."""


class Branch(NamedTuple):
    """Groups that belong together: their numbers, the branch above it (an index into the list; None at the top), and
    how many branches are above it."""

    leaves: tuple[int, ...]
    parent: int | None
    level: int


def partings(tree: CondensedTree, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of each two of k groups the distance at which they part in the tree, (k, k), in the order of the clusters."""
    number = np.cumsum(chosen) - 1
    found = np.zeros((int(chosen.sum()),) * 2)
    below: list[list[int]] = [[] for _ in tree.parent]
    for cluster in range(len(tree.parent) - 1, 0, -1):
        if chosen[cluster]:
            below[cluster] = [int(number[cluster])]
        above, own = int(tree.parent[cluster]), below[cluster]
        if own and below[above]:
            found[np.ix_(own, below[above])] = found[np.ix_(below[above], own)] = 1 / tree.birth[cluster]
        below[above] = below[above] + own
    return found


def branches(
    centroids: Matrix,
    *,
    depth: int,
    per_level: Sequence[int] | None = None,
    parting: NDArray[np.float64] | None = None,
) -> list[Branch]:
    """Branches over k groups, parents before children; the groups themselves are the last level and not among them.

    `depth` levels in all, each with about the same number of children, or `per_level` branches at each, from the top.
    Heights are `parting` (k, k) where it is given, else distances of `centroids` (k, d).
    """
    groups = len(centroids)
    sizes = [size for size in per_level or _sizes(groups, depth) if 1 < size < groups]
    if not sizes:
        return []
    if parting is None:
        merges = linkage(centroids.astype(np.float64), "average")
    else:
        merges = linkage(squareform(parting, checks=False), "single")
    found: list[Branch] = []
    above: list[int | None] = [None] * groups
    for size in sorted(set(sizes)):
        of = fcluster(merges, size, "maxclust")
        for name in dict.fromkeys(of.tolist()):
            leaves = tuple(np.flatnonzero(of == name).tolist())
            parent = above[leaves[0]]
            if len(leaves) == 1 or (parent is not None and found[parent].leaves == leaves):
                continue
            found.append(Branch(leaves, parent, 0 if parent is None else found[parent].level + 1))
            for leaf in leaves:
                above[leaf] = len(found) - 1
    return found


def _sizes(groups: int, depth: int) -> list[int]:
    return [round(groups ** (level / depth)) for level in range(1, depth)]
