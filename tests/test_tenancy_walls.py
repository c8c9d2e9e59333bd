"""Two organizations and two namespaces with the same names never see each other, on any route."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.kit.clock import iso
from coterie.store.tables import tasks
from coterie.tenancy.bootstrap import create_organization
from coterie.tenancy.service import add_key, add_user
from support import HDBSCAN, add_cluster, add_collection, add_enrichment

SECRET = "between-us"
OPEN_ROUTES = {"/v1/health"}
WEBHOOKS = "/v1/organizations/webhooks/"
WEBHOOK = {
    "webhook_name": "new",
    "event_types": ["cluster.created"],
    "channels": [{"channel": "webhook", "configs": {"url": "https://hooks.example/x"}}],
}
BODIES: dict[str, Any] = {
    WEBHOOKS: WEBHOOK,
    f"{WEBHOOKS}{{identifier}}": WEBHOOK,
    "/v1/collections": {"collection_name": "new"},
    "/v1/collections/{collection_identifier}/documents/batch": {"documents": [{"metadata": {}}]},
    "/v1/clusters": {"collection_ids": ["things"], "vector_config": HDBSCAN},
    "/v1/clusters/triggers": {
        "cluster_id": "groups",
        "trigger_type": "interval",
        "schedule_config": {"interval_seconds": 3600},
    },
    "/v1/clusters/triggers/preview": {"trigger_type": "interval", "schedule_config": {"interval_seconds": 3600}},
    "/v1/namespaces": {"namespace_name": "new"},
    "/v1/organizations/users": {"email": "new@example.org"},
    "/v1/clusters/execute": {
        "collection_ids": ["things"],
        "config": {"algorithm": "hdbscan", "feature_vector": {"vector_name": "bring_your_own"}},
    },
    "/v1/clusters/enrich": {"clustering_ids": ["groups"], "source_collection_id": "things"},
    "/v1/clusters/{cluster_id}/executions/{run_id}/labels": {"labels": {"cl_0": "new"}},
    "/v1/clusters/{cluster_id}/executions/{run_id}/members": {"numbers": [0]},
    "/v1/clusters/{cluster_id}/executions/{run_id}/export": {},
    "/v1/clusters/{cluster_id}/groups/{group_id}/merge": {"into": "cl_1"},
    "/v1/clusters/{cluster_id}/groups/{group_id}/split": {"document_ids": ["d000"]},
    "/v1/clusters/{cluster_id}/executions/{run_id}/name": {"run_name": "new"},
    "/v1/clusters/jobs/submit": {
        "collection_ids": ["things"],
        "config": {"algorithm": "hdbscan", "feature_vector": {"vector_name": "bring_your_own"}},
    },
}


@pytest.fixture
def stranger(app: FastAPI, services: Services) -> Iterator[TestClient]:
    """A client of another organization, whose things have the same names."""
    now = iso(services.clock.now())
    with services.db.write() as tx:
        org_id = create_organization(tx, "strangers", now)
        user_id = add_user(tx, org_id, "stranger@example.org", "stranger", now)
        key = add_key(tx, org_id, user_id, "k", ["admin"], now, None)["key"]
    with TestClient(app, headers={"Authorization": f"Bearer {key}"}, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def ids(client: TestClient, services: Services) -> dict[str, str]:
    """Things of the first organization, by the path parameters that name them."""
    collection = add_collection(client)
    client.put("/v1/collections/things/documents/d000", json={"metadata": {"secret": SECRET}})
    cluster = add_cluster(client, description=SECRET)
    task = client.post(f"/v1/clusters/{cluster['cluster_id']}/execute").json()
    namespace = client.post("/v1/namespaces", json={"namespace_name": SECRET}).json()
    webhook = client.post(WEBHOOKS, json={**BODIES[WEBHOOKS], "webhook_name": SECRET}).json()["webhook_id"]
    ping = client.post(f"{WEBHOOKS}{webhook}/test").json()["deliveries"][0]
    schedule = {"trigger_type": "interval", "schedule_config": {"interval_seconds": 3600}}
    about = {"cluster_id": cluster["cluster_id"], "description": SECRET}
    trigger = client.post("/v1/clusters/triggers", json={**schedule, **about}).json()
    return {
        "collection_identifier": collection,
        "document_id": "d000",
        "cluster_identifier": cluster["cluster_id"],
        "cluster_id": cluster["cluster_id"],
        "trigger_id": trigger["trigger_id"],
        "enrichment_id": add_enrichment(client, services, cluster["cluster_id"], collection),
        "task_id": task["task_id"],
        "run_id": task["additional_data"]["run_id"],
        "namespace_identifier": namespace["namespace_id"],
        "identifier": webhook,
        "delivery_id": ping["delivery_id"],
        "user_email": "admin@coterie.local",
        "key_name": "bootstrap",
    }


def _operations(app: FastAPI) -> list[tuple[str, str]]:
    return [
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method in operations
        if path not in OPEN_ROUTES
    ]


def _send(client: TestClient, method: str, path: str, ids: dict[str, str], **headers: str) -> Any:
    filled = re.sub(r"\{(\w+)\}", lambda match: ids.get(match[1], "unknown"), path)
    if path.endswith("/import"):
        return client.request(
            method, filled, content=b"{}", headers={"Content-Type": "application/x-ndjson", **headers}
        )
    return client.request(method, filled, json=BODIES.get(path, {}), headers=headers)


def test_every_route_wants_a_key(app: FastAPI, client: TestClient, ids: dict[str, str]) -> None:
    for method, path in _operations(app):
        for header in ("", "Bearer sk_wrong", "Basic abc", "Bearer"):
            answer = _send(client, method, path, ids, Authorization=header)
            assert answer.status_code == 401, (method, path, answer.text)
            assert answer.json()["error"]["type"] == "UnauthorizedError"


def test_another_organization_s_key_sees_and_changes_nothing(
    app: FastAPI, client: TestClient, stranger: TestClient, ids: dict[str, str]
) -> None:
    add_collection(stranger)  # the same names on the other side
    for method, path in _operations(app):
        if path == "/v1/clusters/execute":
            continue  # waits for a worker; the look-ups are those of jobs/submit
        answer = _send(stranger, method, path, {**ids, "key_name": "unknown"})
        assert SECRET not in answer.text, (method, path)
        assert ids["cluster_id"] not in _without_echo(answer.text, path)
        if "{" in path and "user_email" not in path and "feature_extractor_id" not in path:
            assert answer.status_code in (404, 422), (method, path, answer.text)
    assert client.get(f"/v1/collections/{ids['collection_identifier']}").json()["document_count"] == 60
    assert client.get(f"/v1/clusters/{ids['cluster_id']}").json()["description"] == SECRET
    assert client.get(f"/v1/namespaces/{ids['namespace_identifier']}").status_code == 200
    assert client.get(f"{WEBHOOKS}{ids['identifier']}").json()["webhook_name"] == SECRET
    assert client.post(f"{WEBHOOKS}{ids['identifier']}/deliveries/list").json()["total_count"] == 1
    assert client.get(f"/v1/clusters/triggers/{ids['trigger_id']}").json()["status"] == "active"


def _without_echo(text: str, path: str) -> str:
    """The message of a 404 repeats the id that was asked for, as any unknown one."""
    return "" if "does not exist" in text and "{" in path else text


def test_another_s_namespace_and_none_at_all_are_told_apart_by_nothing(
    client: TestClient, stranger: TestClient, ids: dict[str, str]
) -> None:
    theirs = stranger.post("/v1/clusters/list", headers={"X-Namespace": ids["namespace_identifier"]})
    nobodys = stranger.post("/v1/clusters/list", headers={"X-Namespace": "ns_00000000000000000000"})
    assert theirs.status_code == nobodys.status_code == 404
    shown, expected = theirs.json()["error"], nobodys.json()["error"]
    assert shown["type"] == expected["type"]
    assert shown["message"].replace(ids["namespace_identifier"], "X") == expected["message"].replace(
        "ns_00000000000000000000", "X"
    )
    assert stranger.post("/v1/clusters/list", headers={"X-Namespace": SECRET}).status_code == 404


def test_two_namespaces_with_the_same_names_hold_their_own(client: TestClient) -> None:
    client.post("/v1/namespaces", json={"namespace_name": "other"})
    other = {"X-Namespace": "other"}
    here = add_collection(client)
    there = client.post("/v1/collections", json={"collection_name": "things"}, headers=other).json()["collection_id"]
    assert here != there
    mine = add_cluster(client)["cluster_id"]
    body = {"cluster_name": "groups", "collection_ids": ["things"], "vector_config": HDBSCAN}
    theirs = client.post("/v1/clusters", json=body, headers=other).json()["cluster_id"]
    assert client.get("/v1/clusters/groups").json()["cluster_id"] == mine
    assert client.get("/v1/clusters/groups", headers=other).json()["cluster_id"] == theirs
    assert client.get(f"/v1/clusters/{mine}", headers=other).status_code == 404
    assert client.get(f"/v1/collections/{here}/documents/d000", headers=other).status_code == 404
    assert client.post("/v1/collections/things/documents/list", headers=other).json()["results"] == []
    assert client.post("/v1/clusters/list", headers=other).json()["total_count"] == 1


def test_tasks_are_their_namespace_s_when_one_is_named_and_the_organization_s_when_none(
    client: TestClient, stranger: TestClient, ids: dict[str, str]
) -> None:
    other = {"X-Namespace": SECRET}
    assert client.get(f"/v1/tasks/{ids['task_id']}").status_code == 200
    assert client.get(f"/v1/tasks/{ids['task_id']}", headers=other).status_code == 404
    assert client.get("/v1/tasks/", headers=other).json()["results"] == []
    assert stranger.get(f"/v1/tasks/{ids['task_id']}").status_code == 404
    assert stranger.delete(f"/v1/tasks/{ids['task_id']}").status_code == 404
    assert stranger.get("/v1/tasks/").json()["results"] == []


def test_every_row_of_a_task_names_its_owner() -> None:
    assert not tasks.c.org_id.nullable
    assert not tasks.c.namespace_id.nullable
