"""The list page's own sample request and sample result, against the service.

The request filters on `age`, `role`, `department` and `location`, which no definition has, and searches for the text
`<string>`. Sent verbatim it is answered, with nothing: `age >= 30` is false of what has no age. With the same fields
put under `metadata`, where a definition may have them, each of its clauses decides.
"""

import copy
from typing import Any

import pytest

Json = dict[str, Any]

SEED: Json = {
    "filters": {
        "AND": [
            {"field": "name", "operator": "eq", "value": "John"},
            {"field": "age", "operator": "gte", "value": 30},
        ],
        "OR": [
            {"field": "status", "operator": "eq", "value": "active"},
            {"field": "role", "operator": "eq", "value": "admin"},
        ],
        "NOT": [
            {"field": "department", "operator": "eq", "value": "HR"},
            {"field": "location", "operator": "eq", "value": "remote"},
        ],
        "case_sensitive": True,
    },
    "sort": {"field": "created_at", "direction": "desc"},
    "search": "<string>",
}
RESULT: Json = {
    "cluster_name": "products_clip_hdbscan",
    "cluster_type": "vector",
    "collection_ids": ["col_products_v1", "col_products_v2"],
    "llm_labeling": {"enabled": True, "model_name": "gpt-4"},
    "vector_config": {
        "clustering_method": "hdbscan",
        "feature_extractor_name": "clip_vit_l_14",
        "hdbscan_parameters": {"min_cluster_size": 10, "min_samples": 5},
        "sample_size": 5000,
    },
}
FITTING: Json = {"age": 30, "role": "admin"}


def _below_metadata(request: Json) -> Json:
    """The request with the fields that definitions lack put where they may have them."""
    moved = copy.deepcopy(request)
    for clause in ("AND", "OR", "NOT"):
        for condition in moved["filters"][clause]:
            if condition["field"] not in ("name", "status"):
                condition["field"] = f"metadata.{condition['field']}"
    return moved


def _define(client: Any, name: str, metadata: Json, description: str | None = "a <string> of text") -> None:
    collection = client.post("/v1/collections", json={"collection_name": f"of {name}"})
    assert collection.status_code == 200, collection.text
    definition = {
        "collection_ids": [collection.json()["collection_id"]],
        "cluster_name": name,
        "cluster_type": "attribute",
        "attribute_config": {"attributes": ["colour"]},
        "metadata": metadata,
        "description": description,
    }
    answer = client.post("/v1/clusters", json=definition)
    assert answer.status_code == 200, answer.text


def _names(client: Any, request: Json) -> list[str]:
    answer = client.post("/v1/clusters/list", json=request)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["pagination"]["total"] == page["total_count"] == len(page["results"])
    return [result["cluster_name"] for result in page["results"]]


def test_verbatim_it_is_answered_and_holds_of_nothing(client: Any) -> None:
    _define(client, "John", FITTING)
    assert _names(client, SEED) == []


def test_a_field_that_no_definition_has_fails_and_and_or_and_passes_not(client: Any) -> None:
    _define(client, "John", {})
    request = copy.deepcopy(SEED)
    del request["filters"]["AND"][1]
    assert _names(client, request) == []
    del request["filters"]["OR"]
    assert _names(client, request) == ["John"]


CASES = [
    ("all clauses hold", "John", FITTING, True),
    ("the first of AND: another name", "Jane", FITTING, False),
    ("the first of AND: another case", "john", FITTING, False),
    ("the second of AND: too small", "John", {"age": 29, "role": "admin"}, False),
    ("the second of AND: exactly on the bound, as a float", "John", {"age": 30.0, "role": "admin"}, True),
    ("the second of AND: of another type", "John", {"age": "31", "role": "admin"}, False),
    ("the second of AND: missing", "John", {"role": "admin"}, False),
    ("neither of OR", "John", {"age": 30, "role": "user"}, False),
    ("OR: another case", "John", {"age": 30, "role": "Admin"}, False),
    ("OR: one of several", "John", {"age": 30, "role": ["user", "admin"]}, True),
    ("the first of NOT", "John", {**FITTING, "department": "HR"}, False),
    ("the first of NOT: another case", "John", {**FITTING, "department": "hr"}, True),
    ("the first of NOT: one of several", "John", {**FITTING, "department": ["IT", "HR"]}, False),
    ("the second of NOT", "John", {**FITTING, "location": "remote"}, False),
    ("the second of NOT: null", "John", {**FITTING, "location": None}, True),
]


@pytest.mark.parametrize(("name", "metadata", "found"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_clause_decides(client: Any, name: str, metadata: Json, found: bool) -> None:
    _define(client, name, metadata)
    assert _names(client, _below_metadata(SEED)) == ([name] if found else [])


def test_the_first_of_or_is_enough(client: Any) -> None:
    _define(client, "John", {"age": 30})
    request = _below_metadata(SEED)
    assert _names(client, request) == []
    request["filters"]["OR"][0]["value"] = "PENDING"
    assert _names(client, request) == ["John"]


def test_case_sensitive_decides(client: Any) -> None:
    _define(client, "JOHN", {"age": 30, "role": "Admin"})
    request = _below_metadata(SEED)
    assert _names(client, request) == []
    del request["filters"]["case_sensitive"]
    assert _names(client, request) == ["JOHN"]


def test_the_search_decides(client: Any) -> None:
    _define(client, "John", FITTING, description="without it")
    request = _below_metadata(SEED)
    assert _names(client, request) == []
    del request["search"]
    assert _names(client, request) == ["John"]


def test_the_sort_decides(client: Any) -> None:
    for name in ("John", "Joan", "Jon"):
        _define(client, name, FITTING)
    request = _below_metadata(SEED)
    request["filters"]["AND"][0] = {"field": "name", "operator": "starts_with", "value": "Jo"}
    assert _names(client, request) == ["Jon", "Joan", "John"]
    request["sort"]["direction"] = "asc"
    assert _names(client, request) == ["John", "Joan", "Jon"]


def _within(part: Any, whole: Any) -> bool:
    """Whether every member of `part`, at any depth, is in `whole` with the same value."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _within(value, whole[key]) for key, value in part.items())
    return bool(part == whole)


def test_the_sample_result_is_what_a_definition_made_of_it_looks_like(client: Any) -> None:
    sample = copy.deepcopy(RESULT)
    sample["collection_ids"] = [
        client.post("/v1/collections", json={"collection_name": name}).json()["collection_id"]
        for name in RESULT["collection_ids"]
    ]
    created = client.post("/v1/clusters", json=sample)
    assert created.status_code == 200, created.text
    listed = client.post("/v1/clusters/list", json={"filters": {"name": RESULT["cluster_name"]}}).json()
    assert listed["results"] == [created.json()]
    assert _within(sample, listed["results"][0])
    assert listed["pagination"] == {
        "total": 1,
        "page": 1,
        "page_size": 10,
        "total_pages": 1,
        "next_page": None,
        "previous_page": None,
        "next_cursor": None,
    }
