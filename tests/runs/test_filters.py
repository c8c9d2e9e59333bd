"""Filters of definitions and of single runs: which documents take part."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from coterie.api.context import Services
from runs.here import run_here
from support import KMEANS, add_cluster, add_collection

RIVERS = {"metadata.text": "River"}
ATTRIBUTES = {"cluster_type": "attribute", "vector_config": None, "attribute_config": {"attributes": ["text"]}}
TWO = {**KMEANS, "kmeans_parameters": {"n_clusters": 2}}


def members(client: TestClient, run_id: str) -> list[str]:
    data = client.post(f"/v1/clusters/{run_id}/data", json={"include_members": True}).json()
    return sorted(member["document_id"] for member in data["members"])


def below(number: int) -> dict[str, Any]:
    return {"AND": [{"field": "document_id", "operator": "lt", "value": f"d{number:03}"}]}


@pytest.mark.parametrize("config", [{"vector_config": TWO}, ATTRIBUTES])
@pytest.mark.parametrize("indexed", [False, True])
def test_a_definition_s_filters_and_a_run_s_both_hold(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], indexed: bool
) -> None:
    if indexed:
        declared = [{"field_name": "text", "type": "keyword"}]
        assert client.put("/v1/namespaces/default", json={"payload_indexes": declared}).status_code == 200
    add_collection(client)
    made = add_cluster(client, filters=RIVERS, **config)
    assert made["filters"] == RIVERS
    found = client.post("/v1/clusters/list", json={"filters": {"filters.metadata.text": "river"}}).json()
    assert found["total_count"] == 1
    cluster = made["cluster_id"]
    rivers = [f"d{number:03}" for number in range(20, 40)]
    run_id = run_here(client, services, monkeypatch, cluster)
    assert members(client, run_id) == rivers
    run = client.get(f"/v1/clusters/{cluster}/executions/{run_id}").json()
    assert (run["filters"], run["num_points"], run["source_documents"]) == (RIVERS, 20, 20)
    run_id = run_here(client, services, monkeypatch, cluster, filters=below(30))
    assert members(client, run_id) == rivers[:10]
    run = client.get(f"/v1/clusters/{cluster}/executions/{run_id}").json()
    assert run["filters"] == {"AND": [RIVERS, below(30)]}
    assert client.get(f"/v1/clusters/{cluster}").json()["filters"] == RIVERS
    assert client.patch(f"/v1/clusters/{cluster}", json={"filters": None}).json()["filters"] is None
    assert len(members(client, run_here(client, services, monkeypatch, cluster))) == 60


@pytest.mark.parametrize("config", [{"vector_config": TWO}, ATTRIBUTES])
def test_filters_that_leave_nothing_fail_by_name(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]
) -> None:
    add_collection(client)
    cluster = add_cluster(client, filters={"text": "river"}, **config)["cluster_id"]
    run_id = run_here(client, services, monkeypatch, cluster)
    run = client.get(f"/v1/clusters/{cluster}/executions/{run_id}").json()
    assert run["status"] == "failed"
    assert "matches the run's filters" in run["error_message"]


def test_documents_without_the_vector_are_told_from_those_that_do_not_match(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_collection(client)
    body = {"document_id": "bare", "metadata": {"text": "river"}}
    assert client.post("/v1/collections/things/documents", json=body).status_code == 200
    cluster = add_cluster(client, vector_config=TWO, filters=RIVERS)["cluster_id"]
    run_id = run_here(client, services, monkeypatch, cluster)
    run = client.get(f"/v1/clusters/{cluster}/executions/{run_id}").json()
    counts = [run[key] for key in ("source_documents", "vectors_retrieved", "vectors_clustered")]
    assert counts == [21, 20, 20]
    run_id = run_here(client, services, monkeypatch, cluster, filters={"id": "bare"})
    failed = client.get(f"/v1/clusters/{cluster}/executions/{run_id}").json()
    assert "has a vector" in failed["error_message"]


def test_a_submitted_configuration_has_filters_too(client: TestClient) -> None:
    add_collection(client)
    body = {
        "collection_ids": ["things"],
        "config": {"algorithm": "kmeans", "feature_vector": {"vector_name": "bring_your_own"}},
        "filters": {"AND": [{"field": "metadata.text", "operator": "regex", "value": "("}]},
    }
    for path in ("execute", "jobs/submit"):
        refused = client.post(f"/v1/clusters/{path}", json=body)
        assert refused.status_code == 422
        assert refused.json()["detail"][0]["loc"] == ["body", "filters", "AND", 0, "value"]
    assert client.post("/v1/clusters/jobs/submit", json={**body, "filters": RIVERS}).status_code == 200


@pytest.mark.parametrize("bad", [5, [], {"AND": 5}, {"AND": [{"field": "a", "operator": "near", "value": 1}]}])
def test_faulty_filters_are_refused_everywhere(client: TestClient, bad: Any) -> None:
    add_collection(client)
    cluster = add_cluster(client)["cluster_id"]
    body = {"collection_ids": ["things"], "vector_config": TWO, "filters": bad}
    assert client.post("/v1/clusters", json=body).status_code == 422
    assert client.patch(f"/v1/clusters/{cluster}", json={"filters": bad}).status_code == 422
    assert client.post(f"/v1/clusters/{cluster}/execute", json={"filters": bad}).status_code == 422
