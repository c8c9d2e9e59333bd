"""Groups found again, in a run's scratch folder: the stage between the fit and the description of its groups.

`earlier.npz` holds the groups of the run before, and of each document the number of its group there, or -1 for noise,
or ABSENT. What people merged stays merged: a group that is new, and came out of one that others were merged into, is a
part of it still.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from coterie.engine.arrays import NOISE, Labels, Matrix
from coterie.engine.clustering import by_size
from coterie.engine.describe import Description, means
from coterie.engine.hierarchy import Branch
from coterie.engine.match import MOST, Grouping, agreement, changes, match, shared

ABSENT = -2
"""The number of a document that the run before did not have."""


@dataclass(frozen=True)
class Earlier:
    """The groups that held documents in the run before, and the branches above them: `names`; `above`, the number of
    each one's branch or -1; `levels`; which are `leaves`; `joined`, which ones others were merged into; `families`, one
    name for groups that people split from one another; and of this run's rows the number of the `group` that each was
    in."""

    names: list[str]
    above: NDArray[np.int64]
    levels: NDArray[np.int64]
    leaves: NDArray[np.bool_]
    joined: NDArray[np.bool_]
    families: NDArray[np.str_]
    grouping: Grouping
    group: Labels

    def among(self, chosen: NDArray[np.int64]) -> Grouping:
        """Some of the groups only."""
        whole = self.grouping
        return Grouping(whole.sizes[chosen], whole.centroids[chosen], whole.radii[chosen])


class Recognized(NamedTuple):
    """Of a group its name in the run before, None for a new one, and how alike the two are, 0 to 1."""

    name: str | None = None
    weight: float = 0.0


def save(
    folder: Path, rows: Sequence[dict[str, Any]], joined: set[str], families: Sequence[str], group: Labels
) -> None:
    """The groups of an earlier run, as `clusters.parquet` has them, to `earlier.npz`."""
    numbers = {row["cluster_id"]: number for number, row in enumerate(rows)}
    branches = {row["parent_cluster_id"] for row in rows}
    width = max((len(row["centroid_vector"]) for row in rows), default=0)
    np.savez(
        folder / "earlier.npz",
        names=np.array(list(numbers), str),
        above=np.array([numbers.get(row["parent_cluster_id"], -1) for row in rows], np.int64),
        levels=np.array([row["hierarchy_level"] for row in rows], np.int64),
        leaves=np.array([row["cluster_id"] not in branches for row in rows], bool),
        joined=np.array([row["cluster_id"] in joined for row in rows], bool),
        families=np.array(families, str),
        sizes=np.array([row["num_members"] for row in rows], np.int64),
        centroids=np.array([row["centroid_vector"] for row in rows], float).reshape(len(rows), width),
        radii=np.sqrt(np.array([row["variance"] for row in rows], float)),
        group=group,
    )


def load(folder: Path) -> Earlier | None:
    """What `save` wrote, if it did."""
    path = folder / "earlier.npz"
    if not path.exists():
        return None
    with np.load(path) as held:
        grouping = Grouping(held["sizes"], held["centroids"], held["radii"])
        above, levels, leaves, joined = (held[name] for name in ("above", "levels", "leaves", "joined"))
        families = held["families"]
        return Earlier(held["names"].tolist(), above, levels, leaves, joined, families, grouping, held["group"])


def recognize(earlier: Earlier, seen: Grouping, labels: Labels) -> tuple[Labels, list[Recognized]]:
    """The labels (n) with what people merged made one, and what each of the groups, as they are `seen`, was in the run
    before."""
    leaves = np.flatnonzero(earlier.leaves)
    before = _renumbered(earlier.group, leaves)
    known = earlier.group != ABSENT
    matching = match(earlier.among(leaves), seen, before[known], labels[known])
    partner = matching.partner
    pairs = shared(before[known], labels[known], len(leaves), len(seen.sizes))
    home = _homes(pairs, partner, np.flatnonzero(earlier.joined[leaves]))
    target = np.where((partner < 0) & (home >= 0), home, np.arange(len(partner)))
    whole = np.full(len(labels), NOISE, np.int32)
    whole[labels != NOISE] = target[labels[labels != NOISE]]
    final = by_size(whole)
    first = np.unique(final, return_index=True)
    own = whole[first[1][first[0] != NOISE]]
    names = [earlier.names[leaves[partner[number]]] if partner[number] >= 0 else None for number in own]
    return final, [Recognized(name, float(weight)) for name, weight in zip(names, matching.weight[own], strict=True)]


def split_before(earlier: Earlier, labels: Labels) -> dict[int, list[int]]:
    """The groups that are to be parted once more, as people have split them, and the earlier ones that each becomes.

    Where most documents of two or more of a family are in one group, and are most of what it had before, they stay
    apart as they were.
    """
    found = {}
    families, sizes = np.unique(earlier.families[earlier.leaves], return_counts=True)
    for family in families[sizes > 1]:
        homes: dict[int, list[int]] = {}
        for number in np.flatnonzero((earlier.families == family) & earlier.leaves):
            own = labels[earlier.group == number]
            counts = np.bincount(own[own != NOISE], minlength=1)
            if counts.max() > MOST * len(own):
                homes.setdefault(int(counts.argmax()), []).append(int(number))
        for label, numbers in homes.items():
            before = earlier.group[labels == label]
            if len(numbers) > 1 and np.isin(before, numbers).sum() > MOST * (before != ABSENT).sum():
                found[label] = numbers
    return found


def nearest_of(
    split: Mapping[int, Sequence[int]], centroids: NDArray[np.float64], matrix: Matrix, labels: Labels
) -> Labels:
    """Of each row (n) of a group that is `split` the earlier group whose centroid is nearest; ABSENT for others."""
    found = np.full(len(labels), ABSENT, np.int32)
    for label, numbers in split.items():
        rows = np.flatnonzero(labels == label)
        away = [np.linalg.norm(matrix[rows] - centroids[number], axis=1) for number in numbers]
        found[rows] = np.array(numbers)[np.argmin(away, axis=0)]
    return found


def part_again(earlier: Earlier, split: Mapping[int, Sequence[int]], nearest: Labels, labels: Labels) -> Labels:
    """The labels with such groups parted: known documents as they were, the others by what is `nearest` (n)."""
    found, fresh = labels.copy(), int(labels.max(initial=NOISE)) + 1
    for label, numbers in split.items():
        rows = np.flatnonzero(labels == label)
        before = earlier.group[rows]
        goes = np.where(np.isin(before, numbers), before, nearest[rows])
        for each in numbers[1:]:
            found[rows[goes == each]] = fresh
            fresh += 1
    return found


def recognize_branches(
    earlier: Earlier, labels: Labels, branches: Sequence[Branch], found: Description
) -> list[Recognized]:
    """What each branch was in the run before, by level."""
    names = [Recognized()] * len(branches)
    known = earlier.group != ABSENT
    for level in {branch.level for branch in branches}:
        chosen = np.array([number for number, branch in enumerate(branches) if branch.level == level])
        of_leaf = np.full(len(found.sizes) + 1, NOISE, np.int32)  # the last is for noise
        for at, number in enumerate(chosen):
            of_leaf[list(branches[number].leaves)] = at
        there = np.flatnonzero(~earlier.leaves & (earlier.levels == level))
        before = _renumbered(_raised(earlier, level), there)
        after = _grouping(describe_branches(found, [branches[number].leaves for number in chosen]))
        matching = match(earlier.among(there), after, before[known], of_leaf[labels][known])
        for number, at, weight in zip(chosen, matching.partner, matching.weight, strict=True):
            names[number] = Recognized(earlier.names[there[at]], float(weight)) if at >= 0 else Recognized()
    return names


def describe_branches(found: Description, leaves: Sequence[Sequence[int]]) -> Description:
    """The same of groups of groups: sizes, centres and spreads of all that is in them."""
    sizes, centroids, variances = [], [], []
    for own in map(list, leaves):
        shares = found.sizes[own] / found.sizes[own].sum()
        centre = shares @ found.centroids[own].astype(np.float64)
        spread = found.variances[own] + ((found.centroids[own] - centre) ** 2).sum(axis=1)
        sizes.append(found.sizes[own].sum())
        centroids.append(centre)
        variances.append(shares @ spread)
    return Description(
        np.array(centroids, np.float32), np.array(sizes, np.int64), np.array(variances), found.distances, ()
    )


def what_changed(earlier: Earlier, found: Description, labels: Labels, names: Sequence[str | None]) -> dict[str, Any]:
    """How many groups were born, died, and so on since the run before, and how far the two agree."""
    leaves = np.flatnonzero(earlier.leaves)
    known = earlier.group != ABSENT
    sides = _renumbered(earlier.group, leaves)[known], labels[known]
    before = [earlier.names[number] for number in leaves]
    after = [name or f"new {number}" for number, name in enumerate(names)]
    told = changes(earlier.among(leaves), _grouping(found), before, after, *sides)
    return {
        **{kind: len(each) for kind, each in asdict(told).items()},
        **agreement(*sides),
        "documents_in_both": int(known.sum()),
    }


def squares_of(matrix: Matrix, labels: Labels, groups: int) -> NDArray[np.float64]:
    """The sum over each group's rows (k) of their squared lengths."""
    own = labels != NOISE
    lengths = np.einsum("ij,ij->i", matrix, matrix)[own]
    return np.bincount(labels[own], lengths, minlength=groups).astype(np.float64)


