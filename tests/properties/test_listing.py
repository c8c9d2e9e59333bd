"""Any resources, any request: field index, JSON rows and reference give the same ids in the same order."""

import os
import unicodedata
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import chain
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from coterie.listing.evaluate import matches
from coterie.listing.fields import rows_for
from coterie.listing.sql import Source
from coterie.listing.syntax import parse_list
from coterie.listing.values import fold, leaves, values_at
from coterie.store.db import Db
from listing.support import PROFILE, SOURCES, Store, definition, thresholds
from postgres import Postgres

EXAMPLES = int(os.environ.get("COTERIE_EXAMPLES", "1000"))
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
FEWER = settings(SETTINGS, max_examples=max(100, EXAMPLES // 5))
SEED = seed(int(os.environ["COTERIE_SEED"]))
"""Chosen anew for each run and shown at its head: set it, to have the same cases again."""

WORDS = [
    "a",
    "A",
    "ab",
    "Straße",
    "STRASSE",
    "İ",
    "ı",
    "é",
    "e\u0301",
    "E\u0301x",
    "ﬁ",
    "%",
    "_",
    "\\",
    "'\"",
    "",
    " ",
    "x" * 199,
    "x" * 200,
    "x" * 200 + "y",
    "ß" * 150,
]
NUMBERS = [
    0,
    1,
    -1,
    2**53,
    2**53 + 1,
    float(2**53),
    2**63 - 1,
    2**63,
    -(2**63),
    10**300,
    0.1,
    -0.0,
    1.0,
    5e-324,
    1e308,
]
MOMENTS = [
    "2025-01-01T00:00:01Z",
    "2025-01-01T02:00:01+02:00",
    "2025-01-01",
    "2025-01-01 00:00:01.000001",
    "soon",
]
KEYS = ["a", "b", "c", "a.b", "x", ""]
PATHS = [
    "a",
    "b",
    "c",
    "a.b",
    "a.b.c",
    "b.a",
    "x",
    "name",
    "id",
    "created_at",
    "updated_at",
    "cluster_id",
    "none",
]

text = st.one_of(
    st.sampled_from(WORDS),
    st.lists(st.sampled_from(WORDS), max_size=3).map("".join),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4),
)
number = st.one_of(st.sampled_from(NUMBERS), st.integers(), st.floats(allow_nan=False, allow_infinity=False))
scalar = st.one_of(st.none(), st.booleans(), number, text)
content = st.recursive(
    scalar,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)),
    max_leaves=6,
)
moment = st.sampled_from(MOMENTS)
members = st.fixed_dictionaries(
    {},
    optional={
        "a": content,
        "b": content,
        "a.b": content,
        "x": st.one_of(content, st.lists(scalar)),
        "cluster_name": text,
        "description": st.one_of(st.none(), text),
        "updated_at": st.one_of(moment, content, st.lists(moment)),
    },
)


