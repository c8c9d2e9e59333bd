"""Requests that are meant to break something: each is refused by name, and the next request works."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from support import HDBSCAN, KMEANS, add_cluster, add_collection

LIST = "/v1/clusters/list"
OPTICS = {"feature_extractor_name": "bring_your_own", "clustering_method": "optics"}


@pytest.fixture(autouse=True)
def still_answers(client: TestClient) -> Iterator[None]:
    yield
    assert client.post(LIST).status_code == 200


def deep(levels: int) -> dict[str, Any]:
    node: dict[str, Any] = {"field": "name", "value": "x"}
    for _ in range(levels):
        node = {"AND": [node]}
    return node


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 422, "not valid JSON"),
        (b'{"filters": {"field": "a", "operator": "like", "value": 1}}', 422, "Input should be one of"),
        (b'{"filters": {"a": NaN}}', 422, "not valid JSON"),
        (b'{"filters": {"a": 1' + b"0" * 400 + b"}}", 422, "not valid JSON"),
        (b'{"filters": {"a": 1e400}}', 422, "not valid JSON"),
        (b'{"filters": {"a": "\\u0000"}}', 422, "NUL"),
        (b'{"filters": {"a": "\\ud800"}}', 422, "not valid JSON"),
        (b'{"filters": {"..": 1}}', 422, "dotted path"),
        (b'{"sort": {"field": "...."}}', 422, "dotted path"),
        (b'{"filters": {"field": "a", "operator": "regex", "value": "(a+)+("}}', 422, "regex"),
        (b'{"filters": {"field": "a", "operator": "regex", "value": "(?=a)"}}', 422, "regex"),
        (b'{"search": "' + b"x" * 2000 + b'"}', 422, "1000"),
        (b'{"x": "' + b"x" * 10_000_000 + b'"}', 413, "limit"),
        (b"[" * 5000, 422, "not valid JSON"),
        (b"\xff\xfe", 422, "not valid JSON"),
        (b"[]", 422, "object"),
    ],
)
def test_a_hostile_list_body_is_refused_by_name(client: TestClient, body: bytes, status: int, words: str) -> None:
    answer = client.post(LIST, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert words.lower() in answer.text.lower()
    assert answer.json()["error"]["details"]["request_id"] == answer.headers["X-Request-ID"]
    assert "sqlite" not in answer.text.lower()


@pytest.mark.parametrize(("levels", "status"), [(7, 200), (8, 200), (9, 422)])
def test_the_depth_of_filters(client: TestClient, levels: int, status: int) -> None:
    answer = client.post(LIST, json={"filters": deep(levels)})
    assert answer.status_code == status
    if status == 422:
        assert answer.json()["detail"][0]["loc"][-2:] == ["AND", 0]
        assert "8 deep" in answer.text


@pytest.mark.parametrize(("number", "status"), [(100, 200), (101, 422)])
def test_the_number_of_conditions(client: TestClient, number: int, status: int) -> None:
    conditions = [{"field": f"f{n}", "value": n} for n in range(number)]
    assert client.post(LIST, json={"filters": {"OR": conditions}}).status_code == status


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=1001", "limit=x", "offset=-1", "limit=1e3"])
def test_a_page_that_cannot_be(client: TestClient, query: str) -> None:
    answer = client.post(f"{LIST}?{query}")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", query.partition("=")[0]]


def test_a_chunked_body_over_the_limit_is_refused(client: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"x": "'
        for _ in range(100):
            yield b"x" * 10_000

    answer = client.post(LIST, content=chunks(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_a_regex_bomb_is_linear(client: TestClient) -> None:
    add_collection(client)
    for number in range(20):
        add_cluster(client, name=f"c{number}", description="a" * 4000)
    body = {"filters": {"field": "description", "operator": "regex", "value": "(a*)*b|(a|aa)+$|(.*)*x"}}
    begun = time.perf_counter()
    assert client.post(LIST, json=body).json()["total_count"] == 20
    assert time.perf_counter() - begun < 60  # a backtracking engine would need longer than the universe has


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"collection_ids": ["none"]}, 404, "'none'"),
        ({"collection_ids": []}, 422, "at least 1"),
        ({"cluster_type": "magic"}, 422, "vector"),
        ({"vector_config": None}, 422, "needs 'vector_config'"),
        ({"attribute_config": {"attributes": ["a"]}}, 400, "no meaning"),
        ({"vector_config": {**OPTICS, "algorithm_params": {"metric": "hamming"}}}, 400, "metric"),
        ({"vector_config": {**OPTICS, "algorithm_params": {"min_cluster_size": 1.5}}}, 400, "min_cluster_size"),
        ({"vector_config": {**HDBSCAN, "clustering_method": "optics"}}, 400, "hdbscan_parameters"),
        ({"vector_config": {**HDBSCAN, "algorithm_params": {}}}, 400, "same thing"),
        ({"vector_config": {**HDBSCAN, "hdbscan_parameters": {"eps": 1}}}, 422, "eps"),
        ({"vector_config": {**HDBSCAN, "hdbscan_parameters": {"min_cluster_size": 1}}}, 422, "greater than"),
        ({"vector_config": {**HDBSCAN, "hdbscan_parameters": {"metric": "hamming"}}}, 400, "metric"),
        ({"vector_config": {**HDBSCAN, "hdbscan_parameters": {"prediction_data": True}}}, 400, "prediction_data"),
        ({"vector_config": {**KMEANS, "kmeans_parameters": {"n_clusters": 1001}}}, 422, "less than"),
        ({"vector_config": {**KMEANS, "kmeans_parameters": {"copy_x": False}}}, 400, "copy_x"),
        ({"vector_config": {**HDBSCAN, "groups_per_level": [1]}}, 422, "groups_per_level"),
        ({"vector_config": {**HDBSCAN, "groups_per_level": [4]}}, 400, "needs 'hierarchical'"),
        ({"vector_config": {**HDBSCAN, "hierarchical": True, "groups_per_level": [8, 8]}}, 400, "top down"),
        ({"vector_config": {**HDBSCAN, "groups_per_level": [3] * 5}}, 422, "groups_per_level"),
        ({"vector_config": {**HDBSCAN, "max_noise_ratio": 1.5}}, 422, "max_noise_ratio"),
        ({"vector_config": {**HDBSCAN, "feature_extractor_name": "no name"}}, 422, "name an extractor"),
        ({"vector_config": {**HDBSCAN, "multi_feature_strategy": "late"}}, 422, "multi_feature_strategy"),
        ({"filters": {"field": "a", "operator": "near", "value": 1}}, 422, "one of"),
        ({"filters": {f"metadata.{name}": "x" * 4_000 for name in "abcde"}}, 422, "16384 bytes"),
        ({"retention": {"max_runs": 0}}, 422, "max_runs"),
        ({"cluster_name": "a/b"}, 422, "name"),
        ({"llm_labeling": {"provider": "acme"}}, 422, "provider"),
        (
            {
                "cluster_type": "attribute",
                "vector_config": None,
                "attribute_config": {"attributes": ["a"], "aggregation_method": "sum"},
            },
            400,
            "needs 'aggregation_fields'",
        ),
        *(
            (
                {
                    "cluster_type": "attribute",
                    "vector_config": None,
                    "attribute_config": {"attributes": ["a"], **given},
                },
                status,
                words,
            )
            for given, status, words in (
                ({"aggregation_method": "median", "aggregation_fields": ["b"]}, 400, "count, sum, avg, min, max"),
                ({"aggregation_fields": ["b"]}, 400, "needs an 'aggregation_method'"),
                ({"aggregation_method": "sum", "aggregation_fields": ["b..c"]}, 400, "not a path"),
                ({"aggregation_method": "sum", "aggregation_fields": ["b"] * 11}, 422, "aggregation_fields"),
                ({"attributes": ["a."]}, 400, "not a path"),
                ({"attributes": ["a", "b", "a"]}, 400, "twice"),
                ({"attributes": []}, 422, "attributes"),
            )
        ),
    ],
)
def test_a_definition_that_cannot_be_honoured_is_refused_by_name(
    client: TestClient, change: dict[str, Any], status: int, words: str
) -> None:
    add_collection(client)
    body = {"cluster_name": "c", "collection_ids": ["things"], "vector_config": HDBSCAN, **change}
    answer = client.post("/v1/clusters", json=body)
    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert client.get("/v1/clusters/c").status_code == 404


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"config": {"dimensionality_reduction": {"method": "lda"}}}, 422, "dimensionality_reduction"),
        ({"config": {"dimensionality_reduction": {"method": "umap", "n_components": 1}}}, 422, "n_components"),
        ({"config": {"dimensionality_reduction": {"method": "tsne", "perplexity": 0}}}, 422, "perplexity"),
        ({"config": {"whitening": 0}}, 422, "whitening"),
        ({"config": {"vis_n_components": 4}}, 422, "vis_n_components"),
        ({"config": {"hierarchical": "deep"}}, 422, "hierarchical"),
        ({"config": {"max_hierarchy_depth": 6}}, 422, "max_hierarchy_depth"),
        (
            {"config": {"hierarchical": True, "max_hierarchy_depth": 2, "groups_per_level": [2, 4]}},
            400,
            "max_hierarchy_depth",
        ),
        ({"config": {"additional_features": ["x"]}}, 422, "additional_features"),
        ({"config": {"algorithm": "magic"}}, 422, "algorithm"),
        ({"config": {"algorithm": "dbscan", "algorithm_params": {"metric_params": {"p": 3}}}}, 400, "metric_params"),
        ({"config": {"algorithm": "agglomerative", "algorithm_params": {"connectivity": [[1]]}}}, 400, "connectivity"),
        ({"config": {"feature_vector": {}}}, 422, "feature_vector"),
        ({"sample_size": 5, "config": {"sample_size": 6}}, 400, "sample_size"),
        ({"collection_ids": ["none"]}, 404, "none"),
        ({"unknown": 1}, 422, "unknown"),
    ],
)
def test_a_run_that_cannot_be_honoured_is_refused_by_name(
    client: TestClient, change: dict[str, Any], status: int, words: str
) -> None:
    add_collection(client)
    base = {"algorithm": "hdbscan", "feature_vector": {"vector_name": "bring_your_own"}}
    change = {**change, "config": {**base, **change.get("config", {})}}
    answer = client.post("/v1/clusters/jobs/submit", json={"collection_ids": ["things"], **change})
    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert client.get("/v1/tasks/").json()["results"] == []


def test_names_are_unique_and_patched(client: TestClient) -> None:
    add_collection(client)
    first = add_cluster(client, name="a")
    add_cluster(client, name="b")
    body = {"cluster_name": "a", "collection_ids": ["things"], "vector_config": HDBSCAN}
    assert client.post("/v1/clusters", json=body).status_code == 409
    assert client.patch("/v1/clusters/a", json={"name": "b"}).status_code == 409
    changed = client.patch("/v1/clusters/a", json={"name": "c", "description": "new", "metadata": {"team": "x"}}).json()
    assert (changed["cluster_name"], changed["description"]) == ("c", "new")
    assert changed["updated_at"] > first["updated_at"]
    found = client.post(LIST, json={"filters": {"metadata.team": "X"}, "search": "new"}).json()
    assert [each["cluster_name"] for each in found["results"]] == ["c"]
    assert client.patch("/v1/clusters/c", json={"status": "DRAFT"}).status_code == 422


def test_counts_and_stats_follow_every_change(client: TestClient) -> None:
    add_collection(client)
    for number in range(12):
        add_cluster(client, name=f"c{number:02}")
    listed = client.post(LIST).json()
    assert (listed["total_count"], len(listed["results"])) == (12, 10)
    assert listed["results"][0]["cluster_name"] == "c11"
    assert listed["stats"]["clusters_by_status"] == {"PENDING": 12}
    client.delete("/v1/clusters/c03")
    second = client.post(LIST, params={"limit": 10, "offset": 10}).json()
    assert second["pagination"] == {
        "total": 11,
        "page": 2,
        "page_size": 10,
        "total_pages": 2,
        "next_page": None,
        "previous_page": "/v1/clusters/list?limit=10&offset=0",
        "next_cursor": None,
    }
    assert [each["cluster_name"] for each in second["results"]] == ["c00"]
    assert client.post(LIST, json={"filters": {"status": "pending"}}).json()["total_count"] == 11
