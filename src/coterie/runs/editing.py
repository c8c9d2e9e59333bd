"""What people say of groups: a label of their own, a pin, a merge. It holds in the newest run and in those to come."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Row, func, select, update

from coterie.api.context import Tenant
from coterie.clusters.service import change_cluster
from coterie.jobs import queue
from coterie.kit.errors import BadRequest, Conflict, NotFound
from coterie.runs.artifacts import NOISE_ID
from coterie.runs.group_schemas import HUMAN
from coterie.runs.known import known_groups
from coterie.runs.label_history import change, read_changes, write_changes
from coterie.store.tables import clusters, groups, runs

HISTORY = 100
"""Labels of a group that are shown, the newest first."""


def label_groups(
    tx: Connection,
    tenant: Tenant,
    run: Row[Any],
    rows: Sequence[Mapping[str, Any]],
    labels: Mapping[str, str],
    now: str,
) -> dict[str, str]:
    """Give groups of a run labels, or with an empty one their own back; all that the run then has.

    `rows` are the run's groups. In the definition's newest run the labels are for good. Raises NotFound.
    """
    check_present(rows, labels)
    run = fresh(tx, run)
    shown = orjson.loads(run.resource)
    overrides = {**(shown.get("label_overrides") or {}), **labels}
    shown["label_overrides"] = {identity: label for identity, label in overrides.items() if label}
    write_run(tx, run, shown)
    if _is_newest(tx, run):
        now_shown = {row["cluster_id"]: row["label"] for row in rows}
        for identity, label in labels.items():
            now_shown[identity] = _change_group(tx, tenant, run, identity, {"label_given": label or None}, now)
        follow(tx, run, {}, now, [*now_shown.values(), *(word for row in rows for word in row["keywords"])])
    return dict(shown["label_overrides"])


def patch_group(
    tx: Connection,
    tenant: Tenant,
    run: Row[Any],
    rows: Sequence[Mapping[str, Any]],
    identity: str,
    given: Mapping[str, Any],
    now: str,
) -> None:
    """Give a group of the definition's newest run a `label`, or pin the one it has. Raises NotFound, Conflict."""
    check_newest(tx, run)
    if "label" in given:
        label_groups(tx, tenant, run, rows, {identity: (given["label"] or "").strip()}, now)
    if given.get("pinned") is not None:
        _change_group(tx, tenant, run, identity, {"pinned": given["pinned"]}, now)


def _change_group(
    tx: Connection, tenant: Tenant, run: Row[Any], identity: str, changes: Mapping[str, Any], now: str
) -> str:
    """Change what is known of a group, and write down its label if that changes; the label. Raises NotFound."""
    row = find_group(tx, run.cluster_id, identity)
    before = orjson.loads(row.resource)
    resource = {**before, **changes}
    tx.execute(update(groups).where(groups.c.pk == row.pk).values(resource=orjson.dumps(resource).decode()))
    was, shown = shown_label(before), shown_label(resource)
    if shown != was:
        by = (tenant.key_id, tenant.user_id)
        write_changes(tx, [change(row, shown, before=was["label"], run_id=run.id, now=now, by=by)])
    return shown["label"]


def shown_label(known: Mapping[str, Any]) -> dict[str, str]:
    """A group's label and where it comes from: a person's goes before a run's."""
    if known["label_given"]:
        return {"label": known["label_given"], "source": HUMAN}
    return {"label": known["label"], "source": known["label_source"]}


def merge_groups(
    tx: Connection, run: Row[Any], rows: Sequence[Mapping[str, Any]], source: str, into: str, now: str
) -> None:
    """Make a group of the definition's newest run a part of another. Raises NotFound, BadRequest, Conflict."""
    check_present(rows, [source, into])
    check_newest(tx, run)
    run = fresh(tx, run)
    if source == into:
        raise BadRequest("a group is not merged into itself: name another one in 'into'")
    if orjson.loads(run.plan)["attributes"]:
        raise BadRequest("groups by attributes are their values: change the documents or the attributes")
    above = {row["parent_cluster_id"] for row in rows}
    if {source, into} & above:
        raise BadRequest("groups of groups are not merged: merge those that are in them")
    parents = {row["cluster_id"]: row["parent_cluster_id"] for row in rows}
    if parents[source] != parents[into]:
        raise BadRequest("the two are in different groups of groups: merge groups of the same one")
    find_group(tx, run.cluster_id, source)
    find_group(tx, run.cluster_id, into)
    shown = orjson.loads(run.resource)
    before = shown.get("merged_groups") or {}
    if source in before or into in before:
        raise Conflict("one of the two was merged by someone else meanwhile: look again")
    merged = {**before, source: into}
    shown["merged_groups"] = {part: into if whole == source else whole for part, whole in merged.items()}
    shown["num_clusters"] -= 1
    moved = update(groups).where(
        groups.c.cluster_id == run.cluster_id, (groups.c.id == source) | (groups.c.merged_into == source)
    )
    tx.execute(moved.values(merged_into=into))
    write_run(tx, run, shown)
    follow(tx, run, {"num_clusters": shown["num_clusters"]}, now)


