"""Namespaces through the API."""

import orjson
import pytest
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.compute.local import LocalExecutor
from coterie.jobs.job import Job
from coterie.jobs.queue import ORIGIN
from coterie.store.tables import documents, namespaces, tasks
from coterie.tenancy.namespaces import NamespaceDeletion, resume_deletions
from objectstore import files_of
from support import add_collection


def test_a_namespace_is_created_found_changed_and_listed(client: TestClient) -> None:
    index = {"field_name": "team", "type": "keyword"}
    made = client.post("/v1/namespaces", json={"namespace_name": "prod", "description": "d"}).json()
    assert made["namespace_id"].startswith("ns_")
    assert made["feature_extractors"][0]["feature_extractor_id"] == "bring_your_own_v1"
    assert client.get("/v1/namespaces/prod").json() == client.get(f"/v1/namespaces/{made['namespace_id']}").json()
    changed = client.put("/v1/namespaces/prod", json={"namespace_name": "live", "payload_indexes": [index]}).json()
    assert changed["namespace_name"] == "live"
    assert changed["payload_indexes"][0]["field_name"] == "team"
    assert changed["description"] == "d"
    assert client.get("/v1/namespaces/prod").status_code == 404
    listed = client.post("/v1/namespaces/list", json={"filters": {"name": "LIVE"}}).json()
    assert [each["namespace_name"] for each in listed["results"]] == ["live"]
    assert listed["total_count"] == 1
    assert {each["namespace_name"] for each in client.get("/v1/namespaces").json()["results"]} == {"default", "live"}


@pytest.mark.parametrize("name", ["", "a/b", "a\nb", "x" * 256])
def test_a_name_that_cannot_be_is_refused(client: TestClient, name: str) -> None:
    assert client.post("/v1/namespaces", json={"namespace_name": name}).status_code == 422


@pytest.mark.parametrize("name", ["ü", "東京", "x" * 255, " spaced out ", "%_'\""])
def test_a_name_may_be_of_any_script(client: TestClient, name: str) -> None:
    assert client.post("/v1/namespaces", json={"namespace_name": name}).status_code == 200
    listed = client.post("/v1/namespaces/list", json={"filters": {"name": name}}).json()
    assert [each["namespace_name"] for each in listed["results"]] == [name]


def test_names_are_unique_and_ids_win_over_names(client: TestClient) -> None:
    first = client.post("/v1/namespaces", json={"namespace_name": "a"}).json()
    assert client.post("/v1/namespaces", json={"namespace_name": "a"}).status_code == 409
    client.post("/v1/namespaces", json={"namespace_name": first["namespace_id"]})
    assert client.get(f"/v1/namespaces/{first['namespace_id']}").json()["namespace_name"] == "a"


def test_a_deleted_namespace_is_gone_at_once_and_a_job_empties_it(client: TestClient, services: Services) -> None:
    namespace = client.post("/v1/namespaces", json={"namespace_name": "old"}).json()["namespace_id"]
    client.headers["X-Namespace"] = "old"
    add_collection(client)
    del client.headers["X-Namespace"]
    assert files_of(services.vectors.storage, namespace)
    assert client.delete("/v1/namespaces/old").status_code == 204
    assert client.get("/v1/namespaces/old").status_code == 404
    assert client.post("/v1/clusters/list", headers={"X-Namespace": "old"}).status_code == 404
    assert client.post("/v1/namespaces", json={"namespace_name": "old"}).status_code == 200
    with services.db.read() as tx:
        task = tx.execute(tasks.select().where(tasks.c.kind == "namespace.delete")).one()
    with services.db.write() as tx:
        tx.execute(tasks.update().where(tasks.c.id == task.id).values(owner="worker"))
    job = Job(task.id, "worker", services.db, services.clock, LocalExecutor(), lambda _name, do: do())
    payload = {"namespace_id": namespace, "internal_id": "int_x"}
    for _ in range(2):  # it may be repeated
        NamespaceDeletion(services.vectors, services.blobs).run(job, payload)
    assert not files_of(services.vectors.storage, namespace)
    with services.db.read() as tx:
        assert tx.execute(documents.select().where(documents.c.namespace_id == namespace)).first() is None
        assert tx.execute(namespaces.select().where(namespaces.c.id == namespace)).first() is None


@pytest.mark.parametrize("name", ["Größen", "日本", "Ωmega"])
def test_a_name_of_any_script_is_chosen_by_its_header(client: TestClient, name: str) -> None:
    made = client.post("/v1/namespaces", json={"namespace_name": name}).json()
    answer = client.post("/v1/collections", json={"collection_name": "c"}, headers={b"X-Namespace": name.encode()})
    assert answer.status_code == 200, answer.text
    assert client.post("/v1/collections/list", headers={"X-Namespace": made["namespace_id"]}).json()["total_count"] == 1


def test_the_deletion_of_a_namespace_is_seen_through(client: TestClient, services: Services) -> None:
    client.post("/v1/namespaces", json={"namespace_name": "old"})
    client.delete("/v1/namespaces/old")
    task = client.post("/v1/tasks/list").json()["results"][0]["task_id"]
    refused = client.delete(f"/v1/tasks/{task}")
    assert (refused.status_code, refused.json()["error"]["type"]) == (409, "ConflictError")
    with services.db.write() as tx:
        resume_deletions(tx, "2026-01-01T00:00:00.000000Z")
    assert client.post("/v1/tasks/list").json()["total_count"] == 1
    with services.db.write() as tx:
        tx.execute(tasks.update().values(status="FAILED"))
        resume_deletions(tx, "2026-01-01T00:00:00.000000Z")
    with services.db.read() as tx:
        rows = tx.execute(tasks.select().order_by(tasks.c.pk)).all()
    assert [row.status for row in rows] == ["FAILED", "PENDING"]
    first, again = (orjson.loads(row.payload) for row in rows)
    assert {**first, ORIGIN: {}} == again
