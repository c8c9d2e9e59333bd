"""Grouping by the values of attributes: no vectors, no distances.

Values are told apart by type: 1, "1" and true are three groups, 1 and 1.0 are one. An array puts its row in a group for
each distinct element; a missing value, null and an empty array are a group of their own.
"""

import itertools
import json
import math
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MISSING_LABEL = "(missing)"
MAX_GROUPS = 100_000
"""More groups than this are no grouping; the attribute is an identifier."""

MAX_OF_ROW = 1_000
"""Groups of the last level that one row may be in: several arrays multiply."""

MAX_LABEL = 200
"""Characters of a label; what is longer is cut."""

Key = tuple[tuple[str, Any], ...]
Rows = NDArray[np.int64]
Numbers = NDArray[np.float64]


class TooManyGroups(ValueError):
    """There would be more groups than MAX_GROUPS, or a row would be in more than MAX_OF_ROW; the message says which
    attribute it is."""


class Column:
    """One field of all rows as it is read: each distinct JSON value once, and for every row its number."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Any, int] = {}
        self._codes = array("i")

    def add(self, value: Any) -> None:
        """The next row's value; None where it has none."""
        key = value if type(value) is str or value is None else _typed(value)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.values)
            self.values.append(value)
        self._codes.append(number)

    def codes(self) -> NDArray[np.int32]:
        """Of each row (n) the number of its value."""
        return np.frombuffer(self._codes, np.int32) if self._codes else np.zeros(0, np.int32)


@dataclass(frozen=True)
class AttributeGroup:
    """A group: its id, the attributes' values, the group a level above (or None), its level and its rows, rising."""

    id: str
    values: dict[str, Any]
    label: str
    parent: str | None
    level: int
    rows: Rows


def group_by(attributes: Sequence[str], columns: Sequence[Column], *, hierarchical: bool) -> list[AttributeGroup]:
    """The groups of rows by a column per attribute. Largest first; of equal sizes, the one that came first.

    With `hierarchical`, one level an attribute: `cl_0`, below it `cl_0_sub_0`, …; else one level for all together.
    Raises TooManyGroups.
    """
    codes, inverse = _combinations([column.codes() for column in columns])
    elements = [[_elements(value) for value in column.values] for column in columns]
    depths = range(1, len(attributes) + 1) if hierarchical else [len(attributes)]
    members: dict[Key, list[int]] = {}
    for number, combination in enumerate(codes.tolist()):
        options = [own[code] for own, code in zip(elements, combination, strict=True)]
        if math.prod(map(len, options)) > MAX_OF_ROW:
            raise TooManyGroups(f"a document's lists put it in more than {MAX_OF_ROW:,} groups")
        for full in itertools.product(*options):
            for depth in depths:
                held = members.setdefault(full[:depth], [])
                if not held or held[-1] != number:
                    held.append(number)
        if len(members) > MAX_GROUPS:
            raise TooManyGroups(_too_many(attributes, elements))
    return list(_numbered(attributes, members, inverse, depths[0]))


def aggregate(method: str, column: Column, rows: Sequence[Rows]) -> list[float | None]:
    """Of each group of rows the `count`, `sum`, `avg`, `min` or `max` of a column's numbers, every number of an array
    among them. What is no number counts as nothing, true and "1" too; of no numbers all but the count are None."""
    codes = column.codes()
    numbers = [
        np.array([value for kind, value in _elements(each) if kind == "number"], float) for each in column.values
    ]
    with np.errstate(over="ignore"):  # a sum beyond a double's range is infinite, which JSON shows as null
        counts, sums, least, most = (
            np.array([reduce(each) for each in numbers])[codes]
            for reduce in (len, np.sum, lambda each: each.min(initial=np.inf), lambda each: each.max(initial=-np.inf))
        )
        return [_aggregated(method, counts[own], sums[own], least[own], most[own]) for own in rows]


def _aggregated(method: str, counts: Any, sums: Numbers, least: Numbers, most: Numbers) -> float | None:
    many = int(counts.sum())
    if method == "count":
        return many
    if many == 0:
        return None
    if method == "min":
        return float(least.min())
    if method == "max":
        return float(most.max())
    return float(sums.sum()) / (many if method == "avg" else 1)


