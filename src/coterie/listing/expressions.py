"""What the compiled statements ask of a database beyond plain SQL: the one place that knows the dialect,
SQLite.

`coterie_…` are the functions that `functions.register` gives a connection. All arguments are bind parameters.
"""

import json
from typing import Any

from sqlalchemy import ColumnElement, func

from coterie.listing.tree import Node, SortKey, dump_node


def has_part(text: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    """The text holds the part, code point by code point; LIKE would give `%` and `_` a meaning and fold
    ASCII.
    """
    return func.instr(text, part) > 0


def starts_with(text: ColumnElement[Any], prefix: str) -> ColumnElement[bool]:
    """The text begins with the prefix."""
    return func.substr(text, 1, len(prefix)) == prefix


def ends_with(text: ColumnElement[Any], suffix: str) -> ColumnElement[bool]:
    """The text ends with the suffix. Where it is shorter, what is cut is shorter too, and so not equal."""
    size = len(suffix)
    return func.substr(text, func.length(text) - size + 1, size) == suffix


def has_pattern(text: ColumnElement[Any], pattern: str, case_sensitive: bool) -> ColumnElement[bool]:
    """RE2 finds the pattern in the text."""
    return func.coterie_regex(pattern, int(case_sensitive), text) == 1


def has_words(text: ColumnElement[Any], words: tuple[str, ...]) -> ColumnElement[bool]:
    """Every one of the words is a word of the text."""
    return func.coterie_words(" ".join(words), text) == 1


def json_matches(resource: ColumnElement[str], node: Node) -> ColumnElement[bool]:
    """The resource, as JSON text, satisfies the tree."""
    return func.coterie_match(resource, dump_node(node)) == 1


def json_sort(resource: ColumnElement[str], key: SortKey) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """The rank of a resource under a sort key, and the value that orders it within its rank."""
    text = json.dumps(key)
    return func.coterie_rank(resource, text), func.coterie_sort(resource, text)


def json_search_text(resource: ColumnElement[str]) -> ColumnElement[Any]:
    """The folded strings of the resource, for a resource that keeps no search text of its own."""
    return func.coterie_search_text(resource)