def unmerge_group(tx: Connection, run: Row[Any], identity: str, now: str) -> None:
    """Take a merge back: at once in the run that it was made in, and in the runs to come. Raises NotFound, Conflict."""
    check_newest(tx, run)
    run = fresh(tx, run)
    row = find_group(tx, run.cluster_id, identity)
    if row.merged_into is None:
        raise Conflict(f"group '{identity}' is not merged into another one")
    if row.merged_into in (orjson.loads(run.resource).get("split_groups") or {}).values():
        raise Conflict(f"a part of group '{row.merged_into}' was split off after the merge: take the split back first")
    tx.execute(update(groups).where(groups.c.pk == row.pk).values(merged_into=None))
    shown = orjson.loads(run.resource)
    merged = shown.get("merged_groups") or {}
    if merged.pop(identity, None) is not None:
        shown.update(merged_groups=merged, num_clusters=shown["num_clusters"] + 1)
        write_run(tx, run, shown)
        follow(tx, run, {"num_clusters": shown["num_clusters"]}, now)


def show_group(tx: Connection, run: Row[Any], identity: str, present: Mapping[str, Any] | None) -> dict[str, Any]:
    """All that is known of a group: when it was seen, its labels, the groups merged into it, and how it is now
    (`present`, its row in the newest run, or None). Raises NotFound."""
    row = find_group(tx, run.cluster_id, identity)
    inside = select(groups.c.id).where(groups.c.cluster_id == run.cluster_id, groups.c.merged_into == identity)
    known = orjson.loads(row.resource)
    splits = known_groups(tx, run.cluster_id).splits()
    return {
        "cluster_id": identity,
        "label": shown_label(known)["label"],
        "label_source": shown_label(known)["source"],
        "pinned": known["pinned"],
        "values": known["values"],
        "first_run_id": known["first_run_id"],
        "first_seen_at": known["first_seen_at"],
        "last_run_id": known["last_run_id"],
        "last_seen_at": known["last_seen_at"],
        "merged_into": row.merged_into,
        "merged_groups": list(tx.scalars(inside.order_by(groups.c.pk))),
        "member_count": None if present is None else present["num_members"],
        "keywords": [] if present is None else present["keywords"],
        "history": read_changes(tx, row.cluster_id, identity, HISTORY)[0],
        "split_from": known.get("split_from"),
        "split_groups": [name for name, source in splits.items() if source == identity],
    }


def show_history(tx: Connection, cluster_id: str, identity: str, limit: int, offset: int) -> dict[str, Any]:
    """A page of the changes of a group's label, the newest first. Raises NotFound."""
    known = orjson.loads(find_group(tx, cluster_id, identity).resource)
    history, total = read_changes(tx, cluster_id, identity, limit, offset)
    shown = shown_label(known)
    return {
        "cluster_id": cluster_id,
        "group_id": identity,
        "label": shown["label"],
        "label_source": shown["source"],
        "total": total,
        "history": history,
    }


def find_group(tx: Connection, cluster_id: str, identity: str) -> Row[Any]:
    """A group that a definition has or had. Raises NotFound."""
    row = tx.execute(select(groups).where(groups.c.cluster_id == cluster_id, groups.c.id == identity)).first()
    if row is None:
        raise NotFound(
            f"group '{identity}' is not one of this cluster; GET /v1/clusters/{cluster_id}/groups lists them"
        )
    return row


def check_present(rows: Sequence[Mapping[str, Any]], identities: Sequence[str] | Mapping[str, str]) -> None:
    """Raise NotFound, BadRequest unless these are groups of a run."""
    present = {row["cluster_id"] for row in rows}
    for identity in identities:
        if identity == NOISE_ID:
            raise BadRequest("what is in no group ('-1') has no label and is not merged")
        if identity not in present:
            raise NotFound(f"group '{identity}' is not in this run")


def fresh(tx: Connection, run: Row[Any]) -> Row[Any]:
    """The run as it is now: it may have been changed since it was read. Raises NotFound."""
    row = tx.execute(select(runs).where(runs.c.pk == run.pk)).first()
    if row is None:
        raise NotFound(f"run '{run.id}' does not exist in this namespace")
    return row


def _is_newest(tx: Connection, run: Row[Any]) -> bool:
    newest = select(func.max(runs.c.pk)).where(runs.c.cluster_id == run.cluster_id, runs.c.status == queue.COMPLETED)
    return run.cluster_id is not None and bool(tx.scalar(newest) == run.pk)


def check_newest(tx: Connection, run: Row[Any]) -> None:
    """Raise Conflict where another run has completed since this one was read."""
    if not _is_newest(tx, run):
        raise Conflict("a run of the definition has completed meanwhile: look again")


def write_run(tx: Connection, run: Row[Any], shown: Mapping[str, Any]) -> None:
    """Keep what a run shows."""
    tx.execute(update(runs).where(runs.c.pk == run.pk).values(resource=orjson.dumps(shown).decode()))


def follow(
    tx: Connection, run: Row[Any], changes: Mapping[str, Any], now: str, words: Sequence[str] | None = None
) -> None:
    """Let the definition show what its newest run has become, and be found by these words of it."""
    row = tx.execute(select(clusters).where(clusters.c.id == run.cluster_id)).one()
    change_cluster(tx, row.pk, changes, now, run_text=None if words is None else "\n".join(words))
