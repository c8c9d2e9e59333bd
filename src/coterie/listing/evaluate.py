"""The meaning of the list language, in plain Python: what every store must answer.

- A path's values: segments between dots name members; an array on the way fans out over its elements.
- A path's leaves: the scalars among its values, arrays taken apart. Missing or null: one null leaf. An empty
  array or an object: no leaf, yet the path exists. `exists` means present and not null, so `[null]` exists.
- A condition holds when any leaf passes; `ne`, `nin` and `is_null` are the negations of `eq`, `in` and
  `exists`.
- Leaves compare within their kind (number, string, boolean, null). Numbers compare exactly, integers with
  floats too; an integer outside 64 bits is the nearest float. Strings compare folded, or by code points when
  case matters.
- `contains` looks inside a string that stands by itself, and for an equal element among those of an array;
  `text` wants all its words in one string; `regex` searches the string as it is written.
- At a timestamp's path, equality, order and sorting are those of instants; the other operators see the text.
- Sorting: numbers, then strings by code points, then booleans, then what is missing, in both directions;
  direction turns the order inside a kind only. An array counts as the leaf that comes first in that order.
  Ties: by id, ascending.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import ge, gt, le, lt
from typing import Any

from coterie.listing.patterns import found
from coterie.listing.tree import And, Condition, ListQuery, Node, Not, Or, Pair, SortKey
from coterie.listing.values import Leaf, fold, instant, leaves, values_at, words

Resource = Mapping[str, Any]
MISSING = 3
"""The rank of a row without a value to sort by; numbers are 0, strings 1, booleans 2."""

_RANKS = {"n": 0, "s": 1, "b": 2}


def select(
    query: ListQuery,
    resources: Sequence[Resource],
    id_of: Callable[[Resource], str],
    search_text: Callable[[Resource], str],
) -> list[Resource]:
    """All resources that the query asks for, in its order, before paging.

    `search_text` gives what `fields.search_text` made of a resource.
    """
    rows = [row for row in resources if query.where is None or matches(query.where, row)]
    rows = [row for row in rows if all(word in search_text(row) for word in query.words)]
    rows.sort(key=id_of)
    for key in reversed(query.order):
        rows.sort(key=partial(_order, key), reverse=key.descending)
    return rows


def matches(node: Node, resource: Resource) -> bool:
    """Whether the resource satisfies the tree."""
    match node:
        case And(nodes):
            return all(matches(part, resource) for part in nodes)
        case Or(nodes):
            return any(matches(part, resource) for part in nodes)
        case Not(inner):
            return not matches(inner, resource)
        case Condition():
            return _holds(node, resource)


def sort_value(key: SortKey, resource: Resource) -> tuple[int, Any]:
    """The rank of a resource (see MISSING) and the value that orders it among those of its rank."""
    rank, value = _order(key, resource)
    return abs(rank), value


class Place:
    """Where a row stands among others, to compare with theirs: by its values under the sort keys, then by id."""

    __slots__ = ("_descending", "_id", "_keys")

    def __init__(self, order: Sequence[SortKey], keys: Sequence[tuple[int, Any]], identity: str) -> None:
        self._descending = tuple(key.descending for key in order)
        self._keys = keys
        self._id = identity

    def __lt__(self, other: "Place") -> bool:
        for descending, (rank, value), (other_rank, other_value) in zip(
            self._descending, self._keys, other._keys, strict=True
        ):
            if rank != other_rank:
                return rank < other_rank
            if value != other_value:
                return bool(value > other_value) if descending else bool(value < other_value)
        return self._id < other._id


def place_of(order: Sequence[SortKey], resource: Resource, identity: str) -> Place:
    """Where a resource stands in an order."""
    return Place(order, [sort_value(key, resource) for key in order], identity)


def _order(key: SortKey, resource: Resource) -> tuple[int, Any]:
    """The first of a resource's leaves in the key's order. A descending key ranks below zero, to be sorted in
    reverse.
    """
    ranked = [_ranked(leaf, key.instant) for leaf in leaves(values_at(resource, key.path))]
    if key.descending:
        return max(((-rank, value) for rank, value in ranked), default=(-MISSING, 0))
    return min(ranked, default=(MISSING, 0))


def _ranked(leaf: Leaf, as_instant: bool) -> tuple[int, Any]:
    if as_instant:
        moment = instant(leaf.value) if isinstance(leaf.value, str) else None
        return (MISSING, 0) if moment is None else (_RANKS["n"], moment)
    return (MISSING, 0) if leaf.kind == "z" else (_RANKS[leaf.kind], leaf.value)


def _holds(condition: Condition, resource: Resource) -> bool:
    values = values_at(resource, condition.path)
    if condition.operator == "exists":
        return any(value is not None for value in values)
    test = _TESTS[condition.operator]
    return any(test(condition, leaf) for leaf in leaves(values))


def _pair(condition: Condition, leaf: Leaf) -> Pair:
    """The leaf as the operand is compared with it; its value is None for a string that should be an instant
    and isn't.
    """
    if not isinstance(leaf.value, str):
        return leaf.kind, leaf.value
    if condition.instant:
        return leaf.kind, instant(leaf.value)
    return leaf.kind, leaf.value if condition.case_sensitive else fold(leaf.value)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Leaf], bool]:
    def test(condition: Any, leaf: Leaf) -> bool:
        kind, value = _pair(condition, leaf)
        wanted, bound = condition.value
        return kind == wanted and value is not None and compare(value, bound)

    return test


def _on_string(test: Callable[[str, Any], bool]) -> Callable[[Any, Leaf], bool]:
    def on_leaf(condition: Any, leaf: Leaf) -> bool:
        kind, value = _pair(condition, leaf)
        return kind == "s" and test(str(value), condition.value)

    return on_leaf


def _contains(condition: Any, leaf: Leaf) -> bool:
    kind, value = _pair(condition, leaf)
    wanted, part = condition.value
    if leaf.element:
        return (kind, value) == (wanted, part)
    return kind == wanted == "s" and part in str(value)


def _regex(condition: Any, leaf: Leaf) -> bool:
    return leaf.kind == "s" and found(condition.value, condition.case_sensitive, str(leaf.value))


_TESTS: dict[str, Callable[[Any, Leaf], bool]] = {
    "in": lambda condition, leaf: _pair(condition, leaf) in condition.value,
    "gt": _ordered(gt),
    "gte": _ordered(ge),
    "lt": _ordered(lt),
    "lte": _ordered(le),
    "contains": _contains,
    "starts_with": _on_string(str.startswith),
    "ends_with": _on_string(str.endswith),
    "regex": _regex,
    "text": _on_string(lambda value, wanted: words(value).issuperset(wanted)),
}
