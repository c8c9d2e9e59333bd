"""Groupings by attributes through the API: types, arrays, levels, aggregates, limits."""

import csv
import io
from typing import Any

import httpx
import pytest

from runs.support import run

PEOPLE: list[dict[str, Any]] = [
    {"city": "Oslo", "tags": ["a", "b"], "pay": {"gross": 10}, "age": 30},
    {"city": "Oslo", "tags": ["a"], "pay": {"gross": 20.5}, "age": "30"},
    {"city": "Oslo", "tags": ["b", "c", "b"], "pay": {"gross": None}, "age": 30.0},
    {"city": "Rome", "tags": [], "pay": [{"gross": 1}, {"gross": 2}], "age": True},
    {"city": "(missing)", "tags": ["a", "c"], "pay": {"gross": "7"}},
    {"tags": "c"},
]


@pytest.fixture
def people(namespace: httpx.Client) -> httpx.Client:
    assert namespace.post("/v1/collections", json={"collection_name": "people"}).status_code == 200
    documents = [{"document_id": f"p{number}", "metadata": each} for number, each in enumerate(PEOPLE)]
    written = namespace.post("/v1/collections/people/documents/batch", json={"documents": documents})
    assert written.json()["failed"] == 0, written.text
    return namespace


def define(client: httpx.Client, attributes: list[str], **config: Any) -> str:
    body = {
        "collection_ids": ["people"],
        "cluster_type": "attribute",
        "attribute_config": {"attributes": attributes, **config},
    }
    made = client.post("/v1/clusters", json=body)
    assert made.status_code == 200, made.text
    identity: str = made.json()["cluster_id"]
    return identity


def grouped(client: httpx.Client, attributes: list[str], **config: Any) -> tuple[str, dict[str, dict[str, Any]]]:
    """A definition that has run, and its groups by label."""
    cluster = define(client, attributes, **config)
    task = run(client, cluster)
    assert task["status"] == "COMPLETED", task
    found = client.get(f"/v1/clusters/{cluster}/groups").json()
    assert found["total_documents"] == len(PEOPLE)
    return cluster, {group["label"]: group for group in found["groups"]}


def members(client: httpx.Client, cluster: str, group: str | None = None) -> list[dict[str, Any]]:
    answer = client.post(f"/v1/clusters/{cluster}/data", json={"include_members": True, "cluster_id": group}).json()
    assert answer["total_members"] == len(answer["members"])
    shown: list[dict[str, Any]] = answer["members"]
    return shown


def test_missing_values_and_types_are_groups_of_their_own(people: httpx.Client) -> None:
    _, cities = grouped(people, ["city"])
    assert {label: group["member_count"] for label, group in cities.items()} == {
        "Oslo": 3,
        "Rome": 1,
        '"(missing)"': 1,
        "(missing)": 1,
    }
    assert cities["(missing)"]["values"] == {"city": None}
    assert cities['"(missing)"']["values"] == {"city": "(missing)"}
    _, ages = grouped(people, ["metadata.age"])
    assert {label: group["member_count"] for label, group in ages.items()} == {
        "30": 2,
        '"30"': 1,
        "true": 1,
        "(missing)": 2,
    }


def test_a_document_is_in_a_group_for_each_element_of_its_array(people: httpx.Client) -> None:
    cluster, tags = grouped(people, ["tags"])
    sizes = {label: group["member_count"] for label, group in tags.items()}
    assert sizes == {"a": 3, "c": 3, "b": 2, "(missing)": 1}
    for label, group in tags.items():
        own = members(people, cluster, group["cluster_id"])
        assert len({each["document_id"] for each in own}) == len(own) == sizes[label]
        assert {each["cluster_label"] for each in own} == {group["cluster_id"]}
    assert len(members(people, cluster)) == sum(sizes.values())
    shown = people.get(f"/v1/clusters/{cluster}/executions").json()
    assert (shown["num_points"], shown["memberships"], shown["num_clusters"]) == (6, 9, 4)
    exported = people.get(f"/v1/clusters/{cluster}/executions/{shown['run_id']}/export", params={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(exported.text)))
    assert sorted(row["cluster_label"] for row in rows if row["point_id"] == "p2") == ["b", "c"]
    assert len(rows) == 9


