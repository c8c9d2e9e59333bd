"""Runs against a real service and worker."""

from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from conftest import Service, wait_for_task
from coterie.config import Settings
from coterie.jobs.job import JobFailed
from coterie.runs.loading import check_size
from coterie.runs.plan import of_definition
from runs.support import run
from support import HDBSCAN, KMEANS, add_cluster, add_collection, blobs

CONFIG = {"algorithm": "hdbscan", "feature_vector": {"vector_name": "bring_your_own"}}


def test_a_density_run_finds_the_groups_and_keeps_noise(namespace: Any, service: Service) -> None:
    rows = np.vstack([blobs(), np.full((1, 4), 500.0)]).astype(np.float32)
    add_collection(namespace, vectors=rows)
    cluster = add_cluster(namespace)["cluster_id"]
    task = run(namespace, cluster)
    assert task["status"] == "COMPLETED", task
    assert task["additional_data"]["progress"] == 1.0
    shown = namespace.get(f"/v1/clusters/{cluster}").json()
    assert (shown["status"], shown["num_clusters"], shown["cluster_stats"]["noise_points"]) == ("COMPLETED", 3, 1)
    assert shown["cluster_stats"]["silhouette_score"] > 0.9
    assert shown["last_run_id"] == task["additional_data"]["run_id"]
    groups = namespace.get(f"/v1/clusters/{cluster}/groups").json()
    assert [group["member_count"] for group in groups["groups"]] == [20, 20, 20]
    assert groups["noise_documents"] == 1
    assert {group["label"] for group in groups["groups"]} == {"apple", "river", "piano"}
    data = namespace.post(f"/v1/clusters/{cluster}/data", json={"include_members": True, "cluster_id": "-1"}).json()
    assert [member["document_id"] for member in data["members"]] == ["d060"]
    clusters, members = (pq.read_table(service.artifacts.open(shown[name])) for name in ("parquet_path", "members_key"))
    assert clusters.num_rows == 3
    assert members.num_rows == 61
    assert f"/engine_cluster_build/{shown['last_run_id']}/members.parquet" in shown["members_key"]


def test_pages_of_members_and_the_nearest_come_first(namespace: Any) -> None:
    add_collection(namespace)
    cluster = add_cluster(namespace, vector_config=KMEANS)["cluster_id"]
    assert run(namespace, cluster)["status"] == "COMPLETED"
    path = f"/v1/clusters/{cluster}/data"
    whole = namespace.post(path, json={"include_members": True, "include_centroids": False}).json()
    assert (whole["total_members"], len(whole["members"]), whole["centroids"]) == (60, 60, [])
    pages = [
        namespace.post(path, json={"include_members": True, "limit": 7, "offset": at}).json()["members"]
        for at in range(0, 63, 7)
    ]
    assert [member for page in pages for member in page] == whole["members"]
    group = namespace.post(path, json={"include_members": True, "cluster_id": "cl_1"}).json()
    distances = [member["distance_to_centroid"] for member in group["members"]]
    assert len(distances) == 20
    assert distances == sorted(distances)
    assert namespace.post(path, json={"cluster_id": "cl_9"}).status_code == 404
    assert namespace.post(path, json={"limit": 0}).status_code == 422
    assert namespace.post(path, json={"limit": 100_001}).status_code == 422
    page = {"include_members": True, "limit": 5}
    artifacts = namespace.get(f"/v1/clusters/{cluster}/artifacts", params=page).json()
    assert len(artifacts["members"]) == 5
    assert artifacts["members"][0]["payload"]["text"] in ("apple", "river", "piano")
    assert all(file["size_bytes"] > 0 for file in artifacts["files"])