@st.composite
def stores(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to six resources, in the order of their making, as the service keeps them."""
    numbers = sorted(draw(st.lists(st.integers(0, 30), max_size=6, unique=True)))
    return [_storable(definition(number, **draw(members))) for number in numbers]


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    """A valid condition on one of the paths."""
    field = draw(st.sampled_from(PATHS))
    operator = draw(st.sampled_from(list(OPERANDS)))
    value = draw(OPERANDS[operator])
    if field in ("created_at", "updated_at") and operator in (
        "eq",
        "ne",
        "gt",
        "gte",
        "lt",
        "lte",
        "in",
        "nin",
    ):
        value = draw(st.sampled_from(MOMENTS[:-1]))
        value = [value, None] if operator in ("in", "nin") else value
    return {"field": field, "operator": operator, "value": value}


OPERANDS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("eq", "ne"), scalar),
    **dict.fromkeys(("gt", "gte", "lt", "lte"), st.one_of(number, text)),
    **dict.fromkeys(("in", "nin"), st.lists(scalar, max_size=4)),
    "contains": st.one_of(st.booleans(), number, text),
    **dict.fromkeys(("starts_with", "ends_with"), text),
    "regex": st.sampled_from(["^a", "s+e$", r"\d", "[[:upper:]]", "(?i)É", "", r"\pL{2}", "%|_"]),
    "text": st.sampled_from(["a", "AB", "straße a", "é", "ﬁ _"]),
    **dict.fromkeys(("exists", "is_null"), st.booleans()),
}
filters = st.recursive(
    conditions(),
    lambda node: st.fixed_dictionaries(
        {},
        optional={
            "AND": st.lists(node, max_size=2),
            "OR": st.lists(node, max_size=2),
            "NOT": st.one_of(node, st.lists(node, max_size=2)),
            "case_sensitive": st.one_of(st.none(), st.booleans()),
            "a": scalar,
            "a.b": scalar,
        },
    ),
    max_leaves=5,
)
sort_keys = st.fixed_dictionaries(
    {"field": st.sampled_from(PATHS)}, optional={"direction": st.sampled_from([None, "asc", "desc"])}
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "filters": filters,
        "sorts": st.lists(sort_keys, max_size=2),
        "sort": sort_keys,
        "search": st.lists(text, max_size=2).map(" ".join).filter(lambda words: len(words) <= 1000),
        "limit": st.integers(1, 4),
        "offset": st.integers(0, 3),
    },
)


@pytest.fixture(scope="module")
def both(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Store]]:
    """A store of each kind."""
    locations = [tmp_path_factory.mktemp("listing") / "records.db", postgres.create()]
    databases = [Db(location) for location in locations]
    yield [Store(db) for db in databases]
    for db in databases:
        db.close()


@SEED
@SETTINGS
@given(resources=stores(), body=requests)
def test_all_answer_alike(both: list[Store], resources: list[dict[str, Any]], body: dict[str, Any]) -> None:
    for store in both:
        store.fill(resources)
        store.agreed(body)


@SEED
@FEWER
@given(resources=stores(), body=requests, large=st.booleans())
def test_cursors_go_through_the_whole_list(
    both: list[Store], resources: list[dict[str, Any]], body: dict[str, Any], large: bool
) -> None:
    body = {key: value for key, value in body.items() if key not in ("offset", "limit")}
    for store in both:
        store.fill(resources)
        whole = store.reference(parse_list({**body, "limit": 100}, profile=PROFILE))[0]
        for source in SOURCES.values():
            with thresholds(few=1, many=1) if large else nullcontext():
                pages, cursor = store.next_cursor({**body, "limit": 2}, source)
                while cursor is not None:
                    page, cursor = store.next_cursor({**body, "limit": 2, "cursor": cursor}, source)
                    pages += page
            assert pages == whole


@SEED
@FEWER
@given(resources=stores(), tree=filters)
def test_a_filter_and_its_negation_part_the_rows(resources: list[dict[str, Any]], tree: dict[str, Any]) -> None:
    where = parse_list({"filters": {"AND": tree}}, profile=PROFILE).where
    opposite = parse_list({"filters": {"NOT": tree}}, profile=PROFILE).where
    for resource in resources:
        held = where is None or matches(where, resource)
        assert held != (opposite is None or matches(opposite, resource))


@SETTINGS
@given(resource=members, path=st.sampled_from(PATHS))
def test_the_index_holds_what_a_path_reaches(resource: dict[str, Any], path: str) -> None:
    resource = _storable(resource)
    reached = values_at(resource, path)
    rows = [row for row in rows_for(resource, PROFILE) if row.path == path]
    present = any(value is not None for value in reached)
    assert any(row.type != "z" for row in rows) == present
    held = {(leaf.kind, leaf.value, leaf.element) for leaf in leaves(reached)} if present else set()
    values = {row: row.num if row.str is None else row.whole or row.str for row in rows if row.type != "x"}
    assert {(row.type, value, row.element) for row, value in values.items()} == held


@SETTINGS
@given(word=text)
def test_folding_twice_or_another_composition_changes_nothing(word: str) -> None:
    assert fold(fold(word)) == fold(word)
    assert fold(unicodedata.normalize("NFD", word)) == fold(word)


@pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))
def test_the_pages_of_a_list_are_the_list(both: list[Store], source: Source) -> None:
    body = {"sort": {"field": "a", "direction": "desc"}}
    for store in both:
        store.fill([definition(number, a=number % 3) for number in range(25)])
        pages = [
            store.ask(parse_list(body, profile=PROFILE, limit=4, offset=offset), source)[0]
            for offset in range(0, 28, 4)
        ]
        whole = store.ask(parse_list(body, profile=PROFILE, limit=100, offset=0), source)[0]
        assert list(chain(*pages)) == whole
        assert len(set(whole)) == 25


def _storable(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource as it comes back from JSON; integers outside 64 bits come back as floats."""
    stored: dict[str, Any] = orjson.loads(orjson.dumps(_clipped(resource)))
    return stored


def _clipped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clipped(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_clipped(item) for item in value]
    large = isinstance(value, int) and not -(2**63) <= value < 2**64
    return float(value) if large else value
