"""The list language's own functions in SQLite: the reference of `evaluate`, called by a statement row by row.

Everything here is a pure function of its arguments, and a row's JSON is parsed once for all that a statement
asks of it.
"""

import json
import sqlite3
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from coterie.listing.evaluate import matches, sort_value
from coterie.listing.fields import search_text
from coterie.listing.patterns import found
from coterie.listing.tree import Node, SortKey, load_node
from coterie.listing.values import strings, words

_ROWS_REMEMBERED = 4
"""Parsed rows kept a connection: a statement asks all it wants of one row before it goes on to the next."""


def register(connection: sqlite3.Connection) -> None:
    """Give a new connection the functions that compiled statements call; for an engine's `connect` event."""
    parse = lru_cache(maxsize=_ROWS_REMEMBERED)(_parse)

    def match(resource: str, condition: str) -> bool:
        return matches(_node(condition), parse(resource))

    def rank(resource: str, key: str) -> int:
        return sort_value(_sort_key(key), parse(resource))[0]

    def sort(resource: str, key: str) -> int | float | str:
        value: int | float | str = sort_value(_sort_key(key), parse(resource))[1]
        return value

    def text(resource: str) -> str:
        return search_text(strings(parse(resource)))

    connection.create_function("coterie_match", 2, match, deterministic=True)
    connection.create_function("coterie_rank", 2, rank, deterministic=True)
    connection.create_function("coterie_sort", 2, sort, deterministic=True)
    connection.create_function("coterie_search_text", 1, text, deterministic=True)
    connection.create_function("coterie_regex", 3, _regex, deterministic=True)
    connection.create_function("coterie_words", 2, _words, deterministic=True)


def _parse(resource: str) -> Mapping[str, Any]:
    parsed: Mapping[str, Any] = orjson.loads(resource)
    return parsed


@lru_cache(maxsize=128)
def _node(condition: str) -> Node:
    return load_node(condition)


@lru_cache(maxsize=128)
def _sort_key(key: str) -> SortKey:
    return SortKey(*json.loads(key))


@lru_cache(maxsize=128)
def _wanted(text: str) -> frozenset[str]:
    return words(text)


def _regex(pattern: str, case_sensitive: int, text: str) -> bool:
    return found(pattern, bool(case_sensitive), text)


def _words(wanted: str, text: str) -> bool:
    return _wanted(wanted) <= words(text)
