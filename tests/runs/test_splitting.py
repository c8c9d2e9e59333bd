"""Groups that people split: members, counts, later runs, and the way back; the history of labels."""

from typing import Any

import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from coterie.api.context import Services
from runs.here import run_here
from runs.support import run
from support import KMEANS, add_cluster, add_collection


@pytest.fixture
def cluster(namespace: httpx.Client) -> str:
    """Two groups of k-means, run once: 30 apples at (0, 0) and, 8 away, 20 pears; 25 rivers far from both."""
    assert namespace.post("/v1/collections", json={"collection_name": "things"}).status_code == 200
    for word, x, many in (("apple", 0, 30), ("pear", 8, 20), ("river", 200, 25)):
        put(namespace, word, x, range(many))
    config = {**KMEANS, "kmeans_parameters": {"n_clusters": 2}}
    identity: str = add_cluster(namespace, vector_config=config)["cluster_id"]
    ran(namespace, identity)
    return identity


def put(client: httpx.Client, word: str, x: float, numbers: range) -> None:
    noise = np.random.default_rng(sum(map(ord, word))).normal(size=(200, 3))
    documents = [
        {
            "document_id": f"{word}{number}",
            "metadata": {"text": word, "rank": number},
            "vectors": {"bring_your_own": (np.array([x, 0, 0]) + noise[number]).tolist()},
        }
        for number in numbers
    ]
    written = client.post("/v1/collections/things/documents/batch", json={"documents": documents})
    assert written.json()["failed"] == 0, written.text


def ran(client: httpx.Client, cluster: str, **changes: Any) -> None:
    task = run(client, cluster, changes)
    assert task["status"] == "COMPLETED", task


def sizes(client: httpx.Client, cluster: str) -> dict[str, int]:
    found = client.get(f"/v1/clusters/{cluster}/groups").json()["groups"]
    return {group["cluster_id"]: group["member_count"] for group in found}


def members(client: httpx.Client, cluster: str, group: str | None = None, **page: Any) -> list[dict[str, Any]]:
    body = {"include_members": True, "cluster_id": group, **page}
    shown: list[dict[str, Any]] = client.post(f"/v1/clusters/{cluster}/data", json=body).json()["members"]
    return shown


def words(found: list[dict[str, Any]]) -> set[str]:
    return {member["document_id"].rstrip("0123456789") for member in found}


def split(client: httpx.Client, cluster: str, group: str = "cl_0", **asked: Any) -> httpx.Response:
    return client.post(f"/v1/clusters/{cluster}/groups/{group}/split", json=asked)


PEARS = {"filters": {"metadata.text": "pear"}}


def test_members_that_match_become_a_group_of_their_own(namespace: httpx.Client, cluster: str) -> None:
    before = members(namespace, cluster)
    made = split(namespace, cluster, **PEARS)
    assert made.status_code == 200, made.text
    shown = made.json()
    assert (shown["cluster_id"], shown["split_from"], shown["member_count"]) == ("cl_2", "cl_0", 20)
    assert (shown["label"], shown["label_source"]) == ("pear", "keywords")
    assert sizes(namespace, cluster) == {"cl_0": 30, "cl_1": 25, "cl_2": 20}
    assert words(members(namespace, cluster, "cl_2")) == {"pear"}
    assert words(members(namespace, cluster, "cl_0")) == {"apple"}
    after = members(namespace, cluster)
    assert [each["document_id"] for each in after] == [each["document_id"] for each in before]
    assert {each["cluster_label"] for each in after if each["metadata"]["text"] == "pear"} == {"cl_2"}
    pages = [members(namespace, cluster, "cl_2", offset=start, limit=7) for start in (0, 7, 14)]
    assert [each for page in pages for each in page] == members(namespace, cluster, "cl_2")
    data = namespace.post(f"/v1/clusters/{cluster}/data", json={}).json()
    assert data["total_clusters"] == 3
    centres = {each["cluster_label"]: each["centroid_vector"][0] for each in data["centroids"]}
    assert centres == pytest.approx({"cl_0": 0, "cl_1": 200, "cl_2": 8}, abs=0.6)
    spreads = {each["cluster_label"]: each["metadata"]["variance"] for each in data["centroids"]}
    assert spreads["cl_0"] == pytest.approx(3, abs=1.2)
    assert namespace.get(f"/v1/clusters/{cluster}").json()["num_clusters"] == 3
    assert namespace.get(f"/v1/clusters/{cluster}/groups/cl_0").json()["split_groups"] == ["cl_2"]


