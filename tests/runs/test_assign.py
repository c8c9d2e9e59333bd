"""Documents that come later join the groups of the newest run; runs over the groups of runs."""

from collections import Counter
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from conftest import Service, wait_for_task
from runs.test_identity import HERE, groups, latest, put, ran, sizes
from support import HDBSCAN, add_cluster, add_collection


@pytest.fixture
def cluster(namespace: httpx.Client) -> str:
    """A definition over three groups, run once."""
    assert namespace.post("/v1/collections", json={"collection_name": "things"}).status_code == 200
    for word, place in HERE.items():
        put(namespace, word, place, range({"apple": 30, "river": 25, "piano": 20}[word]))
    identity: str = add_cluster(namespace)["cluster_id"]
    ran(namespace, identity)
    return identity


def assigned(client: httpx.Client, cluster: str, **body: Any) -> dict[str, Any]:
    """The run, once it has completed."""
    started = client.post(f"/v1/clusters/{cluster}/execute", json={"mode": "assign", **body})
    assert started.status_code == 200, started.text
    ended = wait_for_task(client, started.json()["task_id"])
    assert ended["status"] == "COMPLETED", ended
    run = latest(client, cluster)
    assert run["status"] == "completed"
    return run


def members(client: httpx.Client, cluster: str, group: str | None = None) -> dict[str, dict[str, Any]]:
    body = {"include_members": True, "cluster_id": group}
    found = client.post(f"/v1/clusters/{cluster}/data", json=body).json()
    assert found["total_members"] == len(found["members"])
    return {member["document_id"]: member for member in found["members"]}


def test_what_came_since_joins_the_groups(namespace: httpx.Client, cluster: str, service: Service) -> None:
    base = latest(namespace, cluster)
    before = members(namespace, cluster)
    put(namespace, "apple", HERE["apple"], range(30, 40))
    put(namespace, "piano", HERE["piano"], range(20, 23))
    put(namespace, "odd", (500, 500), range(1))
    run = assigned(namespace, cluster)
    assert (run["mode"], run["base_run_id"]) == ("assign", base["run_id"])
    counts = ("documents_arrived", "documents_assigned", "documents_waiting", "groups_proposed", "num_points")
    assert [run[name] for name in counts] == [14, 13, 1, 0, 89]
    assert sizes(namespace, cluster) == {"cl_0": 40, "cl_1": 25, "cl_2": 23}
    after = members(namespace, cluster)
    assert {name: after[name] for name in before} == before
    new = after["apple35"]
    assert new["cluster_label"] == "cl_0"
    assert new["metadata"]["origin"] == "assigned"
    assert 0 <= new["metadata"]["probability"] <= 1
    near = np.mean([member["coordinates"] for member in members(namespace, cluster, "cl_0").values()], axis=0)
    far = np.mean([member["coordinates"] for member in members(namespace, cluster, "cl_1").values()], axis=0)
    place = np.array(new["coordinates"])
    assert np.linalg.norm(place - near) < np.linalg.norm(place - far)
    assert set(members(namespace, cluster, "-1")) == {"odd0"}
    [own], [whole] = (service.files(f"{each['run_id']}/members.parquet") for each in (run, base))
    assert service.artifacts.size(own) < service.artifacts.size(whole)
    shown = namespace.get(f"/v1/clusters/{cluster}/executions/{run['run_id']}/export", params={"format": "csv"})
    assert len(shown.text.splitlines()) == 90
    drawn = namespace.get(f"/v1/clusters/{cluster}/visualization").json()
    assert (drawn["total_points"], drawn["noise_points"]) == (89, 1)
    with pa.ipc.open_stream(namespace.get(f"/v1/clusters/{cluster}/map").content) as reader:
        assert Counter(reader.read_all()["cluster_id"].to_pylist()) == {"cl_0": 40, "cl_1": 25, "cl_2": 23, "-1": 1}


def test_assignments_add_up_and_the_next_run_in_full_goes_on_from_them(namespace: httpx.Client, cluster: str) -> None:
    first = latest(namespace, cluster)["run_id"]
    for start in (30, 35):
        put(namespace, "apple", HERE["apple"], range(start, start + 5))
        run = assigned(namespace, cluster)
        assert (run["base_run_id"], run["documents_arrived"]) == (first, 5)
    assert sizes(namespace, cluster) == {"cl_0": 40, "cl_1": 25, "cl_2": 20}
    idle = assigned(namespace, cluster)
    assert (idle["documents_arrived"], idle["num_points"], idle["metrics"]) == (0, 85, {})
    put(namespace, "river", HERE["river"], range(25, 70))
    ran(namespace, cluster)
    assert sizes(namespace, cluster) == {"cl_1": 70, "cl_0": 40, "cl_2": 20}
    assert namespace.delete(f"/v1/clusters/{cluster}/executions/{first}").status_code == 409


