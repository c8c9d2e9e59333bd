"""Hostile list requests: each is answered or refused by name, in bounded time, and the service goes on."""

import base64
import json
import os
import random
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.listing.filters import MAX_CONDITIONS, MAX_DEPTH
from coterie.listing.operands import OPERATORS
from support import add_cluster, add_collection

LIST = "/v1/clusters/list"

INJECTIONS = [
    "'; DROP TABLE clusters; --",
    '") OR 1=1 --',
    "$1",
    "%s %(x)s :x ?",
    "{0} {x}",
    "\\'; SELECT pg_sleep(60); --",
    "cluster_name'] || '1",
    '" OR "',
    "* AND NOT -x NEAR(a b)",
    "a* OR b:c ^d",
    "%_%_%",
    "\U0001f600" * 3,
    "İ" * 200,
    "ﷺ" * 200,
    "a\u0301" * 100,
    "x" * 60_000,
    "xml version=1.0 & < > CDATA",
    "..",
    "a..b",
    ".",
    "metadata." + "a." * 120 + "b",
    "__proto__",
    "constructor",
]
PATTERNS = [
    "(a+)+$",
    "(a|a)*b",
    "(.*)*" * 20,
    "a{1000}{1000}",
    "(?i)" + "(x+x+)+y" * 10,
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "[" * 200,
    "(?P<n>x)(?P=n)",
    "(?<=x)y",
    "\\pL{200}" * 5,
    "\\C*",
    "(" * 120 + ")" * 120,
    ".{0,1000}" * 25,
]


def bodies() -> Iterator[Any]:
    for text in INJECTIONS:
        yield {"search": text}
        yield {"filters": {text: text}}
        yield {"filters": {"AND": [{"field": text, "operator": "eq", "value": text}]}}
        yield {"filters": {"AND": [{"field": "name", "operator": text, "value": text}]}}
        yield {"sort": {"field": text, "direction": "desc"}}
        yield {"sort": {"field": "name", "direction": text}}
        yield {"sorts": [{"field": text}] * 4}
        yield {"cursor": text}
        for operator in OPERATORS:
            yield {"filters": {"AND": [{"field": "metadata.note", "operator": operator, "value": text}]}}
    for pattern in PATTERNS:
        for sensitive in (True, False):
            node = {"field": "metadata.note", "operator": "regex", "value": pattern}
            yield {"filters": {"AND": [node], "case_sensitive": sensitive}}
    for levels in (MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 60, 120, 199, 400):
        node = {"name": "x"}
        for _ in range(levels):
            node = {"AND": [node]}  # type: ignore[dict-item]
        yield {"filters": node}
        yield {"filters": {"name": node}}
    for width in (MAX_CONDITIONS - 1, MAX_CONDITIONS, MAX_CONDITIONS + 1, 2000):
        yield {"filters": {"OR": [{"field": f"f{n}", "operator": "ne", "value": n} for n in range(width)]}}
        yield {"filters": {"NOT": [{"NOT": [{"name": n}]} for n in range(width // 2)]}}
    for count in (999, 1000, 1001):
        yield {"filters": {"AND": [{"field": "name", "operator": "in", "value": [str(n) for n in range(count)]}]}}
    for value in (10**400, -(10**400), 1e308, 5e-324, -0.0, 2**63, [], {}, [[1]], True):
        yield {"filters": {"AND": [{"field": "metadata.n", "operator": "gte", "value": value}]}}
        yield {"limit": value}
        yield {"offset": value, "page": value}
    yield {"search": " ".join(f"w{n}" for n in range(500))}
    yield {"search": "a" * 1000}
    yield {"filters": {"AND": [{"field": "name", "operator": "text", "value": "a " * 20_000}]}}
    many = " ".join(f"{n:x}" for n in range(1_040))
    yield {"filters": {"AND": [{"field": "metadata.note", "operator": "text", "value": many}]}}


@pytest.fixture
def filled(client: TestClient) -> TestClient:
    add_collection(client)
    dice = random.Random(0)
    for number in range(25):
        note = dice.choice([*INJECTIONS[:15], "a" * 3000 + "b", "x" * 4000, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"])
        add_cluster(client, f"c{number}", metadata={"note": note, "n": number, "tags": [note, number, None]})
    return client


def send(client: TestClient, body: Any) -> Any:
    try:
        content = orjson.dumps(body)
    except TypeError:  # integers past 64 bits and deep nesting, which a hostile client writes all the same
        content = json.dumps(body).encode()
    return client.post(LIST, content=content, headers={"Content-Type": "application/json"})


def test_nothing_but_an_answer_or_a_refusal(filled: TestClient, services: Services) -> None:
    seen = set()
    for body in bodies():
        answer = send(filled, body)
        assert answer.status_code in (200, 413, 422), (answer.status_code, str(body)[:300], answer.text[:500])
        assert "SELECT" not in answer.text or answer.status_code == 200
        seen.add(answer.status_code)
    assert seen >= {200, 422}
    assert filled.post(LIST, json={}).json()["pagination"]["total"] == 25
    assert services.db.location


def test_a_cursor_that_was_tampered_with_is_refused(filled: TestClient) -> None:
    asked = {"sort": {"field": "metadata.n"}, "limit": 2}
    cursor = filled.post(LIST, json=asked).json()["pagination"]["next_cursor"]
    told = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    for value in (2**63, 2**64 - 1, True, None, "1"):
        told[1] = [[0, value]]
        forged = base64.urlsafe_b64encode(orjson.dumps(told)).decode().rstrip("=")
        assert filled.post(LIST, json={**asked, "cursor": forged}).status_code == 422
    assert filled.post(LIST, json={**asked, "cursor": cursor}).status_code == 200


@pytest.mark.parametrize("offset", [2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1000, 2**63 - 1])
@pytest.mark.parametrize("asked", [{}, {"filters": {"name": "c1"}}, {"search": "c"}, {"sort": {"field": "name"}}])
def test_an_offset_past_every_end(client: TestClient, offset: int, asked: dict[str, Any]) -> None:
    add_collection(client)
    add_cluster(client, "c1")
    for path in (
        "clusters",
        "collections",
        "collections/things/documents",
        "namespaces",
        "tasks",
        "clusters/c1/executions",
    ):
        answer = client.post(f"/v1/{path}/list", json={**asked, "offset": offset})
        assert (answer.status_code, answer.json().get("results")) == (200, []), answer.text


@settings(
    max_examples=max(150, int(os.environ.get("COTERIE_EXAMPLES", "1000")) // 10),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    body=st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=20)
        | st.sampled_from([*OPERATORS, "AND", "OR", "NOT", "field", "operator", "value", "name", "asc", "desc"]),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "filters",
                        "AND",
                        "OR",
                        "NOT",
                        "field",
                        "operator",
                        "value",
                        "sort",
                        "sorts",
                        "search",
                        "limit",
                        "page",
                        "offset",
                        "page_size",
                        "cursor",
                        "case_sensitive",
                        "direction",
                        "name",
                        "metadata.n",
                    ]
                )
                | st.text(max_size=5),
                inner,
                max_size=5,
            )
        ),
        max_leaves=25,
    )
)
def test_any_body_is_answered_or_refused(filled: TestClient, body: Any) -> None:
    answer = send(filled, body)
    assert answer.status_code in (200, 422), answer.text
    if isinstance(body, dict):
        wrapped = send(filled, {"filters": body})
        assert wrapped.status_code in (200, 422), wrapped.text
