"""Grouping by the values of attributes: no vectors, no distances.

Values are told apart by type: 1, "1" and true are three groups, 1 and 1.0 are one. An array puts its row in a group for
each distinct element; a missing value, null and an empty array are a group of their own.
"""

import itertools
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

MISSING_LABEL = "(missing)"
MAX_GROUPS = 100_000
"""More groups than this are no grouping; the attribute is an identifier."""

MAX_OF_ROW = 1_000
"""Groups of the last level that one row may be in: several arrays multiply."""

MAX_MEMBERSHIPS = 50_000_000
"""Rows of all groups of a level together: each takes some tens of bytes while they are made."""

MAX_LABEL = 200
"""Characters of a label; what is longer is cut."""

Element = str | tuple[str, Any] | None
"""A value that can be hashed: a string, None for a missing one, and for others their kind before them."""

Key = tuple[Element, ...]
Rows = NDArray[np.int64]


class TooManyGroups(ValueError):
    """There would be more groups than MAX_GROUPS, or a row would be in more than MAX_OF_ROW; the message says which
    attribute it is."""


class Column:
    """One field of all rows as it is read: of each row the elements of its value, numbered as they come. An array has
    several, each once, or with `repeated` as often as it holds them; a missing value is an element like any other."""

    def __init__(self, *, repeated: bool = False) -> None:
        self.elements: dict[Element, int] = {}
        self._repeated = repeated
        self._values: dict[Element, int] = {}
        self._codes, self._held, self._sizes = array("i"), array("i"), array("i")

    def add(self, value: Any) -> None:
        """The next row's value; None where it has none."""
        if type(value) is list:
            found = _flat(value)
            number = self._new(list(found if self._repeated else dict.fromkeys(found)) or [None])
        else:
            element = value if type(value) is str else _typed(value)
            known = self._values.get(element)
            number = known if known is not None else self._values.setdefault(element, self._new([element]))
        self._codes.append(number)

    def places(self, rows: Rows) -> tuple[Rows, Rows]:
        """Of each of some rows how many elements it has, and the numbers of all of these, one row after the other."""
        codes, sizes = np.asarray(self._codes)[rows], np.asarray(self._sizes, np.int64)
        many = sizes[codes]
        first = np.cumsum(sizes) - sizes
        at = np.arange(many.sum()) + np.repeat(first[codes] - (np.cumsum(many) - many), many)
        return many, np.asarray(self._held, np.int64)[at]

    def __len__(self) -> int:
        return len(self._codes)

    def _new(self, elements: Sequence[Element]) -> int:
        numbers = self.elements
        self._held.extend([numbers.setdefault(each, len(numbers)) for each in elements])
        self._sizes.append(len(elements))
        return len(self._sizes) - 1


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
    levels = list(_levels(attributes, columns))
    used = levels if hierarchical else levels[-1:]
    if sum(len(level.keys) for level in used) > MAX_GROUPS:
        raise TooManyGroups(_too_many(attributes, columns))
    return list(_numbered(attributes, used))


def aggregate(method: str, column: Column, rows: Sequence[Rows]) -> list[float | None]:
    """Of each group of rows the `count`, `sum`, `avg`, `min` or `max` of a `repeated` column's numbers. What is no
    number counts as nothing, true and "1" too; of no numbers all but the count are None."""
    numbers = np.array([_number(each) for each in column.elements], float)
    found = (numbers[column.places(own)[1]] for own in rows)
    with np.errstate(over="ignore"):  # a sum beyond a double's range is infinite, which JSON shows as null
        return [_aggregated(method, own[~np.isnan(own)]) for own in found]


def _aggregated(method: str, numbers: NDArray[np.float64]) -> float | None:
    if method == "count":
        return len(numbers)
    if len(numbers) == 0:
        return None
    if method in ("sum", "avg"):
        return float(numbers.sum()) / (len(numbers) if method == "avg" else 1)
    return float(numbers.min() if method == "min" else numbers.max())


