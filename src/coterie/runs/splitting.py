"""Splitting a group: some of its members become a group of its own, in the newest run and in those to come.

What goes is named, by ids or by filters over the members. The new group's id is its own for life. Later runs keep the
two apart by `recognition`, as long as the algorithm finds them together.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, insert, update

from coterie.api.context import Services, Tenant
from coterie.documents import queries as documents
from coterie.documents.collections import spaces_of
from coterie.engine.arrays import Matrix, unit_rows
from coterie.engine.describe import describe
from coterie.jobs import queue
from coterie.kit.errors import BadRequest, Conflict, NotFound
from coterie.labeling.keywords import keywords_of
from coterie.labeling.terms import Terms
from coterie.labeling.unique import unique_labels
from coterie.listing.evaluate import matches
from coterie.listing.filters import parse_filters
from coterie.listing.scan import within_time
from coterie.runs.answers import MEMBERS, members_of
from coterie.runs.artifacts import Artifacts, Span
from coterie.runs.editing import check_newest, check_present, find_group, follow, fresh, shown_label, write_run
from coterie.runs.group_schemas import KEYWORDS, SplitGroupRequest
from coterie.runs.known import given_out, known_groups, unheard_of
from coterie.runs.label_history import change, write_changes
from coterie.runs.splits import Split, split_key
from coterie.store.tables import groups

MAX_SPLIT = 100_000
"""Documents that are split off at once: their vectors are read within the request."""

REPRESENTATIVES = 10
Wanted = Callable[[Mapping[str, Any]], bool]


def find_split(
    services: Services, tenant: Tenant, run: Row[Any], artifacts: Artifacts, source: str, request: SplitGroupRequest
) -> Split:
    """What of a group is to go, without an id yet. Raises NotFound, BadRequest, Invalid, FileNotFoundError."""
    rows = artifacts.groups()
    check_present(rows, [source])
    _check_kind(run, rows, source)
    spans = artifacts.spans(source) or []
    chosen, table = _chosen(artifacts, spans, _wanted(request))
    count = sum(span.count for span in spans)
    if request.document_ids is not None:
        _check_ids(request.document_ids, table)
    if table.num_rows == 0 or table.num_rows == count:
        what = "none" if table.num_rows == 0 else "all"
        raise BadRequest(f"{what} of the {count:,} members of group '{source}' would go: name a part of them")
    whole = next(row for row in rows if row["cluster_id"] == source)
    group = {**whole, **_described(services, tenant, run, table, whole), "label_source": KEYWORDS, "summary": None}
    group["keywords"] = _keywords(artifacts, spans, table)
    group["label"] = unique_labels([group["keywords"]], {row["label"] for row in rows})[0]
    of_parts = [
        sorted(row for span, own in zip(spans, chosen, strict=True) if span.part == part for row in own)
        for part in range(len(artifacts.parts))
    ]
    return Split(group, of_parts, _sections(artifacts, source), group["representatives"])


def split_group(
    tx: Connection, services: Services, tenant: Tenant, run: Row[Any], prefix: str, source: str, found: Split, now: str
) -> str:
    """Make a group of what was found; its id. Raises Conflict where the run's groups were changed meanwhile."""
    _check_idle(tx, run)
    shown, before = (orjson.loads(each.resource) for each in (fresh(tx, run), run))
    if any(shown.get(name) != before.get(name) for name in ("merged_groups", "split_groups")):
        raise Conflict("the run's groups were changed by someone else meanwhile: look again")
    held = find_group(tx, run.cluster_id, source)
    identity = given_out("cl_", [None], known_groups(tx, run.cluster_id))[0]
    _publish(services, split_key(prefix, identity), found, identity)
    row = {**found.group, "cluster_id": identity}
    resource = {
        **unheard_of(row, run.id, now),
        "label": row["label"],
        "label_source": row["label_source"],
        "last_run_id": run.id,
        "last_seen_at": now,
        "split_from": source,
    }
    own = {"namespace_id": held.namespace_id, "cluster_id": run.cluster_id}
    tx.execute(insert(groups).values(**own, id=identity, resource=orjson.dumps(resource).decode(), created_at=now))
    by = (tenant.key_id, tenant.user_id)
    said = change({**own, "group_id": identity}, shown_label(resource), before=None, run_id=run.id, now=now, by=by)
    write_changes(tx, [said])
    shown["split_groups"] = {**(shown.get("split_groups") or {}), identity: source}
    shown["num_clusters"] += 1
    write_run(tx, run, shown)
    follow(tx, run, {"num_clusters": shown["num_clusters"]}, now)
    return identity


