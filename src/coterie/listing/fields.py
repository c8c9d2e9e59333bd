"""The field index: every leaf of a resource as rows that SQL can look up by path and value.

A resource's rows are written in the transaction that writes the resource, in place of the ones before.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from coterie.listing.tree import Listable
from coterie.listing.values import fold, instant, is_path, leaf_of

CUT = 200
"""Characters of a string that an index compares; PostgreSQL's indexes take 2,700 bytes."""


class FieldRow(
    NamedTuple(
        "FieldRow",
        [
            ("path", str),
            ("type", str),
            ("element", bool),
            ("num", int | float | None),
            ("str", str | None),
            ("folded", str | None),
            ("whole", str | None),
            ("whole_folded", str | None),
        ],
    )
):
    """One row, named like the columns of the tables of fields.

    `type` is the leaf's kind, or `x` where the path is there and not null yet leads to no leaf. A null has a row only
    beside others: a path without rows is null or missing, which is the same. Numbers stand in `num` and so do booleans,
    as 0 and 1; strings in `str` and folded in `folded`, both cut off after CUT characters; what is longer stands in
    `whole` and `whole_folded`. At a timestamp's path `num` holds the string's microseconds since 1970 UTC.
    """


def rows_for(resource: dict[str, Any], profile: Listable) -> Iterator[FieldRow]:
    """The rows of a resource, each once. Members that no request can name (an empty key, a path over 255
    characters) have none.
    """
    present: set[str] = set()
    found: dict[str, dict[FieldRow, None]] = {}
    stack = list(_members("", resource))
    while stack:
        path, value, element = stack.pop()
        if value is not None:
            present.add(path)
        if isinstance(value, dict):
            stack += _members(path + ".", value)
        elif isinstance(value, list):
            stack += [(path, item, True) for item in value]
        elif (row := _row(path, value, element, profile)) is not None:
            found.setdefault(path, {})[row] = None
    for path in sorted(present):
        rows = found.get(path, {})
        if all(row.type == "z" for row in rows):
            yield FieldRow(path, "x", False, None, None, None, None, None)
        yield from rows


def search_text(parts: Iterable[str | None]) -> str:
    """What a search looks in: the parts folded, one a line. A word holds no white space, so it never spans
    two.
    """
    return fold("\n".join(part for part in parts if part))


def all_strings(resource: dict[str, Any], without: frozenset[str]) -> str:
    """Every string of the resource, folded, one a line, but for the members of those names."""
    stack: list[Any] = [value for key, value in resource.items() if key not in without]
    texts: dict[str, None] = {}
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            texts[value] = None
        elif isinstance(value, list | dict):
            stack += value.values() if isinstance(value, dict) else value
    return search_text(texts)


def _members(prefix: str, value: dict[str, Any]) -> Iterator[tuple[str, Any, bool]]:
    return ((prefix + key, member, False) for key, member in value.items() if is_path(prefix + key))


def _row(path: str, value: object, element: bool, profile: Listable) -> FieldRow | None:
    leaf = leaf_of(value, element)
    if leaf is None:
        return None
    if not isinstance(leaf.value, str):
        return FieldRow(path, leaf.kind, element, None if leaf.value is None else leaf.value, None, None, None, None)
    moment = instant(leaf.value) if path in profile.timestamps else None
    text, folded = leaf.value, fold(leaf.value)
    if len(text) <= CUT and len(folded) <= CUT:
        return FieldRow(path, "s", element, moment, text, folded, None, None)
    return FieldRow(path, "s", element, moment, text[:CUT], folded[:CUT], text, folded)
