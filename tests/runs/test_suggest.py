"""Suggestions, against a real service and worker."""

from typing import Any

import numpy as np
import pytest

from conftest import Service, wait_for_task
from coterie.documents.queries import Members
from coterie.runs.loading import sample_of
from coterie.store.vectors import Space
from runs.support import run
from support import add_collection, blobs

ROWS = blobs(groups=4, size=40, dimensions=8)
ASKED = {"collection_ids": ["things"], "feature_vector": {"vector_name": "bring_your_own"}, "time_budget_seconds": 30}


def suggest(client: Any, **changes: Any) -> dict[str, Any]:
    task = client.post("/v1/clusters/suggest", json={**ASKED, **changes})
    assert task.status_code == 200, task.text
    return wait_for_task(client, task.json()["task_id"])


def test_what_is_recommended_can_be_created_and_finds_the_groups(namespace: Any, service: Service) -> None:
    add_collection(namespace, vectors=ROWS)
    task = suggest(namespace, algorithms=["kmeans", "hdbscan"])
    assert task["status"] == "COMPLETED", task
    found = task["additional_data"]
    assert (found["documents"], found["documents_sampled"], found["progress"]) == (160, 160, 1.0)
    assert [each["rank"] for each in found["suggestions"]] == list(range(1, len(found["suggestions"]) + 1))
    scores = [each["score"] for each in found["suggestions"]]
    assert scores == sorted(scores, reverse=True)
    assert found["suggestions"][0]["groups"] == 4
    assert task["outputs"] == [found["recommended"]]
    assert found["recommended"]["vector_config"] == found["suggestions"][0]["vector_config"]
    for number, each in enumerate([found["recommended"], *found["suggestions"]]):
        body = {"collection_ids": ["things"], "cluster_name": f"n{number}", "vector_config": each["vector_config"]}
        made = namespace.post("/v1/clusters", json=body)
        assert made.status_code == 200, made.text
    assert run(namespace, "n0")["status"] == "COMPLETED"
    groups = namespace.get("/v1/clusters/n0/groups").json()
    assert [group["member_count"] for group in groups["groups"]] == [40] * 4
    assert not list((service.data_dir / "scratch").glob("suggestion_*"))


def test_a_sample_s_smallest_groups_grow_with_the_collection(namespace: Any) -> None:
    add_collection(namespace, vectors=ROWS)
    task = suggest(namespace, algorithms=["hdbscan"], sample_size=80)
    found = task["additional_data"]
    assert (found["documents"], found["documents_sampled"]) == (160, 80)
    sizes = {each["vector_config"]["algorithm_params"]["min_cluster_size"] for each in found["suggestions"]}
    assert sizes == {10, 20}


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"algorithms": ["dbscan"]}, 422, "algorithms"),
        ({"algorithms": []}, 422, "algorithms"),
        ({"sample_size": 9}, 422, "sample_size"),
        ({"time_budget_seconds": 0}, 422, "time_budget_seconds"),
        ({"feature_vector": {}}, 422, "feature_vector"),
        ({"collection_ids": ["nothing"]}, 404, "nothing"),
        ({"depth": 3}, 422, "depth"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(
    namespace: Any, changes: dict[str, Any], status: int, words: str
) -> None:
    add_collection(namespace)
    refused = namespace.post("/v1/clusters/suggest", json={**ASKED, **changes})
    assert refused.status_code == status
    assert words in refused.text


def test_a_suggestion_that_cannot_be_fails_by_name(namespace: Any) -> None:
    add_collection(namespace, vectors=ROWS[:9])
    assert "needs 10 vectors and there are 9" in suggest(namespace)["error"]
    assert "has a vector 'clip'" in suggest(namespace, feature_vector={"vector_name": "clip"})["error"]


def test_a_suggestion_can_be_canceled(namespace: Any) -> None:
    rows = np.random.default_rng(0).normal(size=(3000, 64)).astype(np.float32)
    add_collection(namespace, vectors=rows)
    task = namespace.post("/v1/clusters/suggest", json={**ASKED, "time_budget_seconds": 3600}).json()["task_id"]
    assert namespace.delete(f"/v1/tasks/{task}").status_code == 200
    assert wait_for_task(namespace, task)["status"] == "CANCELED"


def test_a_sample_is_drawn_over_all_collections() -> None:
    members = [
        Members(
            Space("n", name, "v"), 3, np.arange(size) + start, [f"{name}{n}" for n in range(size)], np.arange(size), 0
        )
        for name, size, start in (("a", 50, 0), ("b", 0, 50), ("c", 150, 50))
    ]
    sample = sample_of(members, 40, 7)
    assert sum(len(each.pks) for each in sample) == 40
    assert min(len(each.pks) for each in (sample[0], sample[2])) > 2
    assert all(len(each.pks) == len(each.ids) == len(each.keys) for each in sample)
    assert [f"c{key}" for key in sample[2].keys] == sample[2].ids
    assert sum(len(each.pks) for each in sample_of(members, 1000, 7)) == 200
