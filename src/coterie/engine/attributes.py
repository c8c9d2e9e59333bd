"""Grouping by the values of attributes: no vectors, no distances.

Values are told apart by type: 1, "1" and true are three groups. An array puts its row in a group for each distinct
element; a missing value, null and an empty array are a group of their own.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

MISSING_LABEL = "(missing)"
MAX_GROUPS = 100_000
"""More groups than this are no grouping; the attribute is an identifier."""

Key = tuple[tuple[str, Any], ...]


class TooManyGroups(ValueError):
    """The attributes have more distinct values than MAX_GROUPS."""


@dataclass(frozen=True)
class AttributeGroup:
    """A group: its id, the attributes' values, the group a level above (or None), its level and its rows."""

    id: str
    values: dict[str, Any]
    label: str
    parent: str | None
    level: int
    rows: tuple[int, ...]


def group_by(attributes: Sequence[str], rows: Iterable[Sequence[Any]], *, hierarchical: bool) -> list[AttributeGroup]:
    """The groups of rows, each a value per attribute. Largest first; of equal sizes, the one that came first.

    With `hierarchical`, one level an attribute: `cl_0`, below it `cl_0_sub_0`, …; else one level for all together.
    Raises TooManyGroups.
    """
    members: dict[Key, list[int]] = {}
    depths = range(1, len(attributes) + 1) if hierarchical else [len(attributes)]
    for number, values in enumerate(rows):
        for full in _keys(values):
            for depth in depths:
                held = members.setdefault(full[:depth], [])
                if not held or held[-1] != number:
                    held.append(number)
        if len(members) > MAX_GROUPS:
            raise TooManyGroups
    return list(_numbered(attributes, members, depths[0] if not hierarchical else 1))


def _keys(values: Sequence[Any]) -> Iterator[Key]:
    options = [_elements(value) for value in values]
    return itertools.product(*options)


def _elements(value: Any) -> list[tuple[str, Any]]:
    """The typed values that one attribute of one row has; objects count as their text."""
    if isinstance(value, list):
        found = list(dict.fromkeys(itertools.chain.from_iterable(map(_elements, value))))
        return [element for element in found if element[0] != "missing"] or [("missing", None)]
    if value is None:
        return [("missing", None)]
    if isinstance(value, bool):
        return [("boolean", value)]
    if isinstance(value, int | float):
        return [("number", value)]
    return [("string", value)] if isinstance(value, str) else [("object", repr(value))]


def _numbered(attributes: Sequence[str], members: dict[Key, list[int]], top: int) -> Iterator[AttributeGroup]:
    ids: dict[Key, str] = {}
    counters: dict[Key, int] = {}
    order = sorted(members, key=lambda key: (len(key), -len(members[key]), members[key][0]))
    for key in order:
        above = key[:-1] if len(key) > top else ()
        number = counters.get(above, 0)
        counters[above] = number + 1
        ids[key] = f"{ids[above]}_sub_{number}" if above else f"cl_{number}"
        values = dict(zip(attributes, (value for _, value in key), strict=False))
        label = ", ".join(_show(kind, value) for kind, value in key)
        yield AttributeGroup(ids[key], values, label, ids.get(above), len(key) - top, tuple(members[key]))


def _show(kind: str, value: Any) -> str:
    if kind == "missing":
        return MISSING_LABEL
    return str(value).lower() if kind == "boolean" else str(value)
