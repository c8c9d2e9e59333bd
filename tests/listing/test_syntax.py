"""The body around the filters: sort, search, pages."""

import json
from typing import Any

import pytest

from coterie.kit.errors import Invalid
from coterie.listing.syntax import parse_list
from coterie.listing.tree import NEWEST_FIRST, And, Condition, ListQuery, Not, Or, SortKey
from listing.support import PROFILE

PUBLISHED = """{
  "filters": {
    "AND": [
      {"field": "name", "operator": "eq", "value": "John"},
      {"field": "age", "operator": "gte", "value": 30}
    ],
    "OR": [
      {"field": "status", "operator": "eq", "value": "active"},
      {"field": "role", "operator": "eq", "value": "admin"}
    ],
    "NOT": [
      {"field": "department", "operator": "eq", "value": "HR"},
      {"field": "location", "operator": "eq", "value": "remote"}
    ],
    "case_sensitive": true
  },
  "sort": {"field": "created_at", "direction": "desc"},
  "search": "<string>"
}"""


def parsed(body: object, limit: int | None = None, offset: int | None = None) -> ListQuery:
    return parse_list(body, profile=PROFILE, limit=limit, offset=offset)


def test_the_published_request_parses() -> None:
    def same(path: str, value: str) -> Condition:
        return Condition(path, "in", frozenset({("s", value)}), case_sensitive=True)

    query = parsed(json.loads(PUBLISHED))
    assert query.where == And(
        (
            same("cluster_name", "John"),
            Condition("age", "gte", ("n", 30), case_sensitive=True),
            Or((same("status", "active"), same("role", "admin"))),
            Not(Or((same("department", "HR"), same("location", "remote")))),
        )
    )
    assert query.order == NEWEST_FIRST
    assert query.words == ("<string>",)


@pytest.mark.parametrize(
    "body",
    [None, {}, {"filters": None, "sort": None, "search": None, "limit": None, "sorts": []}, {"other": [1]}],
)
def test_nothing_asked_is_the_newest_ten(body: object) -> None:
    assert parsed(body) == ListQuery(None, NEWEST_FIRST, (), 10, 0)


@pytest.mark.parametrize(
    ("body", "limit", "offset", "page"),
    [
        ({}, 7, 3, (7, 3)),
        ({"limit": 5, "offset": 2}, None, None, (5, 2)),
        ({"limit": 5, "offset": 2}, 7, 0, (7, 0)),
        ({"page_size": 5, "page": 3}, None, None, (5, 10)),
        ({"page_size": 5, "limit": 6}, None, None, (6, 0)),
        ({"page": 3}, 7, None, (7, 14)),
        ({"page": 3, "offset": 1}, None, None, (10, 1)),
        ({"limit": 1000, "offset": 2**63 - 1}, None, None, (1000, 2**63 - 1)),
    ],
)
def test_pages(body: Any, limit: int | None, offset: int | None, page: tuple[int, int]) -> None:
    query = parsed(body, limit, offset)
    assert (query.limit, query.offset) == page


@pytest.mark.parametrize(
    ("body", "order"),
    [
        ({"sort": {"field": "name"}}, (SortKey("cluster_name"),)),
        ({"sort": {"field": "id", "direction": None}}, (SortKey("cluster_id"),)),
        ({"sort": {"field": "updated_at", "direction": "asc"}}, (SortKey("updated_at", instant=True),)),
        (
            {"sorts": [{"field": "a", "direction": "desc"}], "sort": {"field": "b"}},
            (SortKey("a", descending=True),),
        ),
        ({"sorts": [{"field": "a"}, {"field": "b"}]}, (SortKey("a"), SortKey("b"))),
        ({"sorts": [], "sort": {"field": "b"}}, (SortKey("b"),)),
    ],
)
def test_orders(body: Any, order: tuple[SortKey, ...]) -> None:
    assert parsed(body).order == order


def test_search_words_are_folded_and_each_asked_once() -> None:
    assert parsed({"search": "Straße  b\tSTRASSE "}).words == ("strasse", "b")
    assert len(parsed({"search": " ".join(map(str, range(32)))}).words) == 32
    assert parsed({"search": "a" * 1000}).words == ("a" * 1000,)


def test_the_bodys_case_sensitivity_is_the_filters_default() -> None:
    assert parsed({"case_sensitive": True, "filters": {"f": "A"}}) == parsed(
        {"filters": {"f": "A", "case_sensitive": True}}
    )
    assert parsed({"case_sensitive": None, "filters": {"f": "A"}}) == parsed({"filters": {"f": "A"}})


@pytest.mark.parametrize(
    ("body", "loc", "kind"),
    [
        ([], (), "dict_type"),
        ("", (), "dict_type"),
        ({"case_sensitive": 1}, ("case_sensitive",), "bool_type"),
        ({"filters": []}, ("filters",), "dict_type"),
        ({"limit": 0}, ("limit",), "greater_than_equal"),
        ({"limit": 1001}, ("limit",), "less_than_equal"),
        ({"limit": "5"}, ("limit",), "int_type"),
        ({"limit": True}, ("limit",), "int_type"),
        ({"limit": 5.0}, ("limit",), "int_type"),
        ({"page_size": -1}, ("page_size",), "greater_than_equal"),
        ({"offset": -1}, ("offset",), "greater_than_equal"),
        ({"offset": 2**63}, ("offset",), "less_than_equal"),
        ({"page": 0}, ("page",), "greater_than_equal"),
        ({"page": 2**62, "limit": 1000}, ("page",), "less_than_equal"),
        ({"sort": "a"}, ("sort",), "dict_type"),
        ({"sort": {}}, ("sort", "field"), "missing"),
        ({"sort": {"field": "a..b"}}, ("sort", "field"), "path"),
        ({"sort": {"field": None}}, ("sort", "field"), "string_type"),
        ({"sort": {"field": "a", "direction": "up"}}, ("sort", "direction"), "enum"),
        ({"sort": {"field": "a", "direction": []}}, ("sort", "direction"), "enum"),
        ({"sort": {"field": "a", "by": 1}}, ("sort", "by"), "extra_forbidden"),
        ({"sort": {"field": "a", "\ud800": 1}}, ("sort",), "string_unicode"),
        ({"sorts": {}}, ("sorts",), "list_type"),
        ({"sorts": [{"field": "a"}] * 5}, ("sorts",), "too_long"),
        ({"sorts": [{"field": "a"}, 5]}, ("sorts", 1), "dict_type"),
        ({"search": 5}, ("search",), "string_type"),
        ({"search": "a" * 1001}, ("search",), "string_too_long"),
        ({"search": " ".join(map(str, range(33)))}, ("search",), "too_long"),
        ({"search": "a\0"}, ("search",), "string_unicode"),
    ],
)
def test_faults_of_the_body(body: Any, loc: tuple[str | int, ...], kind: str) -> None:
    with pytest.raises(Invalid) as caught:
        parsed(body)
    assert [issue[::2] for issue in caught.value.issues] == [(("body", *loc), kind)]


@pytest.mark.parametrize(("limit", "offset", "name"), [(0, None, "limit"), (1001, 0, "limit"), (5, -1, "offset")])
def test_faults_of_the_parameters(limit: int | None, offset: int | None, name: str) -> None:
    with pytest.raises(Invalid) as caught:
        parsed({"limit": 5, "offset": 5}, limit, offset)
    assert caught.value.issues[0].loc == ("query", name)
