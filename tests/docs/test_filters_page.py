"""`docs/filters.md` is what this test makes of the service's own answers. COTERIE_WRITE_DOCS=1 writes it anew."""

import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from coterie.config import Settings
from coterie.listing.operands import OPERATORS
from support import add_collection

PAGE = Path(__file__).parents[2] / "docs" / "filters.md"
LIST = "/v1/clusters/list"

DEFINITIONS: list[tuple[str, dict[str, Any]]] = [
    ("Invoices by topic", {"team": "Finance", "score": 0.91, "tags": ["pdf", "2026"], "note": "Straße und Haus"}),
    ("Support tickets", {"team": "Care", "score": 0.4, "tags": ["chat"], "reviewed": True}),
    ("Product photos", {"team": "Shop", "score": 0.75, "tags": ["image", "2026"], "note": "100% cotton"}),
    ("Shop reviews", {"team": "shop", "score": 12, "tags": [], "note": None}),
    ("Call transcripts", {"team": "Care", "owner": {"name": "Ada", "desk": 4}}),
]

OPERATOR_EXAMPLES: dict[str, tuple[str, list[Any]]] = {
    "eq": (
        "Equal, within the value's type. Case does not matter unless `case_sensitive` is true. `eq` may be left out.",
        [
            {"filters": {"metadata.team": "shop"}},
            {"filters": {"AND": [{"field": "metadata.team", "value": "shop"}], "case_sensitive": True}},
            {"filters": {"metadata.note": "STRASSE UND HAUS"}},
            {"filters": {"metadata.note": None}},
        ],
    ),
    "ne": ("Not equal; a missing field is not equal to any value.", [("metadata.team", "care")]),
    "gt": ("Greater. Numbers compare with numbers, strings with strings; the other kind is never greater.",
           [("metadata.score", 0.75)]),
    "gte": ("Greater or equal.", [("metadata.score", 0.75)]),
    "lt": ("Less. Timestamps compare as instants, whatever offset they are written with.",
           [("metadata.score", 0.75), ("created_at", "2000-01-01T00:00:00+02:00")]),
    "lte": ("Less or equal.", [("metadata.score", 0.75)]),
    "in": ("Equal to one of up to 1,000 values.", [("metadata.team", ["finance", "shop"])]),
    "nin": ("Equal to none of them.", [("metadata.team", ["finance", "shop"])]),
    "contains": ("Part of a string, or an element of an array.",
                 [("cluster_name", "shop"), ("metadata.tags", "2026"), ("metadata.note", "0% c")]),
    "starts_with": ("The string begins with it.", [("cluster_name", "s")]),
    "ends_with": ("The string ends with it.", [("cluster_name", "s")]),
    "regex": ("An RE2 pattern, found anywhere in the string. Its time is linear in the string, whatever the pattern.",
              [("cluster_name", "^(in|shop).*s$")]),
    "text": ("Every word of the value is a word of the string.", [("cluster_name", "reviews shop")]),
    "exists": ("Whether the field is present and not null.", [("metadata.note", True), ("metadata.owner", True)]),
    "is_null": ("The opposite.", [("metadata.note", True)]),
}  # fmt: skip

