"""Reads of triggers and their firings."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from sqlalchemy import Connection, Row, Select, func, select

from coterie.api.context import Tenant
from coterie.clusters.queries import find_cluster
from coterie.documents.collections import counters_of, spaces_of
from coterie.documents.queries import Members
from coterie.jobs import queue
from coterie.kit.errors import NotFound, invalid
from coterie.listing.filters import parse_path
from coterie.listing.scan import page_of
from coterie.listing.syntax import parse_list
from coterie.listing.tree import Listable
from coterie.runs.queries import find_results
from coterie.store.tables import documents, namespaces, organizations, runs, tasks, trigger_firings, triggers
from coterie.store.vectors import Space
from coterie.triggers.schemas import ListTriggersRequest, TriggerHistoryRequest, TriggerStatus

RUNNING, COMPLETED, FAILED, CANCELED, SKIPPED = "running", "completed", "failed", "canceled", "skipped"
"""What may come of a firing."""

OUTCOMES = (RUNNING, COMPLETED, FAILED, CANCELED, SKIPPED)
_COUNTED = {"documents_added": "added", "documents_updated": "updated", "batch_completed": "batches"}
_TIMES = frozenset({"created_at", "updated_at", "last_triggered_at", "next_scheduled_at", "last_cooldown_at"})
PROFILE = Listable("description", "trigger_id", _TIMES)


def find_trigger(tx: Connection, tenant: Tenant, trigger_id: str) -> Row[Any]:
    """The tenant's trigger. Raises NotFound."""
    own = select(triggers).where(triggers.c.namespace_id == tenant.namespace_id, triggers.c.id == trigger_id)
    row = tx.execute(own).first()
    if row is None:
        raise NotFound(f"trigger '{trigger_id}' does not exist in this namespace")
    return row


def show(tx: Connection, row: Row[Any]) -> dict[str, Any]:
    """A trigger as the API shows it: as it is stored, with the events as they stand."""
    resource: dict[str, Any] = orjson.loads(row.resource)
    if resource["trigger_type"] == "event":
        resource["event_counter"] = count_events(tx, resource, orjson.loads(row.state))
    return resource


def list_triggers(tx: Connection, tenant: Tenant, request: ListTriggersRequest) -> tuple[list[dict[str, Any]], int]:
    """A page of the namespace's triggers, and how many there are. Raises NotFound for no such definition."""
    parse_path(request.sort_by, PROFILE, ("body", "sort_by"))
    wanted: dict[str, Any] = {"trigger_type": request.trigger_type, "status": request.status}
    if request.cluster_id is not None:
        wanted["cluster_id"] = find_cluster(tx, tenant, request.cluster_id).id
    asked = {
        "filters": {"AND": [{name: str(value)} for name, value in wanted.items() if value is not None]},
        "sort": {"field": request.sort_by, "direction": request.direction},
        "offset": request.offset,
        "limit": request.limit,
    }
    own = select(triggers).where(triggers.c.namespace_id == tenant.namespace_id)
    rows = tx.execute(own.order_by(triggers.c.created_at.desc(), triggers.c.id)).all()
    shown = ((each, each["trigger_id"], each, None) for each in (show(tx, row) for row in rows))
    return page_of(shown, parse_list(asked, profile=PROFILE))


def list_firings(
    tx: Connection, tenant: Tenant, trigger_id: str, request: TriggerHistoryRequest
) -> tuple[list[Any], int]:
    """A page of a trigger's firings as JSON, newest first, and how many there are. Raises NotFound, Invalid."""
    row = find_trigger(tx, tenant, trigger_id)
    own = trigger_firings.c.trigger_id == row.id
    if request.status_filter is not None:
        if request.status_filter not in OUTCOMES:
            raise invalid(("body", "status_filter"), f"Input should be one of {', '.join(OUTCOMES)}", "enum")
        own = own & (trigger_firings.c.status == request.status_filter)
    newest = select(trigger_firings.c.resource).where(own).order_by(trigger_firings.c.pk.desc())
    page = tx.scalars(newest.limit(request.limit).offset(request.offset)).all()
    total = tx.scalar(select(func.count()).select_from(trigger_firings).where(own)) or 0
    return [orjson.Fragment(text) for text in page], total