def unsplit_group(tx: Connection, run: Row[Any], identity: str, now: str) -> str | None:
    """Take a split back where the newest run is the one that it was made in. A later one has the two as groups of its
    own: what the group came from, to be merged into. Raises NotFound, Conflict."""
    _check_idle(tx, run)
    row = find_group(tx, run.cluster_id, identity)
    known = orjson.loads(row.resource)
    if known.get("split_from") is None:
        raise Conflict(f"group '{identity}' was not split off from another one")
    shown = orjson.loads(fresh(tx, run).resource)
    split, merged = shown.get("split_groups") or {}, shown.get("merged_groups") or {}
    if identity in split.values() or identity in merged or identity in merged.values():
        raise Conflict(f"group '{identity}' was split or merged since: take that back first")
    source: str = known["split_from"]
    known["split_from"] = None
    tx.execute(update(groups).where(groups.c.pk == row.pk).values(resource=orjson.dumps(known).decode()))
    if split.pop(identity, None) is None:
        return source
    shown.update(split_groups=split, num_clusters=shown["num_clusters"] - 1)
    write_run(tx, run, shown)
    follow(tx, run, {"num_clusters": shown["num_clusters"]}, now)
    return None


def _check_idle(tx: Connection, run: Row[Any]) -> None:
    """Raise Conflict where a run is under way: it goes by the groups as they were, and would bring them back."""
    check_newest(tx, run)
    if (busy := queue.open_task_of(tx, run.cluster_id)) is not None:
        raise Conflict(
            f"a run of the definition is under way (task '{busy.id}'): wait for it, then split what it found"
        )


def _check_kind(run: Row[Any], rows: Sequence[Mapping[str, Any]], source: str) -> None:
    plan = orjson.loads(run.plan)
    if plan["attributes"]:
        raise BadRequest("groups by attributes are their values: change the documents or the attributes")
    if plan.get("mode") == "composite":
        raise BadRequest("the members of this run are groups of other runs: split those")
    if source in {row["parent_cluster_id"] for row in rows}:
        raise BadRequest("groups of groups are not split: split those that are in them")


def _wanted(request: SplitGroupRequest) -> Wanted:
    """Whether a member, as `/data` shows it, is to go. Raises BadRequest, Invalid."""
    where = parse_filters(request.filters, MEMBERS, False, ("body", "filters"))
    if (request.document_ids is None) == (where is None):
        raise BadRequest("say which members go: by 'document_ids' or by 'filters', and not by both")
    if where is not None:
        return lambda member: matches(where, member)
    ids = set(request.document_ids or ())
    return lambda member: member["document_id"] in ids


def _chosen(artifacts: Artifacts, spans: Sequence[Span], wanted: Wanted) -> tuple[list[list[int]], pa.Table]:
    """Of each span the rows of the members that are wanted, and these. Raises BadRequest where they are too many."""
    found: list[list[int]] = []
    tables: list[pa.Table] = []
    for span in spans:
        numbers = np.arange(span.first, span.first + span.count) if span.rows is None else span.rows
        own: list[int] = []
        start = 0
        for table in within_time(artifacts.tables([span], 0, span.count)):
            inside = np.flatnonzero([wanted(member) for member in members_of(table)])
            own += numbers[start + inside].tolist()
            tables.append(table.take(inside))
            start += table.num_rows
        found.append(own)
    chosen = pa.concat_tables(tables)
    if chosen.num_rows > MAX_SPLIT:
        raise BadRequest(
            f"{chosen.num_rows:,} members would go, and at most {MAX_SPLIT:,} go at once: filter for fewer"
        )
    return found, chosen