def seen_by(sums: NDArray[np.float64], squares: NDArray[np.float64], labels: Labels) -> Grouping:
    """The groups as their sums (k, d) and those of squares (k) have them, without how far each row is: half the work
    of describing them."""
    sizes = np.bincount(labels[labels != NOISE], minlength=len(sums))
    centroids = means(sums, sizes).astype(np.float64)
    spread = squares / np.maximum(sizes, 1) - np.einsum("ij,ij->i", centroids, centroids)
    return Grouping(sizes, centroids, np.sqrt(np.maximum(spread, 0)))


def write_recognized(path: Path, found: Sequence[Recognized]) -> None:
    """Keep what groups were for the next step."""
    path.write_bytes(orjson.dumps([tuple(each) for each in found]))


def read_recognized(path: Path) -> list[Recognized]:
    """What `write_recognized` wrote."""
    return [Recognized(*each) for each in orjson.loads(path.read_bytes())]


def _grouping(found: Description) -> Grouping:
    return Grouping(found.sizes, found.centroids.astype(np.float64), np.sqrt(found.variances))


def _renumbered(group: Labels, chosen: NDArray[np.int64]) -> Labels:
    """The numbers of groups as places among the `chosen` ones; noise, absent ones and others stay or become noise."""
    places = np.full(int(max(group.max(initial=NOISE), chosen.max(initial=NOISE))) + 2, NOISE, np.int32)
    places[chosen] = np.arange(len(chosen))
    found = np.full(len(group), NOISE, np.int32)
    found[group >= 0] = places[group[group >= 0]]
    return found


def _raised(earlier: Earlier, level: int) -> Labels:
    """Of each row the number of the branch of a level that it is in, or noise."""
    at = np.arange(len(earlier.names))
    for _ in range(int(earlier.levels.max(initial=0))):
        deeper = (at >= 0) & (earlier.levels[at] > level)
        at = np.where(deeper, earlier.above[at], at)
    at[earlier.levels[at] != level] = NOISE
    found = earlier.group.astype(np.int32)
    found[earlier.group >= 0] = at[earlier.group[earlier.group >= 0]]
    return found


def _homes(pairs: Any, partner: NDArray[np.int64], joined: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each group the number of the group that is one with it by a merge: the one that took over what more than half
    of its rows were in; -1 for none."""
    home = np.full(len(partner), -1)
    owner = {int(before): number for number, before in enumerate(partner) if before >= 0}
    totals = np.maximum(np.asarray(pairs.sum(axis=0)).ravel(), 1)
    for before in joined:
        if int(before) in owner:
            given = np.asarray(pairs[[before], :].todense()).ravel()
            home[given > MOST * totals] = owner[int(before)]
    return home
