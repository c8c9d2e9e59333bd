"""Our OpenAPI document against the v1 clusters API (`v1_api.json`): names, types, requiredness, defaults, limits.

`v1_api.json` is written in the notation of `notation.py` and is never edited to fit: what this service does
otherwise, and why, stands in `DEVIATIONS`.
"""

import json
from pathlib import Path

import pytest

from contract.comparison import Differences, differences
from contract.notation import Document, reduce

V1: Document = json.loads(Path(__file__).with_name("v1_api.json").read_text())

LATER = {
    f"{method} /v1/clusters/triggers{rest}"
    for method, rest in [
        ("POST", ""),
        ("POST", "/list"),
        ("GET", "/{trigger_id}"),
        ("PATCH", "/{trigger_id}"),
        ("DELETE", "/{trigger_id}"),
        ("POST", "/{trigger_id}/pause"),
        ("POST", "/{trigger_id}/resume"),
        ("POST", "/{trigger_id}/history"),
    ]
} | {
    "POST /v1/clusters/enrich",
    "GET /v1/organizations/webhooks/",
    "POST /v1/organizations/webhooks/",
    "GET /v1/organizations/webhooks/{identifier}",
    "PUT /v1/organizations/webhooks/{identifier}",
    "DELETE /v1/organizations/webhooks/{identifier}",
}
"""Operations of the v1 API that this release does not serve yet."""

RENAMED = {"HTTPValidationError": "ValidationErrorResponse", "ValidationError": "ValidationIssue"}
"""The v1 API's schemas that have another name here: a 422 is an `ErrorResponse` with the v1 API's `detail`."""

DEVIATIONS: dict[str, str] = {
    "LogicalOperator closed": "a key besides AND, OR, NOT and case_sensitive is the equality shorthand",
}
"""Where this service differs on purpose, and why."""


@pytest.fixture
def table(openapi: Document) -> Document:
    return reduce(openapi)


@pytest.fixture
def found(table: Document) -> Differences:
    return differences(V1, table, LATER, RENAMED)


def test_the_v1_api_is_served_field_by_field(found: Differences) -> None:
    unexpected = [f"{where}: {what}" for where, what in sorted(found.items()) if where not in DEVIATIONS]
    assert not unexpected, "\n".join(unexpected)


def test_a_deviation_that_no_longer_deviates_is_removed(found: Differences) -> None:
    assert DEVIATIONS.keys() - found.keys() == set()


def test_what_is_said_to_come_later_is_not_served(table: Document) -> None:
    assert V1["operations"].keys() >= LATER
    assert table["operations"].keys() & LATER == set()


def test_the_table_holds_the_whole_api() -> None:
    assert len(V1["operations"]) == 50
    assert len({name.split(" ")[1] for name in V1["operations"]}) == 36
    assert differences(V1, V1, set(), {}) == {}
