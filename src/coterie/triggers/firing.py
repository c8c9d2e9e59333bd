"""Firing: what every worker does each second. Looking is cheap and done by all; firing is done by one.

A firing is one transaction: its row, which is unique for a due time, the run and its task, the trigger's next time and
the event. So a due time fires once over any number of workers, and a crash leaves it wholly done or still to be done.
Times that passed while no worker ran are made up for by one firing. What came of a firing is noted when its task has
ended, whoever ended it.
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, Row, delete, insert, select, update

from coterie.api.context import Services, Tenant
from coterie.documents.collections import counters_of
from coterie.jobs import queue
from coterie.kit.clock import iso, parse_iso
from coterie.kit.errors import Conflict, CoterieError
from coterie.runs.service import start_definition, start_run
from coterie.store.tables import trigger_firings, triggers
from coterie.triggers.conditions import holds
from coterie.triggers.queries import (
    CANCELED,
    COMPLETED,
    FAILED,
    RUNNING,
    SKIPPED,
    count_events,
    counted,
    due_triggers,
    ended_firings,
    open_firing,
    tenant_of,
    watched,
)
from coterie.triggers.schedule import next_cron, next_interval
from coterie.triggers.schemas import TriggerStatus
from coterie.triggers.service import change_trigger, plan_of
from coterie.webhooks.events import WebhookEventType as EventType
from coterie.webhooks.events import emit

log = logging.getLogger("coterie.triggers")

SECONDS = 1.0
EVENT_SECONDS = 5
"""How often events are looked for."""

RETRY_SECONDS = 60
"""When a trigger that an error of ours held up, or events that found the definition busy, are looked at again."""

MOST = 500
"""Triggers, and ended firings, that one look takes on."""

MAX_FAILURES = 5
KEPT_FIRINGS = 1_000
"""Firings of a trigger that its history keeps."""


@dataclass(frozen=True)
class Start:
    """What came of the start of a run."""

    status: str
    job_id: str = ""
    run_id: str | None = None
    error: str | None = None


def keep_firing(services: Services, stopping: threading.Event) -> None:
    """Look for what is due, each second, until told to stop."""
    while not stopping.wait(SECONDS):
        try:
            fire_due(services)
        except Exception:
            log.exception("the look for due triggers met an error and goes on")


def fire_due(services: Services) -> int:
    """Note what came of firings that have ended, and fire what is due; how many fired or were skipped."""
    _settle(services)
    now = services.clock.now()
    with services.db.read() as tx:
        due = tx.execute(due_triggers(iso(now)).limit(MOST)).all()
    fired = 0
    idle: list[tuple[Row[Any], datetime]] = []
    for row in due:
        try:
            if _is_ready(services, row):
                fired += _fire(services, row, now)
            else:
                idle.append((row, _next_time(orjson.loads(row.resource), parse_iso(row.next_at), now, None)))
        except Exception:
            log.exception("trigger %s met an error and is put off", row.id)
            idle.append((row, now + timedelta(seconds=RETRY_SECONDS)))
    if idle:
        with services.db.write() as tx:
            for row, later in idle:
                _put_off(tx, row, later)
    return fired


def _is_ready(services: Services, row: Row[Any]) -> bool:
    """Whether a trigger whose time has come is to fire, as far as a read can tell."""
    resource, state = orjson.loads(row.resource), orjson.loads(row.state)
    schedule = resource["schedule_config"]
    if resource["trigger_type"] == "event":
        with services.db.read() as tx:
            enough = count_events(tx, resource, state) >= schedule["event_threshold"]
            present = sum(counters["documents"] for counters in counters_of(tx, watched(resource)).values())
            return bool(enough and present >= schedule["min_documents"])
    if resource["trigger_type"] == "conditional":
        with services.db.read() as tx:
            busy = open_firing(tx, row.id) is not None
        return not busy and holds(services, tenant_of(row), resource, state)
    return True


def _fire(services: Services, seen: Row[Any], now: datetime) -> bool:
    """Fire a trigger for the time at which it was seen to be due; False where another worker did, or it was changed."""
    moment = iso(now)
    with services.db.write() as tx:
        same = (triggers.c.pk == seen.pk, triggers.c.next_at == seen.next_at, triggers.c.resource == seen.resource)
        row = tx.execute(due_triggers(moment).where(*same)).first()
        if row is None:
            return False
        resource, state, due = orjson.loads(row.resource), orjson.loads(row.state), parse_iso(row.next_at)
        once = (trigger_firings.c.trigger_id == row.id, trigger_firings.c.due_at == row.next_at)
        if tx.scalar(select(trigger_firings.c.pk).where(*once)) is not None:  # a clock that was put back
            _put_off(tx, row, _next_time(resource, due, now, None))
            return False
        start = _start(tx, tenant_of(row), row, resource, moment)
        following = _next_time(resource, due, now, start.status)
        _record(tx, row, start, moment)
        shown = {
            "last_execution_status": start.status,
            "last_execution_error": start.error,
            "next_scheduled_at": None if resource["trigger_type"] == "event" else iso(following),
        }
        if start.status == RUNNING:
            shown |= {"last_triggered_at": moment, "last_execution_job_id": start.job_id}
            shown["execution_count"] = resource["execution_count"] + 1
            if resource["trigger_type"] == "event":
                state["base"] = counted(tx, resource)
                shown["last_cooldown_at"] = moment
            emit(tx, row.namespace_id, EventType.TRIGGER_FIRED, _told(row, start, row.next_at), moment)
        if start.status == FAILED:
            shown |= {"last_triggered_at": moment, "consecutive_failures": resource["consecutive_failures"] + 1}
            emit(tx, row.namespace_id, EventType.TRIGGER_EXECUTION_FAILED, _told(row, start, row.next_at), moment)
        _change(tx, row, {**resource, **shown}, state, iso(following), moment)
    return True


def _start(tx: Connection, tenant: Tenant, row: Row[Any], resource: Mapping[str, Any], now: str) -> Start:
    """Start the trigger's run, unless its last one or another of the definition is under way."""
    if open_firing(tx, row.id) is not None:
        return Start(SKIPPED, error="the run that this trigger started before is still under way")
    try:
        if row.cluster_id is not None:
            how = {name: resource[name] for name in ("mode", "assignment_threshold") if resource.get(name) is not None}
            task = start_definition(tx, tenant, row.cluster_id, how, now, wait=False)
        else:
            task = start_run(tx, tenant, plan_of(tx, tenant, resource["execution_config"]), now)
    except Conflict as error:
        busy = (error.details or {}).get("task_id")
        return Start(SKIPPED, error=f"another run of the definition is under way (task '{busy}')")
    except CoterieError as error:
        return Start(FAILED, error=error.message)
    return Start(RUNNING, task["task_id"], task["additional_data"]["run_id"])


