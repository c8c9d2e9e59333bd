"""Which groups of a clustering are those of an earlier one, and what became of the others.

Two groups are alike by the rows that they share and, where one of them is made of rows that the other clustering did
not have, by where they lie: `weight` says how. The pairs are those of greatest weight together. Splits and merges are
told as in MONIC (Spiliopoulou et al. 2006): by the shares that groups give to and get from each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from coterie.engine.arrays import NOISE, Labels
from coterie.engine.neighbours import neighbours_among

LEAST_WEIGHT = 0.3
"""Groups that are less alike are not the same."""

PART = 0.2
"""A part of a split takes at least this share of the group, and a source of a merge makes up this share of it."""

MOST = 0.5
"""A part comes from the split group by more than this share, and a source goes into the merged one by as much."""

GROWN = 1.2
"""A group has grown, or shrunk, when its size changed by this factor."""

DRIFTED = 0.5
"""A group has drifted when its centroid moved by more than this share of its radius."""

NEAREST = 8
"""Earlier groups, the nearest ones, that a group of other rows is compared with."""

MOST_PAIRS = 4_000_000
"""Pairs of groups up to which the adjusted mutual information is computed; it goes through them all."""

Sizes = NDArray[np.int64]


@dataclass(frozen=True)
class Grouping:
    """k groups: `sizes` (k), `centroids` (k, d) and `radii` (k), the root of the mean squared distance to the centroid.
    Without vectors d is 0."""

    sizes: Sizes
    centroids: NDArray[np.float64]
    radii: NDArray[np.float64]


@dataclass(frozen=True)
class Matching:
    """Of each later group: `partner` (k), the number of the earlier group that it is, or -1; `weight` (k) in 0..1, how
    alike the two are."""

    partner: NDArray[np.int64]
    weight: NDArray[np.float64]


@dataclass(frozen=True)
class Changes:
    """What became of the groups, by their names. `split` and `merged` name the parts and the sources, `sizes` the
    members before and after of those that grew or shrank, `drifted` how many radii a centroid moved."""

    born: list[str]
    died: list[str]
    split: dict[str, list[str]]
    merged: dict[str, list[str]]
    grown: dict[str, tuple[int, int]]
    shrunk: dict[str, tuple[int, int]]
    drifted: dict[str, float]


def match(before: Grouping, after: Grouping, labels_before: Labels, labels_after: Labels) -> Matching:
    """Find each group of `after` in `before`. The labels (m) are those of the rows that both clusterings have.

    The weight of a pair is t J + (1 - t) C. J is the share of common rows among all that both clusterings have of the
    two groups (Jaccard), t the share of these among all rows of the two, and C, 1 at equal centroids and 0 where they
    are a mean radius apart, is what is left to go by for the rows that only one clustering has.
    """
    pairs = shared(labels_before, labels_after, len(before.sizes), len(after.sizes))
    ours, theirs = (_counted(labels, grouping) for labels, grouping in ((labels_before, before), (labels_after, after)))
    rows, columns = _candidates(pairs, before, after, ours, theirs)
    common = pairs[rows, columns] if len(rows) else np.zeros(0)
    of_both = ours[rows] + theirs[columns]
    jaccard = np.divide(common, of_both - common, out=np.zeros(len(rows)), where=of_both > common)
    jaccard[(of_both == common) & (common > 0)] = 1.0
    evidence = of_both / np.maximum(before.sizes[rows] + after.sizes[columns], 1)
    weight = evidence * jaccard + (1 - evidence) * _closeness(before, after, rows, columns)
    good = weight >= LEAST_WEIGHT
    return _heaviest(rows[good], columns[good], weight[good], len(before.sizes), len(after.sizes))


def shared(before: Labels, after: Labels, earlier: int, later: int) -> csr_array:
    """How many rows each of the `earlier` groups (row) and of the `later` ones (column) have in common; noise counts in
    none."""
    both = (before != NOISE) & (after != NOISE)
    ones = np.ones(int(both.sum()))
    counts = csr_array(coo_array((ones, (before[both], after[both])), shape=(earlier, later)))
    counts.sum_duplicates()
    return counts


def changes(
    before: Grouping,
    after: Grouping,
    names_before: Sequence[str],
    names_after: Sequence[str],
    labels_before: Labels,
    labels_after: Labels,
) -> Changes:
    """What became of the groups; those of one name are the same group. The labels are as for `match`."""
    pairs = shared(labels_before, labels_after, len(names_before), len(names_after)).tocoo()
    ours, theirs = _counted(labels_before, before), _counted(labels_after, after)
    given, got = pairs.data / ours[pairs.row], pairs.data / theirs[pairs.col]
    parts = _gathered(pairs.row, pairs.col, (given >= PART) & (got > MOST), names_before, names_after)
    sources = _gathered(pairs.col, pairs.row, (got >= PART) & (given > MOST), names_after, names_before)
    earlier = {name: number for number, name in enumerate(names_before)}
    later = {name: number for number, name in enumerate(names_after)}
    kept = [(name, earlier[name], number) for name, number in later.items() if name in earlier]
    sizes = {name: (int(before.sizes[a]), int(after.sizes[b])) for name, a, b in kept}
    moved = {name: _moved(before, after, a, b) for name, a, b in kept}
    return Changes(
        born=[name for name in names_after if name not in earlier],
        died=[name for name in names_before if name not in later],
        split=parts,
        merged=sources,
        grown={name: pair for name, pair in sizes.items() if pair[1] >= GROWN * pair[0]},
        shrunk={name: pair for name, pair in sizes.items() if pair[0] >= GROWN * pair[1]},
        drifted={name: round(far, 4) for name, far in moved.items() if far > DRIFTED},
    )


def agreement(before: Labels, after: Labels) -> dict[str, float | None]:
    """Adjusted Rand index and adjusted mutual information of the rows (m) that both clusterings have, noise being a
    group like any other; the second is None where there are too many groups for it, both without rows."""
    if len(before) == 0:
        return {"ari": None, "ami": None}
    pairs = (int(before.max()) + 2) * (int(after.max()) + 2)
    ami = float(adjusted_mutual_info_score(before, after)) if pairs <= MOST_PAIRS else None
    return {"ari": float(adjusted_rand_score(before, after)), "ami": ami}


def _counted(labels: Labels, grouping: Grouping) -> Sizes:
    """How many rows of each group both clusterings have."""
    counts: Sizes = np.bincount(labels[labels != NOISE], minlength=len(grouping.sizes))
    return counts


def _candidates(
    pairs: csr_array, before: Grouping, after: Grouping, ours: Sizes, theirs: Sizes
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of groups that may be one: those that share rows, and of those that are made of other rows the nearest."""
    met = pairs.tocoo()
    heads, tails = [met.row.astype(np.int64)], [met.col.astype(np.int64)]
    old, new = np.flatnonzero(ours < MOST * before.sizes), np.flatnonzero(theirs < MOST * after.sizes)
    if len(old) and len(new) and _comparable(before, after):
        there, here = before.centroids[old].astype(np.float32), after.centroids[new].astype(np.float32)
        near = neighbours_among(here, there, min(NEAREST, len(old)), seed=0).indices
        listed = near >= 0
        heads.append(old[near[listed]])
        tails.append(np.repeat(new, listed.sum(axis=1)))
    width = max(len(after.sizes), 1)
    keys = np.unique(np.concatenate(heads) * width + np.concatenate(tails))
    return keys // width, keys % width


