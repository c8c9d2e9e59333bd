"""The rules of a write: making, changing, pausing, resuming and deleting triggers."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
from pydantic import ValidationError
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from coterie.api.context import Tenant
from coterie.clusters.queries import find_cluster
from coterie.documents.collections import find_collection, find_collections
from coterie.kit.clock import iso, parse_iso
from coterie.kit.errors import BadRequest, Conflict, Invalid, Issue, invalid
from coterie.kit.ids import new_id
from coterie.runs.plan import Plan, of_request
from coterie.runs.schemas import ExecuteClusterRequest
from coterie.store.tables import triggers
from coterie.triggers.queries import counted, find_trigger, show
from coterie.triggers.schedule import next_cron
from coterie.triggers.schemas import (
    CreateTriggerRequest,
    PreviewTriggerRequest,
    TriggerStatus,
    TriggerType,
    UpdateTriggerRequest,
    read_schedule,
)
from coterie.webhooks.events import WebhookEventType as EventType
from coterie.webhooks.events import emit

MAX_ACTIVE = 50
"""Active triggers of one namespace."""

MAX_TRIGGERS = 1_000
"""Triggers of one namespace in all; of those that were deleted the oldest make room."""

ACTIVE, PAUSED, DISABLED = TriggerStatus.ACTIVE, TriggerStatus.PAUSED, TriggerStatus.DISABLED


def create_trigger(tx: Connection, tenant: Tenant, request: CreateTriggerRequest, now: str) -> dict[str, Any]:
    """A new trigger. Raises NotFound, BadRequest, Invalid."""
    if request.status not in (ACTIVE, PAUSED):
        raise invalid(("body", "status"), "a trigger begins as 'active' or 'paused'", "enum")
    schedule = read_schedule(request.trigger_type, request.schedule_config)
    if (request.cluster_id is None) == (request.execution_config is None):
        raise BadRequest("say what to run by either 'cluster_id' or 'execution_config'")
    if request.cluster_id is not None:
        cluster = find_cluster(tx, tenant, request.cluster_id)
        cluster_id, execution = cluster.id, _execution_of(orjson.loads(cluster.resource))
    else:
        assert request.execution_config is not None
        asked = request.execution_config.model_dump()
        plan = plan_of(tx, tenant, asked)
        cluster_id, execution = None, {**asked, "collection_ids": plan.collection_ids}
    _check_schedule(tx, tenant, schedule, execution)
    if request.mode == "assign" and cluster_id is None:
        raise BadRequest("the mode 'assign' adds to a definition's runs: name it by 'cluster_id'")
    if request.mode == "full" and request.assignment_threshold is not None:
        raise BadRequest("'assignment_threshold' is of the mode 'assign'")
    target = {"cluster_id": cluster_id, "execution_config": execution}
    target |= request.model_dump(include={"mode", "assignment_threshold"})
    own = {"description": request.description, "created_by": tenant.user_id}
    return _insert(tx, tenant, request.trigger_type, schedule, {**target, **own}, request.status, now)


def preview_trigger(request: PreviewTriggerRequest, now: datetime) -> dict[str, Any]:
    """A schedule in full and its first times, were it made now. Raises Invalid."""
    schedule = read_schedule(request.trigger_type, request.schedule_config)
    times: list[str] = []
    while request.trigger_type is not TriggerType.EVENT and len(times) < request.count:
        after = parse_iso(times[-1]) if times else now
        times.append(_first_time(request.trigger_type, schedule, after, fresh=not times))
    return {"schedule_config": schedule, "times": times}


def patch_trigger(
    tx: Connection, tenant: Tenant, trigger_id: str, request: UpdateTriggerRequest, now: str
) -> dict[str, Any]:
    """Change a trigger's schedule, description or status. Raises NotFound, Conflict, BadRequest, Invalid."""
    row = find_trigger(tx, tenant, trigger_id)
    if request.status is TriggerStatus.FAILED:
        raise invalid(("body", "status"), "a trigger fails by itself; send 'active', 'paused' or 'disabled'", "enum")
    given = request.model_fields_set
    if request.schedule_config is not None:
        _check_free(row, "schedule")
        resource = orjson.loads(row.resource)
        merged = {**resource["schedule_config"], **request.schedule_config}
        schedule = read_schedule(TriggerType(resource["trigger_type"]), merged)
        _check_schedule(tx, tenant, schedule, resource["execution_config"])
        _reschedule(tx, row, schedule, now)
    if "description" in given:
        change_trigger(tx, find_trigger(tx, tenant, trigger_id), {"description": request.description}, now)
    if request.schedule_config is not None or "description" in given:
        _tell(tx, EventType.TRIGGER_UPDATED, row, now)
    if request.status is not None and request.status != row.status:
        do = {ACTIVE: resume_trigger, PAUSED: pause_trigger, DISABLED: delete_trigger}[request.status]
        do(tx, tenant, trigger_id, now)
    return show(tx, find_trigger(tx, tenant, trigger_id))