def test_a_split_by_ids_can_be_split_again_and_taken_back(namespace: httpx.Client, cluster: str) -> None:
    before = members(namespace, cluster), sizes(namespace, cluster)
    pears = [f"pear{number}" for number in range(20)]
    named = split(namespace, cluster, document_ids=pears, label=" Pears ").json()
    assert (named["label"], named["label_source"]) == ("Pears", "human")
    again = split(namespace, cluster, "cl_2", filters={"field": "metadata.rank", "operator": "lt", "value": 5})
    assert again.json()["split_from"] == "cl_2"
    assert sizes(namespace, cluster) == {"cl_0": 30, "cl_1": 25, "cl_2": 15, "cl_3": 5}
    path = f"/v1/clusters/{cluster}/groups"
    assert namespace.post(f"{path}/cl_2/unsplit").status_code == 409  # of which another was split
    assert namespace.post(f"{path}/cl_3/unsplit").status_code == 200
    assert sizes(namespace, cluster) == {"cl_0": 30, "cl_1": 25, "cl_2": 20}
    assert namespace.post(f"{path}/cl_2/unsplit").json()["split_from"] is None
    assert (members(namespace, cluster), sizes(namespace, cluster)) == before
    assert namespace.post(f"{path}/cl_2/unsplit").status_code == 409
    assert split(namespace, cluster, **PEARS).json()["cluster_id"] == "cl_4"


def test_a_split_off_group_can_be_merged_and_parted_again(namespace: httpx.Client, cluster: str) -> None:
    split(namespace, cluster, **PEARS)
    path = f"/v1/clusters/{cluster}/groups"
    assert namespace.post(f"{path}/cl_2/merge", json={"into": "cl_1"}).json()["member_count"] == 45
    assert words(members(namespace, cluster, "cl_1")) == {"pear", "river"}
    assert namespace.post(f"{path}/cl_2/unsplit").status_code == 409
    assert namespace.post(f"{path}/cl_2/unmerge").status_code == 200
    assert sizes(namespace, cluster) == {"cl_0": 30, "cl_1": 25, "cl_2": 20}
    assert namespace.post(f"{path}/cl_1/merge", json={"into": "cl_0"}).status_code == 200
    assert split(namespace, cluster, filters={"metadata.text": "river"}).json()["member_count"] == 25
    assert namespace.post(f"{path}/cl_1/unmerge").status_code == 409
    assert sizes(namespace, cluster) == {"cl_0": 30, "cl_2": 20, "cl_3": 25}


def test_later_runs_split_again_by_document_and_by_the_nearest_centre(namespace: httpx.Client, cluster: str) -> None:
    odd = [f"apple{number}" for number in range(3)]  # a person may well put apples among pears
    split(namespace, cluster, document_ids=[*(f"pear{number}" for number in range(20)), *odd])
    put(namespace, "pear", 8, range(20, 40))
    put(namespace, "apple", 0, range(30, 35))
    for _ in range(2):  # k-means finds two groups each time
        ran(namespace, cluster)
        assert sizes(namespace, cluster) == {"cl_2": 43, "cl_0": 32, "cl_1": 25}
    inside = {member["document_id"] for member in members(namespace, cluster, "cl_2")}
    assert inside == {*odd, *(f"pear{number}" for number in range(40))}
    assert namespace.post(f"/v1/clusters/{cluster}/groups/cl_2/unsplit").json()["merged_into"] == "cl_0"
    assert sizes(namespace, cluster) == {"cl_0": 75, "cl_1": 25}
    ran(namespace, cluster)
    assert sizes(namespace, cluster) == {"cl_0": 75, "cl_1": 25}


