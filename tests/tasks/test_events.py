"""Tasks as server-sent events: each state once, an end, an estimate, and walls around them."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from conftest import Service
from coterie.api.context import Services
from coterie.client import Client
from coterie.jobs import queue
from coterie.kit.clock import iso
from coterie.kit.errors import TooManyRequests
from coterie.tasks import events
from support import add_cluster, add_collection

START = datetime(2026, 1, 1, tzinfo=UTC)


def task(status: str = "PROCESSING", progress: float = 0.0, **state: Any) -> dict[str, Any]:
    additional = {"stage": "fit", "progress": progress, **state}
    return {"task_id": "task_1", "status": status, "additional_data": additional, "updated_at": iso(START)}


def collect(texts: Iterator[str | None], closing: Iterator[bool] | None = None) -> list[tuple[str | None, Any]]:
    """What `follow` tells of the states that a task goes through."""

    async def listen() -> list[tuple[str | None, Any]]:
        told = events.follow(lambda: next(texts), lambda: START, lambda: closing is not None and next(closing))
        return [(event.event, json.loads(event.raw_data or "")) async for event in told]

    return asyncio.run(listen())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK_SECONDS", 0.001)


def test_each_state_is_told_once_and_the_last_ends_the_stream() -> None:
    states = [task("PENDING"), task(progress=0.2), task(progress=0.2), task(progress=0.6), task("COMPLETED", 1.0)]
    told = collect(iter([*(json.dumps(state) for state in states), "never asked for"]))
    assert [event for event, _ in told] == ["progress", "progress", "progress", "end"]
    assert [state["additional_data"]["progress"] for _, state in told] == [0.0, 0.2, 0.6, 1.0]


def test_a_stream_ends_with_its_task_with_the_server_and_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    assert collect(iter([None])) == []
    assert len(collect(iter([json.dumps(task())] * 3), iter([False, False, True]))) == 1
    monkeypatch.setattr(events, "STREAM_SECONDS", 0.0)
    assert collect(iter([json.dumps(task())])) == []


@pytest.mark.parametrize(
    ("state", "left"),
    [
        (task(progress=0.25, started_at=iso(START - timedelta(seconds=10))), 30.0),
        (task(progress=0.01, started_at=iso(START - timedelta(seconds=10))), None),
        (task("PENDING"), None),
        (task("FAILED", 0.5, started_at=iso(START)), 0.0),
    ],
)
def test_the_rest_takes_as_long_in_proportion_as_what_is_done(state: dict[str, Any], left: float | None) -> None:
    assert events.with_estimate(state, START)["additional_data"]["estimated_seconds_left"] == left


def test_an_organization_has_so_many_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LISTENERS", 1)
    listeners = events.Listeners()
    opened, other, again = (listeners.listening(org_id) for org_id in ("org_1", "org_2", "org_1"))
    with opened, other, pytest.raises(TooManyRequests), again:
        pass
    with listeners.listening("org_1"):
        pass


def test_a_task_of_others_has_no_stream(client: TestClient, services: Services) -> None:
    with services.db.write() as tx:
        org_id = tx.exec_driver_sql("SELECT id FROM organizations").scalar_one()
        new = queue.NewTask(str(org_id), "ns_other", "cluster.run", "engine_cluster_build", {})
        made = queue.submit(tx, new, iso(START))
    path = f"/v1/tasks/{made['task_id']}/events"
    for headers in ({"X-Namespace": "default"}, {"Authorization": "Bearer sk_wrong"}):
        assert client.get(path, headers=headers).status_code in (401, 404)
    assert client.get("/v1/tasks/task_none/events").status_code == 404


def test_a_run_is_told_from_queue_to_end(service: Service) -> None:
    with service.client() as client:
        add_collection(client, "live")
        cluster = add_cluster(client, "live", "live")
        task_id = client.post(f"/v1/clusters/{cluster['cluster_id']}/execute").json()["task_id"]
        with client.stream("GET", f"/v1/tasks/{task_id}/events") as stream:
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            lines = list(stream.iter_lines())
    told = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert told[-1]["status"] == "COMPLETED"
    assert told[-1]["additional_data"]["estimated_seconds_left"] == 0
    assert [line for line in lines if line.startswith("event: ")][-1] == "event: end"
    shares = [each["additional_data"]["progress"] for each in told]
    assert shares == sorted(shares)
    with Client(service.url, service.key) as own:
        assert own.wait(task_id)["status"] == "COMPLETED"


def test_an_open_stream_does_not_hold_the_server_up(run_service: Any) -> None:
    service = run_service("--workers", "0")
    with service.client() as client:
        add_collection(client)
        cluster = add_cluster(client)
        task_id = client.post(f"/v1/clusters/{cluster['cluster_id']}/execute").json()["task_id"]
        with client.stream("GET", f"/v1/tasks/{task_id}/events") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: progress"
            assert service.stop() == 0
            assert "event: end" not in list(lines)