def test_a_run_by_attribute(namespace: Any) -> None:
    add_collection(namespace)
    config = {"attributes": ["group", "text"], "hierarchical_grouping": True}
    cluster = add_cluster(namespace, cluster_type="attribute", vector_config=None, attribute_config=config)[
        "cluster_id"
    ]
    assert run(namespace, cluster)["status"] == "COMPLETED"
    groups = {g["cluster_id"]: g for g in namespace.get(f"/v1/clusters/{cluster}/groups").json()["groups"]}
    assert groups["cl_0_sub_0"]["parent_cluster_id"] == "cl_0"
    assert groups["cl_0"]["member_count"] == 20
    data = namespace.post(f"/v1/clusters/{cluster}/data", json={"include_members": True, "cluster_id": "cl_1"}).json()
    assert data["total_members"] == 20
    assert {member["distance_to_centroid"] for member in data["members"]} == {0.0}
    assert data["centroids"][0]["centroid_vector"] == []


def test_the_synchronous_run_answers_with_groups_and_members(namespace: Any, service: Service) -> None:
    add_collection(namespace)
    body = {"collection_ids": ["things"], "config": CONFIG, "include_members": True}
    answer = namespace.post("/v1/clusters/execute", json=body)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["success"], shown["num_clusters"], shown["num_documents"]) == (True, 3, 60)
    assert len(shown["members"]) == 60
    assert shown["metrics"]["silhouette_score"] > 0.9
    assert shown["centroids"][0]["feature_dimensions"] == 4
    kept = namespace.get(f"/v1/clusters/{shown['run_id']}/groups")
    assert kept.json()["total_groups"] == 3
    forgotten = namespace.post(
        "/v1/clusters/execute", json={**body, "store_results": False, "compute_metrics": False}
    ).json()
    assert forgotten["metrics"] == {}
    assert forgotten["parquet_path"] is None
    assert namespace.get(f"/v1/clusters/{forgotten['run_id']}/groups").status_code == 404
    assert not service.files(forgotten["run_id"])


@pytest.mark.parametrize(
    "reference",
    [
        {"vector_name": "bring_your_own"},
        {"feature_address": "mixpeek://bring_your_own@v1/bring_your_own"},
        {"feature_address": "any://bring_your_own@v1"},
        {"feature_address": {"extractor": "bring_your_own", "version": "v1"}},
        {"feature_address": {"scheme": "x", "extractor": "other", "version": "v1", "output": "bring_your_own"}},
        {"vector_name": "bring_your_own_v1"},
    ],
)
def test_the_feature_reference_in_every_spelling(namespace: Any, reference: dict[str, Any]) -> None:
    add_collection(namespace)
    config = {**CONFIG, "feature_vector": reference, "algorithm": "kmeans", "algorithm_params": {"n_clusters": 3}}
    answer = namespace.post("/v1/clusters/execute", json={"collection_ids": ["things"], "config": config})
    assert answer.status_code == 200, answer.text
    assert answer.json()["num_clusters"] == 3


def test_a_submitted_job_becomes_the_definition_s_result(namespace: Any) -> None:
    add_collection(namespace)
    cluster = add_cluster(namespace)["cluster_id"]
    config = {**CONFIG, "algorithm": "kmeans", "algorithm_params": {"n_clusters": 2}}
    body = {"collection_ids": ["things"], "config": config}
    task = namespace.post("/v1/clusters/jobs/submit", params={"cluster_id": cluster}, json=body).json()
    assert wait_for_task(namespace, task["task_id"])["status"] == "COMPLETED"
    assert namespace.get(f"/v1/clusters/{cluster}").json()["num_clusters"] == 2


def test_runs_of_one_definition_queue_when_asked_to(namespace: Any) -> None:
    add_collection(namespace)
    cluster = add_cluster(namespace)["cluster_id"]
    first = namespace.post(f"/v1/clusters/{cluster}/execute").json()
    second = namespace.post(f"/v1/clusters/{cluster}/execute", params={"queue": True}).json()
    third = namespace.post(f"/v1/clusters/{cluster}/execute", params={"queue": True}).json()
    tasks = [wait_for_task(namespace, each["task_id"]) for each in (first, second, third)]
    assert [task["status"] for task in tasks] == ["COMPLETED"] * 3
    assert tasks[0]["updated_at"] <= tasks[1]["updated_at"] <= tasks[2]["updated_at"]
    assert namespace.get(f"/v1/clusters/{cluster}").json()["last_run_id"] == third["additional_data"]["run_id"]


