"""Groups keep their ids, and what people said of them, from run to run; two runs compared."""

from typing import Any

import httpx
import numpy as np
import pytest

from runs.support import run
from support import HDBSCAN, KMEANS, add_cluster, add_collection

Places = dict[str, tuple[float, float]]

HERE: Places = {"apple": (0, 0), "river": (40, 0), "piano": (0, 40)}


def put(client: httpx.Client, word: str, place: tuple[float, float], numbers: range, text: str = "") -> None:
    """Documents that say a word, around a place; the numbers are the same documents when they are put again."""
    dice = np.random.default_rng(sum(map(ord, word)))
    noise = dice.normal(size=(1000, 4))
    centre = np.array([*place, 0, 0])
    documents = [
        {
            "document_id": f"{word}{number}",
            "metadata": {"text": text or word},
            "vectors": {"bring_your_own": (centre + noise[number]).tolist()},
        }
        for number in numbers
    ]
    written = client.post("/v1/collections/things/documents/batch", json={"documents": documents})
    assert written.json()["failed"] == 0, written.text


@pytest.fixture
def cluster(namespace: httpx.Client) -> str:
    """A definition over three groups, run once."""
    assert namespace.post("/v1/collections", json={"collection_name": "things"}).status_code == 200
    for word, place in HERE.items():
        put(namespace, word, place, range({"apple": 30, "river": 25, "piano": 20}[word]))
    identity: str = add_cluster(namespace)["cluster_id"]
    ran(namespace, identity)
    return identity


def ran(client: httpx.Client, cluster: str) -> str:
    task = run(client, cluster)
    assert task["status"] == "COMPLETED", task
    return str(task["additional_data"]["run_id"])


def groups(client: httpx.Client, cluster: str) -> dict[str, dict[str, Any]]:
    return {group["cluster_id"]: group for group in client.get(f"/v1/clusters/{cluster}/groups").json()["groups"]}


def sizes(client: httpx.Client, cluster: str) -> dict[str, int]:
    return {name: group["member_count"] for name, group in groups(client, cluster).items()}


def compared(client: httpx.Client, cluster: str, before: str, after: str) -> dict[str, Any]:
    answer = client.get(f"/v1/clusters/{cluster}/executions/{before}/compare/{after}")
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def latest(client: httpx.Client, cluster: str) -> dict[str, Any]:
    shown: dict[str, Any] = client.get(f"/v1/clusters/{cluster}/executions").json()
    return shown


def test_a_group_keeps_its_id_however_large_it_becomes(namespace: httpx.Client, cluster: str) -> None:
    first = latest(namespace, cluster)["run_id"]
    assert {name: group["label"] for name, group in groups(namespace, cluster).items()} == {
        "cl_0": "apple",
        "cl_1": "river",
        "cl_2": "piano",
    }
    put(namespace, "piano", HERE["piano"], range(20, 60))  # from the smallest to the largest
    put(namespace, "ocean", (40, 40), range(15))
    second = ran(namespace, cluster)
    now = groups(namespace, cluster)
    assert [(name, group["label"]) for name, group in now.items()] == [
        ("cl_2", "piano"),
        ("cl_0", "apple"),
        ("cl_1", "river"),
        ("cl_3", "ocean"),
    ]
    changes = latest(namespace, cluster)["changes"]
    assert (changes["born"], changes["died"], changes["grown"], changes["ari"]) == (1, 0, 1, 1.0)
    shown = compared(namespace, cluster, first, second)
    assert shown["documents"] == {"in_both": 75, "only_before": 0, "only_after": 55}
    assert shown["born"] == [{"cluster_id": "cl_3", "label": "ocean"}]
    assert shown["grown"] == [{"cluster_id": "cl_2", "label": "piano", "before": 20, "after": 60}]
    assert shown["agreement"] == {"ari": 1.0, "ami": pytest.approx(1.0)}
    assert {(flow["from"], flow["to"]): flow["documents"] for flow in shown["flows"]} == {
        (None, "cl_2"): 40,
        ("cl_0", "cl_0"): 30,
        ("cl_1", "cl_1"): 25,
        ("cl_2", "cl_2"): 20,
        (None, "cl_3"): 15,
    }
    back = compared(namespace, cluster, second, first)
    assert back["died"] == shown["born"]
    assert [group["cluster_id"] for group in back["shrunk"]] == ["cl_2"]


