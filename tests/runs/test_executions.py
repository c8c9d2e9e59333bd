"""Runs one by one: shown, named, canceled, exported, drawn."""

import csv
import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import Service, wait_for_task
from coterie.client import Client
from coterie.runs.artifacts import is_kept
from runs.support import run
from support import HDBSCAN, KMEANS, add_cluster, add_collection, blobs

FORMULAS = ["=1+1", "+1", "-1", "@sum", "\tx", "fine", "a=b"]


@pytest.fixture(scope="module")
def ran(service: Service) -> Any:
    """A client, a definition with noise that ran twice, and both runs, the older one first."""
    with service.client() as client:
        assert client.post("/v1/namespaces", json={"namespace_name": "executions"}).status_code == 200
        client.headers["X-Namespace"] = "executions"
        rows = np.vstack([blobs(), np.full((1, 4), 500.0)]).astype(np.float32)
        add_collection(client, vectors=rows)
        cluster = add_cluster(client, vector_config=HDBSCAN)["cluster_id"]
        add_cluster(client, "other", vector_config=HDBSCAN)
        tasks = [run(client, cluster) for _ in range(2)]
        assert [task["status"] for task in tasks] == ["COMPLETED"] * 2
        yield client, cluster, [task["additional_data"]["run_id"] for task in tasks]


def test_a_run_is_shown_with_its_groups(ran: Any) -> None:
    client, cluster, (older, newer) = ran
    path = f"/v1/clusters/{cluster}/executions"
    shown = client.get(f"{path}/{older}").json()
    assert (shown["run_id"], shown["status"], shown["mode"], shown["run_name"]) == (older, "completed", "full", None)
    assert [shown[key] for key in ("source_documents", "vectors_retrieved", "vectors_clustered")] == [61, 61, 60]
    assert [group["num_members"] for group in shown["centroids"]] == [20, 20, 20]
    assert "centroid_vector" not in shown["centroids"][0]
    latest = client.get(path, params={"include_vectors": True}).json()
    assert latest["run_id"] == newer
    assert len(latest["centroids"][0]["centroid_vector"]) == 4
    groups = client.get(f"{path}/{older}/groups").json()
    assert (groups["run_id"], groups["total_groups"], groups["noise_documents"]) == (older, 3, 1)
    by_name = client.get(f"/v1/clusters/groups/executions/{older}").json()
    assert by_name == shown


def test_a_run_belongs_to_its_definition(ran: Any) -> None:
    client, cluster, (older, _) = ran
    for identifier, run_id in (("other", older), (cluster, "run_0"), ("none", older)):
        path = f"/v1/clusters/{identifier}/executions/{run_id}"
        for method, rest, body in (
            ("GET", "", None),
            ("DELETE", "", None),
            ("POST", "/cancel", None),
            ("PATCH", "/name", {"run_name": "x"}),
            ("GET", "/groups", None),
            ("GET", "/visualization", None),
            ("GET", "/export", None),
        ):
            answer = client.request(method, path + rest, json=body)
            assert answer.status_code == 404, (method, path + rest, answer.text)
    assert client.get(f"/v1/clusters/other/visualization?run_id={older}").status_code == 404


def test_a_run_is_named(ran: Any) -> None:
    client, cluster, (older, _) = ran
    path = f"/v1/clusters/{cluster}/executions"
    named = client.patch(f"{path}/{older}/name", json={"run_name": "  July baseline "})
    assert named.json() == {"cluster_id": cluster, "run_id": older, "run_name": "July baseline"}
    found = client.post(f"{path}/list", json={"filters": {"run_name": "july baseline"}}).json()
    assert [each["run_id"] for each in found["results"]] == [older]
    for bad in ("x" * 121, "a\x07b", None, 5):
        assert client.patch(f"{path}/{older}/name", json={"run_name": bad}).status_code == 422
    assert client.patch(f"{path}/{older}/name", json={"run_name": ""}).json()["run_name"] is None
    assert client.get(f"{path}/{older}").json()["run_name"] is None


def test_pages_of_runs(ran: Any) -> None:
    client, cluster, (older, newer) = ran
    path = f"/v1/clusters/{cluster}/executions/list"
    for body in ({"limit": 1, "offset": 1}, {"page_size": 1, "page": 2}):
        assert [each["run_id"] for each in client.post(path, json=body).json()["results"]] == [older]
    assert [each["run_id"] for each in client.post(path).json()["results"]] == [newer, older]