def test_labels_and_keywords_of_the_last_run_are_found_by_search(namespace: Any) -> None:
    add_collection(namespace)
    cluster = add_cluster(namespace, llm_labeling={"enabled": True, "model_name": "gpt-4"})["cluster_id"]
    assert namespace.post("/v1/clusters/list", json={"search": "piano"}).json()["total_count"] == 0
    run(namespace, cluster)
    assert namespace.post("/v1/clusters/list", json={"search": "PIANO river"}).json()["total_count"] == 1
    shown = namespace.get(f"/v1/clusters/{cluster}").json()
    assert shown["llm_labeling"] == {"enabled": True, "model_name": "gpt-4"}
    assert "no language model is configured" in shown["llm_labeling_errors"][0]
    assert shown["cluster_stats"]["num_clusters"] == 3
    found = namespace.post("/v1/clusters/list", json={"filters": {"cluster_stats.num_clusters": 3}}).json()
    assert found["total_count"] == 1


def test_a_sample_is_fitted_and_the_rest_assigned(namespace: Any) -> None:
    add_collection(namespace, vectors=blobs(size=60))
    for config in (HDBSCAN, KMEANS):
        name = config["clustering_method"]
        cluster = add_cluster(namespace, name=str(name), vector_config={**config, "sample_size": 90})["cluster_id"]
        run(namespace, cluster)
        groups = namespace.get(f"/v1/clusters/{cluster}/groups").json()
        assert groups["total_groups"] == 3
        assert sum(group["member_count"] for group in groups["groups"]) + groups["noise_documents"] == 180
        assert groups["noise_documents"] <= 9


@pytest.mark.parametrize(
    ("vectors", "config", "words"),
    [
        (None, {**HDBSCAN, "feature_extractor_name": "clip_vit_l_14"}, "clip_vit_l_14"),
        (blobs(1, 2), {**KMEANS, "kmeans_parameters": {"n_clusters": 5}}, "n_clusters needs 5"),
    ],
)
def test_a_run_that_cannot_be_fails_by_name(namespace: Any, vectors: Any, config: Any, words: str) -> None:
    add_collection(namespace, vectors=vectors)
    cluster = add_cluster(namespace, vector_config=config)["cluster_id"]
    task = run(namespace, cluster)
    assert task["status"] == "FAILED"
    assert words in task["error_message"]
    shown = namespace.get(f"/v1/clusters/{cluster}").json()
    assert shown["status"] == "FAILED"
    assert words in shown["error"]
    answer = namespace.get(f"/v1/clusters/{cluster}/groups")
    assert answer.status_code == 404


@pytest.mark.parametrize("rows", [np.zeros((1, 3)), np.ones((30, 3)), blobs(1, 2)])
@pytest.mark.parametrize("config", [HDBSCAN, {**KMEANS, "kmeans_parameters": {"n_clusters": 2}}])
def test_degenerate_data_ends_well(namespace: Any, rows: Any, config: Any) -> None:
    add_collection(namespace, vectors=rows)
    cluster = add_cluster(namespace, vector_config=config)["cluster_id"]
    task = run(namespace, cluster)
    if len(rows) == 1 and config is not HDBSCAN:
        assert "n_clusters needs 2 vectors and there are 1" in task["error_message"]
    else:
        assert task["status"] == "COMPLETED", task
        assert namespace.get(f"/v1/clusters/{cluster}/groups").json()["total_documents"] == len(rows)


def test_an_empty_collection_and_a_deleted_one_fail_by_name(namespace: Any) -> None:
    namespace.post("/v1/collections", json={"collection_name": "empty"})
    cluster = add_cluster(namespace, collection="empty")["cluster_id"]
    assert "no document of" in run(namespace, cluster)["error_message"]  # type: ignore[operator]
    namespace.delete("/v1/collections/empty")
    assert "was deleted" in run(namespace, cluster)["error_message"]  # type: ignore[operator]


