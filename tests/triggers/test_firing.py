"""Firing: what is due fires once, whoever looks, and what came of it is noted."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import insert, select, update
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.jobs import queue
from coterie.kit.clock import ManualClock
from coterie.store.tables import organizations, trigger_firings, webhook_deliveries, webhooks
from coterie.store.tables import triggers as table
from coterie.triggers import firing
from coterie.triggers.firing import fire_due
from coterie.wiring import connect
from support import KMEANS, add_cluster, add_collection
from triggers.support import (
    PATH,
    add_event_trigger,
    add_trigger,
    end,
    get,
    history,
    open_tasks,
    put,
    statuses,
    work,
)

Later = Callable[..., int]


@pytest.fixture(autouse=True)
def definition(client: TestClient) -> dict[str, Any]:
    add_collection(client)
    return add_cluster(client, vector_config=KMEANS)


@pytest.fixture
def later(services: Services, clock: ManualClock) -> Later:
    """Moves the clock and looks; how many fired."""

    def move(**by: float) -> int:
        clock.advance(timedelta(**by))
        return fire_due(services)

    return move


def test_a_firing_starts_the_run_and_shows_what_came_of_it(
    client: TestClient, services: Services, clock: ManualClock, later: Later, definition: dict[str, Any]
) -> None:
    identity = add_trigger(client)["trigger_id"]
    assert later(minutes=59) == 0
    assert later(minutes=1) == 1
    assert later() == 0
    shown = get(client, identity)
    assert shown["execution_count"] == 1
    assert shown["last_execution_status"] == "running"
    assert shown["last_triggered_at"] == "2026-03-02T13:00:00.000000Z"
    assert shown["next_scheduled_at"] == "2026-03-02T14:00:00.000000Z"
    (task,) = open_tasks(services)
    assert shown["last_execution_job_id"] == task.id
    clock.advance(timedelta(seconds=7))
    work(services)
    assert later() == 0
    (firing,) = history(client, identity)
    assert firing == {
        "job_id": task.id,
        "triggered_at": "2026-03-02T13:00:00.000000Z",
        "status": "completed",
        "execution_time_ms": 7000,
        "error": None,
        "num_clusters": 3,
        "num_documents": 60,
        "run_id": firing["run_id"],
        "due_at": "2026-03-02T13:00:00.000000Z",
    }
    assert get(client, identity)["last_execution_status"] == "completed"
    assert client.get(f"/v1/clusters/{definition['cluster_id']}").json()["last_run_id"] == firing["run_id"]


def test_it_starts_immediately_when_asked_to(client: TestClient, later: Later) -> None:
    schedule = {"interval_seconds": 600, "start_immediately": True}
    add_trigger(client, schedule_config=schedule)
    assert (later(), later(seconds=599), later(seconds=1)) == (1, 0, 1)


def test_a_configuration_of_its_own_is_run(client: TestClient, services: Services, later: Later) -> None:
    config = {
        "algorithm": "kmeans",
        "algorithm_params": {"n_clusters": 2},
        "feature_vector": {"vector_name": "bring_your_own"},
    }
    execution = {"collection_ids": ["things"], "config": config}
    identity = add_trigger(client, execution_config=execution)["trigger_id"]
    client.patch("/v1/collections/things", json={"collection_name": "renamed"})
    assert later(hours=1) == 1
    work(services)
    later()
    (firing,) = history(client, identity)
    assert (firing["status"], firing["num_clusters"]) == ("completed", 2)
    assert client.get(f"/v1/clusters/{firing['run_id']}/groups").json()["total_groups"] == 2


def test_two_workers_at_once_fire_once(client: TestClient, services: Services, clock: ManualClock) -> None:
    ids = []
    for name in "abcd":
        add_cluster(client, name, vector_config=KMEANS)
        ids.append(add_trigger(client, cluster_id=name)["trigger_id"])
    clock.advance(timedelta(hours=1))
    other = replace(connect(services.settings), clock=clock)
    with ThreadPoolExecutor(4) as pool:
        fired = sum(pool.map(fire_due, [services, other, services, other]))
    other.db.close()
    assert fired == 4
    assert [statuses(client, identity) for identity in ids] == [["running"]] * 4
    assert len(open_tasks(services)) == 4


def test_one_who_looked_and_came_late_changes_nothing(
    client: TestClient, services: Services, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = add_trigger(client)["trigger_id"]
    clock.advance(timedelta(hours=1))
    fire = firing._fire

    def after_another(*seen: Any) -> bool:
        assert fire(*seen)
        return fire(*seen)

    monkeypatch.setattr(firing, "_fire", after_another)
    assert fire_due(services) == 0
    assert statuses(client, identity) == ["running"]
    assert len(open_tasks(services)) == 1


def test_a_crash_in_mid_firing_leaves_it_to_be_done(
    client: TestClient, services: Services, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = add_trigger(client)["trigger_id"]

    class Crash(BaseException): ...

    def crash(*_: Any, **__: Any) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(firing, "change_trigger", crash)
        with pytest.raises(Crash):
            later(hours=1)
    assert (history(client, identity), open_tasks(services)) == ([], [])
    assert later() == 1
    assert history(client, identity)[0]["due_at"] == "2026-03-02T13:00:00.000000Z"


def test_times_missed_while_down_are_made_up_for_once(client: TestClient, services: Services, later: Later) -> None:
    add_cluster(client, "nightly", vector_config=KMEANS)
    every = add_trigger(client)["trigger_id"]
    cron = {"cron_expression": "0 3 * * *"}
    daily = add_trigger(client, cluster_id="nightly", trigger_type="cron", schedule_config=cron)["trigger_id"]
    assert later(days=10, minutes=30) == 2
    assert later() == 0
    assert history(client, daily)[0]["due_at"] == "2026-03-03T03:00:00.000000Z"
    assert get(client, daily)["next_scheduled_at"] == "2026-03-13T03:00:00.000000Z"
    assert get(client, every)["next_scheduled_at"] == "2026-03-12T13:30:00.000000Z"


def test_a_clock_that_is_put_back_fires_no_time_twice(client: TestClient, services: Services, later: Later) -> None:
    identity = add_trigger(client)["trigger_id"]
    later(hours=1)
    work(services)
    with services.db.write() as tx:
        tx.execute(update(table).values(next_at="2026-03-02T13:00:00.000000Z"))
    assert later() == 0
    assert statuses(client, identity) == ["completed"]
    assert get(client, identity)["next_scheduled_at"] == "2026-03-02T14:00:00.000000Z"


def test_a_busy_definition_is_skipped_with_the_reason(client: TestClient, services: Services, later: Later) -> None:
    identity = add_trigger(client)["trigger_id"]
    task = client.post("/v1/clusters/groups/execute").json()["task_id"]
    assert later(hours=1) == 1
    (skipped,) = history(client, identity, status_filter="skipped")
    assert (skipped["job_id"], task in skipped["error"]) == ("", True)
    end(services, queue.COMPLETED)
    assert later(hours=1) == 1
    later(hours=1)
    assert statuses(client, identity) == ["skipped", "running", "skipped"]
    assert "still under way" in history(client, identity)[0]["error"]
    assert get(client, identity)["execution_count"] == 1
    assert len(open_tasks(services)) == 1


def test_five_failures_in_a_row_fail_a_trigger_until_it_is_resumed(
    client: TestClient, services: Services, later: Later
) -> None:
    identity = add_trigger(client)["trigger_id"]
    for number in range(1, 5):
        later(hours=1)
        end(services, queue.FAILED, "no luck")
        later()
        assert get(client, identity)["consecutive_failures"] == number
    later(hours=1)
    work(services)
    later()
    assert get(client, identity)["consecutive_failures"] == 0
    for _ in range(5):
        assert get(client, identity)["status"] == "active"
        later(hours=1)
        end(services, queue.FAILED, "no luck")
        later()
    shown = get(client, identity)
    assert (shown["status"], shown["next_scheduled_at"]) == ("failed", None)
    assert (shown["last_execution_status"], shown["last_execution_error"]) == ("failed", "no luck")
    assert later(days=1) == 0
    resumed = client.post(f"{PATH}/{identity}/resume").json()
    assert (resumed["status"], resumed["consecutive_failures"]) == ("active", 0)
    assert later(hours=1) == 1


def test_a_cancel_counts_neither_way(client: TestClient, services: Services, later: Later) -> None:
    identity = add_trigger(client)["trigger_id"]
    for status in (queue.FAILED, queue.CANCELED):
        later(hours=1)
        end(services, status)
        later()
    assert statuses(client, identity) == ["canceled", "failed"]
    assert get(client, identity)["consecutive_failures"] == 1


def test_a_run_that_cannot_be_started_is_a_failure(client: TestClient, services: Services, later: Later) -> None:
    config = {"algorithm": "kmeans", "feature_vector": {"vector_name": "bring_your_own"}}
    execution = {"collection_ids": ["things"], "config": config}
    identity = add_trigger(client, execution_config=execution)["trigger_id"]
    client.delete("/v1/collections/things")
    for _ in range(5):
        assert later(hours=1) == 1
    (first, *_) = history(client, identity)
    assert (first["status"], first["job_id"], "does not exist" in first["error"]) == ("failed", "", True)
    assert get(client, identity)["status"] == "failed"
    assert get(client, identity)["next_scheduled_at"] is None


def test_paused_and_deleted_triggers_and_hidden_namespaces_do_not_fire(client: TestClient, later: Later) -> None:
    client.post(f"{PATH}/{add_trigger(client)['trigger_id']}/pause")
    client.delete(f"{PATH}/{add_trigger(client)['trigger_id']}")
    assert later(hours=1) == 0
    add_trigger(client)
    client.delete("/v1/namespaces/default")
    assert later(hours=1) == 0


def test_an_error_of_ours_puts_one_trigger_off_and_no_other(
    client: TestClient, services: Services, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_cluster(client, "other", vector_config=KMEANS)
    broken = add_trigger(client)["trigger_id"]
    whole = add_trigger(client, cluster_id="other")["trigger_id"]
    ready = firing._is_ready

    def fails_once(services: Services, row: Any) -> bool:
        if row.id == broken:
            raise RuntimeError
        return ready(services, row)

    with monkeypatch.context() as patched:
        patched.setattr(firing, "_is_ready", fails_once)
        assert later(hours=1) == 1
    assert (statuses(client, broken), statuses(client, whole)) == ([], ["running"])
    assert later(seconds=firing.RETRY_SECONDS) == 1


def test_the_history_keeps_the_newest_and_is_paged(
    client: TestClient, services: Services, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firing, "KEPT_FIRINGS", 3)
    identity = add_trigger(client)["trigger_id"]
    for _ in range(5):
        later(hours=1)
    assert statuses(client, identity) == ["skipped"] * 3
    answer = client.post(f"{PATH}/{identity}/history", json={"limit": 1, "offset": 1}).json()
    assert (answer["total"], answer["offset"], answer["limit"]) == (3, 1, 1)
    assert answer["executions"][0]["due_at"] == "2026-03-02T16:00:00.000000Z"
    assert client.post(f"{PATH}/{identity}/history", json={"status_filter": "odd"}).status_code == 422
    end(services, queue.COMPLETED)
    later(hours=1)
    with services.db.read() as tx:
        assert len(tx.execute(select(trigger_firings)).all()) == 3


@pytest.fixture
def told(services: Services) -> Callable[[], list[dict[str, Any]]]:
    """The events of triggers, each once."""
    types = [f"trigger.{name}" for name in ("created", "updated", "deleted", "paused", "resumed", "fired")]
    types += ["trigger.execution.completed", "trigger.execution.failed"]
    channels = [{"number": 0, "channel": "webhook"}]
    with services.db.write() as tx:
        org = tx.scalars(select(organizations.c.id)).first()
        own = {"id": "wh_1", "org_id": org, "name": "all", "active": True, "created_at": ""}
        secret = orjson.dumps({"signing": "s", "channels": channels}).decode()
        tx.execute(
            insert(webhooks).values(**own, secret=secret, resource=orjson.dumps({"event_types": types}).decode())
        )

    def read() -> list[dict[str, Any]]:
        with services.db.read() as tx:
            rows = tx.scalars(select(webhook_deliveries.c.event).order_by(webhook_deliveries.c.pk)).all()
        return [orjson.loads(row) for row in rows]

    return read


def test_webhooks_are_told(
    client: TestClient, services: Services, later: Later, told: Callable[[], list[dict[str, Any]]]
) -> None:
    identity = add_trigger(client)["trigger_id"]
    client.patch(f"{PATH}/{identity}", json={"description": "x"})
    client.post(f"{PATH}/{identity}/pause")
    client.post(f"{PATH}/{identity}/pause")
    client.post(f"{PATH}/{identity}/resume")
    for status in (queue.FAILED, queue.COMPLETED):
        later(hours=1)
        end(services, status)
        later()
    client.delete(f"{PATH}/{identity}")
    names = [event["event_type"].removeprefix("trigger.") for event in told()]
    ran = ["fired", "execution.failed", "fired", "execution.completed"]
    assert names == ["created", "updated", "paused", "resumed", *ran, "deleted"]
    assert {event["data"]["trigger_id"] for event in told()} == {identity}
    fired = told()[4]["data"]
    assert (fired["job_id"], fired["run_id"], fired["due_at"]) == (
        told()[5]["data"]["job_id"],
        history(client, identity)[1]["run_id"],
        "2026-03-02T13:00:00.000000Z",
    )


def test_events_are_counted_up_to_the_threshold(client: TestClient, services: Services, later: Later) -> None:
    identity = add_event_trigger(client, event_threshold=10)
    assert get(client, identity)["event_counter"] == 0
    put(client, 0, 6)
    assert get(client, identity)["event_counter"] == 6
    assert later() == 0
    put(client, 0, 6)  # the same ones again are updates
    put(client, 6, 4)
    assert get(client, identity)["event_counter"] == 10
    assert later(seconds=firing.EVENT_SECONDS) == 1
    shown = get(client, identity)
    assert (shown["event_counter"], shown["next_scheduled_at"]) == (0, None)
    assert shown["last_cooldown_at"] == shown["last_triggered_at"]
    work(services)
    put(client, 10, 9)
    assert later(hours=1) == 0


def test_a_cooldown_holds_the_next_firing_back(client: TestClient, services: Services, later: Later) -> None:
    identity = add_event_trigger(client)
    put(client, 0, 1)
    assert later() == 1
    work(services)
    put(client, 1, 1)
    assert later(seconds=299) == 0
    assert get(client, identity)["event_counter"] == 1
    assert later(seconds=1) == 1
    changed = client.patch(f"{PATH}/{identity}", json={"schedule_config": {"cooldown_seconds": 0}}).json()
    assert changed["schedule_config"]["cooldown_seconds"] == 0


def test_events_are_not_lost_to_a_busy_definition(client: TestClient, services: Services, later: Later) -> None:
    identity = add_event_trigger(client, event_threshold=2, cooldown_seconds=3600)
    client.post("/v1/clusters/groups/execute")
    put(client, 0, 2)
    assert later() == 1
    assert (statuses(client, identity), get(client, identity)["event_counter"]) == (["skipped"], 2)
    end(services, queue.COMPLETED)
    assert later(seconds=firing.RETRY_SECONDS) == 1
    assert (statuses(client, identity), get(client, identity)["event_counter"]) == (["running", "skipped"], 0)


def test_resuming_forgets_the_events_before(client: TestClient, later: Later) -> None:
    identity = add_event_trigger(client)
    client.post(f"{PATH}/{identity}/pause")
    put(client, 0, 5)
    assert client.post(f"{PATH}/{identity}/resume").json()["event_counter"] == 0
    assert later() == 0
    put(client, 5, 1)
    assert later(seconds=firing.EVENT_SECONDS) == 1


def test_each_kind_of_event_is_its_own_count(client: TestClient) -> None:
    kinds = ("documents_added", "documents_updated", "batch_completed")
    ids = {kind: add_event_trigger(client, event_type=kind) for kind in kinds}
    put(client, 0, 3)
    put(client, 2, 3)
    client.put("/v1/collections/things/documents/n0", json={"metadata": {"a": 1}})
    client.delete("/v1/collections/things/documents/n1")
    lines = "\n".join(f'{{"id": "i{number}", "vector": [1, 2, 3, 4]}}' for number in range(5))
    for strict in (False, True):
        imported = client.post(
            "/v1/collections/things/documents/import",
            params={"strict": strict},
            content=lines,
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert imported.json()["imported"] == 5, imported.text
    counts = {kind: get(client, identity)["event_counter"] for kind, identity in ids.items()}
    assert counts == {"documents_added": 5 + 5, "documents_updated": 1 + 1 + 5, "batch_completed": 2 + 1 + 2}


def test_one_collection_can_be_watched(client: TestClient, later: Later) -> None:
    client.post("/v1/collections", json={"collection_name": "elsewhere"})
    identity = add_event_trigger(client, collection_id="elsewhere")
    put(client, 0, 3)
    assert later() == 0
    client.post("/v1/collections/elsewhere/documents", json={"metadata": {}})
    assert later(seconds=firing.EVENT_SECONDS) == 1
    watched = {"schedule_config": {"collection_id": "things"}}
    assert client.patch(f"{PATH}/{identity}", json=watched).json()["event_counter"] == 0
    client.delete("/v1/collections/things")
    assert get(client, identity)["event_counter"] == 0


def test_min_documents_have_to_be_there(client: TestClient, later: Later) -> None:
    add_event_trigger(client, min_documents=63)
    put(client, 0, 2)
    assert later() == 0
    put(client, 2, 1)
    assert later(seconds=firing.EVENT_SECONDS) == 1