def pause_trigger(tx: Connection, tenant: Tenant, trigger_id: str, now: str) -> dict[str, Any]:
    """Let a trigger rest until it is resumed. Raises NotFound, Conflict for one that was deleted."""
    row = find_trigger(tx, tenant, trigger_id)
    if row.status == DISABLED:
        raise Conflict(f"trigger '{trigger_id}' was deleted; resume it, or create another")
    if row.status != PAUSED:
        change_trigger(tx, row, {"status": PAUSED, "next_scheduled_at": None}, now, next_at=None)
        _tell(tx, EventType.TRIGGER_PAUSED, row, now)
    return show(tx, find_trigger(tx, tenant, trigger_id))


def resume_trigger(tx: Connection, tenant: Tenant, trigger_id: str, now: str) -> dict[str, Any]:
    """Make a trigger active, whatever it was: times and events count from now, failures from none. Raises NotFound,
    BadRequest."""
    row = find_trigger(tx, tenant, trigger_id)
    if row.status != ACTIVE:
        _check_room_to_run(tx, tenant)
    resource = orjson.loads(row.resource)
    kind, schedule = TriggerType(resource["trigger_type"]), resource["schedule_config"]
    first = _first_time(kind, schedule, parse_iso(now))
    shown = {"status": ACTIVE, "next_scheduled_at": _shown_time(kind, first), "consecutive_failures": 0}
    state = {**orjson.loads(row.state), "base": _base(tx, resource)}
    change_trigger(tx, row, shown, now, next_at=first, state=orjson.dumps(state).decode())
    if row.status != ACTIVE:
        _tell(tx, EventType.TRIGGER_RESUMED, row, now)
    return show(tx, find_trigger(tx, tenant, trigger_id))


def delete_trigger(tx: Connection, tenant: Tenant, trigger_id: str, now: str) -> None:
    """Disable a trigger; it and its history stay to be looked at. Raises NotFound, Conflict."""
    row = find_trigger(tx, tenant, trigger_id)
    _check_free(row, "deletion")
    _disable(tx, row, now)


def follow_definition(tx: Connection, tenant: Tenant, definition: Mapping[str, Any], now: str) -> None:
    """Keep the trigger of a definition's `auto_execute_on_batch` in step with it. Raises BadRequest."""
    row = _own_trigger(tx, definition)
    if not definition.get("auto_execute_on_batch"):
        if row is not None:
            _disable(tx, row, now)
        return
    asked = {
        "event_type": "batch_completed",
        "cooldown_seconds": definition["auto_execute_cooldown_seconds"],
        "min_documents": definition["auto_execute_min_documents"],
    }
    schedule = read_schedule(TriggerType.EVENT, asked)
    if row is None:
        execution = _execution_of(definition)
        own = {"cluster_id": definition["cluster_id"], "execution_config": execution, "created_by": tenant.user_id}
        own["description"] = "auto_execute_on_batch of the definition"
        _insert(tx, tenant, TriggerType.EVENT, schedule, own, ACTIVE, now, automatic=True)
        return
    if orjson.loads(row.resource)["schedule_config"] != schedule:
        _reschedule(tx, row, schedule, now)
        _tell(tx, EventType.TRIGGER_UPDATED, row, now)
    if row.status == DISABLED:
        resume_trigger(tx, tenant, row.id, now)


