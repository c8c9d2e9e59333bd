"""The groups that a run found, read from its scratch folder: what the steps after the fit go by."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from coterie.api.context import Services
from coterie.kit.files import whole
from coterie.runs.group_schemas import KEYWORDS, VALUES
from coterie.runs.known import Known, given_out, known_groups, named_by_values
from coterie.runs.plan import Plan
from coterie.runs.recognition import read_recognized
from coterie.store.storage import Storage

_KNOWN = "known.json"
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class RunFiles:
    """Which run, of which definition, since when, its scratch folder, and the prefix of its artifacts; `check` raises
    where the run is no longer this worker's to write for."""

    run_id: str
    cluster_id: str | None
    created_at: str
    folder: Path
    prefix: str
    check: Callable[[], None]

    def publish(self, storage: Storage, paths: Mapping[str, Path]) -> None:
        """Move files to their names among the artifacts, in that order; a repeated step finds what it moved before."""
        for name, path in paths.items():
            if path.exists():
                self.check()
                storage.publish(f"{self.prefix}/{name}", path)


@dataclass
class Group:
    """A group on its way to the files: its id, its rows nearest first, and what is known of it."""

    id: str
    rows: Rows
    centroid: list[float] = field(default_factory=list)
    variance: float = 0.0
    stability: float | None = None
    quantiles: list[float] | None = None
    values: dict[str, Any] | None = None
    aggregates: dict[str, float | None] | None = None
    label: str | None = None
    source: str = KEYWORDS
    keywords: list[str] = field(default_factory=list)
    summary: str | None = None
    parent: str | None = None
    level: int = 0
    leaf: bool = True


@dataclass(frozen=True)
class Result:
    """The groups in the order of the files, the rows that are in none, and per row a distance, a strength, how it
    came to its group, and where it stands on the map (n, 2 or 3)."""

    groups: list[Group]
    noise: Rows
    distances: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    origin: NDArray[np.int8]
    coordinates: NDArray[np.float32] | None = None


def read_result(services: Services, plan: Plan, files: RunFiles) -> tuple[Result, Known]:
    """The groups that the run found, and what the definition knew when it was first asked: people may say more between
    two steps, and that is laid over the run when it is published."""
    snapshot = files.folder / _KNOWN
    if snapshot.exists():
        known = Known(**orjson.loads(snapshot.read_bytes()))
    else:
        with services.db.read() as tx:
            known = known_groups(tx, files.cluster_id)
        with whole(snapshot) as file:
            file.write(orjson.dumps({"resources": known.resources, "merged": known.merged}))
    return (_attribute_result if plan.attributes else _vector_result)(files.folder, known), known


def _vector_result(folder: Path, known: Known) -> Result:
    labels = np.load(folder / "labels.npy")
    distances, centroids = np.load(folder / "distances.npy"), np.load(folder / "centroids.npy")
    described = orjson.loads((folder / "groups.json").read_bytes())
    recognized = read_recognized(folder / "recognized.json")
    order = _by_distance(folder / "order.npy", distances, labels)
    starts = np.searchsorted(labels[order], np.arange(len(centroids) + 1))
    names = given_out("cl_", [each.name for each in recognized], known)
    groups = [
        Group(
            names[number],
            order[starts[number] : starts[number + 1]],
            centroids[number].tolist(),
            each["variance"],
            each["stability"],
            each["distance_quantiles"],
            **known.kept_label(names[number], recognized[number].weight),
        )
        for number, each in enumerate(described)
    ]
    if (folder / "branches.json").exists():
        branches = orjson.loads((folder / "branches.json").read_bytes())
        seen = read_recognized(folder / "recognized_branches.json")
        above = _branches(branches, groups, given_out("br_", [each.name for each in seen], known))
        for branch, each in zip(above, seen, strict=True):
            kept = known.kept_label(branch.id, each.weight)
            branch.label, branch.source = kept.get("label"), kept.get("source", KEYWORDS)
        groups = _depth_first([*above, *groups])
    probabilities, origin = np.load(folder / "probabilities.npy"), np.load(folder / "origin.npy")
    return Result(groups, order[: starts[0]], distances, probabilities, origin, np.load(folder / "coordinates.npy"))


def _by_distance(kept: Path, distances: NDArray[np.float32], labels: NDArray[np.int32]) -> Rows:
    """The rows group by group, noise first, the nearest first in each; sorted once a run."""
    if not kept.exists():
        with whole(kept) as file:
            np.save(file, np.lexsort((np.arange(len(labels)), distances, labels)))
    order: Rows = np.load(kept)
    return order


def _branches(found: Sequence[Mapping[str, Any]], leaves: Sequence[Group], names: Sequence[str]) -> list[Group]:
    """Groups of groups; the leaves are told where they belong. A branch is represented by its leaves, each in turn."""
    branches = []
    for number, each in enumerate(found):
        own = [leaves[leaf] for leaf in each["leaves"]]
        places = np.concatenate([np.arange(len(leaf.rows)) for leaf in own])
        rows = np.concatenate([leaf.rows for leaf in own])[np.argsort(places, kind="stable")]
        parent = None if each["parent"] is None else names[each["parent"]]
        branches.append(
            Group(
                names[number],
                rows,
                each["centroid"],
                each["variance"],
                parent=parent,
                level=each["level"],
                leaf=False,
            )
        )
        for leaf in own:
            leaf.parent, leaf.level = names[number], each["level"] + 1
    return branches


def _attribute_result(folder: Path, known: Known) -> Result:
    rows = len(np.load(folder / "pks.npy"))
    found = orjson.loads((folder / "attribute_groups.json").read_bytes())
    own = np.split(np.load(folder / "attribute_rows.npy"), np.cumsum([each["size"] for each in found])[:-1])
    parents = {each["parent"] for each in found}
    names = named_by_values(found, known)
    groups = [
        Group(
            names[each["id"]],
            rows_of_group,
            values=each["values"],
            aggregates=each["aggregates"],
            label=each["label"],
            source=VALUES,
            parent=each["parent"] and names[each["parent"]],
            level=each["level"],
            leaf=each["id"] not in parents,
        )
        for each, rows_of_group in zip(found, own, strict=True)
    ]
    ordered = _depth_first(groups)
    fitted = np.zeros(rows, np.int8)
    return Result(ordered, np.empty(0, np.int64), np.zeros(rows, np.float32), np.ones(rows, np.float32), fitted)


def _depth_first(groups: Sequence[Group]) -> list[Group]:
    """Each group followed by those below it, so that the members of a whole branch stand together."""
    below: dict[str | None, list[Group]] = {}
    for group in groups:
        below.setdefault(group.parent, []).append(group)
    stack, ordered = list(reversed(below.get(None, []))), []
    while stack:
        group = stack.pop()
        ordered.append(group)
        stack += reversed(below.get(group.id, []))
    return ordered


def parents_of(groups: Sequence[Group]) -> list[int]:
    """The number of the group above each one, or -1."""
    numbers = {group.id: number for number, group in enumerate(groups)}
    return [-1 if group.parent is None else numbers[group.parent] for group in groups]


def overlapping(groups: Sequence[Group]) -> list[tuple[int, Group]]:
    """Groups above others that share documents, so that the members of those are more than its own: their numbers, and
    they."""
    below = Counter[str | None]()
    for group in reversed(groups):  # depth first: what is below a group comes after it
        below[group.parent] += len(group.rows) if group.leaf else below[group.id]
    return [
        (number, group) for number, group in enumerate(groups) if not group.leaf and below[group.id] > len(group.rows)
    ]