def test_what_fits_nowhere_gathers_until_it_is_a_group(namespace: httpx.Client, cluster: str) -> None:
    put(namespace, "ocean", (60, 60), range(3))
    run = assigned(namespace, cluster)
    assert (run["documents_waiting"], run["groups_proposed"]) == (3, 0)
    put(namespace, "ocean", (60, 60), range(3, 20))
    put(namespace, "odd", (500, -500), range(1))
    run = assigned(namespace, cluster)
    assert (run["documents_waiting"], run["groups_proposed"], run["num_clusters"]) == (1, 1, 4)
    found = groups(namespace, cluster)
    assert (found["cl_3"]["member_count"], found["cl_3"]["label"], found["cl_3"]["proposed"]) == (20, "ocean", True)
    assert not found["cl_0"]["proposed"]
    assert {member["metadata"]["origin"] for member in members(namespace, cluster, "cl_3").values()} == {"proposed"}
    put(namespace, "ocean", (60, 60), range(20, 25))
    assert assigned(namespace, cluster)["documents_assigned"] >= 4
    ran(namespace, cluster)
    assert groups(namespace, cluster)["cl_3"]["member_count"] == 25
    assert not groups(namespace, cluster)["cl_3"]["proposed"]


def test_a_proposed_group_gets_no_label_that_someone_gave(namespace: httpx.Client, cluster: str) -> None:
    namespace.patch(f"/v1/clusters/{cluster}/groups/cl_1", json={"label": "Ocean"})
    put(namespace, "ocean", (60, 60), range(20))
    assert assigned(namespace, cluster)["groups_proposed"] == 1
    labels = [group["label"] for group in groups(namespace, cluster).values()]
    assert labels == ["apple", "Ocean", "piano", "ocean (2)"]