def _record(tx: Connection, row: Row[Any], start: Start, now: str) -> None:
    """Write the firing, and let go of those that its trigger's history is too long for."""
    shown = {
        "job_id": start.job_id,
        "triggered_at": now,
        "status": start.status,
        "execution_time_ms": None,
        "error": start.error,
        "num_clusters": None,
        "num_documents": None,
        "run_id": start.run_id,
        "due_at": row.next_at,
    }
    new = insert(trigger_firings).values(
        trigger_id=row.id,
        due_at=row.next_at,
        task_id=start.job_id or None,
        status=start.status,
        resource=orjson.dumps(shown).decode(),
        created_at=now,
    )
    tx.execute(new)
    own = trigger_firings.c.trigger_id == row.id
    beyond = select(trigger_firings.c.pk).where(own).order_by(trigger_firings.c.pk.desc()).offset(KEPT_FIRINGS).limit(1)
    oldest = tx.scalar(beyond)
    if oldest is not None:
        tx.execute(delete(trigger_firings).where(own, trigger_firings.c.pk <= oldest))


def _settle(services: Services) -> None:
    """Note what came of the firings whose tasks have ended."""
    with services.db.read() as tx:
        if tx.execute(ended_firings(1)).first() is None:
            return
    with services.db.write() as tx:
        now = iso(services.clock.now())
        for firing in tx.execute(ended_firings(MOST)).all():
            _note(tx, firing, now)


