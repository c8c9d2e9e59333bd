"""A definition's groups over all of its runs: ids that are given once, and what people said of them.

A group that a run finds again keeps its id (`engine.match`); a new one gets an id that the definition never gave. What
people say, a label of their own, a pin, a merge, is kept with the definition and holds in every later run.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Row, insert, select, update

from coterie.runs import recognition
from coterie.runs.artifacts import NOISE_ID, Artifacts
from coterie.runs.label_history import change, write_changes
from coterie.runs.plan import Plan
from coterie.store.tables import groups

LIKE = 0.5
"""A group keeps its label in a run that finds it with at least this weight; one that changed more gets a new one."""


@dataclass(frozen=True)
class Known:
    """What a definition knows of its groups, by id: the JSON of each, and into which each merged one went."""

    resources: Mapping[str, dict[str, Any]]
    merged: Mapping[str, str]

    def kept_label(self, identity: str, weight: float) -> dict[str, Any]:
        """A group's label and its source, if it is to keep it: it is pinned, or much the same as it was."""
        each = self.resources.get(identity)
        if each is None or each["label"] is None or not (each["pinned"] or weight >= LIKE):
            return {}
        return {"label": each["label"], "source": each["label_source"]}

    def family(self, identity: str) -> str:
        """The group that a group was split off from, and that one's, and so on to the first."""
        while (source := self.resources.get(identity, {}).get("split_from")) is not None:
            identity = source
        return identity

    def splits(self) -> dict[str, str]:
        """Of the groups that were split off, from which."""
        return {name: source for name, each in self.resources.items() if (source := each.get("split_from"))}

    def is_pinned(self, identity: str) -> bool:
        """Whether a group's label stays whatever a run finds in it."""
        each = self.resources.get(identity)
        return each is not None and each["pinned"] and each["label"] is not None

    def given_labels(self) -> dict[str, str]:
        """The labels that people gave."""
        return {identity: each["label_given"] for identity, each in self.resources.items() if each["label_given"]}

    def free_number(self, prefix: str) -> int:
        """The first number that no group of a kind (`cl_`, `br_`) ever had."""
        numbers = (identity.removeprefix(prefix) for identity in self.resources if identity.startswith(prefix))
        return max((int(number) for number in numbers if number.isdigit()), default=-1) + 1


NOTHING_KNOWN = Known({}, {})


def given_out(prefix: str, names: Sequence[str | None], known: Known) -> list[str]:
    """The ids of groups: their names of before, and for new ones ids that were never given."""
    fresh = count(known.free_number(prefix))
    return [f"{prefix}{next(fresh)}" if name is None else name for name in names]


def named_by_values(found: Sequence[Mapping[str, Any]], known: Known) -> dict[str, str]:
    """For groups by attributes (`id`, `parent`, `values`; parents first) the ids that the same values had before, and
    new ones for new values."""
    before = {orjson.dumps(each["values"], option=orjson.OPT_SORT_KEYS): name for name, each in known.resources.items()}
    fresh: dict[str, Iterator[int]] = {}
    names: dict[str, str] = {}
    for each in found:
        prefix = "cl_" if each["parent"] is None else f"{names[each['parent']]}_sub_"
        name = before.get(orjson.dumps(each["values"], option=orjson.OPT_SORT_KEYS))
        if name is None:
            name = f"{prefix}{next(fresh.setdefault(prefix, count(known.free_number(prefix))))}"
        names[each["id"]] = name
    return names


def known_groups(tx: Connection, cluster_id: str | None) -> Known:
    """All that a definition has had; nothing for a run without one."""
    if cluster_id is None:
        return NOTHING_KNOWN
    rows = tx.execute(select(groups).where(groups.c.cluster_id == cluster_id).order_by(groups.c.pk)).all()
    merged = {row.id: row.merged_into for row in rows if row.merged_into is not None}
    return Known({row.id: orjson.loads(row.resource) for row in rows}, merged)