def test_collections_whose_dimensions_differ_fail_by_name(namespace: Any) -> None:
    add_collection(namespace, "a", blobs(dimensions=4))
    add_collection(namespace, "b", blobs(dimensions=5))
    body = {"cluster_name": "ab", "collection_ids": ["a", "b"], "vector_config": HDBSCAN}
    cluster = namespace.post("/v1/clusters", json=body).json()["cluster_id"]
    assert "differ in dimension" in run(namespace, cluster)["error_message"]  # type: ignore[operator]


def test_a_failed_run_leaves_the_results_before_it(namespace: Any) -> None:
    add_collection(namespace)
    cluster = add_cluster(namespace)["cluster_id"]
    run(namespace, cluster)
    namespace.delete("/v1/collections/things")
    assert run(namespace, cluster)["status"] == "FAILED"
    assert namespace.get(f"/v1/clusters/{cluster}/groups").json()["total_groups"] == 3


def test_deleting_a_definition_removes_its_runs_and_files(namespace: Any, service: Service) -> None:
    add_collection(namespace)
    cluster = add_cluster(namespace)["cluster_id"]
    run_id = run(namespace, cluster)["additional_data"]["run_id"]  # type: ignore[index]
    assert service.files(run_id)
    assert namespace.delete(f"/v1/clusters/{cluster}").status_code == 204
    assert not service.files(run_id)
    assert namespace.get(f"/v1/clusters/{run_id}/groups").status_code == 404
    assert namespace.post("/v1/clusters/list").json()["total_count"] == 0


def test_a_canceled_run_in_line_does_not_hide_the_one_under_way(namespace: Any) -> None:
    rows = np.random.default_rng(0).normal(size=(20_000, 32)).astype(np.float32)
    add_collection(namespace, vectors=rows)
    cluster = add_cluster(namespace)["cluster_id"]
    first = namespace.post(f"/v1/clusters/{cluster}/execute").json()["task_id"]
    second = namespace.post(f"/v1/clusters/{cluster}/execute", params={"queue": True}).json()["task_id"]
    assert namespace.delete(f"/v1/tasks/{second}").status_code == 200
    assert wait_for_task(namespace, second)["status"] == "CANCELED"
    shown = namespace.get(f"/v1/clusters/{cluster}").json()
    assert shown["task_id"] == first
    assert shown["status"] in ("PENDING", "PROCESSING")
    namespace.delete(f"/v1/tasks/{first}")
    assert wait_for_task(namespace, first)["status"] == "CANCELED"
    assert namespace.get(f"/v1/clusters/{cluster}").json()["status"] == "CANCELED"


def test_a_sample_of_a_grouping_by_attributes_is_refused(namespace: Any) -> None:
    add_collection(namespace)
    body = {
        "cluster_name": "by field",
        "cluster_type": "attribute",
        "collection_ids": ["things"],
        "attribute_config": {"attributes": ["group"]},
    }
    assert namespace.post("/v1/clusters", json=body).status_code == 200
    refused = namespace.post("/v1/clusters/by field/execute", json={"sample_size": 10})
    assert refused.status_code == 400
    assert "sample_size" in refused.json()["error"]["message"]


def test_groups_of_groups_hold_the_members_of_those_below(namespace: Any) -> None:
    centres = np.array([[0, 0], [0, 9], [200, 0], [200, 9], [200, 18]])
    rows = np.repeat(centres, 12, axis=0) + np.random.default_rng(0).normal(size=(60, 2))
    add_collection(namespace, vectors=rows.astype(np.float32))
    config = {**HDBSCAN, "hierarchical": True, "groups_per_level": [2]}
    cluster = add_cluster(namespace, vector_config=config)["cluster_id"]
    assert run(namespace, cluster)["status"] == "COMPLETED"
    groups = namespace.get(f"/v1/clusters/{cluster}/groups").json()["groups"]
    by_id = {group["cluster_id"]: group for group in groups}
    assert [group["hierarchy_level"] for group in groups].count(1) == 5
    tops = [group for group in groups if group["hierarchy_level"] == 0]
    assert sorted(group["member_count"] for group in tops) == [24, 36]
    for top in tops:
        below = [group for group in groups if group["parent_cluster_id"] == top["cluster_id"]]
        assert sum(group["member_count"] for group in below) == top["member_count"]
        asked = {"include_members": True, "cluster_id": top["cluster_id"]}
        members = namespace.post(f"/v1/clusters/{cluster}/data", json=asked).json()["members"]
        assert len(members) == top["member_count"]
        assert {by_id[member["cluster_label"]]["parent_cluster_id"] for member in members} == {top["cluster_id"]}
        assert top["label"]


