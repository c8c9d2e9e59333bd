"""The field index: every leaf of a resource as rows that SQL can look up by path and value.

A resource's rows are written in the transaction that writes the resource, in place of the ones before.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from coterie.listing.tree import Listable
from coterie.listing.values import fold, instant, is_path, leaf_of


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
        ],
    )
):
    """One row, named like the columns of `store.tables.fields`.

    `type` is the leaf's kind, or `x` for the mark that the path is there and not null, once a path. Numbers
    stand in `num` and so do booleans, as 0 and 1; strings in `str` and folded in `folded`. At a timestamp's
    path `num` holds the string's microseconds since 1970 UTC.
    """


def rows_for(resource: dict[str, Any], profile: Listable) -> Iterator[FieldRow]:
    """The rows of a resource, each once. Members that no request can name (an empty key, a path over 255
    characters) have none.
    """
    marked: set[str] = set()
    seen: set[FieldRow] = set()
    stack = list(_members("", resource))
    while stack:
        path, value, element = stack.pop()
        if value is not None and path not in marked:
            marked.add(path)
            yield FieldRow(path, "x", False, None, None, None)
        if isinstance(value, dict):
            stack += _members(path + ".", value)
        elif isinstance(value, list):
            stack += [(path, item, True) for item in value]
        elif (row := _row(path, value, element, profile)) is not None and row not in seen:
            seen.add(row)
            yield row


def search_text(parts: Iterable[str | None]) -> str:
    """What a search looks in: the parts folded, one a line. A word holds no white space, so it never spans
    two.
    """
    return fold("\n".join(part for part in parts if part))


def _members(prefix: str, value: dict[str, Any]) -> Iterator[tuple[str, Any, bool]]:
    return ((prefix + key, member, False) for key, member in value.items() if is_path(prefix + key))


def _row(path: str, value: object, element: bool, profile: Listable) -> FieldRow | None:
    leaf = leaf_of(value, element)
    if leaf is None:
        return None
    if isinstance(leaf.value, str):
        moment = instant(leaf.value) if path in profile.timestamps else None
        return FieldRow(path, "s", element, moment, leaf.value, fold(leaf.value))
    return FieldRow(path, leaf.kind, element, None if leaf.value is None else leaf.value, None, None)