def test_an_id_is_never_given_twice(namespace: httpx.Client, cluster: str) -> None:
    for number in range(20):
        assert namespace.delete(f"/v1/collections/things/documents/piano{number}").status_code == 200
    ran(namespace, cluster)
    assert list(groups(namespace, cluster)) == ["cl_0", "cl_1"]
    put(namespace, "ocean", (40, 40), range(15))
    ran(namespace, cluster)
    assert list(groups(namespace, cluster)) == ["cl_0", "cl_1", "cl_3"]
    gone = namespace.get(f"/v1/clusters/{cluster}/groups/cl_2").json()
    assert (gone["label"], gone["member_count"]) == ("piano", None)


def test_a_split_a_merge_and_a_drift(namespace: httpx.Client, cluster: str) -> None:
    first = latest(namespace, cluster)["run_id"]
    put(namespace, "apple", (0, -60), range(18, 30))  # twelve of thirty go elsewhere
    put(namespace, "piano", HERE["river"], range(20))  # all of one group go to another
    second = ran(namespace, cluster)
    shown = compared(namespace, cluster, first, second)
    assert shown["split"] == [{"cluster_id": "cl_0", "label": "apple", "parts": ["cl_0", "cl_3"]}]
    assert [(group["cluster_id"], group["sources"]) for group in shown["merged"]] == [("cl_1", ["cl_1", "cl_2"])]
    assert [group["cluster_id"] for group in shown["died"]] == ["cl_2"]
    assert [group["cluster_id"] for group in shown["shrunk"]] == ["cl_0"]
    put(namespace, "river", (43, 0), range(25))
    put(namespace, "piano", (43, 0), range(20))
    third = ran(namespace, cluster)
    [drifted] = compared(namespace, cluster, second, third)["drifted"]
    assert drifted["cluster_id"] == "cl_1"
    assert drifted["radii"] == pytest.approx(3 / 2, abs=0.3)


def test_a_rename_is_for_good(namespace: httpx.Client, cluster: str) -> None:
    path = f"/v1/clusters/{cluster}/groups/cl_1"
    renamed = namespace.patch(path, json={"label": "  Water  "})
    assert renamed.status_code == 200, renamed.text
    assert (renamed.json()["label"], renamed.json()["label_source"]) == ("Water", "human")
    assert [each["label"] for each in renamed.json()["history"]] == ["Water", "river"]
    assert groups(namespace, cluster)["cl_1"]["label"] == "Water"
    found = namespace.post("/v1/clusters/list", json={"search": "water"}).json()
    assert [each["cluster_id"] for each in found["results"]] == [cluster]
    put(namespace, "river", HERE["river"], range(25, 50))
    ran(namespace, cluster)
    assert groups(namespace, cluster)["cl_1"]["label"] == "Water"
    assert latest(namespace, cluster)["label_overrides"] == {"cl_1": "Water"}
    assert namespace.patch(path, json={"label": None}).json()["label"] == "river"
    assert groups(namespace, cluster)["cl_1"]["label"] == "river"
    assert namespace.post("/v1/clusters/list", json={"search": "water"}).json()["results"] == []


def test_labels_of_an_earlier_run_are_that_run_s(namespace: httpx.Client, cluster: str) -> None:
    first = latest(namespace, cluster)["run_id"]
    second = ran(namespace, cluster)
    path = f"/v1/clusters/{cluster}/executions"
    old = namespace.patch(f"{path}/{first}/labels", json={"labels": {"cl_0": "Fruit"}})
    assert old.json() == {"cluster_id": cluster, "run_id": first, "label_overrides": {"cl_0": "Fruit"}}
    assert groups(namespace, first)["cl_0"]["label"] == "Fruit"
    assert groups(namespace, cluster)["cl_0"]["label"] == "apple"
    new = namespace.patch(f"{path}/{second}/labels", json={"labels": {"cl_0": "Apples", "cl_1": "Rivers"}})
    assert new.json()["label_overrides"] == {"cl_0": "Apples", "cl_1": "Rivers"}
    reset = namespace.patch(f"{path}/{second}/labels", json={"labels": {"cl_0": ""}})
    assert reset.json()["label_overrides"] == {"cl_1": "Rivers"}
    ran(namespace, cluster)
    assert [group["label"] for group in groups(namespace, cluster).values()] == ["apple", "Rivers", "piano"]
    shown = compared(namespace, cluster, first, latest(namespace, cluster)["run_id"])
    assert shown["relabeled"] == [
        {"cluster_id": "cl_0", "before": "Fruit", "after": "apple"},
        {"cluster_id": "cl_1", "before": "river", "after": "Rivers"},
    ]
    for wrong, status in (({}, 422), ({"cl_9": "x"}, 404), ({"-1": "x"}, 400), ({"cl_0": "x" * 201}, 422)):
        assert namespace.patch(f"{path}/{second}/labels", json={"labels": wrong}).status_code == status
    other = add_cluster(namespace, "another")["cluster_id"]
    assert (
        namespace.patch(f"/v1/clusters/{other}/executions/{second}/labels", json={"labels": {"cl_0": "x"}}).status_code
        == 404
    )
    assert namespace.get(f"/v1/clusters/{other}/executions/{first}/compare/{second}").status_code == 404


