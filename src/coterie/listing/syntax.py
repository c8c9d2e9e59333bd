"""The body of a list request, and its `limit` and `offset` parameters, to a `ListQuery` or a 422.

A missing or null part asks for nothing, and keys that the language does not know are left to others.
"""

from dataclasses import replace
from typing import Any

from coterie.kit.errors import invalid
from coterie.listing.cursor import read_cursor
from coterie.listing.filters import parse_filters, parse_flag, parse_path
from coterie.listing.operands import Loc, plain_string
from coterie.listing.tree import NEWEST_FIRST, Listable, ListQuery, SortKey
from coterie.listing.values import fold

MAX_LIMIT = 1_000
DEFAULT_LIMIT = 10
MAX_OFFSET = 2**63 - 1
MAX_SORT_KEYS = 4
MAX_SEARCH = 1_000
MAX_WORDS = 32


def parse_list(body: object, *, profile: Listable, limit: int | None = None, offset: int | None = None) -> ListQuery:
    """The query that a request asks for; `limit` and `offset` are its query parameters and win over the body.

    Raises Invalid at the first fault, with its loc below `body` or `query`.
    """
    if body is None:
        body = {}
    if not isinstance(body, dict):
        raise invalid(("body",), "Input should be an object", "dict_type")
    size = _limit(body, limit)
    flag = parse_flag(body.get("case_sensitive"), ("body", "case_sensitive"), False)
    where = parse_filters(body.get("filters"), profile, flag, ("body", "filters"))
    query = ListQuery(where, _order(body, profile), _words(body.get("search")), size, _offset(body, offset, size))
    cursor = body.get("cursor")
    if cursor is None:
        return query
    loc = ("body", "cursor")
    if query.offset:
        raise invalid(loc, "A cursor says where the page begins: leave 'offset' and 'page' out", "cursor")
    return replace(query, after=read_cursor(cursor, query, loc))


def _limit(body: dict[str, Any], parameter: int | None) -> int:
    """The page's size: the query parameter, else the body's `limit`, else its `page_size`."""
    given = _first(body, parameter, "limit", "page_size")
    return DEFAULT_LIMIT if given is None else _within(*given, 1, MAX_LIMIT)


def _offset(body: dict[str, Any], parameter: int | None, limit: int) -> int:
    """The rows to skip: the query parameter, else the body's `offset`, else what comes before its `page`."""
    if (given := _first(body, parameter, "offset")) is not None:
        return _within(*given, 0, MAX_OFFSET)
    if (page := body.get("page")) is None:
        return 0
    return (_within(("body", "page"), page, 1, MAX_OFFSET // limit) - 1) * limit


def _first(body: dict[str, Any], parameter: int | None, *keys: str) -> tuple[Loc, object] | None:
    """The value that wins, with its loc; the keys are in order of precedence and the first one names the
    parameter.
    """
    if parameter is not None:
        return ("query", keys[0]), parameter
    return next(((("body", key), body[key]) for key in keys if body.get(key) is not None), None)


def _within(loc: Loc, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid(loc, "Input should be an integer", "int_type")
    if value < low:
        raise invalid(loc, f"Input should be greater than or equal to {low}", "greater_than_equal")
    if value > high:
        raise invalid(loc, f"Input should be less than or equal to {high}", "less_than_equal")
    return value


def _order(body: dict[str, Any], profile: Listable) -> tuple[SortKey, ...]:
    """`sorts`, a list, wins over `sort`, an object."""
    if (many := body.get("sorts")) is None or many == []:
        one = body.get("sort")
        return NEWEST_FIRST if one is None else (_sort_key(one, profile, ("body", "sort")),)
    loc: Loc = ("body", "sorts")
    if not isinstance(many, list):
        raise invalid(loc, "Input should be a list of {field, direction}", "list_type")
    if len(many) > MAX_SORT_KEYS:
        raise invalid(loc, f"A list is sorted by at most {MAX_SORT_KEYS} fields", "too_long")
    return tuple(_sort_key(item, profile, (*loc, at)) for at, item in enumerate(many))


def _sort_key(sort: object, profile: Listable, loc: Loc) -> SortKey:
    if not isinstance(sort, dict):
        raise invalid(loc, "Input should be an object: {field, direction}", "dict_type")
    for key in sort.keys() - {"field", "direction"}:
        raise invalid((*loc, plain_string(key, loc)), "A sort has field and direction only", "extra_forbidden")
    if "field" not in sort:
        raise invalid((*loc, "field"), "Field required", "missing")
    path = parse_path(sort["field"], profile, (*loc, "field"))
    direction = sort.get("direction")
    if direction not in (None, "asc", "desc"):
        raise invalid((*loc, "direction"), "Input should be 'asc' or 'desc'", "enum")
    return SortKey(path, direction == "desc", path in profile.timestamps)


def _words(search: object) -> tuple[str, ...]:
    """The folded words of a search, each once."""
    if search is None:
        return ()
    loc = ("body", "search")
    text = plain_string(search, loc)
    if len(text) > MAX_SEARCH:
        raise invalid(loc, f"A search has at most {MAX_SEARCH} characters", "string_too_long")
    words = tuple(dict.fromkeys(fold(text).split()))
    if len(words) > MAX_WORDS:
        raise invalid(loc, f"A search has at most {MAX_WORDS} words", "too_long")
    return words