def _check_ids(ids: Sequence[str], table: pa.Table) -> None:
    missing = sorted(set(ids) - set(table["point_id"].to_pylist()))
    if missing:
        shown = ", ".join(f"'{each}'" for each in missing[:5])
        raise NotFound(f"{len(missing):,} of the documents are not in this group: {shown}")


def _sections(artifacts: Artifacts, source: str) -> list[str]:
    """The groups of the files that a group's members stand in."""
    names = [source, *(part for part, into in artifacts.edits.merged.items() if into == source)]
    taken = [
        section
        for split in (artifacts.splits.all if artifacts.edits.split else ())
        if split.group["cluster_id"] in names
        for section in split.sections
    ]
    return [*names, *taken]


def _described(
    services: Services, tenant: Tenant, run: Row[Any], table: pa.Table, whole: Mapping[str, Any]
) -> dict[str, Any]:
    """Centre, spread, place on the map and representatives of some members, by their vectors as they are now; those
    whose vectors are gone do not count, and where all are, the centre is that of the group."""
    ids, matrix = _vectors(services, tenant, orjson.loads(run.plan), table)
    told = describe(matrix, np.zeros(len(matrix), np.int32)) if len(matrix) else None
    width = len(whole["centroid_vector"])
    usable = told is not None and told.centroids.shape[1] == width
    places = {axis: table[axis].to_pylist() for axis in "xyz" if whole[axis] is not None}
    return {
        "num_members": table.num_rows,
        "centroid_vector": told.centroids[0].tolist() if told and usable else whole["centroid_vector"],
        "variance": float(told.variances[0]) if told and usable else whole["variance"],
        "representatives": [ids[row] for row in told.representatives[0]] if told else [],
        "stability": None,
        "distance_quantiles": None,
        **{axis: float(np.mean(values)) for axis, values in places.items()},
    }


def _vectors(services: Services, tenant: Tenant, plan: Mapping[str, Any], table: pa.Table) -> tuple[list[str], Matrix]:
    """The ids and vectors (n, d) of the members that have them still, at length one if the plan says so."""
    of_collection: dict[str, list[str]] = {}
    for collection_id, identity in zip(table["collection_id"].to_pylist(), table["point_id"].to_pylist(), strict=True):
        of_collection.setdefault(collection_id, []).append(identity)
    with services.db.read() as tx:
        found = []
        for collection_id, own in of_collection.items():
            present = spaces_of(tx, collection_id)
            name = next((name for name in plan["vector_names"] if name in present), plan["vector_names"][-1])
            found.append(documents.members_named(tx, tenant, collection_id, name, own))
    ids = [identity for each in found for identity in each.ids]
    if not ids:
        return [], np.zeros((0, 0), np.float32)
    matrix: NDArray[np.float32] = np.empty(
        (len(ids), next(each.dimensions or 0 for each in found if each.ids)), np.float32
    )
    documents.read_matrix(services.vectors, found, matrix)
    return ids, unit_rows(matrix) if plan["normalize"] else matrix


def _keywords(artifacts: Artifacts, spans: Sequence[Span], table: pa.Table) -> list[str]:
    """What tells those that go from those that stay, by what the run keeps of their payloads."""
    gone = set(zip(table["collection_id"].to_pylist(), table["point_id"].to_pylist(), strict=True))
    terms = Terms(2)
    for page in artifacts.tables(spans, 0, MAX_SPLIT):
        columns = (page[name].to_pylist() for name in ("collection_id", "point_id", "payload"))
        for collection_id, identity, payload in zip(*columns, strict=True):
            terms.add(0 if (collection_id, identity) in gone else 1, orjson.loads(payload))
    return keywords_of(terms, [-1, -1])[0]


def _publish(services: Services, key: str, found: Split, identity: str) -> None:
    """The split to its file. A split that is not committed leaves a file that nothing names; it goes with the run."""
    text = orjson.dumps({**asdict(found), "group": {**found.group, "cluster_id": identity}})
    services.blobs.write(key, text)
