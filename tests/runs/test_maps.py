"""Maps and reductions of runs, against a real service and worker."""

from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.linalg import orthogonal_procrustes
from sklearn.metrics import silhouette_score

from conftest import Service
from runs.support import run
from support import HDBSCAN, KMEANS, add_cluster, add_collection, blobs

ROWS = blobs(size=30)
CONFIG = {
    "algorithm": "kmeans",
    "algorithm_params": {"n_clusters": 3},
    "feature_vector": {"vector_name": "bring_your_own"},
}


def places(client: Any, cluster: str, **query: Any) -> dict[str, list[float]]:
    """Where each document stands on the map of the last run."""
    found = client.get(f"/v1/clusters/{cluster}/artifacts", params={"include_members": True, **query})
    assert found.status_code == 200, found.text
    return {point["point_id"]: [point[axis] for axis in "xyz" if axis in point] for point in found.json()["members"]}


def add_documents(client: Any, first: int, rows: Any) -> None:
    documents = [
        {"document_id": f"d{number:03}", "metadata": {}, "vectors": {"bring_your_own": row.tolist()}}
        for number, row in enumerate(rows, first)
    ]
    assert client.post("/v1/collections/things/documents/batch", json={"documents": documents}).json()["failed"] == 0


def test_every_run_draws_a_map_on_which_groups_stand_apart(namespace: Any) -> None:
    add_collection(namespace, vectors=ROWS)
    cluster = add_cluster(namespace)["cluster_id"]
    assert run(namespace, cluster)["status"] == "COMPLETED"
    found = places(namespace, cluster)
    table = np.array([found[f"d{number:03}"] for number in range(90)])
    assert silhouette_score(table, np.repeat([0, 1, 2], 30)) > 0.7
    members = namespace.post(f"/v1/clusters/{cluster}/data", json={"include_members": True}).json()["members"]
    assert {member["document_id"]: member["coordinates"] for member in members} == found
    shown = namespace.get(f"/v1/clusters/{cluster}/executions").json()
    assert shown["layout_stability_applied"] == "none"
    assert "no earlier map" in shown["layout_stability_reason"]


def test_a_map_of_three_dimensions_and_what_a_flat_one_does_not_have(namespace: Any) -> None:
    add_collection(namespace, vectors=ROWS)
    cluster = add_cluster(namespace)["cluster_id"]
    run(namespace, cluster)
    path = f"/v1/clusters/{cluster}/artifacts"
    refused = namespace.get(path, params={"include_members": True, "projection_method": "3d"})
    assert refused.status_code == 400
    assert "set 'vis_n_components' to 3" in refused.json()["error"]["message"]
    assert namespace.get(path, params={"projection_method": "4d"}).status_code == 422
    assert run(namespace, cluster, {"vis_n_components": 3})["status"] == "COMPLETED"
    solid = places(namespace, cluster, projection_method="3d")
    assert all(len(place) == 3 for place in solid.values())
    assert places(namespace, cluster) == solid
    flat = places(namespace, cluster, projection_method="2d")
    assert flat == {key: place[:2] for key, place in solid.items()}
    deep = add_cluster(namespace, "deep", vector_config={**HDBSCAN, "vis_n_components": 3})["cluster_id"]
    assert run(namespace, deep)["status"] == "COMPLETED"
    assert len(places(namespace, deep)["d000"]) == 3


def test_a_re_run_keeps_the_map_s_orientation(namespace: Any) -> None:
    add_collection(namespace, vectors=ROWS[:80])
    cluster = add_cluster(namespace)["cluster_id"]
    run(namespace, cluster)
    before = places(namespace, cluster)
    assert run(namespace, cluster)["status"] == "COMPLETED"
    same = places(namespace, cluster)
    assert np.allclose([same[key] for key in before], [before[key] for key in before], atol=1e-3)
    add_documents(namespace, 80, np.vstack([ROWS[80:], blobs(size=30, seed=1)[:30]]))
    assert run(namespace, cluster)["status"] == "COMPLETED"
    after = places(namespace, cluster)
    shown = namespace.get(f"/v1/clusters/{cluster}/executions").json()
    assert shown["layout_stability_applied"] == "aligned"
    assert "80 documents" in shown["layout_stability_reason"]
    old = np.array([before[key] for key in before])
    new = np.array([after[key] for key in before])
    # Groups that are equally far from each other have no one place on a map, but no turn or mirroring brings the new
    # map nearer to the old one than it is.
    turn, _ = orthogonal_procrustes(new - new.mean(axis=0), old - old.mean(axis=0))
    assert np.allclose(turn, np.eye(2), atol=1e-3)
    assert np.allclose(new.mean(axis=0), old.mean(axis=0), atol=1e-2)