def test_a_run_that_assigns_waits_for_one_in_full(namespace: httpx.Client, cluster: str) -> None:
    split(namespace, cluster, **PEARS)
    refused = namespace.post(f"/v1/clusters/{cluster}/execute", json={"mode": "assign"})
    assert (refused.status_code, "was split since" in refused.text) == (400, True)
    ran(namespace, cluster)
    ran(namespace, cluster, mode="assign")


@pytest.mark.parametrize(
    ("group", "asked", "status", "told"),
    [
        ("cl_0", {}, 400, "document_ids"),
        ("cl_0", {**PEARS, "document_ids": ["pear1"]}, 400, "not by both"),
        ("cl_0", {"document_ids": ["river1", "pear1"]}, 404, "'river1'"),
        ("cl_0", {"filters": {"metadata.text": "plum"}}, 400, "none of the 50"),
        ("cl_1", {"filters": {"metadata.text": "river"}}, 400, "all of the 25"),
        ("cl_9", PEARS, 404, "cl_9"),
        ("-1", PEARS, 400, "no group"),
        ("cl_0", {"filters": {"field": "x", "operator": "near", "value": 1}}, 422, "one of"),
        ("cl_0", {"document_ids": []}, 422, "document_ids"),
        ("cl_0", {"document_ids": ["x"] * 1001}, 422, "document_ids"),
    ],
)
def test_a_split_that_cannot_be_is_refused(
    namespace: httpx.Client, cluster: str, group: str, asked: dict[str, Any], status: int, told: str
) -> None:
    answer = split(namespace, cluster, group, **asked)
    assert answer.status_code == status, answer.text
    assert told in answer.text
    assert sizes(namespace, cluster) == {"cl_0": 50, "cl_1": 25}


def test_the_history_of_a_label_says_who_and_from_what(namespace: httpx.Client, cluster: str) -> None:
    path = f"/v1/clusters/{cluster}/groups/cl_1"
    run_id = namespace.get(f"/v1/clusters/{cluster}/executions").json()["run_id"]
    namespace.patch(path, json={"label": "Water"})
    namespace.patch(path, json={"label": "Water"})  # changes nothing
    namespace.patch(path, json={"label": "Streams"})
    back = namespace.delete(f"{path}/label")
    assert (back.json()["label"], back.json()["label_source"]) == ("river", "keywords")
    assert namespace.delete(f"{path}/label").status_code == 200
    shown = namespace.get(f"{path}/history").json()
    assert (shown["label"], shown["label_source"], shown["total"]) == ("river", "keywords", 4)
    told = [(each["label_before"], each["label"], each["source"]) for each in shown["history"]]
    assert told == [
        ("Streams", "river", "keywords"),
        ("Water", "Streams", "human"),
        ("river", "Water", "human"),
        (None, "river", "keywords"),
    ]
    assert {each["run_id"] for each in shown["history"]} == {run_id}
    by = [each["by"] for each in shown["history"]]
    assert by[-1] == "automatic"
    assert len(set(by[:3])) == 1
    assert by[0].startswith("key_")
    page = namespace.get(f"{path}/history", params={"limit": 2, "offset": 1}).json()
    assert (page["history"], page["total"]) == (shown["history"][1:3], 4)
    assert namespace.get(f"/v1/clusters/{cluster}/groups/cl_9/history").status_code == 404
    assert namespace.get(f"{path}/history", params={"limit": 0}).status_code == 422


def test_groups_are_not_split_while_a_run_is_under_way(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_collection(client)
    cluster = add_cluster(client)["cluster_id"]
    run_here(client, services, monkeypatch, cluster)
    waiting = client.post(f"/v1/clusters/{cluster}/execute").json()["task_id"]
    refused = client.post(f"/v1/clusters/{cluster}/groups/cl_0/split", json={"document_ids": ["d000"]})
    assert (refused.status_code, waiting in refused.text) == (409, True)
