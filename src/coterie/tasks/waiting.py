"""Waiting for a task within a request."""

import asyncio
import time
from typing import Any

import orjson
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from coterie.api.context import Services
from coterie.api.health import live_workers
from coterie.jobs import queue
from coterie.kit.errors import NotFound, Unavailable
from coterie.store.tables import tasks

POLL_SECONDS = 0.1
WORKER_PATIENCE_SECONDS = 20.0
"""How long a request waits for any worker to show up."""


async def until_ended(services: Services, task_id: str) -> dict[str, Any]:
    """The task as the API shows it once it has ended, waited for without holding a thread.

    Raises Unavailable when it takes too long, naming the task, and NotFound when it went with its namespace.
    """
    begun = time.monotonic()
    while True:
        task = await run_in_threadpool(_read, services, task_id)
        if task["status"] not in queue.OPEN:
            return task
        waited = time.monotonic() - begun
        lonely = waited > WORKER_PATIENCE_SECONDS and task["status"] == queue.PENDING
        if lonely and not await run_in_threadpool(live_workers, services):
            await run_in_threadpool(_cancel, services, task_id)
            raise Unavailable("no worker is running: start `coterie worker`", 5, {"task_id": task_id})
        if waited > services.settings.execute_timeout_seconds:
            raise Unavailable(
                f"this takes longer than a request may wait; it goes on as task '{task_id}'",
                30,
                {"task_id": task_id, "retryable": False},
            )
        await asyncio.sleep(POLL_SECONDS)


def _read(services: Services, task_id: str) -> dict[str, Any]:
    with services.db.read() as tx:
        text = tx.scalar(select(tasks.c.resource).where(tasks.c.id == task_id))
    if text is None:
        raise NotFound(f"task '{task_id}' does not exist")
    task: dict[str, Any] = orjson.loads(text)
    return task


def _cancel(services: Services, task_id: str) -> None:
    with services.db.write() as tx:
        queue.request_cancel(tx, tasks.c.id == task_id)
