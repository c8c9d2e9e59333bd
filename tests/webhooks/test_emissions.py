"""What is told of: collections, documents, definitions and runs, each when it happens and not otherwise."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from conftest import Service, wait_for_task
from coterie.api.context import Services
from coterie.jobs import queue
from coterie.runs.run import ClusterRun
from coterie.webhooks.events import WebhookEventType
from support import add_cluster, add_collection
from webhooks.conftest import WEBHOOKS, Endpoint

Add = Callable[..., dict[str, Any]]
ALL = list(WebhookEventType)


def told(endpoint: Endpoint) -> list[tuple[str, dict[str, Any]]]:
    """Types and data in the order in which they happened."""
    events = sorted((sent.event for sent in endpoint.sent), key=lambda event: event["created_at"])
    return [(event["event_type"], event["data"]) for event in events]


@pytest.fixture
def happened(client: TestClient, deliveries: Callable[..., Any]) -> Callable[[], list[tuple[str, dict[str, Any]]]]:
    """What has been told since the last time, oldest first."""
    seen: set[str] = set()

    def fresh() -> list[tuple[str, dict[str, Any]]]:
        new = [each["delivery_id"] for each in deliveries() if each["delivery_id"] not in seen]
        seen.update(new)
        events = [client.get(f"{WEBHOOKS}hook/deliveries/{identity}").json()["event"] for identity in new]
        return sorted(((event["event_type"], event["data"]) for event in events), key=lambda told: told[0])

    return fresh


def test_collections_and_documents_are_told_of_once_a_request(
    client: TestClient, add: Add, happened: Callable[[], Any]
) -> None:
    add("hook", *ALL)
    things = client.post("/v1/collections", json={"collection_name": "things"}).json()["collection_id"]
    where = {"collection_id": things, "collection_name": "things"}
    assert happened() == [("collection.created", where)]
    path = "/v1/collections/things/documents"
    client.post(f"{path}/batch", json={"documents": [{"document_id": f"d{number}"} for number in range(150)]})
    ids = [f"d{number}" for number in range(100)]
    assert happened() == [("object.created", {**where, "count": 150, "object_ids": ids})]
    client.post(f"{path}/batch", json={"documents": [{"document_id": "d0"}, {"document_id": "new"}]})
    created = ("object.created", {**where, "count": 1, "object_ids": ["new"]})
    assert happened() == [created, ("object.updated", {**where, "count": 1, "object_ids": ["d0"]})]
    client.put(f"{path}/d1", json={"metadata": {"a": 1}})
    assert happened() == [("object.updated", {**where, "count": 1, "object_ids": ["d1"]})]
    assert client.put(f"{path}/none", json={"metadata": {}}).status_code == 404
    client.delete(f"{path}/d1")
    assert happened() == [("object.deleted", {**where, "count": 1, "object_ids": ["d1"]})]
    lines = b'{"id": "n1"}\n{"id": "n2"}\n'
    for strict in (False, True):
        url = f"{path}/import?strict={strict}"
        answer = client.post(url, content=lines, headers={"Content-Type": "application/x-ndjson"})
        assert answer.json()["imported"] == 2, answer.text
    imported = {**where, "count": 2, "object_ids": ["n1", "n2"]}
    assert happened() == [("object.created", imported), ("object.updated", imported)]
    client.patch("/v1/collections/things", json={"description": "x", "collection_name": "other"})
    where["collection_name"] = "other"
    assert happened() == [("collection.updated", {**where, "changed": ["collection_name", "description"]})]
    client.delete("/v1/collections/other")
    assert happened() == [("collection.deleted", where)]


def test_definitions_are_told_of_when_a_user_changes_them(
    client: TestClient, add: Add, happened: Callable[[], Any]
) -> None:
    add_collection(client)
    add("hook", *ALL)
    cluster = add_cluster(client)["cluster_id"]
    named = {"cluster_id": cluster, "cluster_name": "groups"}
    assert happened() == [("cluster.created", named)]
    assert client.post("/v1/clusters", json={"collection_ids": ["none"], "vector_config": {}}).status_code >= 400
    client.patch(f"/v1/clusters/{cluster}", json={"name": "renamed"})
    named["cluster_name"] = "renamed"
    assert happened() == [("cluster.updated", {**named, "changed": ["cluster_name"]})]
    client.post(f"/v1/clusters/{cluster}/execute")
    assert happened() == []
    client.delete(f"/v1/clusters/{cluster}")
    assert happened() == [("cluster.deleted", named)]


def test_a_run_that_ends_otherwise_is_told_of_as_failed(
    client: TestClient, services: Services, add: Add, happened: Callable[[], Any]
) -> None:
    add_collection(client)
    add_cluster(client)
    task = client.post("/v1/clusters/groups/execute").json()
    run_id = task["additional_data"]["run_id"]
    add("hook", *ALL)
    internal = client.get("/v1/organizations").json()["internal_id"]
    namespace = client.get("/v1/clusters/groups").json()["namespace_id"]
    payload = {"run_id": run_id, "internal_id": internal, "namespace_id": namespace}
    with services.db.write() as tx:
        ClusterRun(services).ended(tx, payload, queue.CANCELED, None)
    ((type, data),) = happened()
    assert (type, data["run_id"], data["status"]) == ("cluster.execution.failed", run_id, "canceled")


def test_a_real_run_is_told_of_by_the_worker(
    run_service: Callable[..., Service], endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COTERIE_WEBHOOK_PRIVATE_ADDRESSES", "true")
    service = run_service()
    with service.client() as client:
        add_collection(client)
        channel = {"channel": "webhook", "configs": {"url": endpoint.url}}
        types = [type for type in ALL if type.startswith("cluster.")]
        body = {"webhook_name": "hook", "event_types": types, "channels": [channel]}
        assert client.post(WEBHOOKS, json=body).status_code == 201
        cluster = add_cluster(client)["cluster_id"]
        for config in ({}, {"feature_extractor_name": "none_such"}):
            definition = {"cluster_name": "no vectors", "vector_config": {"clustering_method": "kmeans", **config}}
            identity = add_cluster(client, **definition)["cluster_id"] if config else cluster
            done = wait_for_task(client, client.post(f"/v1/clusters/{identity}/execute").json()["task_id"])
            assert done["status"] == ("FAILED" if config else "COMPLETED"), done
        endpoint.wait_for(6)
        events = told(endpoint)
        assert [type for type, _ in events] == [
            "cluster.created",
            "cluster.execution.started",
            "cluster.execution.completed",
            "cluster.created",
            "cluster.execution.started",
            "cluster.execution.failed",
        ]
        completed, failed = events[2][1], events[5][1]
        assert completed == {
            "run_id": done_run(client, cluster),
            "cluster_id": cluster,
            "cluster_name": "groups",
            "task_id": completed["task_id"],
            "status": "completed",
            "algorithm": "hdbscan",
            "num_clusters": 3,
            "num_points": 60,
            "error_message": None,
        }
        assert (failed["status"], "none_such" in failed["error_message"]) == ("failed", True)
        assert client.post(f"{WEBHOOKS}hook/deliveries/list").json()["total_count"] == 6


def done_run(client: Any, cluster: str) -> str:
    run_id: str = client.get(f"/v1/clusters/{cluster}").json()["last_run_id"]
    return run_id