def test_a_pinned_label_stays_whatever_the_group_becomes(namespace: httpx.Client, cluster: str) -> None:
    assert namespace.patch(f"/v1/clusters/{cluster}/groups/cl_0", json={"pinned": True}).json()["pinned"] is True
    for word, (x, y) in {"apple": (0, -80), "river": (200, 0)}.items():  # four in ten stay, and say something else
        put(namespace, word, HERE[word], range(10 if word == "river" else 12), text=f"new{word}")
        put(namespace, word, (x, y), range(10 if word == "river" else 12, 19))
        put(namespace, word, (x + 60, y + 60), range(19, 30 if word == "apple" else 25))
    ran(namespace, cluster)
    labels = {name: group["label"] for name, group in groups(namespace, cluster).items()}
    assert labels["cl_0"] == "apple"
    assert labels["cl_1"] == "newriver"


def test_a_merge_is_for_good_and_can_be_taken_back(namespace: httpx.Client, cluster: str) -> None:
    path = f"/v1/clusters/{cluster}/groups"
    whole = namespace.post(f"{path}/cl_2/merge", json={"into": "cl_1"})
    assert whole.status_code == 200, whole.text
    assert (whole.json()["member_count"], whole.json()["merged_groups"]) == (45, ["cl_2"])
    assert {name: group["member_count"] for name, group in groups(namespace, cluster).items()} == {
        "cl_0": 30,
        "cl_1": 45,
    }
    data = namespace.post(f"/v1/clusters/{cluster}/data", json={"cluster_id": "cl_1", "include_members": True}).json()
    assert (data["total_members"], data["total_clusters"]) == (45, 2)
    assert {member["cluster_label"] for member in data["members"]} == {"cl_1"}
    page = namespace.post(
        f"/v1/clusters/{cluster}/data", json={"cluster_id": "cl_1", "include_members": True, "offset": 20, "limit": 10}
    ).json()
    assert page["members"] == data["members"][20:30]
    expected = np.vstack([[*HERE["river"]]] * 25 + [[*HERE["piano"]]] * 20).mean(axis=0)
    assert np.allclose(data["centroids"][0]["centroid_vector"][:2], expected, atol=1)
    assert namespace.post(f"/v1/clusters/{cluster}/data", json={"cluster_id": "cl_2"}).status_code == 404
    assert namespace.get(f"/v1/clusters/{cluster}").json()["num_clusters"] == 2
    assert namespace.get(f"{path}/cl_2").json()["merged_into"] == "cl_1"
    for source, into, status in (
        ("cl_0", "cl_0", 400),
        ("cl_0", "cl_9", 404),
        ("-1", "cl_0", 400),
        ("cl_2", "cl_0", 404),
    ):
        assert namespace.post(f"{path}/{source}/merge", json={"into": into}).status_code == status
    for _ in range(2):  # the algorithm finds the two apart each time
        ran(namespace, cluster)
        assert sizes(namespace, cluster) == {"cl_0": 30, "cl_1": 45}
    assert namespace.post(f"{path}/cl_2/unmerge").json()["merged_into"] is None
    assert namespace.post(f"{path}/cl_2/unmerge").status_code == 409
    ran(namespace, cluster)
    assert sorted(sizes(namespace, cluster).values()) == [20, 25, 30]


def test_a_merge_is_taken_back_in_the_run_that_it_was_made_in(namespace: httpx.Client, cluster: str) -> None:
    before = groups(namespace, cluster)
    namespace.post(f"/v1/clusters/{cluster}/groups/cl_2/merge", json={"into": "cl_1"})
    namespace.post(f"/v1/clusters/{cluster}/groups/cl_1/merge", json={"into": "cl_0"})
    assert [group["member_count"] for group in groups(namespace, cluster).values()] == [75]
    for name in ("cl_1", "cl_2"):
        assert namespace.post(f"/v1/clusters/{cluster}/groups/{name}/unmerge").status_code == 200
    assert groups(namespace, cluster) == before