def _comparable(before: Grouping, after: Grouping) -> bool:
    """Whether there are centroids, of the same space as far as one can see."""
    return bool(before.centroids.shape[1] == after.centroids.shape[1] > 0)


def _closeness(
    before: Grouping, after: Grouping, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.float64]:
    if not _comparable(before, after):
        return np.zeros(len(rows))
    apart = np.linalg.norm(before.centroids[rows] - after.centroids[columns], axis=1)
    reach = (before.radii[rows] + after.radii[columns]) / 2
    share = np.divide(apart, reach, out=np.where(apart == 0, 0.0, 1.0), where=reach > 0)
    close: NDArray[np.float64] = np.maximum(1 - share, 0.0)
    return close


def _heaviest(
    rows: NDArray[np.int64], columns: NDArray[np.int64], weight: NDArray[np.float64], earlier: int, later: int
) -> Matching:
    """The matching of greatest weight. Every group gets a stand-in to be matched with at no weight, so that a full
    matching exists; the stand-ins of a pair can be matched with each other."""
    partner, found = np.full(later, -1), np.zeros(later)
    if len(rows) == 0:
        return Matching(partner, found)
    own, others = np.arange(earlier), np.arange(later)
    heads = np.concatenate([rows, own, earlier + others, earlier + columns])
    tails = np.concatenate([columns, later + own, others, later + rows])
    costs = np.concatenate([2 - weight, np.full(earlier + later + len(rows), 2.0)])
    graph = csr_array((costs, (heads, tails)), shape=(earlier + later, earlier + later))
    left, right = min_weight_full_bipartite_matching(graph)
    real = (left < earlier) & (right < later)
    partner[right[real]] = left[real]
    found[right[real]] = 2 - np.asarray(graph[left[real], right[real]]).ravel()
    return Matching(partner, found)


def _gathered(
    one: NDArray[np.int64], other: NDArray[np.int64], chosen: NDArray[np.bool_], names: Sequence[str], of: Sequence[str]
) -> dict[str, list[str]]:
    """By name the two or more that belong to each."""
    found: dict[str, list[str]] = {}
    for a, b in zip(one[chosen], other[chosen], strict=True):
        found.setdefault(names[a], []).append(of[b])
    return {name: parts for name, parts in found.items() if len(parts) > 1}


def _moved(before: Grouping, after: Grouping, a: int, b: int) -> float:
    """How far a centroid moved, in radii that the group had; 0 where its vectors are others or there are none."""
    if not _comparable(before, after):
        return 0.0
    far = float(np.linalg.norm(before.centroids[a] - after.centroids[b]))
    radius = float(before.radii[a])
    return far / radius if radius > 0 else float(far > 0)
