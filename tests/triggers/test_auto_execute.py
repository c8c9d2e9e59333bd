"""`auto_execute_on_batch` of a definition: a trigger that the definition keeps."""

from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.kit.clock import ManualClock
from coterie.triggers.firing import EVENT_SECONDS, fire_due
from support import KMEANS, add_cluster, add_collection
from triggers.support import PATH, put, statuses, work


@pytest.fixture(autouse=True)
def collection(client: TestClient) -> None:
    add_collection(client)


def triggers_of(client: TestClient, cluster: str = "groups") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.post(f"{PATH}/list", json={"cluster_id": cluster}).json()["triggers"]
    return found


def test_a_definition_runs_after_batches(client: TestClient, services: Services, clock: ManualClock) -> None:
    made = add_cluster(client, vector_config=KMEANS, auto_execute_on_batch=True, auto_execute_min_documents=65)
    assert (made["auto_execute_on_batch"], made["auto_execute_min_documents"]) == (True, 65)
    assert made["auto_execute_cooldown_seconds"] == 3600
    assert fire_due(services) == 0
    put(client, 0, 4)
    clock.advance(timedelta(seconds=EVENT_SECONDS))
    assert fire_due(services) == 0
    put(client, 4, 1)
    clock.advance(timedelta(seconds=EVENT_SECONDS))
    assert fire_due(services) == 1
    work(services)
    put(client, 5, 1)
    clock.advance(timedelta(seconds=3599))
    assert fire_due(services) == 0
    clock.advance(timedelta(seconds=1))
    assert fire_due(services) == 1
    (trigger,) = triggers_of(client)
    assert statuses(client, trigger["trigger_id"]) == ["running", "completed"]
    assert client.get("/v1/clusters/groups").json()["num_documents_clustered"] == 65


def test_without_it_there_is_no_trigger(client: TestClient) -> None:
    assert add_cluster(client)["auto_execute_on_batch"] is False
    assert triggers_of(client) == []


def test_a_patch_keeps_the_trigger_in_step(client: TestClient) -> None:
    add_cluster(client)

    def patch(**body: Any) -> dict[str, Any]:
        answer = client.patch("/v1/clusters/groups", json=body)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    assert patch(auto_execute_on_batch=True)["auto_execute_on_batch"] is True
    (trigger,) = triggers_of(client)
    assert (trigger["status"], trigger["schedule_config"]["cooldown_seconds"]) == ("active", 3600)
    assert patch(auto_execute_cooldown_seconds=60, auto_execute_min_documents=5)["auto_execute_min_documents"] == 5
    (trigger,) = triggers_of(client)
    assert trigger["schedule_config"]["cooldown_seconds"] == 60
    assert trigger["schedule_config"]["min_documents"] == 5
    client.post(f"{PATH}/{trigger['trigger_id']}/pause")
    patch(description="still resting", auto_execute_min_documents=None)
    (trigger,) = triggers_of(client)
    assert (trigger["status"], trigger["schedule_config"]["min_documents"]) == ("paused", 0)
    patch(auto_execute_on_batch=False)
    assert triggers_of(client)[0]["status"] == "disabled"
    patch(auto_execute_on_batch=True)
    (again,) = triggers_of(client)
    assert (again["trigger_id"], again["status"]) == (trigger["trigger_id"], "active")


def test_its_schedule_and_its_end_are_the_definition_s(client: TestClient) -> None:
    add_cluster(client, auto_execute_on_batch=True)
    path = f"{PATH}/{triggers_of(client)[0]['trigger_id']}"
    refused = [
        client.delete(path),
        client.patch(path, json={"status": "disabled"}),
        client.patch(path, json={"schedule_config": {"cooldown_seconds": 1}}),
    ]
    for answer in refused:
        assert (answer.status_code, "auto_execute_on_batch" in answer.text) == (409, True)
    assert client.patch(path, json={"description": "mine"}).json()["description"] == "mine"
    assert triggers_of(client)[0]["status"] == "active"


def test_a_definition_is_not_made_without_its_trigger(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coterie.triggers.service.MAX_ACTIVE", 0)
    body = {"collection_ids": ["things"], "vector_config": KMEANS, "auto_execute_on_batch": True}
    assert client.post("/v1/clusters", json=body).status_code == 400
    assert client.post("/v1/clusters/list").json()["total_count"] == 0
