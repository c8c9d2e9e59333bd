"""Triggers, and runs that are done, or fail, in the test's own process."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import orjson
from httpx import Client
from sqlalchemy import Row, select, update

from coterie.api.context import Services
from coterie.jobs import queue
from coterie.jobs.job import Job
from coterie.kit.clock import iso
from coterie.runs.run import ClusterRun
from coterie.store.tables import tasks

HOURLY = {"trigger_type": "interval", "schedule_config": {"interval_seconds": 3600}}
PATH = "/v1/clusters/triggers"


class Inline:
    """Stages in this process."""

    def run(self, stage: str, arguments: Mapping[str, Any], poll: Callable[[float | None], None]) -> Any:
        module, _, name = stage.partition(":")
        return getattr(import_module(module), name)(poll, **arguments)

    def close(self) -> None: ...


def add_trigger(client: Client, **body: Any) -> dict[str, Any]:
    """A trigger, of the definition `groups` every hour unless told otherwise."""
    asked = {**HOURLY, **body}
    if "execution_config" not in asked:
        asked.setdefault("cluster_id", "groups")
    made = client.post(PATH, json=asked)
    assert made.status_code == 201, made.text
    shown: dict[str, Any] = made.json()
    return shown


def add_event_trigger(client: Client, **schedule: Any) -> str:
    """A trigger on documents that are added; its id."""
    config = {"event_type": "documents_added", **schedule}
    identity: str = add_trigger(client, trigger_type="event", schedule_config=config)["trigger_id"]
    return identity


def get(client: Client, trigger_id: str) -> dict[str, Any]:
    """A trigger as it is shown."""
    answer = client.get(f"{PATH}/{trigger_id}")
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def history(client: Client, trigger_id: str, **body: Any) -> list[dict[str, Any]]:
    """A trigger's firings, newest first."""
    answer = client.post(f"{PATH}/{trigger_id}/history", json=body)
    assert answer.status_code == 200, answer.text
    firings: list[dict[str, Any]] = answer.json()["executions"]
    return firings


def statuses(client: Client, trigger_id: str) -> list[str]:
    """What came of a trigger's firings, newest first."""
    return [each["status"] for each in history(client, trigger_id)]


def put(client: Client, first: int, count: int, vector: list[float] | None = None) -> None:
    """Documents `n0…` of the collection `things`, written in one request."""
    documents = [
        {"document_id": f"n{number}", "vectors": {"bring_your_own": vector or [20.0, 0.1, 0.0, 0.0]}}
        for number in range(first, first + count)
    ]
    answer = client.post("/v1/collections/things/documents/batch", json={"documents": documents})
    assert answer.json()["failed"] == 0, answer.text


def open_tasks(services: Services) -> list[Row[Any]]:
    """The runs that wait for a worker, oldest first."""
    waiting = select(tasks).where(tasks.c.status.in_(queue.OPEN)).order_by(tasks.c.pk)
    with services.db.read() as tx:
        return list(tx.execute(waiting).all())


def work(services: Services) -> None:
    """Do all runs that wait."""
    for row in open_tasks(services):
        with services.db.write() as tx:
            tx.execute(update(tasks).where(tasks.c.pk == row.pk).values(owner="w"))
        job = Job(row.id, "w", services.db, services.clock, Inline(), lambda _name, do: do())
        ClusterRun(services).run(job, orjson.loads(row.payload))


def end(services: Services, status: str, error: str | None = None) -> None:
    """End all runs that wait without doing them."""
    for row in open_tasks(services):
        with services.db.write() as tx:
            ClusterRun(services).ended(tx, orjson.loads(row.payload), status, error)
            queue.change(tx, row, iso(services.clock.now()), status=status, error_message=error)