def change_trigger(tx: Connection, row: Row[Any], shown: Mapping[str, Any], now: str, **columns: Any) -> None:
    """Bring a trigger's resource and its columns along together."""
    resource = {**orjson.loads(row.resource), **shown, "updated_at": now}
    text = orjson.dumps(resource).decode()
    changed = update(triggers).where(triggers.c.pk == row.pk)
    tx.execute(changed.values(resource=text, status=resource["status"], **columns))


def plan_of(tx: Connection, tenant: Tenant, execution: Mapping[str, Any]) -> Plan:
    """The plan of an `execution_config`, its collections by id. Raises NotFound, BadRequest, Invalid."""
    try:
        request = ExecuteClusterRequest.model_validate(execution)
        return of_request(request, [row.id for row in find_collections(tx, tenant, request.collection_ids)])
    except ValidationError as error:
        issues = [
            Issue(("body", "execution_config", *fault["loc"]), fault["msg"], fault["type"]) for fault in error.errors()
        ]
        raise Invalid(issues) from error
    except Invalid as error:
        below = [issue._replace(loc=("body", "execution_config", *issue.loc[1:])) for issue in error.issues]
        raise Invalid(below) from error


def _insert(
    tx: Connection,
    tenant: Tenant,
    kind: TriggerType,
    schedule: dict[str, Any],
    own: Mapping[str, Any],
    status: TriggerStatus,
    now: str,
    *,
    automatic: bool = False,
) -> dict[str, Any]:
    if status is ACTIVE:
        _check_room_to_run(tx, tenant)
    _make_room(tx, tenant)
    first = _first_time(kind, schedule, parse_iso(now), fresh=True) if status is ACTIVE else None
    resource = {
        "trigger_id": new_id("trig"),
        "namespace_id": tenant.namespace_id,
        "internal_id": tenant.internal_id,
        "trigger_type": kind,
        "schedule_config": schedule,
        "status": status,
        "last_triggered_at": None,
        "last_execution_job_id": None,
        "next_scheduled_at": _shown_time(kind, first),
        "execution_count": 0,
        "consecutive_failures": 0,
        "last_execution_status": None,
        "last_execution_error": None,
        "event_counter": 0,
        "last_cooldown_at": None,
        "created_at": now,
        "updated_at": now,
        **own,
    }
    new = insert(triggers).values(
        id=resource["trigger_id"],
        org_id=tenant.org_id,
        namespace_id=tenant.namespace_id,
        cluster_id=resource["cluster_id"],
        status=status,
        next_at=first,
        state=orjson.dumps({"base": _base(tx, resource), "automatic": automatic}).decode(),
        resource=orjson.dumps(resource).decode(),
        created_at=now,
    )
    row = tx.execute(new.returning(*triggers.c)).one()
    _tell(tx, EventType.TRIGGER_CREATED, row, now)
    return show(tx, row)


def _reschedule(tx: Connection, row: Row[Any], schedule: dict[str, Any], now: str) -> None:
    """Put another schedule in place: times count from now; events go on being counted unless they are others."""
    resource = orjson.loads(row.resource)
    before, kind = resource["schedule_config"], TriggerType(resource["trigger_type"])
    state, next_at = orjson.loads(row.state), row.next_at
    if kind is not TriggerType.EVENT and row.status == ACTIVE:
        next_at = _first_time(kind, schedule, parse_iso(now))
    if any(before.get(name) != schedule.get(name) for name in ("event_type", "collection_id")):
        state["base"] = _base(tx, {**resource, "schedule_config": schedule})
    shown = {"schedule_config": schedule, "next_scheduled_at": _shown_time(kind, next_at)}
    change_trigger(tx, row, shown, now, next_at=next_at, state=orjson.dumps(state).decode())