def watched(resource: Mapping[str, Any]) -> list[str]:
    """The ids of the collections whose events a trigger counts."""
    only = resource["schedule_config"].get("collection_id")
    return [only] if only is not None else list(resource["execution_config"]["collection_ids"])


def counted(tx: Connection, resource: Mapping[str, Any]) -> dict[str, int]:
    """By collection how many events of its kind an event trigger's collections have seen in all."""
    name = _COUNTED[resource["schedule_config"]["event_type"]]
    return {identity: counters[name] for identity, counters in counters_of(tx, watched(resource)).items()}


def count_events(tx: Connection, resource: Mapping[str, Any], state: Mapping[str, Any]) -> int:
    """The events since those that an event trigger remembers."""
    base = state["base"]
    return sum(count - base.get(identity, 0) for identity, count in counted(tx, resource).items())


def due_triggers(now: str) -> Select[Any]:
    """Active triggers to be looked at by now, longest waiting first, with the names of their tenant."""
    return (
        select(triggers, organizations.c.internal_id, namespaces.c.name.label("namespace_name"))
        .join(namespaces, namespaces.c.id == triggers.c.namespace_id)
        .join(organizations, organizations.c.id == triggers.c.org_id)
        .where(triggers.c.status == TriggerStatus.ACTIVE, triggers.c.next_at <= now, namespaces.c.deleting.is_(False))
        .order_by(triggers.c.next_at, triggers.c.pk)
    )


def tenant_of(row: Row[Any]) -> Tenant:
    """Whom a row of `due_triggers` belongs to; no permissions come with it."""
    return Tenant(row.org_id, row.internal_id, "", frozenset(), row.namespace_id, row.namespace_name)


def open_firing(tx: Connection, trigger_id: str) -> Any:
    """The firing of a trigger whose run is under way; None if there is none."""
    own = select(trigger_firings.c.pk).where(trigger_firings.c.trigger_id == trigger_id, trigger_firings.c.task_id > "")
    return tx.scalar(own.limit(1))


def ended_firings(limit: int) -> Select[Any]:
    """Firings whose task has ended, or is gone, and what the task and its run left. A firing has its `task_id` until
    this was noted, which the index on it makes easy to find."""
    return (
        select(
            trigger_firings,
            tasks.c.status.label("task_status"),
            tasks.c.resource.label("task"),
            runs.c.id.label("run_id"),
            runs.c.resource.label("run"),
        )
        .outerjoin(tasks, tasks.c.id == trigger_firings.c.task_id)
        .outerjoin(runs, runs.c.task_id == trigger_firings.c.task_id)
        .where(trigger_firings.c.task_id > "", tasks.c.id.is_(None) | tasks.c.status.not_in(queue.OPEN))
        .order_by(trigger_firings.c.pk)
        .limit(limit)
    )


def last_run(tx: Connection, tenant: Tenant, resource: Mapping[str, Any], state: Mapping[str, Any]) -> Row[Any] | None:
    """The newest completed run of a trigger's definition or, without one, of the trigger; None before there is one."""
    identifier = resource["cluster_id"] or state.get("run_id")
    if identifier is None:
        return None
    try:
        return find_results(tx, tenant, identifier)[1]
    except NotFound:
        return None


def newest_members(
    tx: Connection, tenant: Tenant, collection_id: str, names: list[str], since: str, most: int
) -> Members:
    """The newest documents of a collection that came after an instant, at most so many, and their vectors of the first
    of the `names` that the collection has."""
    present = spaces_of(tx, collection_id)
    name = next((name for name in names if name in present), names[-1])
    found = (
        select(documents.c.pk, documents.c.id, documents.c.vectors)
        .where(
            documents.c.namespace_id == tenant.namespace_id,
            documents.c.collection_id == collection_id,
            documents.c.created_at > since,
        )
        .order_by(documents.c.created_at.desc(), documents.c.id)
        .limit(most)
    )
    rows = [(row.pk, row.id, orjson.loads(row.vectors).get(name)) for row in tx.execute(found)]
    having = [row for row in rows if row[2] is not None]
    return Members(
        Space(tenant.namespace_id, collection_id, name),
        present.get(name),
        np.array([row[0] for row in having], np.int64),
        [row[1] for row in having],
        np.array([row[2] for row in having], np.int64),
        len(rows) - len(having),
    )