def _note(tx: Connection, firing: Row[Any], now: str) -> None:
    """Note one firing's end on it and on its trigger, which fails after MAX_FAILURES in a row."""
    task = {} if firing.task is None else orjson.loads(firing.task)
    run = {} if firing.run is None else orjson.loads(firing.run)
    status = {queue.COMPLETED: COMPLETED, queue.FAILED: FAILED}.get(firing.task_status, CANCELED)
    error = task.get("error_message")
    shown = {**orjson.loads(firing.resource), "status": status, "error": error, "execution_time_ms": _took(task)}
    shown |= {"num_clusters": run.get("num_clusters"), "num_documents": run.get("num_points")}
    ended = update(trigger_firings).where(trigger_firings.c.pk == firing.pk)
    tx.execute(ended.values(task_id=None, status=status, resource=orjson.dumps(shown).decode()))
    row = tx.execute(select(triggers).where(triggers.c.id == firing.trigger_id)).one()
    resource, state = orjson.loads(row.resource), orjson.loads(row.state)
    resource |= {"last_execution_status": status, "last_execution_error": error}
    if status == COMPLETED:
        resource["consecutive_failures"] = 0
        state["run_id"] = firing.run_id
    elif status == FAILED:
        resource["consecutive_failures"] += 1
    _change(tx, row, resource, state, row.next_at, now)
    if status != CANCELED:
        event = EventType.TRIGGER_EXECUTION_COMPLETED if status == COMPLETED else EventType.TRIGGER_EXECUTION_FAILED
        start = Start(status, shown["job_id"], shown["run_id"], error)
        emit(tx, row.namespace_id, event, _told(row, start, shown["due_at"]), now)


def _change(
    tx: Connection, row: Row[Any], resource: dict[str, Any], state: Mapping[str, Any], next_at: str | None, now: str
) -> None:
    """Write a trigger; an active one that has failed too often in a row is `failed`."""
    if row.status == TriggerStatus.ACTIVE and resource["consecutive_failures"] >= MAX_FAILURES:
        resource, next_at = {**resource, "status": TriggerStatus.FAILED, "next_scheduled_at": None}, None
    change_trigger(tx, row, resource, now, next_at=next_at, state=orjson.dumps(state).decode())


def _put_off(tx: Connection, row: Row[Any], later: datetime) -> None:
    """Look at a trigger later, unless it was changed meanwhile."""
    resource = orjson.loads(row.resource)
    if resource["trigger_type"] != "event":
        resource["next_scheduled_at"] = iso(later)
    same = (triggers.c.pk == row.pk, triggers.c.next_at == row.next_at, triggers.c.resource == row.resource)
    tx.execute(update(triggers).where(*same).values(next_at=iso(later), resource=orjson.dumps(resource).decode()))


def _next_time(resource: Mapping[str, Any], due: datetime, now: datetime, outcome: str | None) -> datetime:
    """When to look again at a trigger that was due: with an outcome if it fired, None if it did not."""
    schedule, kind = resource["schedule_config"], resource["trigger_type"]
    if kind == "cron":
        return next_cron(schedule["cron_expression"], schedule["timezone"], max(due, now))
    if kind == "interval":
        return next_interval(schedule["interval_seconds"], due, now)
    if kind == "conditional":
        return now + timedelta(seconds=schedule["check_interval_seconds"])
    cooldown = {None: 0, SKIPPED: RETRY_SECONDS}.get(outcome, schedule["cooldown_seconds"])
    return now + timedelta(seconds=max(cooldown, EVENT_SECONDS))


def _took(task: Mapping[str, Any]) -> int | None:
    """Milliseconds that a task took since a worker began it."""
    if not task:
        return None
    begun = task["additional_data"].get("started_at", task["created_at"])
    return round((parse_iso(task["updated_at"]) - parse_iso(begun)) / timedelta(milliseconds=1))


def _told(row: Row[Any], start: Start, due_at: str) -> dict[str, Any]:
    return {
        "trigger_id": row.id,
        "cluster_id": row.cluster_id,
        "due_at": due_at,
        "job_id": start.job_id or None,
        "run_id": start.run_id,
        "error": start.error,
    }