def save_earlier(
    before: Artifacts, known: Known, plan: Plan, folder: Path, documents: tuple[list[str], list[str]]
) -> None:
    """What the run before said of this one's `documents` (ids and collections, n): its groups to `earlier.npz`, and
    where they stood on its map, unless that has other dimensions, to `earlier.npy` (n, 2 or 3; NaN where it had not
    the document)."""
    table = before.memberships(["collection_id", "point_id", "cluster_id", "x", "y", "z"])
    ids, of_collection = (pa.array(each, pa.string()) for each in documents)
    at = pc.index_in(_keys(of_collection, ids), _keys(table["collection_id"], table["point_id"]))
    rows = before.groups()
    numbers = {row["cluster_id"]: number for number, row in enumerate(rows)} | {NOISE_ID: -1}
    names = table["cluster_id"].combine_chunks().dictionary_encode()
    codes = pa.array([numbers.get(name, -1) for name in names.dictionary.to_pylist()], pa.int32())
    group = codes.take(names.indices).take(at).fill_null(recognition.ABSENT)
    families = [known.family(row["cluster_id"]) for row in rows]
    recognition.save(folder, rows, set(known.merged.values()), families, np.asarray(group, np.int32))
    drawn = [axis for axis in "xyz" if table[axis].null_count < len(table)]
    if plan.layout_stability != "none" and len(drawn) == plan.vis_n_components:
        places = [np.asarray(table[axis].combine_chunks().take(at), float) for axis in drawn]
        np.save(folder / "earlier.npy", np.column_stack(places))


def remember(tx: Connection, run: Row[Any], found: Sequence[Mapping[str, Any]], now: str) -> Known:
    """Bring what a definition knows along with a run's groups (`artifacts.read_names`); what
    it then knows."""
    known = known_groups(tx, run.cluster_id)
    if run.cluster_id is None:
        return known
    own = {"namespace_id": run.namespace_id, "cluster_id": run.cluster_id}
    new, said = [], []
    for each in found:
        identity = each["cluster_id"]
        before = known.resources.get(identity)
        resource = {**(before or unheard_of(each, run.id, now)), "last_run_id": run.id, "last_seen_at": now}
        if before is None or before["label"] != each["label"]:
            resource.update(label=each["label"], label_source=each["label_source"])
            if not resource["label_given"]:  # what is shown stays a person's
                shown = {"label": each["label"], "source": each["label_source"]}
                group = {**own, "group_id": identity}
                said.append(change(group, shown, before=before["label"] if before else None, run_id=run.id, now=now))
        text = orjson.dumps(resource).decode()
        if before is None:
            new.append({**own, "id": identity, "resource": text, "created_at": now})
        else:
            _change(tx, run.cluster_id, identity, text)
        known.resources[identity] = resource  # type: ignore[index]
    if new:
        tx.execute(insert(groups), new)
    write_changes(tx, said)
    return known


def edits_of(known: Known, present: set[str]) -> dict[str, dict[str, str]]:
    """What of that concerns a run whose groups are `present`, as the run keeps it."""
    labels = {identity: label for identity, label in known.given_labels().items() if identity in present}
    merged = {identity: into for identity, into in known.merged.items() if identity in present and into in present}
    return {"label_overrides": labels, "merged_groups": merged}


def unheard_of(each: Mapping[str, Any], run_id: str, now: str) -> dict[str, Any]:
    """What is known of a group that a run sees for the first time."""
    return {
        "group_id": each["cluster_id"],
        "label": None,
        "label_source": None,
        "label_given": None,
        "pinned": False,
        "values": each["attribute_values"] and orjson.loads(each["attribute_values"]),
        "first_run_id": run_id,
        "first_seen_at": now,
    }


def _change(tx: Connection, cluster_id: str, identity: str, resource: str, **columns: Any) -> None:
    one = update(groups).where(groups.c.cluster_id == cluster_id, groups.c.id == identity)
    tx.execute(one.values(resource=resource, **columns))


def _keys(collection_ids: Any, ids: Any) -> Any:
    """A document's id is its own within its collection only."""
    return pc.binary_join_element_wise(collection_ids, ids, "/")