def test_transform_leaves_documents_where_they_were(namespace: Any) -> None:
    add_collection(namespace, vectors=ROWS[:85])
    cluster = add_cluster(namespace, vector_config={**HDBSCAN, "layout_stability": "transform"})["cluster_id"]
    run(namespace, cluster)
    before = places(namespace, cluster)
    add_documents(namespace, 85, ROWS[85:])
    run(namespace, cluster)
    after = places(namespace, cluster)
    assert {key: after[key] for key in before} == before
    third = np.array([before[f"d{number:03}"] for number in range(60, 85)])
    news = np.array([after[f"d{number:03}"] for number in range(85, 90)])
    assert (news >= third.min(axis=0) - 1e-3).all()
    assert (news <= third.max(axis=0) + 1e-3).all()
    assert namespace.get(f"/v1/clusters/{cluster}/executions").json()["layout_stability_applied"] == "transform"


def test_maps_that_share_too_little_or_shall_not_are_drawn_anew(namespace: Any) -> None:
    add_collection(namespace, vectors=ROWS[:10])
    few = add_cluster(namespace, "few", vector_config=KMEANS)["cluster_id"]
    free = add_cluster(namespace, "free", vector_config={**KMEANS, "layout_stability": "none"})["cluster_id"]
    for cluster, reason in ((few, "only 10 documents"), (free, "no earlier map")):
        for _ in range(2):
            assert run(namespace, cluster)["status"] == "COMPLETED"
        shown = namespace.get(f"/v1/clusters/{cluster}/executions").json()
        assert shown["layout_stability_applied"] == "none"
        assert reason in shown["layout_stability_reason"]


@pytest.mark.parametrize(
    "reduction",
    [
        {"method": "umap", "n_neighbors": 10},
        {"method": "tsne", "perplexity": 10, "learning_rate": 50},
        {"method": "pca", "n_components": 2},
        {"method": "none"},
    ],
)
def test_definitions_and_requests_reduce_and_whiten(
    namespace: Any, service: Service, reduction: dict[str, Any]
) -> None:
    add_collection(namespace, vectors=ROWS)
    config = {**KMEANS, "dimensionality_reduction": reduction, "normalize_features": True}
    cluster = add_cluster(namespace, vector_config=config)["cluster_id"]
    stored = namespace.get(f"/v1/clusters/{cluster}").json()["vector_config"]["dimensionality_reduction"]
    assert stored == {**stored, **reduction}
    assert run(namespace, cluster)["status"] == "COMPLETED"
    shown = namespace.get(f"/v1/clusters/{cluster}").json()
    groups = pq.read_table(service.artifacts.open(shown["parquet_path"]))
    method = None if reduction["method"] == "none" else reduction["method"]
    assert groups["reduction_method"].to_pylist() == [method] * 3
    assert {len(centroid) for centroid in groups["centroid_vector"].to_pylist()} == {4}
    body = {
        "collection_ids": ["things"],
        "config": {**CONFIG, "dimensionality_reduction": reduction, "whitening": 0.5},
    }
    answer = namespace.post("/v1/clusters/execute", json=body).json()
    assert sorted(each["num_members"] for each in answer["centroids"]) == [30, 30, 30]


def test_a_reduction_that_cannot_be_fails_by_name(namespace: Any) -> None:
    add_collection(namespace, vectors=ROWS)
    config = {**KMEANS, "dimensionality_reduction": {"method": "pca", "n_components": 5}}
    cluster = add_cluster(namespace, vector_config=config)["cluster_id"]
    task = run(namespace, cluster)
    assert task["status"] == "FAILED"
    assert "n_components = 5" in task["error"]
    assert "use at most 4" in task["error"]


def test_a_grouping_by_attributes_has_no_map(namespace: Any) -> None:
    add_collection(namespace, vectors=ROWS)
    by_group = {"vector_config": None, "attribute_config": {"attributes": ["group"]}}
    cluster = add_cluster(namespace, cluster_type="attribute", **by_group)["cluster_id"]
    assert run(namespace, cluster)["status"] == "COMPLETED"
    assert places(namespace, cluster)["d000"] == [None, None]
    refused = namespace.post(f"/v1/clusters/{cluster}/execute", json={"vis_n_components": 3})
    assert refused.status_code == 400
    refused = namespace.get(f"/v1/clusters/{cluster}/artifacts", params={"projection_method": "2d"})
    assert "attributes" in refused.json()["error"]["message"]