def test_noise_above_the_budget_is_marked_and_measured(namespace: Any) -> None:
    dice = np.random.default_rng(0)
    rows = np.vstack([blobs(), dice.uniform(-10, 30, (20, 4))]).astype(np.float32)
    add_collection(namespace, vectors=rows)
    cluster = add_cluster(namespace, vector_config={**HDBSCAN, "max_noise_ratio": 0.0})["cluster_id"]
    assert run(namespace, cluster)["status"] == "COMPLETED"
    shown = namespace.get(f"/v1/clusters/{cluster}").json()
    assert shown["cluster_stats"]["noise_points"] == 0
    assert shown["cluster_stats"]["extra"]["reassigned_ratio"] > 0
    assert shown["cluster_stats"]["extra"]["dbcv_score"] is not None
    data = namespace.post(f"/v1/clusters/{cluster}/data", json={"include_members": True}).json()
    origins = {member["metadata"]["origin"] for member in data["members"]}
    assert origins == {"fitted", "reassigned"}
    assert all(centroid["metadata"]["stability"] > 0 for centroid in data["centroids"])


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("dbscan", {"eps": 2}),
        ("agglomerative", {"n_clusters": 3}),
        ("spectral", {"n_clusters": 3, "gamma": 0.1}),
        ("gaussian_mixture", {"n_components": 3}),
        ("mean_shift", {"bandwidth": 3}),
        ("optics", {"min_cluster_size": 10}),
    ],
)
def test_the_other_algorithms_run_as_definitions(namespace: Any, method: str, params: dict[str, Any]) -> None:
    add_collection(namespace)
    config = {"feature_extractor_name": "bring_your_own", "clustering_method": method, "algorithm_params": params}
    cluster = add_cluster(namespace, vector_config=config)["cluster_id"]
    assert run(namespace, cluster)["status"] == "COMPLETED"
    assert namespace.get(f"/v1/clusters/{cluster}").json()["num_clusters"] == 3


def test_a_worker_s_memory_bounds_its_runs() -> None:
    definition = {"clustering_method": "hdbscan", "feature_extractor_name": "x", "normalize_features": True}
    plan = of_definition(
        {"vector_config": definition, "attribute_config": None, "input_collections": ["c"], "llm_labeling": {}}
    )
    check_size(Settings(memory_mib=1400), plan, 50_000, 512)
    with pytest.raises(JobFailed, match="this worker may use") as error:
        check_size(Settings(memory_mib=1400, job_concurrency=2), plan, 50_000, 512)
    assert "sample_size to " in str(error.value)


def test_a_worker_s_memory_bounds_its_maps() -> None:
    definition = {"clustering_method": "kmeans", "feature_extractor_name": "x", "algorithm_params": {"n_clusters": 3}}
    plan = of_definition(
        {
            "vector_config": {**definition, "sample_size": 1000},
            "attribute_config": None,
            "input_collections": ["c"],
            "llm_labeling": {},
        }
    )
    check_size(Settings(memory_mib=1400), plan, 400_000, 64)
    with pytest.raises(JobFailed, match="the map of 2,000,000 vectors of 64 takes up to"):
        check_size(Settings(memory_mib=1400), plan, 2_000_000, 64)


def test_a_run_that_would_take_hours_fails_at_once_and_says_what_would_do(namespace: Any) -> None:
    add_collection(namespace, vectors=np.random.default_rng(0).normal(size=(5001, 1)).astype(np.float32))
    config = {"feature_extractor_name": "bring_your_own", "clustering_method": "mean_shift"}
    cluster = add_cluster(namespace, vector_config=config)["cluster_id"]
    task = run(namespace, cluster)
    assert task["status"] == "FAILED"
    assert "sample_size to 5,000 or less" in task["error_message"]