def _typed(value: Any) -> tuple[str, Any]:
    """A hashable form of a value that is not missing, in which only equal values of one type are equal."""
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, int | float):
        return "number", value
    if isinstance(value, str):
        return "string", value
    return "object", json.dumps(value, sort_keys=True, ensure_ascii=False)


def _elements(value: Any) -> list[tuple[str, Any]]:
    """The typed values that one attribute of one row has, those of arrays within arrays too."""
    if isinstance(value, list):
        found = dict.fromkeys(itertools.chain.from_iterable(map(_elements, value)))
        found.pop(_MISSING, None)
        return list(found) or [_MISSING]
    return [_MISSING if value is None else _typed(value)]


_MISSING = ("missing", None)


def _combinations(codes: Sequence[NDArray[np.int32]]) -> tuple[NDArray[np.int64], Rows]:
    """The combinations of codes that occur (k, a), and of each row (n) the number of its own."""
    inverse = np.zeros(len(codes[0]), np.int64)
    for each in codes:
        joined = inverse * (int(each.max(initial=0)) + 1) + each
        _, first, inverse = np.unique(joined, return_index=True, return_inverse=True)
    return np.column_stack([each[first] for each in codes]), inverse


def _too_many(attributes: Sequence[str], elements: Sequence[Sequence[Sequence[Any]]]) -> str:
    counts = (len(set(itertools.chain.from_iterable(own))) for own in elements)
    told = ", ".join(f"'{name}' has {count:,} distinct values" for name, count in zip(attributes, counts, strict=True))
    return f"there would be more than {MAX_GROUPS:,} groups: {told}"


def _numbered(
    attributes: Sequence[str], members: dict[Key, list[int]], inverse: Rows, top: int
) -> Iterator[AttributeGroup]:
    order = np.argsort(inverse, kind="stable")
    starts = np.searchsorted(inverse[order], np.arange(int(inverse.max(initial=-1)) + 2))
    rows = {
        key: np.sort(np.concatenate([order[starts[each] : starts[each + 1]] for each in own]))
        for key, own in members.items()
    }
    ids: dict[Key, str] = {}
    counters: Counter[Key] = Counter()
    ordered = sorted(members, key=lambda key: (len(key), -len(rows[key]), rows[key][0]))
    for key, label in zip(ordered, _labels(ordered), strict=True):
        above = key[:-1] if len(key) > top else ()
        ids[key] = f"{ids[above]}_sub_{counters[above]}" if above else f"cl_{counters[above]}"
        counters[above] += 1
        values = dict(zip(attributes, itertools.starmap(_value, key), strict=False))
        yield AttributeGroup(ids[key], values, label, ids.get(above), len(key) - top, rows[key])


def _value(kind: str, held: Any) -> Any:
    """The JSON value: 1.0 is 1, so that a group is the same whichever way its number is written."""
    if kind == "object":
        return json.loads(held)
    return int(held) if kind == "number" and isinstance(held, float) and held.is_integer() else held


def _labels(keys: Sequence[Key]) -> list[str]:
    """A label per group: its values; as JSON where two would be alike; numbered where they are alike even when cut."""
    labels = [_joined(key, exact=False) for key in keys]
    exact: set[int] = set()
    while fresh := _alike(labels) - exact:
        exact |= fresh
        for number in fresh:
            labels[number] = _joined(keys[number], exact=True)
    taken = set(labels)
    for number in sorted(_alike(labels))[1:]:
        free = (f"{labels[number]} ({count})" for count in itertools.count(2))
        labels[number] = next(label for label in free if label not in taken)
        taken.add(labels[number])
    return labels


def _alike(labels: Sequence[str]) -> set[int]:
    counts = Counter(labels)
    return {number for number, label in enumerate(labels) if counts[label] > 1}


def _joined(key: Key, *, exact: bool) -> str:
    text = ", ".join(_show(kind, _value(kind, held), exact) for kind, held in key)
    return text if len(text) <= MAX_LABEL else f"{text[: MAX_LABEL - 1]}…"


def _show(kind: str, value: Any, exact: bool) -> str:
    if kind == "missing":
        return MISSING_LABEL
    return str(value) if kind == "string" and not exact else json.dumps(value, sort_keys=True, ensure_ascii=False)