def _number(element: Element) -> float:
    return element[1] if isinstance(element, tuple) and element[0] == "number" else np.nan


def _typed(value: Any) -> Element:
    """A hashable form of a value that is no array, in which only equal values of one type are equal."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, int | float):
        return "number", value
    return "object", orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _flat(values: list[Any]) -> Iterator[Element]:
    """What is in an array, and in arrays within it; nulls are nothing."""
    for each in values:
        if type(each) is str:
            yield each
        elif type(each) is list:
            yield from _flat(each)
        elif each is not None:
            yield _typed(each)


@dataclass(frozen=True)
class _Level:
    """Groups by some of the attributes: their keys, of each the number of its group a level above, and their rows."""

    keys: list[Key]
    above: Rows
    rows: list[Rows]


def _levels(attributes: Sequence[str], columns: Sequence[Column]) -> Iterator[_Level]:
    """The groups by the first attribute, by the first two, and so on."""
    count = len(columns[0])
    rows, own = np.arange(count), np.zeros(count, np.int64)
    keys: list[Key] = [()]
    for column in columns:
        many, held = column.places(rows)
        if len(held) > MAX_MEMBERSHIPS or np.bincount(rows, many).max(initial=0) > MAX_OF_ROW:
            raise TooManyGroups(f"lists put a document in more than {MAX_OF_ROW:,} groups, or all in too many")
        elements = list(column.elements)
        pairs = np.repeat(own, many) * len(elements) + held
        found, own = np.unique(pairs, return_inverse=True)
        if len(found) > MAX_GROUPS:
            raise TooManyGroups(_too_many(attributes, columns))
        rows, above = np.repeat(rows, many), found // len(elements)
        keys = [(*keys[up], elements[each]) for up, each in zip(above, found % len(elements), strict=True)]
        order = np.argsort(own, kind="stable")
        yield _Level(keys, above, np.split(rows[order], np.cumsum(np.bincount(own))[:-1]))


def _too_many(attributes: Sequence[str], columns: Sequence[Column]) -> str:
    counts = zip(attributes, (len(column.elements) for column in columns), strict=True)
    told = ", ".join(f"'{name}' has {count:,} distinct values" for name, count in counts)
    return f"there would be more than {MAX_GROUPS:,} groups: {told}"


def _numbered(attributes: Sequence[str], levels: Sequence[_Level]) -> Iterator[AttributeGroup]:
    """The groups with their ids, the levels from the top."""
    labels = iter(_labels([key for level in levels for key in level.keys]))
    above: list[str] = []
    for depth, level in enumerate(levels):
        named = [next(labels) for _ in level.keys]
        ids, counters = [""] * len(level.keys), Counter[str]()
        for number in sorted(range(len(ids)), key=lambda each: (-len(level.rows[each]), level.rows[each][0])):
            parent = above[level.above[number]] if depth else None
            ids[number] = f"cl_{counters['']}" if parent is None else f"{parent}_sub_{counters[parent]}"
            counters[parent or ""] += 1
            values = dict(zip(attributes, map(_value, level.keys[number]), strict=False))
            yield AttributeGroup(ids[number], values, named[number], parent, depth, level.rows[number])
        above = ids


def _value(element: Element) -> Any:
    """The JSON value: 1.0 is 1, so that a group is the same whichever way its number is written."""
    if not isinstance(element, tuple):
        return element
    kind, held = element
    if kind == "object":
        return orjson.loads(held)
    return int(held) if isinstance(held, float) and held.is_integer() else held


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
    text = ", ".join(_show(element, exact) for element in key)
    return text if len(text) <= MAX_LABEL else f"{text[: MAX_LABEL - 1]}…"


def _show(element: Element, exact: bool) -> str:
    if element is None:
        return MISSING_LABEL
    if isinstance(element, str) and not exact:
        return element
    return orjson.dumps(_value(element), option=orjson.OPT_SORT_KEYS).decode()