def _disable(tx: Connection, row: Row[Any], now: str) -> None:
    if row.status != DISABLED:
        change_trigger(tx, row, {"status": DISABLED, "next_scheduled_at": None}, now, next_at=None)
        _tell(tx, EventType.TRIGGER_DELETED, row, now)


def _tell(tx: Connection, event: EventType, row: Row[Any], now: str) -> None:
    emit(tx, row.namespace_id, event, {"trigger_id": row.id, "cluster_id": row.cluster_id}, now)


def _first_time(kind: TriggerType, schedule: Mapping[str, Any], now: datetime, *, fresh: bool = False) -> str:
    """When a trigger that counts from now is to be looked at first; `fresh` where it has just been made."""
    if kind is TriggerType.CRON:
        return iso(next_cron(schedule["cron_expression"], schedule["timezone"], now))
    if kind is TriggerType.EVENT or (fresh and schedule.get("start_immediately")):
        return iso(now)
    wait = schedule["interval_seconds" if kind is TriggerType.INTERVAL else "check_interval_seconds"]
    return iso(now + timedelta(seconds=wait))


def _shown_time(kind: TriggerType, next_at: str | None) -> str | None:
    """Events come when they come."""
    return None if kind is TriggerType.EVENT else next_at


def _base(tx: Connection, resource: Mapping[str, Any]) -> dict[str, int]:
    return counted(tx, resource) if resource["trigger_type"] == TriggerType.EVENT else {}


def _execution_of(definition: Mapping[str, Any]) -> dict[str, Any]:
    config = definition["vector_config"] or definition["attribute_config"]
    return {"collection_ids": definition["input_collections"], "config": config}


def _check_schedule(tx: Connection, tenant: Tenant, schedule: dict[str, Any], execution: Mapping[str, Any]) -> None:
    """Look up the collection that a schedule names, and refuse conditions that its runs can never meet."""
    if schedule.get("collection_id") is not None:
        schedule["collection_id"] = find_collection(tx, tenant, schedule["collection_id"]).id
    condition = schedule.get("condition_type")
    if condition in ("drift", "quality") and "attributes" in execution["config"]:
        raise BadRequest(
            f"a grouping by attributes has no vectors to measure '{condition}' by; use 'volume' or 'custom'"
        )


def _check_free(row: Row[Any], what: str) -> None:
    """Raise Conflict for the trigger that a definition keeps."""
    if orjson.loads(row.state)["automatic"]:
        raise Conflict(
            f"the {what} of trigger '{row.id}' is its definition's: PATCH /v1/clusters/{row.cluster_id} with "
            "'auto_execute_on_batch', 'auto_execute_min_documents' or 'auto_execute_cooldown_seconds'"
        )


def _check_room_to_run(tx: Connection, tenant: Tenant) -> None:
    active = select(func.count()).select_from(triggers).where(_own(tenant), triggers.c.status == ACTIVE)
    if (tx.scalar(active) or 0) >= MAX_ACTIVE:
        raise BadRequest(f"a namespace has at most {MAX_ACTIVE} active triggers; pause or delete one")


def _make_room(tx: Connection, tenant: Tenant) -> None:
    total = tx.scalar(select(func.count()).select_from(triggers).where(_own(tenant))) or 0
    if total < MAX_TRIGGERS:
        return
    oldest = select(triggers.c.pk).where(_own(tenant), triggers.c.status == DISABLED).order_by(triggers.c.pk).limit(1)
    if not tx.execute(delete(triggers).where(triggers.c.pk.in_(oldest))).rowcount:
        raise BadRequest(f"a namespace has at most {MAX_TRIGGERS} triggers; delete one")


def _own(tenant: Tenant) -> Any:
    return triggers.c.namespace_id == tenant.namespace_id


def _own_trigger(tx: Connection, definition: Mapping[str, Any]) -> Row[Any] | None:
    """The trigger that a definition keeps, if it has ever had one."""
    of_definition = select(triggers).where(
        triggers.c.namespace_id == definition["namespace_id"], triggers.c.cluster_id == definition["cluster_id"]
    )
    rows = tx.execute(of_definition).all()
    return next((row for row in rows if orjson.loads(row.state)["automatic"]), None)