def test_groups_of_groups_keep_their_ids(namespace: httpx.Client) -> None:
    rows = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
    rows[:, 0] += np.repeat([0, 10, 100, 110], 30)
    add_collection(namespace, vectors=rows)
    config = {**KMEANS, "kmeans_parameters": {"n_clusters": 4}, "hierarchical": True, "max_hierarchy_depth": 2}
    cluster = add_cluster(namespace, vector_config=config)["cluster_id"]
    ran(namespace, cluster)
    before = groups(namespace, cluster)
    assert sum(name.startswith("br_") for name in before) == 2
    put(namespace, "more", (110, 0), range(40))
    ran(namespace, cluster)
    after = groups(namespace, cluster)
    assert set(after) == set(before)
    assert {name: group["parent_cluster_id"] for name, group in after.items()} == {
        name: group["parent_cluster_id"] for name, group in before.items()
    }
    [branch] = {after[name]["parent_cluster_id"] for name, group in after.items() if group["member_count"] == 70}
    kept = after[branch]["label"]
    assert namespace.patch(f"/v1/clusters/{cluster}/groups/{branch}", json={"pinned": True}).json()["pinned"]
    put(namespace, "others", (110, 0), range(200))
    ran(namespace, cluster)
    assert groups(namespace, cluster)[branch]["label"] == kept
    [apart] = [name for name in after if name.startswith("cl_") and after[name]["parent_cluster_id"] != branch][:1]
    [inside] = [name for name in after if after[name]["parent_cluster_id"] == branch][:1]
    crossing = namespace.post(f"/v1/clusters/{cluster}/groups/{apart}/merge", json={"into": inside})
    assert (crossing.status_code, "same one" in crossing.text) == (400, True)
    assert namespace.post(f"/v1/clusters/{cluster}/groups/{branch}/merge", json={"into": "cl_0"}).status_code == 400


def test_groups_by_attributes_are_their_values(namespace: httpx.Client) -> None:
    add_collection(namespace)
    config = {"attributes": ["group", "text"], "hierarchical_grouping": True}
    cluster = add_cluster(namespace, vector_config=None, cluster_type="attribute", attribute_config=config)[
        "cluster_id"
    ]
    first = ran(namespace, cluster)
    before = {name: group["label"] for name, group in groups(namespace, cluster).items()}
    assert before == {
        "cl_0": "0", "cl_0_sub_0": "0, apple",
        "cl_1": "1", "cl_1_sub_0": "1, river",
        "cl_2": "2", "cl_2_sub_0": "2, piano",
    }  # fmt: skip
    for number in range(20):
        namespace.delete(f"/v1/collections/things/documents/d{number:03}")
    for number in range(50):
        item = {
            "document_id": f"n{number}",
            "metadata": {"group": 7 if number else 2, "text": "piano" if number else "x"},
        }
        namespace.post("/v1/collections/things/documents", json=item)
    second = ran(namespace, cluster)
    after = {name: group["label"] for name, group in groups(namespace, cluster).items()}
    assert after == {
        "cl_3": "7", "cl_3_sub_0": "7, piano",
        "cl_2": "2", "cl_2_sub_0": "2, piano", "cl_2_sub_1": "2, x",
        "cl_1": "1", "cl_1_sub_0": "1, river",
    }  # fmt: skip
    shown = compared(namespace, cluster, first, second)
    assert [group["cluster_id"] for group in shown["born"]] == ["cl_3_sub_0", "cl_2_sub_1"]
    assert [group["cluster_id"] for group in shown["died"]] == ["cl_0_sub_0"]
    assert namespace.post(f"/v1/clusters/{cluster}/groups/cl_1/merge", json={"into": "cl_2"}).status_code == 400


def test_what_was_said_of_groups_goes_with_their_definition(
    namespace: httpx.Client, cluster: str, service: Any
) -> None:
    namespace.patch(f"/v1/clusters/{cluster}/groups/cl_0", json={"label": "Fruit"})
    assert namespace.delete(f"/v1/clusters/{cluster}").status_code == 204
    for table in ("groups", "group_labels"):
        assert service.query(f"SELECT count(*) FROM {table} WHERE cluster_id = '{cluster}'") == [(0,)]


def test_a_group_that_is_not_there(namespace: httpx.Client, cluster: str) -> None:
    path = f"/v1/clusters/{cluster}/groups/cl_9"
    assert namespace.get(path).status_code == 404
    assert namespace.patch(path, json={"pinned": True}).status_code == 404
    assert namespace.post(f"{path}/unmerge").status_code == 404
    assert (
        namespace.get(
            f"/v1/clusters/{add_cluster(namespace, 'new', vector_config=HDBSCAN)['cluster_id']}/groups/cl_0"
        ).status_code
        == 404
    )