def read(content: bytes, format: str) -> list[dict[str, Any]]:
    if format == "csv":
        return list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    file = pa.BufferReader(content)
    table = pq.read_table(file) if format == "parquet" else pa.ipc.open_stream(file).read_all()
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


@pytest.mark.parametrize("format", ["parquet", "csv", "arrow"])
def test_members_and_groups_are_exported(ran: Any, format: str) -> None:
    client, cluster, (older, _) = ran
    path = f"/v1/clusters/{cluster}/executions/{older}/export"
    answer = client.get(path, params={"format": format})
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="{older}-members.{format}"'
    members = read(answer.content, format)
    assert len(members) == 61
    shown = client.get(f"/v1/clusters/{cluster}/groups").json()["groups"]
    labels = {group["cluster_id"]: group["label"] for group in shown}
    for member in members:
        assert (member["cluster_label"] or None) == labels.get(member["cluster_id"])
        assert abs(float(member["x"])) < 1e6
    assert [member["point_id"] for member in members if member["cluster_id"] == "-1"] == ["d060"]
    groups = read(client.get(path, params={"format": format, "content": "groups"}).content, format)
    assert [str(group["num_members"]) for group in groups] == ["20"] * 3
    assert ("centroid_vector" in groups[0]) == (format != "csv")
    for name in ("cl_1", labels["cl_1"]):
        one = read(client.get(path, params={"format": format, "cluster_label": name}).content, format)
        assert {member["cluster_id"] for member in one} == {"cl_1"}
        assert len(one) == 20
        group = client.get(path, params={"format": format, "content": "groups", "cluster_label": name})
        assert [each["cluster_id"] for each in read(group.content, format)] == ["cl_1"]
    assert client.get(path, params={"format": format, "cluster_label": "nobody"}).status_code == 404


def test_a_client_of_json_alone_is_told_where_the_file_is(ran: Any) -> None:
    client, cluster, (older, _) = ran
    path = f"/v1/clusters/{cluster}/executions/{older}/export"
    only_json = {"Accept": "application/json"}
    link = client.get(path, params={"content": "groups"}, headers=only_json).json()
    assert link["filename"] == f"{older}-groups.parquet"
    assert len(read(client.get(link["download_url"], headers=only_json).content, "parquet")) == 3
    text = client.get(path, params={"format": "csv"}, headers=only_json)
    assert text.headers["content-type"] == "text/csv; charset=utf-8"


def test_no_text_of_a_csv_file_is_a_formula(namespace: Any) -> None:
    namespace.post("/v1/collections", json={"collection_name": "things"})
    documents = [
        {"document_id": text.strip(), "metadata": {"text": text}, "vectors": {"bring_your_own": [float(at), -1.5]}}
        for at, text in enumerate(FORMULAS)
    ]
    written = namespace.post("/v1/collections/things/documents/batch", json={"documents": documents}).json()
    assert written["failed"] == 0, written
    body = {"cluster_type": "attribute", "vector_config": None, "attribute_config": {"attributes": ["text"]}}
    cluster = add_cluster(namespace, **body)["cluster_id"]
    run_id = run(namespace, cluster)["additional_data"]["run_id"]
    path = f"/v1/clusters/{cluster}/executions/{run_id}/export"
    for content in ("members", "groups"):
        rows = read(namespace.get(path, params={"format": "csv", "content": content}).content, "csv")
        assert len(rows) == len(FORMULAS)
        for row in rows:
            assert not [value for value in row.values() if value[:1] in ("=", "+", "-", "@", "\t", "\r")]
    ids = {row["point_id"] for row in read(namespace.get(path, params={"format": "csv"}).content, "csv")}
    assert {"'=1+1", "'+1", "'-1", "'@sum", "fine", "a=b"} <= ids


