"""The resource: what is taken, refused, shown and changed."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.kit.clock import ManualClock
from coterie.store.tables import runs
from coterie.triggers import service
from coterie.triggers.firing import fire_due
from support import add_cluster, add_collection
from triggers.support import HOURLY, PATH, add_event_trigger, add_trigger, get, history, work

CONFIG = {
    "algorithm": "kmeans",
    "algorithm_params": {"n_clusters": 3},
    "feature_vector": {"vector_name": "bring_your_own"},
}


@pytest.fixture(autouse=True)
def definition(client: TestClient) -> dict[str, Any]:
    add_collection(client)
    return add_cluster(client)


def test_a_trigger_is_shown_as_it_was_made(client: TestClient, definition: dict[str, Any]) -> None:
    schedule = {"cron_expression": "0 6 * * *", "timezone": "Europe/Berlin"}
    made = add_trigger(client, trigger_type="cron", schedule_config=schedule, description="daily")
    assert made == {
        "trigger_id": made["trigger_id"],
        "cluster_id": definition["cluster_id"],
        "namespace_id": definition["namespace_id"],
        "internal_id": made["internal_id"],
        "mode": "full",
        "assignment_threshold": None,
        "execution_config": {
            "collection_ids": definition["input_collections"],
            "config": definition["vector_config"],
        },
        "trigger_type": "cron",
        "schedule_config": schedule,
        "status": "active",
        "last_triggered_at": None,
        "last_execution_job_id": None,
        "next_scheduled_at": "2026-03-03T05:00:00.000000Z",
        "execution_count": 0,
        "consecutive_failures": 0,
        "last_execution_status": None,
        "last_execution_error": None,
        "event_counter": 0,
        "last_cooldown_at": None,
        "created_at": "2026-03-02T12:00:00.000000Z",
        "updated_at": "2026-03-02T12:00:00.000000Z",
        "created_by": made["created_by"],
        "description": "daily",
    }
    assert made["trigger_id"].startswith("trig_")
    assert get(client, made["trigger_id"]) == made
    assert history(client, made["trigger_id"]) == []


def test_a_trigger_that_assigns(client: TestClient, services: Services, clock: ManualClock) -> None:
    trigger = add_trigger(client, mode="assign", assignment_threshold=0.8)
    assert (trigger["mode"], trigger["assignment_threshold"]) == ("assign", 0.8)
    clock.advance(timedelta(hours=1))
    assert fire_due(services) == 1
    [early] = history(client, trigger["trigger_id"])
    assert (early["status"], "no completed run" in early["error"]) == ("failed", True)
    client.post("/v1/clusters/groups/execute")
    work(services)
    clock.advance(timedelta(hours=1))
    assert fire_due(services) == 1
    with services.db.read() as tx:
        plans = [orjson.loads(text) for text in tx.scalars(select(runs.c.plan).order_by(runs.c.pk))]
    assert [(plan["mode"], plan["assignment_threshold"]) for plan in plans] == [("full", None), ("assign", 0.8)]


@pytest.mark.parametrize(
    "body", [{"mode": "wrong"}, {"assignment_threshold": 0.5}, {"mode": "assign", "assignment_threshold": 2}]
)
def test_a_mode_that_cannot_be_is_refused(client: TestClient, body: dict[str, Any]) -> None:
    schedule = {"trigger_type": "interval", "schedule_config": {"interval_seconds": 3600}}
    assert client.post(PATH, json={"cluster_id": "groups", **schedule, **body}).status_code in (400, 422)


@pytest.mark.parametrize(
    ("kind", "schedule", "field"),
    [
        ("cron", {"cron_expression": "0 0 30 2 *"}, "cron_expression"),
        ("cron", {"cron_expression": "every day"}, "cron_expression"),
        ("cron", {}, "cron_expression"),
        ("cron", {"cron_expression": "0 0 * * *", "timezone": "Mars/Base"}, "timezone"),
        ("interval", {"interval_seconds": 299}, "interval_seconds"),
        ("interval", {"interval_seconds": 10**12}, "interval_seconds"),
        ("interval", {"interval_seconds": 300, "cron_expression": "* * * * *"}, "cron_expression"),
        ("event", {"event_type": "full_moon"}, "event_type"),
        ("event", {"event_type": "documents_added", "event_threshold": 0}, "event_threshold"),
        ("event", {"event_type": "documents_added", "cooldown_seconds": -1}, "cooldown_seconds"),
        ("conditional", {"threshold": 1}, "condition_type"),
        ("conditional", {"condition_type": ["drift"], "threshold": 1}, "condition_type"),
        ("conditional", {"condition_type": "drift", "threshold": 2}, "threshold"),
        ("conditional", {"condition_type": "volume"}, "threshold"),
        ("conditional", {"condition_type": "volume", "threshold": 1, "metric": "weight"}, "metric"),
        ("conditional", {"condition_type": "quality", "threshold": 1, "metric": "beauty"}, "metric"),
        ("conditional", {"condition_type": "quality", "threshold": 1, "operator": "gt"}, "operator"),
        ("conditional", {"condition_type": "custom", "threshold": 1}, "metric"),
        ("conditional", {"condition_type": "volume", "threshold": 1, "check_interval_seconds": 1}, "check_interval"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_by_its_field(
    client: TestClient, kind: str, schedule: dict[str, Any], field: str
) -> None:
    body = {"cluster_id": "groups", "trigger_type": kind, "schedule_config": schedule}
    refused = client.post(PATH, json=body)
    assert refused.status_code == 422, refused.text
    assert refused.json()["detail"][0]["loc"][:2] == ["body", "schedule_config"]
    assert refused.json()["detail"][0]["loc"][2].startswith(field)
    assert client.post(f"{PATH}/list", json={}).json()["total"] == 0


def test_what_to_run_is_said_once_and_exists(client: TestClient) -> None:
    def post(**body: Any) -> Any:
        return client.post(PATH, json={**HOURLY, **body})

    own = {"collection_ids": ["things"], "config": CONFIG}
    assert post().status_code == 400
    assert post(cluster_id="groups", execution_config=own).status_code == 400
    assert post(cluster_id="nothing").status_code == 404
    assert post(execution_config={**own, "collection_ids": ["nothing"]}).status_code == 404
    for config in ({**CONFIG, "algorithm": "magic"}, {**CONFIG, "algorithm_params": {"n_groups": 3}}):
        refused = post(execution_config={**own, "config": config})
        assert refused.status_code == 422
        assert refused.json()["detail"][0]["loc"][:3] == ["body", "execution_config", "config"]
    event = {"event_type": "documents_added", "collection_id": "nothing"}
    assert post(cluster_id="groups", trigger_type="event", schedule_config=event).status_code == 404
    assert post(cluster_id="groups", status="failed").status_code == 422
    assert post(cluster_id="groups", status="disabled").status_code == 422
    made = post(execution_config=own).json()
    assert (made["cluster_id"], made["execution_config"]["config"]) == (None, CONFIG)


def test_a_grouping_by_attributes_has_no_drift(client: TestClient) -> None:
    by_group = {"cluster_type": "attribute", "attribute_config": {"attributes": ["group"]}, "vector_config": None}
    add_cluster(client, "fields", **by_group)
    for condition, expected in (("drift", 400), ("quality", 400), ("volume", 201)):
        schedule = {"condition_type": condition, "threshold": 0.5}
        body = {"cluster_id": "fields", "trigger_type": "conditional", "schedule_config": schedule}
        assert client.post(PATH, json=body).status_code == expected


def test_triggers_are_listed_filtered_and_sorted(client: TestClient, clock: ManualClock) -> None:
    ids = []
    for number in range(3):
        ids.append(add_trigger(client, description=f"{2 - number}")["trigger_id"])
        clock.advance(timedelta(seconds=1))
    ids.append(add_event_trigger(client))
    client.post(f"{PATH}/{ids[1]}/pause")

    def listed(**body: Any) -> tuple[list[str], int]:
        answer = client.post(f"{PATH}/list", json=body)
        assert answer.status_code == 200, answer.text
        return [each["trigger_id"] for each in answer.json()["triggers"]], answer.json()["total"]

    assert listed() == (ids[::-1], 4)
    assert listed(limit=1, offset=1) == ([ids[2]], 4)
    assert listed(status="paused") == ([ids[1]], 1)
    assert listed(trigger_type="event", cluster_id="groups") == ([ids[3]], 1)
    assert listed(sort_by="description", direction="asc")[0] == [ids[2], ids[1], ids[0], ids[3]]
    add_cluster(client, "other")
    assert listed(cluster_id="other") == ([], 0)
    assert client.post(f"{PATH}/list", json={"cluster_id": "nothing"}).status_code == 404
    for body in ({"direction": "up"}, {"sort_by": ""}, {"limit": 0}, {"offset": -1}, {"offset": 10**30}):
        assert client.post(f"{PATH}/list", json=body).status_code == 422, body


def test_a_patch_merges_the_schedule(client: TestClient, clock: ManualClock) -> None:
    schedule = {"cron_expression": "0 6 * * *", "timezone": "Europe/Berlin"}
    identity = add_trigger(client, trigger_type="cron", schedule_config=schedule)["trigger_id"]
    clock.advance(timedelta(days=1))

    def patch(**body: Any) -> Any:
        return client.patch(f"{PATH}/{identity}", json=body)

    changed = patch(schedule_config={"cron_expression": "30 7 * * *"}, description="later").json()
    assert changed["schedule_config"] == {"cron_expression": "30 7 * * *", "timezone": "Europe/Berlin"}
    assert changed["next_scheduled_at"] == "2026-03-04T06:30:00.000000Z"
    assert changed["description"] == "later"
    assert patch(schedule_config={"timezone": None}).json()["next_scheduled_at"] == "2026-03-04T07:30:00.000000Z"
    assert patch(schedule_config={"timezone": "Mars/Base"}).status_code == 422
    assert patch(description=None).json()["description"] is None
    assert patch(trigger_type="interval").status_code == 422
    assert patch(status="failed").status_code == 422
    assert patch(status="paused").json()["status"] == "paused"
    assert patch(schedule_config={"cron_expression": "0 8 * * *"}).json()["next_scheduled_at"] is None
    assert patch(status="active").json()["next_scheduled_at"] == "2026-03-04T08:00:00.000000Z"
    assert patch(status="disabled").json()["status"] == "disabled"


def test_resuming_counts_from_now(client: TestClient, clock: ManualClock) -> None:
    identity = add_trigger(client)["trigger_id"]
    assert client.post(f"{PATH}/{identity}/pause").json()["next_scheduled_at"] is None
    clock.advance(timedelta(hours=5, minutes=7))
    resumed = client.post(f"{PATH}/{identity}/resume").json()
    assert (resumed["status"], resumed["next_scheduled_at"]) == ("active", "2026-03-02T18:07:00.000000Z")


def test_deleting_keeps_a_trigger_to_be_looked_at(client: TestClient) -> None:
    identity = add_trigger(client)["trigger_id"]
    for _ in range(2):
        answer = client.delete(f"{PATH}/{identity}")
        assert (answer.status_code, answer.content) == (204, b"")
    shown = get(client, identity)
    assert (shown["status"], shown["next_scheduled_at"]) == ("disabled", None)
    assert client.post(f"{PATH}/{identity}/pause").status_code == 409
    assert client.post(f"{PATH}/{identity}/resume").json()["status"] == "active"


def test_a_definition_takes_its_triggers_along(client: TestClient) -> None:
    identity = add_trigger(client)["trigger_id"]
    client.delete("/v1/clusters/groups")
    assert client.get(f"{PATH}/{identity}").status_code == 404


def test_active_triggers_are_limited_and_deleted_ones_make_room(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [add_trigger(client)["trigger_id"] for _ in range(service.MAX_ACTIVE)]
    body = {**HOURLY, "cluster_id": "groups"}
    refused = client.post(PATH, json=body)
    assert (refused.status_code, "50 active" in refused.text) == (400, True)
    resting = add_trigger(client, status="paused")["trigger_id"]
    assert client.post(f"{PATH}/{resting}/resume").status_code == 400
    monkeypatch.setattr(service, "MAX_TRIGGERS", 51)
    assert client.post(PATH, json={**body, "status": "paused"}).status_code == 400
    client.delete(f"{PATH}/{ids[0]}")
    assert client.post(PATH, json=body).status_code == 201
    assert client.get(f"{PATH}/{ids[0]}").status_code == 404


def test_another_namespace_knows_nothing_of_a_trigger(client: TestClient) -> None:
    identity = add_trigger(client)["trigger_id"]
    client.post("/v1/namespaces", json={"namespace_name": "other"})
    other = {"X-Namespace": "other"}
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"description": "mine"}),
        ("DELETE", "", None),
        ("POST", "/pause", None),
        ("POST", "/resume", None),
        ("POST", "/history", {}),
    ):
        answer = client.request(method, f"{PATH}/{identity}{path}", json=body, headers=other)
        assert answer.status_code == 404, (method, path)
    assert client.post(f"{PATH}/list", json={}, headers=other).json()["total"] == 0
    assert client.post(PATH, json={**HOURLY, "cluster_id": "groups"}, headers=other).status_code == 404
    assert get(client, identity)["status"] == "active"


def test_a_key_does_no_more_than_it_may(client: TestClient) -> None:
    identity = add_trigger(client)["trigger_id"]
    query = {"key_name": "reader", "permissions": ["read"]}
    made = client.post("/v1/organizations/users/admin@coterie.local/api-keys", params=query)
    assert made.json()["permissions"] == ["read"]
    headers = {"Authorization": f"Bearer {made.json()['key']}"}
    assert client.get(f"{PATH}/{identity}", headers=headers).status_code == 200
    assert client.post(f"{PATH}/{identity}/history", json={}, headers=headers).status_code == 200
    for method, path in (("DELETE", ""), ("POST", "/pause"), ("POST", "/resume")):
        assert client.request(method, f"{PATH}/{identity}{path}", headers=headers).status_code == 403
    assert client.patch(f"{PATH}/{identity}", json={"description": "x"}, headers=headers).status_code == 403
    assert client.post(PATH, json={**HOURLY, "cluster_id": "groups"}, headers=headers).status_code == 403
    assert get(client, identity)["status"] == "active"


@pytest.mark.parametrize(
    ("kind", "schedule", "times"),
    [
        ("cron", {"cron_expression": "0 6 * * *"}, ["2026-03-03T06", "2026-03-04T06"]),
        ("interval", {"interval_seconds": 3600}, ["2026-03-02T13", "2026-03-02T14"]),
        ("interval", {"interval_seconds": 3600, "start_immediately": True}, ["2026-03-02T12", "2026-03-02T13"]),
        ("conditional", {"condition_type": "drift", "threshold": 0.2}, ["2026-03-02T13", "2026-03-02T14"]),
        ("event", {"event_type": "documents_added"}, []),
    ],
)
def test_a_preview_tells_the_next_times_and_makes_nothing(
    client: TestClient, kind: str, schedule: dict[str, Any], times: list[str]
) -> None:
    asked = {"trigger_type": kind, "schedule_config": schedule, "count": 2}
    shown = client.post(f"{PATH}/preview", json=asked).json()
    assert [time[:13] for time in shown["times"]] == times
    assert shown["schedule_config"].items() >= schedule.items()
    assert client.post(f"{PATH}/list", json={}).json()["total"] == 0


def test_a_preview_refuses_what_creating_would(client: TestClient) -> None:
    asked = {"trigger_type": "cron", "schedule_config": {"cron_expression": "0 0 30 2 *"}}
    answer = client.post(f"{PATH}/preview", json=asked)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "schedule_config", "cron_expression"]