OTHERS: list[tuple[str, str, list[Any]]] = [
    (
        "Logic",
        "All parts of one object hold together: every `AND`, at least one `OR`, none of `NOT`, and every plain pair. "
        "They nest up to 8 deep, with up to 100 conditions.",
        [
            {
                "filters": {
                    "OR": [
                        {"metadata.team": "finance"},
                        {"AND": [{"metadata.team": "shop"}, {"field": "metadata.score", "operator": "gt", "value": 1}]},
                    ],
                    "NOT": [{"field": "metadata.reviewed", "operator": "exists", "value": True}],
                }
            }
        ],
    ),
    (
        "Nested fields and arrays",
        "A dotted path reaches into objects; through an array it reaches every element, and one match is enough.",
        [{"filters": {"metadata.owner.name": "ada"}}, {"filters": {"metadata.tags": "image"}}],
    ),
    (
        "Sort",
        "Numbers first, then strings, then booleans; missing values last in both directions; ties by id.",
        [{"sort": {"field": "metadata.score", "direction": "desc"}}, {"sort": {"field": "name"}}],
    ),
    (
        "Search",
        "Every word is found somewhere in name, id, description, collections, extractor, algorithm, or the labels and "
        "keywords of the last run.",
        [{"search": "SHOP rev"}],
    ),
    (
        "Pages",
        "`limit` (up to 1,000) and `offset`, in the query or the body. Where rows come and go, take `next_cursor`: the "
        "next page begins after the last row of this one.",
        [{"limit": 2, "offset": 2}],
    ),
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """One store is enough for a page: that both answer alike is tested elsewhere."""
    return Settings(data_dir=tmp_path / "data", port=0)


def fill(client: TestClient) -> None:
    add_collection(client)
    for name, metadata in DEFINITIONS:
        body = {
            "cluster_name": name,
            "collection_ids": ["things"],
            "vector_config": {"feature_extractor_name": "bring_your_own", "clustering_method": "hdbscan"},
            "metadata": metadata,
        }
        assert client.post("/v1/clusters", json=body).status_code == 200


def example(client: TestClient, body: Any) -> str:
    answer = client.post(LIST, json=body)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    names = ", ".join(f"`{row['cluster_name']}`" for row in shown["results"]) or "nothing"
    text = orjson.dumps(body).decode()
    quoted = text.replace("'", "'\\''")
    headers = "-H \"Authorization: Bearer $KEY\" -H 'Content-Type: application/json'"
    curl = f"curl -s $URL{LIST} {headers} -d '{quoted}'"
    return f"```sh\n{curl}\n```\n\n{shown['pagination']['total']} found: {names}\n"


def page(client: TestClient) -> str:
    rows = "\n".join(f"| {name} | `{orjson.dumps(metadata).decode()}` |" for name, metadata in DEFINITIONS)
    parts = [
        "# Filters, sort, search, pages\n",
        "One language for every list: definitions, collections, documents, namespaces, tasks, runs "
        "(`POST /v1/clusters/{id}/executions/list`) and the members of a group (`POST /v1/clusters/{id}/data`). A "
        "field is a dotted path into the resource as the API returns it; `name` and `id` are the resource's own. This "
        "page is written by a test, from what the service answers.\n",
        "The examples ask for these definitions, made in this order:\n",
        f"| name | metadata |\n|---|---|\n{rows}\n",
        "## Operators\n",
    ]
    for operator, (about, examples) in OPERATOR_EXAMPLES.items():
        parts.append(f"### {operator}\n\n{about}\n")
        for given in examples:
            body = given
            if isinstance(given, tuple):
                condition = {"field": given[0], "operator": operator, "value": given[1]}
                body = {"filters": {"AND": [condition]}}
            parts.append(example(client, body))
    for title, about, examples in OTHERS:
        parts.append(f"## {title}\n\n{about}\n")
        parts += [example(client, body) for body in examples]
    parts.append(LIMITS)
    return "\n".join(parts)


LIMITS = """## Limits

A body has at most 64 KiB and 200 levels; filters nest 8 deep and have 100 conditions; `in` and `nin` take 1,000 values,
a pattern 256 characters, a path 255, a search 1,000 characters and 32 words, a sort 4 fields, a page 1,000 rows. Past
one the answer is a 422 that names it and where it was passed. A request that takes the store longer than
`COTERIE_STATEMENT_SECONDS` (20) is refused with a 400. Totals are exact, always.

Definitions are listed by an index of all their fields. The other resources are looked at row by row; for documents, the
namespace's `payload_indexes` name the payload fields to be indexed, and a filter that has one of them looks only at the
documents that the index names.
"""


def test_the_page_is_what_the_service_answers(client: TestClient) -> None:
    assert set(OPERATOR_EXAMPLES) == set(OPERATORS)
    fill(client)
    made = page(client)
    if os.environ.get("COTERIE_WRITE_DOCS"):
        PAGE.write_text(made)
    assert PAGE.read_text() == made, "docs/filters.md is not what the service answers: run with COTERIE_WRITE_DOCS=1"
