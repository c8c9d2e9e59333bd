"""The frozen tree that a list request becomes: what `syntax` builds and `evaluate` and `sql` read.

The tree is smaller than the language. `ne`, `nin` and `is_null` are negations, `eq` is membership in a set of
one, and all values are ready to compare: strings folded unless case matters, timestamps turned into
microseconds since 1970 UTC.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, assert_never

Kind = Literal["n", "s", "b", "z"]
"""What a leaf is: a number, a string, a boolean or null. Leaves of two kinds are never equal and never
ordered.
"""

Scalar = int | float | str | bool | None
Pair = tuple[Kind, Scalar]
"""A value with its kind, because Python holds True equal to 1."""

Operator = Literal["in", "gt", "gte", "lt", "lte", "contains", "starts_with", "ends_with", "regex", "text", "exists"]
Operand = frozenset[Pair] | Pair | tuple[str, ...] | str | None


@dataclass(frozen=True, slots=True)
class Listable:
    """What the language must know of a resource: its own name and id, and the paths that hold instants."""

    name_field: str
    id_field: str
    timestamps: frozenset[str] = frozenset({"created_at", "updated_at"})

    def resolve(self, path: str) -> str:
        """The path that an alias stands for; `name` and `id` always mean the resource's own."""
        return {"name": self.name_field, "id": self.id_field}.get(path, path)


@dataclass(frozen=True, slots=True)
class Condition:
    """One test of the leaves at one path; it holds when any leaf passes.

    The operand's shape follows the operator: a set of pairs for `in`, a pair for comparisons and `contains`,
    the words of `text`, a string for `starts_with`, `ends_with` and `regex`, nothing for `exists`. With
    `instant` set, the operand's strings are microseconds and so is what a leaf's string is read as.
    """

    path: str
    operator: Operator
    value: Operand = None
    case_sensitive: bool = False
    instant: bool = False


@dataclass(frozen=True, slots=True)
class And:
    """Every node holds; without nodes it holds for everything."""

    nodes: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one node holds; without nodes it holds for nothing."""

    nodes: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The node does not hold."""

    node: "Node"


Node = And | Or | Not | Condition


class SortKey(NamedTuple):
    """One field to sort by. `instant` says that its strings are timestamps, and then only those count."""

    path: str
    descending: bool = False
    instant: bool = False


class Position(NamedTuple):
    """Where a row stands in a list, to go on after it: its rank and value under each sort key, when it was created,
    and its id.
    """

    keys: tuple[tuple[int, int | float | str], ...]
    created_at: str
    id: str


NEWEST_FIRST = (SortKey("created_at", descending=True, instant=True),)
"""The order of a request without a sort."""


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A parsed list request. `where` is None when everything matches; `words` are folded search words, all
    required.
    """

    where: Node | None
    order: tuple[SortKey, ...]
    words: tuple[str, ...]
    limit: int
    offset: int
    after: "Position | None" = None

    @property
    def is_plain(self) -> bool:
        """Whether it asks for everything, newest first."""
        return self.where is None and not self.words and self.order == NEWEST_FIRST and self.after is None


def dump_node(node: Node) -> str:
    """The tree as JSON text, which is the same for the same filters."""
    return json.dumps(_encode(node), separators=(",", ":"))


def _encode(node: Node) -> list[Any]:
    match node:
        case And(nodes):
            return ["and", *map(_encode, nodes)]
        case Or(nodes):
            return ["or", *map(_encode, nodes)]
        case Not(inner):
            return ["not", _encode(inner)]
        case Condition(path, operator, value, case_sensitive, instant):
            operand = sorted(value, key=repr) if isinstance(value, frozenset) else value
            return [operator, path, operand, case_sensitive, instant]
        case _:
            assert_never(node)
