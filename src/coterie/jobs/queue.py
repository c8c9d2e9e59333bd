"""The server's side of a job: rows in `tasks`, written in the transaction of the change that needs the job.

The table is the outbox: a committed change is never without its job, and the server needs no job engine. Workers
read it (`jobs.dispatch`). A task's `resource` is what the API shows; the other columns are the engine's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, Row, insert, select, update

from coterie.kit import telemetry
from coterie.kit.ids import new_id
from coterie.store.tables import tasks

PENDING, PROCESSING, COMPLETED, FAILED, CANCELED = "PENDING", "PROCESSING", "COMPLETED", "FAILED", "CANCELED"
OPEN = (PENDING, PROCESSING)
"""The states from which a task still moves."""


ORIGIN = "origin"
"""What of a stored payload leads to the request or the job that made the task; the API shows it nowhere."""


@dataclass(frozen=True)
class NewTask:
    """What is to be done: `kind` names the handler, `payload` is what it is told, `lock` keeps tasks in a row."""

    org_id: str
    namespace_id: str
    kind: str
    task_type: str
    payload: Mapping[str, Any]
    lock: str | None = None
    inputs: tuple[Any, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def submit(tx: Connection, task: NewTask, now: str) -> dict[str, Any]:
    """Write a task in the caller's transaction; the task as the API shows it."""
    resource = {
        "task_id": new_id("task"),
        "task_type": task.task_type,
        "status": PENDING,
        "inputs": list(task.inputs),
        "outputs": [],
        "additional_data": {"stage": "queued", "progress": 0.0, **task.extra},
        "error_message": None,
        "error": None,
        "created_at": now,
        "updated_at": now,
    }
    tx.execute(
        insert(tasks).values(
            id=resource["task_id"],
            org_id=task.org_id,
            namespace_id=task.namespace_id,
            kind=task.kind,
            payload=orjson.dumps({**task.payload, ORIGIN: telemetry.origin()}).decode(),
            lock=task.lock,
            status=PENDING,
            resource=orjson.dumps(resource).decode(),
            created_at=now,
            updated_at=now,
        )
    )
    return resource


def open_task_of(tx: Connection, lock: str, but: str | None = None) -> Any:
    """Id and status of the oldest unfinished task that holds or waits for a lock, other than `but`; None if there is
    none.
    """
    oldest = select(tasks.c.id, tasks.c.status).where(tasks.c.lock == lock, tasks.c.status.in_(OPEN))
    others = oldest if but is None else oldest.where(tasks.c.id != but)
    return tx.execute(others.order_by(tasks.c.pk).limit(1)).first()


def request_cancel(tx: Connection, *conditions: Any) -> int:
    """Ask for the end of the open tasks that meet the conditions; how many there were."""
    asked = update(tasks).where(tasks.c.status.in_(OPEN), *conditions).values(cancel_requested=True)
    return tx.execute(asked).rowcount


def change(tx: Connection, row: Row[Any], now: str, *, status: str | None = None, **shown: Any) -> None:
    """Bring a task's status and its resource along together. `additional_data` is merged, the rest replaced."""
    resource = orjson.loads(row.resource)
    resource["additional_data"].update(shown.pop("additional_data", {}))
    resource.update(shown, status=status or row.status, updated_at=now)
    resource["error"] = resource["error_message"]
    tx.execute(
        update(tasks)
        .where(tasks.c.pk == row.pk)
        .values(status=resource["status"], resource=orjson.dumps(resource).decode(), updated_at=now)
    )