def test_a_pool_that_is_only_scattered_proposes_nothing(namespace: httpx.Client, cluster: str) -> None:
    for number in range(30):
        put(namespace, f"odd{number}", (300 + 70 * (number % 6), 300 + 70 * (number // 6)), range(1))
    run = assigned(namespace, cluster)
    assert (run["documents_waiting"], run["groups_proposed"]) == (30, 0)


def test_a_threshold_is_a_cosine(namespace: httpx.Client, cluster: str) -> None:
    put(namespace, "river", (400, 0), range(25, 30))  # in the direction of the group, ten times as far
    put(namespace, "back", (-400, 0), range(2))
    run = assigned(namespace, cluster, assignment_threshold=0.9)
    assert (run["documents_assigned"], run["documents_waiting"]) == (5, 2)
    assert sizes(namespace, cluster)["cl_1"] == 30


def test_merges_and_labels_hold_for_what_is_assigned(namespace: httpx.Client, cluster: str) -> None:
    path = f"/v1/clusters/{cluster}/groups"
    namespace.patch(f"{path}/cl_1", json={"label": "Water"})
    namespace.post(f"{path}/cl_2/merge", json={"into": "cl_1"})
    put(namespace, "piano", HERE["piano"], range(20, 26))
    run = assigned(namespace, cluster)
    assert run["num_clusters"] == 2
    assert sizes(namespace, cluster) == {"cl_0": 30, "cl_1": 51}
    assert groups(namespace, cluster)["cl_1"]["label"] == "Water"
    assert members(namespace, cluster, "cl_1")["piano25"]["cluster_label"] == "cl_1"


def test_filters_and_groups_of_groups_go_on(namespace: httpx.Client) -> None:
    rows = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
    rows[:, 0] += np.repeat([0, 10, 100, 110], 30)
    add_collection(namespace, vectors=rows)
    config = {**HDBSCAN, "hierarchical": True, "max_hierarchy_depth": 2}
    condition = {"field": "metadata.text", "operator": "ne", "value": "hidden"}
    cluster = add_cluster(namespace, vector_config=config, filters={"AND": [condition]})["cluster_id"]
    ran(namespace, cluster)
    before = groups(namespace, cluster)
    put(namespace, "seen", (110, 0), range(5))
    put(namespace, "hidden", (110, 0), range(5))
    assert assigned(namespace, cluster)["documents_arrived"] == 5
    after = groups(namespace, cluster)
    grown = {name for name in after if after[name]["member_count"] != before[name]["member_count"]}
    [leaf] = [name for name in grown if not name.startswith("br_")]
    assert grown == {leaf, after[leaf]["parent_cluster_id"]}
    branch = members(namespace, cluster, after[leaf]["parent_cluster_id"])
    assert len(branch) == after[after[leaf]["parent_cluster_id"]]["member_count"]


def test_what_cannot_be_assigned_to_is_refused(namespace: httpx.Client, cluster: str) -> None:
    execute = f"/v1/clusters/{cluster}/execute"
    never_run = add_cluster(namespace, "never run")["cluster_id"]
    by_value = {"vector_config": None, "cluster_type": "attribute", "attribute_config": {"attributes": ["text"]}}
    values = add_cluster(namespace, "values", **by_value)["cluster_id"]
    for path, body, status, word in (
        (f"/v1/clusters/{never_run}/execute", {"mode": "assign"}, 404, "no completed run"),
        (f"/v1/clusters/{values}/execute", {"mode": "assign"}, 400, "in full"),
        (execute, {"mode": "assign", "sample_size": 10}, 400, "sample_size"),
        (execute, {"mode": "full", "assignment_threshold": 0.7}, 400, "assignment_threshold"),
        (execute, {"mode": "full", "source_execution_ids": ["x"]}, 400, "composite"),
        (execute, {"mode": "composite"}, 400, "source_execution_ids"),
        (execute, {"mode": "composite", "source_execution_ids": ["nothing"]}, 404, "nothing"),
        (execute, {"mode": "composite", "source_execution_ids": [cluster, cluster]}, 400, "twice"),
        (execute, {"mode": "wrong"}, 422, "mode"),
        (execute, {"mode": "assign", "assignment_threshold": 2}, 422, "assignment_threshold"),
    ):
        answer = namespace.post(path, json=body)
        assert (answer.status_code, word in answer.text) == (status, True), answer.text
    sent_unasked = namespace.post(execute, json={"mode": "full", "assignment_threshold": 0.5})
    assert wait_for_task(namespace, sent_unasked.json()["task_id"])["status"] == "COMPLETED"


def test_a_run_that_found_nothing_is_added_to(namespace: httpx.Client) -> None:
    add_collection(namespace, vectors=np.arange(24, dtype=np.float32).reshape(6, 4) ** 3)
    cluster = add_cluster(namespace)["cluster_id"]
    ran(namespace, cluster)
    assert groups(namespace, cluster) == {}
    put(namespace, "ocean", (60, 60), range(8))
    run = assigned(namespace, cluster)
    assert (run["documents_arrived"], run["documents_waiting"], run["num_points"]) == (8, 8, 14)
    assert len(members(namespace, cluster)) == 14
    drawn = namespace.get(f"/v1/clusters/{cluster}/visualization").json()
    assert (drawn["total_points"], drawn["noise_points"]) == (14, 14)


def test_runs_that_find_nothing_follow_each_other(namespace: httpx.Client) -> None:
    add_collection(namespace, vectors=np.arange(24, dtype=np.float32).reshape(6, 4) ** 3)
    config = {**HDBSCAN, "hierarchical": True}
    cluster = add_cluster(namespace, vector_config=config)["cluster_id"]
    ran(namespace, cluster)
    ran(namespace, cluster)  # nothing, after nothing
    for word, place in HERE.items():
        put(namespace, word, place, range(20))
    ran(namespace, cluster)  # groups, and documents that the empty run had not
    assert sum(name.startswith("cl_") for name in groups(namespace, cluster)) == 3
    for word in HERE:
        for number in range(20):
            namespace.delete(f"/v1/collections/things/documents/{word}{number}")
    ran(namespace, cluster)  # nothing, after groups
    assert groups(namespace, cluster) == {}


def test_a_composite_run_is_not_added_to(namespace: httpx.Client, cluster: str) -> None:
    body = {"mode": "composite", "source_execution_ids": [cluster]}
    started = namespace.post(f"/v1/clusters/{cluster}/execute", json=body).json()
    assert wait_for_task(namespace, started["task_id"])["status"] == "COMPLETED"
    started = namespace.post(f"/v1/clusters/{cluster}/execute", json={"mode": "assign"}).json()
    ended = wait_for_task(namespace, started["task_id"])
    assert (ended["status"], "cannot be added to" in str(ended["error"])) == ("FAILED", True)


def test_groups_of_several_definitions_are_grouped(namespace: httpx.Client, cluster: str) -> None:
    for name, shift in (("more", 1.0), ("others", -1.0)):
        rows = np.random.default_rng(5).normal(size=(90, 4)).astype(np.float32)
        rows[:, 0] += np.repeat([0, 40, 200], 30) + shift
        add_collection(namespace, name, rows)
    sources = [cluster]
    for name in ("more", "others"):
        sources.append(add_cluster(namespace, f"of {name}", name)["cluster_id"])
        ran(namespace, sources[-1])
    config = {**HDBSCAN, "clustering_method": "agglomerative"}
    config.pop("hdbscan_parameters", None)
    config["algorithm_params"] = {"n_clusters": 4}
    over = add_cluster(namespace, "over all", vector_config=config)["cluster_id"]
    body = {"mode": "composite", "source_execution_ids": sources}
    started = namespace.post(f"/v1/clusters/{over}/execute", json=body).json()
    ended = wait_for_task(namespace, started["task_id"])
    assert ended["status"] == "COMPLETED", ended
    run = latest(namespace, over)
    assert (run["mode"], run["num_points"], len(run["source_execution_ids"])) == ("composite", 9, 3)
    data = namespace.post(f"/v1/clusters/{over}/data", json={"include_members": True}).json()
    together: dict[str, set[str]] = {}
    for member in data["members"]:
        together.setdefault(member["cluster_label"], set()).add(member["metadata"]["collection_id"])
    assert sorted(len(each) for each in together.values()) == [1, 2, 3, 3]
    assert data["members"][0]["metadata"]["member_count"] >= 20
