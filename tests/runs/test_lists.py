"""Lists of runs, and of a run's members, in the list language."""

from typing import Any

import pytest

from conftest import Service, wait_for_task
from support import KMEANS, add_cluster, add_collection


@pytest.fixture(scope="module")
def ran(service: Service) -> Any:
    """A client, a definition that ran twice and one that did not."""
    with service.client() as client:
        assert client.post("/v1/namespaces", json={"namespace_name": "lists of runs"}).status_code == 200
        client.headers["X-Namespace"] = "lists of runs"
        add_collection(client)
        cluster = add_cluster(client, vector_config=KMEANS)["cluster_id"]
        add_cluster(client, "idle")
        for _ in range(2):
            task = client.post(f"/v1/clusters/{cluster}/execute").json()["task_id"]
            assert wait_for_task(client, task)["status"] == "COMPLETED"
        yield client, cluster


def test_runs_are_listed_newest_first_and_filtered(ran: Any) -> None:
    client, cluster = ran
    path = f"/v1/clusters/{cluster}/executions"
    listed = client.post(f"{path}/list").json()
    first, second = listed["results"]
    assert first["created_at"] > second["created_at"]
    assert (first["status"], first["num_clusters"], first["num_points"]) == ("completed", 3, 60)
    latest = client.get(path).json()
    assert len(latest.pop("centroids")) == 3
    assert latest == first
    older = {"field": "created_at", "operator": "lt", "value": first["created_at"]}
    found = client.post(f"{path}/list", json={"filters": {"AND": [older, {"num_points": 60}]}}).json()
    assert [run["run_id"] for run in found["results"]] == [second["run_id"]]
    assert client.post(f"{path}/list", json={"filters": {"status": "failed"}}).json()["total_count"] == 0
    page = client.post(f"{path}/list", json={"limit": 1}).json()
    rest = client.post(f"{path}/list", json={"limit": 1, "cursor": page["pagination"]["next_cursor"]}).json()
    assert [run["run_id"] for run in rest["results"]] == [second["run_id"]]


def test_a_definition_without_runs_says_so(ran: Any) -> None:
    client, _ = ran
    assert client.post("/v1/clusters/idle/executions/list").json()["results"] == []
    refused = client.get("/v1/clusters/idle/executions")
    assert (refused.status_code, "no run yet" in refused.text) == (404, True)
    assert client.post("/v1/clusters/none/executions/list").status_code == 404


def members(client: Any, cluster: str, **asked: Any) -> tuple[list[str], int]:
    body = {"include_members": True, "limit": 100, **asked}
    answer = client.post(f"/v1/clusters/{cluster}/data", json=body)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    return [member["document_id"] for member in shown["members"]], shown["total_members"]


def test_members_are_filtered_sorted_and_searched(ran: Any) -> None:
    client, cluster = ran
    rivers, total = members(client, cluster, filters={"metadata.text": "River"})
    assert (sorted(rivers), total) == ([f"d{number:03}" for number in range(20, 40)], 20)
    assert members(client, cluster, filters={"metadata.text": "River", "case_sensitive": True}) == ([], 0)
    by_id = {"field": "document_id", "direction": "desc"}
    assert members(client, cluster, search="piano", sort=by_id, limit=2, offset=1) == (["d058", "d057"], 20)
    near = {"AND": [{"field": "distance_to_centroid", "operator": "lt", "value": 0.7}]}
    found, number = members(client, cluster, filters=near)
    everyone = client.post(f"/v1/clusters/{cluster}/data", json={"include_members": True}).json()["members"]
    expected = [each["document_id"] for each in everyone if each["distance_to_centroid"] < 0.7]
    assert (found, number) == (expected, len(expected))
    assert 0 < number < 60
    group = everyone[0]["cluster_label"]
    of_group = members(client, cluster, cluster_id=group, filters={"cluster_label": group})
    assert of_group[1] == 20


def test_a_faulty_filter_of_members_is_refused_where_it_stands(ran: Any) -> None:
    client, cluster = ran
    body = {"include_members": True, "filters": {"AND": [{"field": "a", "operator": "regex", "value": "("}]}}
    refused = client.post(f"/v1/clusters/{cluster}/data", json=body)
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["body", "filters", "AND", 0, "value"]
