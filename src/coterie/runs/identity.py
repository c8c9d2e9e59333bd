"""A definition's groups over all of its runs: ids that are given once, and what people said of them.

A group that a run finds again keeps its id (`engine.match`); a new one gets an id that the definition never gave. What
people say, a label of their own, a pin, a merge, is kept with the definition and holds in every later run.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Row, insert, update

from coterie.runs import recognition
from coterie.runs.artifacts import NOISE_ID, Artifacts
from coterie.runs.known import Known, known_groups, unheard_of
from coterie.runs.label_history import change, write_changes
from coterie.runs.plan import Plan
from coterie.store.tables import groups


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
        pinned = before is not None and before["pinned"] and before["label"] is not None
        if (before is None or before["label"] != each["label"]) and not pinned:  # it may be pinned since the run began
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


def edits_of(known: Known, found: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """What of that concerns a run with the groups `found`, as the run keeps it: labels that were pinned while it was
    under way are laid over its own like those that people gave."""
    present = {each["cluster_id"]: each["label"] for each in found}
    pinned = {name: known.resources[name]["label"] for name in present if known.is_pinned(name)}
    labels = {name: label for name, label in pinned.items() if label != present[name]}
    labels |= {identity: label for identity, label in known.given_labels().items() if identity in present}
    merged = {identity: into for identity, into in known.merged.items() if identity in present and into in present}
    return {"label_overrides": labels, "merged_groups": merged}


def _change(tx: Connection, cluster_id: str, identity: str, resource: str, **columns: Any) -> None:
    one = update(groups).where(groups.c.cluster_id == cluster_id, groups.c.id == identity)
    tx.execute(one.values(resource=resource, **columns))


def _keys(collection_ids: Any, ids: Any) -> Any:
    """A document's id is its own within its collection only."""
    return pc.binary_join_element_wise(collection_ids, ids, "/")