def test_levels_count_each_document_once(people: httpx.Client) -> None:
    cluster, groups = grouped(people, ["city", "tags"], hierarchical_grouping=True)
    oslo = groups["Oslo"]
    assert (oslo["member_count"], oslo["hierarchy_level"], oslo["parent_cluster_id"]) == (3, 0, None)
    below = {label: group for label, group in groups.items() if group["parent_cluster_id"] == oslo["cluster_id"]}
    assert {label: group["member_count"] for label, group in below.items()} == {
        "Oslo, a": 2,
        "Oslo, b": 2,
        "Oslo, c": 1,
    }
    own = members(people, cluster, oslo["cluster_id"])
    assert sorted(each["document_id"] for each in own) == ["p0", "p1", "p2"]
    assert {each["cluster_label"] for each in own} <= {group["cluster_id"] for group in below.values()}
    everything = members(people, cluster)
    assert (
        len(everything) == sum(group["member_count"] for group in groups.values() if group["hierarchy_level"] == 1) == 9
    )
    run_id = people.get(f"/v1/clusters/{cluster}/executions").json()["run_id"]
    path = f"/v1/clusters/{cluster}/executions/{run_id}/export"
    for label, many in (("Oslo", 3), ("Oslo, b", 2), (None, 9)):
        exported = people.get(path, params={"format": "csv", **({"cluster_label": label} if label else {})})
        assert len(list(csv.DictReader(io.StringIO(exported.text)))) == many


def test_two_runs_of_overlapping_groups_are_compared_by_membership(people: httpx.Client) -> None:
    cluster, tags = grouped(people, ["tags"])
    first = people.get(f"/v1/clusters/{cluster}/executions").json()["run_id"]
    people.patch("/v1/collections/people/documents/p1", json={"metadata": {"tags": ["a", "c"]}})
    people.put("/v1/collections/people/documents/p1", json={"metadata": {"tags": ["a", "c"]}})
    people.post("/v1/collections/people/documents", json={"document_id": "p6", "metadata": {"tags": ["d", "a"]}})
    assert run(people, cluster)["status"] == "COMPLETED"
    second = people.get(f"/v1/clusters/{cluster}/executions").json()["run_id"]
    shown = people.get(f"/v1/clusters/{cluster}/executions/{first}/compare/{second}").json()
    assert shown["documents"] == {"in_both": 6, "only_before": 0, "only_after": 1}
    assert [group["label"] for group in shown["born"]] == ["d"]
    flows = {(flow["from"], flow["to"]): flow["documents"] for flow in shown["flows"]}
    a, c = tags["a"]["cluster_id"], tags["c"]["cluster_id"]
    assert (flows[a, a], flows[None, a], flows[c, c], flows[None, c]) == (3, 1, 3, 1)
    assert sum(flows.values()) == 9 + 3


@pytest.mark.parametrize(
    ("method", "oslo", "rome", "overall"),
    [
        ("count", 2, 2, 4),
        ("sum", 30.5, 3, 33.5),
        ("avg", 15.25, 1.5, 8.375),
        ("min", 10, 1, 1),
        ("max", 20.5, 2, 20.5),
    ],
)
def test_numbers_are_aggregated_over_each_group(
    people: httpx.Client, method: str, oslo: float, rome: float, overall: float
) -> None:
    cluster, groups = grouped(people, ["city"], aggregation_method=method, aggregation_fields=["pay.gross"])
    assert groups["Oslo"]["aggregates"] == {"pay.gross": oslo}
    assert groups["Rome"]["aggregates"] == {"pay.gross": rome}
    assert groups["(missing)"]["aggregates"] == {"pay.gross": 0 if method == "count" else None}
    shown = people.get(f"/v1/clusters/{cluster}/executions").json()
    assert (shown["aggregation_method"], shown["aggregates"]) == (method, {"pay.gross": overall})
    by_label = {group["label"]: group for group in shown["centroids"]}
    assert by_label["Oslo"]["aggregates"] == {"pay.gross": oslo}
    data = people.post(f"/v1/clusters/{cluster}/data", json={}).json()
    assert {"pay.gross": rome} in [each["metadata"]["aggregates"] for each in data["centroids"]]


def test_a_count_without_fields_counts_documents(people: httpx.Client) -> None:
    _, groups = grouped(people, ["tags"], aggregation_method="count")
    assert all(group["aggregates"] == {"*": group["member_count"]} for group in groups.values())


def test_an_attribute_that_tells_all_documents_apart_is_warned_of(people: httpx.Client) -> None:
    for number in range(9):
        people.post("/v1/collections/people/documents", json={"metadata": {"serial": number}})
    cluster = define(people, ["serial"])
    assert run(people, cluster)["status"] == "COMPLETED"
    [warning] = people.get(f"/v1/clusters/{cluster}/executions").json()["warnings"]
    assert "10 groups of 15 documents" in warning
    nothing = define(people, ["nope.nested"])
    assert run(people, nothing)["status"] == "COMPLETED"
    assert "check its path" in people.get(f"/v1/clusters/{nothing}/executions").json()["warnings"][0]


def test_filters_leave_documents_out(people: httpx.Client) -> None:
    cluster = define(people, ["tags"])
    assert run(people, cluster, {"filters": {"metadata.city": "Oslo"}})["status"] == "COMPLETED"
    found = people.get(f"/v1/clusters/{cluster}/groups").json()
    assert (found["total_documents"], len(found["groups"])) == (3, 3)
    failed = run(people, cluster, {"filters": {"metadata.city": "Nowhere"}})
    assert "no document of" in failed["error_message"]