def test_the_map_is_a_seeded_sample_with_noise_and_the_groups_amid_it(ran: Any) -> None:
    client, cluster, (older, newer) = ran
    path = f"/v1/clusters/{cluster}/executions/{older}/visualization"
    whole = client.get(path).json()
    assert (whole["dimensions"], whole["total_points"], len(whole["members"]), whole["noise_points"]) == (2, 61, 61, 1)
    assert [point["document_id"] for point in whole["members"] if point["cluster_id"] == "-1"] == ["d060"]
    for group in whole["centroids"]:
        own = [(p["x"], p["y"]) for p in whole["members"] if p["cluster_id"] == group["cluster_id"]]
        assert np.allclose(np.mean(own, axis=0), [group["x"], group["y"]], atol=1e-4)
        assert {p["cluster_label"] for p in whole["members"] if p["cluster_id"] == group["cluster_id"]} == {
            group["cluster_label"]
        }
    first, again, other = (
        client.get(path, params={"max_points": 9, "seed": seed}).json()["members"] for seed in (1, 1, 2)
    )
    assert first == again != other
    assert len(first) == 9
    compact = client.get(path, params={"max_points": 9, "seed": 1, "compact": True}).json()["members"]
    assert compact["document_ids"] == [point["document_id"] for point in first]
    assert compact["x"] == [point["x"] for point in first]
    assert client.get(path, params={"centroids_only": True}).json()["members"] == []
    newest = client.get(f"/v1/clusters/{cluster}/visualization").json()
    assert newest["run_id"] == newer
    assert client.get(f"/v1/clusters/{cluster}/visualization", params={"run_id": older}).json() == whole
    for bad in ({"max_points": 0}, {"max_points": 100_001}, {"seed": -1}):
        assert client.get(path, params=bad).status_code == 422


def test_a_map_of_three_dimensions_and_none(namespace: Any) -> None:
    add_collection(namespace)
    three = add_cluster(namespace, vector_config={**KMEANS, "vis_n_components": 3})["cluster_id"]
    run(namespace, three)
    shown = namespace.get(f"/v1/clusters/{three}/visualization", params={"max_points": 1}).json()
    assert (shown["dimensions"], {"x", "y", "z"} <= shown["members"][0].keys()) == (3, True)
    config = {"cluster_type": "attribute", "vector_config": None, "attribute_config": {"attributes": ["group"]}}
    flat = add_cluster(namespace, "flat", **config)["cluster_id"]
    run(namespace, flat)
    assert namespace.get(f"/v1/clusters/{flat}/visualization").status_code == 400


def test_a_run_is_canceled_once(namespace: Any) -> None:
    add_collection(namespace, vectors=np.random.default_rng(0).normal(size=(20_000, 32)).astype(np.float32))
    cluster = add_cluster(namespace)["cluster_id"]
    task = namespace.post(f"/v1/clusters/{cluster}/execute").json()
    path = f"/v1/clusters/{cluster}/executions/{task['additional_data']['run_id']}"
    for rest in ("groups", "visualization", "export"):
        answer = namespace.get(f"{path}/{rest}")
        assert (answer.status_code, "has no results" in answer.text) == (404, True)
    assert namespace.delete(path).status_code == 409
    shown = namespace.post(f"{path}/cancel").json()
    assert (shown["status"] in ("pending", "processing"), shown["num_clusters"]) == (True, 0)
    assert wait_for_task(namespace, task["task_id"])["status"] == "CANCELED"
    assert namespace.get(path).json()["status"] == "canceled"
    assert namespace.post(f"{path}/cancel").status_code == 409
    assert namespace.delete(path).status_code == 204
    assert namespace.get(path).status_code == 404


def test_files_of_a_run_without_a_record_are_marked(namespace: Any, service: Service) -> None:
    add_collection(namespace)
    body = {
        "collection_ids": ["things"],
        "config": {"algorithm": "kmeans", "feature_vector": {"vector_name": "bring_your_own"}},
        "store_results": False,
        "save_artifacts": True,
    }
    key = namespace.post("/v1/clusters/execute", json=body).json()["members_key"]
    assert is_kept(service.artifacts, key.rpartition("/")[0])


def test_the_python_client_drives_runs(ran: Any, service: Service, tmp_path: Any) -> None:
    _, cluster, (older, newer) = ran
    with Client(service.url, service.key, "executions") as client:
        assert [each["run_id"] for each in client.list_runs(cluster, limit=1)["results"]] == [newer]
        assert client.name_run(cluster, older, "mine")["run_name"] == "mine"
        assert client.get_run(cluster, older, vectors=True)["centroids"][0]["centroid_vector"]
        client.name_run(cluster, older, "")
        client.export_run(cluster, older, tmp_path / "members.csv", format="csv", cluster_label="cl_0")
        assert len((tmp_path / "members.csv").read_text().splitlines()) == 21
        assert client.visualization(cluster, max_points=5)["run_id"] == newer
    assert [path.name for path in tmp_path.iterdir()] == ["members.csv"]
