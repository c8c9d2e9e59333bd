"""The conditions of a list request over the field index, in two forms.

A *driver* is a select of row ids by path and value that holds all matching rows; a *probe* is the clause that one row
satisfies, looked up by row id. What Python alone can decide, a pattern or the words of a text, becomes a list of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain, count
from typing import Any, NamedTuple

from sqlalchemy import Connection

from coterie.listing.field_index import (
    FieldIndex,
    Fields,
    Path,
    has_part,
    index_of,
    paths_of,
    row_matches,
    takes_null,
)
from coterie.listing.fragments import Rows, Sql, all_of, any_of, counted, exists, limited, none_of, union
from coterie.listing.patterns import found
from coterie.listing.terms import Groups, having, wanted_terms
from coterie.listing.tree import And, Condition, Node, Not, Or, SortKey
from coterie.listing.trigrams import with_trigrams
from coterie.listing.values import words
from coterie.store.db import estimate, fetch
from coterie.store.dialects import by_index, fence, listed, values_of

FEW = 2_000
"""Rows that are looked at one by one without a thought."""

MANY = 20_000
"""How far a driver is counted to choose among several, or to say that a trigram is no rare one."""

COMMON = 16
"""A part that one row in so many has is common: looking at all of them is less than looking each such row up."""

PYTHON_ROWS = 10_000

ASKED_WORDS = 32
"""Words of a text, the longest, that the store is asked for before Python looks at all of them: a store takes only so
many conditions at once."""


class Word(NamedTuple):
    """A word that a search wants, beside the conditions of the tree."""

    part: str


Term = Node | Word
NOTHING, EVERYTHING = Or(()), And(())


@dataclass(frozen=True, eq=False)
class Driver:
    """Row ids that hold all matches: whether each comes once, whether they are the matches and no more."""

    rows: Rows
    single: bool
    exact: bool
    count: Callable[[int], int]
    """How many there are, at most so many."""
    rest: tuple[Term, ...] | None = None
    """Where it is one of an AND's parts: the others, which remain to be asked."""
    ordered: bool = False
    """Whether the index gives them by row id, either way."""

    @cached_property
    def size(self) -> int:
        """How many there are, at most MANY."""
        return self.count(MANY)

    @property
    def total(self) -> int | None:
        """How many matches there are, if that is known already."""
        known = "size" in self.__dict__ and self.size < MANY and self.exact and self.single
        return self.size if known else None


def candidates(tx: Connection, node: Node, index: FieldIndex, tenant: Mapping[str, Any]) -> Driver | None:
    """Row ids among which all matches of a tree are, from an index that need not be complete; None if it has none."""
    return Lookup(tx, index, tenant, node, (), lambda: 0).driver(node)


class Lookup:
    """The conditions of one request as drivers and probes."""

    def __init__(
        self,
        tx: Connection,
        index: FieldIndex,
        tenant: Mapping[str, Any],
        node: Term,
        order: Sequence[SortKey],
        count_all: Callable[[], int],
    ) -> None:
        self.tx = tx
        self.index = index
        self._scope = tenant[index.scope]
        self._aliases = count()
        wanted = {condition.path for condition in _conditions(node)} | {key.path for key in order}
        self.paths = paths_of(tx, self._scope, wanted)
        self._count_all = count_all
        self._found: dict[Condition, list[int]] = {}
        self._drivers: dict[Term, Driver | None] = {}

    def simplify(self, node: Term) -> Term:
        """The tree without conditions on paths that no resource has."""
        match node:
            case And(nodes):
                parts = [part for part in map(self.simplify, nodes) if part != EVERYTHING]
                if NOTHING in parts:
                    return NOTHING
                return parts[0] if len(parts) == 1 else And(tuple(parts))  # type: ignore[arg-type]
            case Or(nodes):
                parts = [part for part in map(self.simplify, nodes) if part != NOTHING]
                if EVERYTHING in parts:
                    return EVERYTHING
                return parts[0] if len(parts) == 1 else Or(tuple(parts))  # type: ignore[arg-type]
            case Not(inner):
                simple = self.simplify(inner)
                if isinstance(simple, Not):
                    return simple.node
                if simple in (NOTHING, EVERYTHING):
                    return EVERYTHING if simple == NOTHING else NOTHING
                return Not(simple)  # type: ignore[arg-type]
            case Condition() if node.value == frozenset():
                return NOTHING
            case Condition() if node.path not in self.paths:
                return EVERYTHING if takes_null(node) else NOTHING
            case _:
                return node

    def probe(self, node: Term, row_id: str) -> Sql:
        """The clause that a row satisfies, whose id is that expression."""
        match node:
            case And(nodes):
                return all_of(*(self.probe(part, row_id) for part in nodes))
            case Or(nodes):
                return any_of(*(self.probe(part, row_id) for part in nodes))
            case Not(inner):
                return none_of(self.probe(inner, row_id))
            case Word(part):
                texts = self._own_texts()
                searched = has_part(self.tx.dialect, f"{texts.table}.search", part)
                return exists(texts.where(Sql(f"{texts.row_id} = {row_id}"), searched).select())
            case Condition():
                return self._probe(node, row_id)

    def driver(self, node: Term) -> Driver | None:
        """The row ids to walk for a node; None where an index names none."""
        if node not in self._drivers:
            self._drivers[node] = self._make_driver(node)
        return self._drivers[node]

    def _make_driver(self, node: Term) -> Driver | None:
        match node:
            case And(nodes):
                drivers = list(self._of_and(nodes))
                return _smallest(drivers) if drivers else None
            case Or(nodes):
                return self._union([self.driver(part) for part in nodes])
            case Not():
                return None
            case Word(part):
                return self._of_words([part])
            case Condition():
                return self._driver(node)

    def _of_and(self, nodes: Sequence[Term]) -> Iterator[Driver]:
        """The drivers of an AND: that of all its conditions that terms tell, or of each part by itself."""
        told = {node: terms for node in nodes if (terms := self._terms(node)) is not None}
        if len(told) < 2:
            told = {}
        else:
            left = tuple(node for node in nodes if node not in told or not told[node][1])
            yield self._of_terms([groups for groups, _ in told.values()], left)
        searched = [node for node in nodes if isinstance(node, Word)]
        if searched:
            others = tuple(node for node in nodes if node not in searched)
            yield replace(self._of_words([word.part for word in searched]), exact=not others, rest=others)
        alone = [node for node in nodes if node not in told and node not in searched]
        for part in self._together(alone):
            if (driver := self._of_part(part)) is not None:
                others = tuple(node for node in nodes if node not in part or not driver.exact)
                yield replace(driver, exact=not others, rest=others, ordered=driver.ordered and not others)

    def _terms(self, node: Term) -> tuple[Groups, bool] | None:
        """The terms that a condition's resources have, and whether they decide it."""
        if self.index.texts is None or not isinstance(node, Condition) or node.path in self.index.untexted:
            return None
        return wanted_terms(node, self.paths[node.path])

    def _of_terms(self, told: Sequence[Groups], left: tuple[Term, ...] = ()) -> Driver:
        rows = having(tuple(chain(*told)), self.tx.dialect, self.alias())
        ordered = not left and self.tx.dialect.name == "sqlite"
        return Driver(rows, True, not left, partial(self.count, rows), left, ordered)

    def rows_at(self, *conditions: Condition) -> Rows:
        """The row ids of conditions on one path, as often as a row of the index satisfies them."""
        path = self.paths[conditions[0].path]
        rows = self.fields_at(path, index_of(conditions[0]))
        return rows.where(*(row_matches(each, path, rows.table, self.tx.dialect) for each in conditions))

    def fields_at(self, path: Path, index: str) -> Rows:
        """The rows of the table of fields at a path, found by one of its indexes, under an alias of their own."""
        alias, name = self.alias(), self.index.fields.name
        source = Sql(f"{name} AS {alias}{by_index(self.tx.dialect, f'ix_{name}_{index}')}")
        return Rows(f"{alias}.row_id", source, (Sql(f"{alias}.path_id = ?", (path.id,)),))

    def alias(self) -> str:
        """A name that no other table of this request has."""
        return f"t{next(self._aliases)}"

    def _together(self, nodes: Sequence[Term]) -> list[Sequence[Term]]:
        """The nodes, those at one path together where one row of the index decides them all: a range's two ends."""
        parts: dict[Any, list[Term]] = {}
        for number, node in enumerate(nodes):
            alone = not isinstance(node, Condition) or node.operator in ("regex", "text") or takes_null(node)
            alone = alone or (node.path not in self.paths or self.paths[node.path].multiple)  # type: ignore[union-attr]
            key = number if alone else (node.path, index_of(node))  # type: ignore[arg-type,union-attr]
            parts.setdefault(key, []).append(node)
        return list(parts.values())

    def _of_part(self, part: Sequence[Term]) -> Driver | None:
        if len(part) == 1:
            return self.driver(part[0])
        rows = self.rows_at(*part)  # type: ignore[arg-type]
        return Driver(rows, True, True, partial(self.count, rows))

    def count(self, rows: Rows, cap: int | None = None) -> int:
        """How many rows a select gives, at most `cap`."""
        found: int = self.fetch(counted(rows.select() if cap is None else limited(rows.select(), cap)))[0][0]
        return found

    def fetch(self, statement: Sql) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        return fetch(self.tx, *statement)

    def _own_texts(self) -> Rows:
        assert self.index.texts is not None
        alias = self.alias()
        own = Sql(f"{alias}.namespace_id = ?", (self._scope,))
        return Rows(f"{alias}.row_id", Sql(f"{self.index.texts.name} AS {alias}"), (own,))

    def _probe(self, condition: Condition, row_id: str) -> Sql:
        if condition.operator in ("regex", "text"):
            return self._is_among(row_id, self._listed(condition))
        holds = self._holds(condition, row_id)
        if not takes_null(condition):
            return holds
        return any_of(holds, none_of(self._holds(Condition(condition.path, "exists"), row_id)))

    def _holds(self, condition: Condition, row_id: str) -> Sql:
        by_value = condition.operator == "in" and len(condition.value or ()) == 1 and not takes_null(condition)
        path = self.paths[condition.path]
        rows = self.fields_at(path, index_of(condition) if by_value else "row")
        matching = row_matches(condition, path, rows.table, self.tx.dialect)
        found = rows.where(Sql(f"{rows.row_id} = {row_id}"), matching).select()
        return exists(Sql(found.text + fence(self.tx.dialect), found.values))

    def _driver(self, condition: Condition) -> Driver | None:
        path = self.paths.get(condition.path)
        if path is None or not path.ready or takes_null(condition):
            return None
        if condition.operator in ("regex", "text"):
            if not self.index.complete:
                return None
            return self._driver_of(self._listed(condition), exact=True)
        if condition.operator in ("contains", "ends_with") and (by_trigrams := self._by_trigrams(condition)):
            return by_trigrams
        if self.tx.dialect.name == "sqlite" and (told := self._terms(condition)) is not None:
            return self._of_terms([told[0]])  # a quarter of a walk along the index of values
        rows = self.rows_at(condition)
        ordered = condition.operator == "in" and len(condition.value or ()) == 1 and not path.multiple
        return Driver(rows, not path.multiple, True, partial(self.count, rows), ordered=ordered)

    def _of_words(self, parts: Sequence[str]) -> Driver:
        """The resources that a search for all of the parts finds."""
        texts = self._own_texts()
        searched = texts.where(*(has_part(self.tx.dialect, f"{texts.table}.search", part) for part in parts))
        if (found := self._with_trigrams(parts)) is None:
            return Driver(searched, True, True, lambda cap: cap)
        rows = searched.where(self._is_among(texts.row_id, found))
        return Driver(rows, True, True, partial(self.count, rows))

    def _by_trigrams(self, condition: Condition) -> Driver | None:
        value: Any = condition.value
        part = value[1] if condition.operator == "contains" else value
        if not isinstance(part, str) or condition.case_sensitive or condition.path in self.index.untexted:
            return None
        found = self._with_trigrams([part])
        return None if found is None else self._driver_of(found, exact=False)

    def _with_trigrams(self, parts: Sequence[str]) -> list[int] | None:
        """The rows whose strings hold the parts; None if an index would not make that cheap."""
        if self.index.texts is None or self._count_all() < FEW:
            return None
        rows = with_trigrams(self._own_texts(), parts, self.tx.dialect)
        cap = min(MANY, self._count_all() // COMMON)
        if rows is None or (estimate(self.tx, *rows.select()) or 0) >= cap:
            return None
        found = [row[0] for row in self.fetch(limited(rows.select(), cap))]
        return found if len(found) < cap else None

    def _driver_of(self, row_ids: Sequence[int], exact: bool) -> Driver:
        every = self._values(row_ids)
        rows = Rows("row_id", Sql(f"({every.text}) AS {self.alias()}", every.values))
        return Driver(rows, True, exact, lambda cap: min(cap, len(row_ids)))

    def _is_among(self, row_id: str, row_ids: Sequence[int]) -> Sql:
        every = self._values(row_ids)
        return Sql(f"{row_id} IN ({every.text})", every.values)

    def _values(self, row_ids: Sequence[int]) -> Sql:
        return Sql(values_of(self.tx.dialect), (listed(self.tx.dialect, row_ids),))

    def _union(self, drivers: Sequence[Driver | None]) -> Driver | None:
        parts = [driver for driver in drivers if driver is not None]
        if len(parts) < len(drivers) or not parts:
            return None
        every = union(part.rows.select() for part in parts)
        rows = Rows("row_id", Sql(f"({every.text}) AS {self.alias()}", every.values))
        return Driver(rows, True, all(part.exact for part in parts), partial(self.count, rows))

    def _listed(self, condition: Condition) -> list[int]:
        """The row ids of a condition that Python decides, string by string."""
        if condition not in self._found:
            self._found[condition] = list(dict.fromkeys(self._decided(condition)))
        return self._found[condition]

    def _decided(self, condition: Condition) -> Iterator[int]:
        value: Any = condition.value
        path = self.paths[condition.path]
        rows = self.fields_at(path, "row")
        fields = Fields(rows.table, path, condition.operator == "regex" or condition.case_sensitive, self.tx.dialect)
        rows = rows.where(fields.are_strings)
        test: Callable[[str], bool] = partial(found, value, condition.case_sensitive)
        if condition.operator == "text":
            rarest = sorted(value, key=len)[-ASKED_WORDS:]
            rows = rows.where(*(has_part(self.tx.dialect, fields.whole, word) for word in rarest))
            test = partial(_has_words, frozenset(value))
            if (told := self._terms(condition)) is not None:
                among = having(told[0], self.tx.dialect, self.alias()).select()
                rows = rows.where(Sql(f"{rows.row_id} IN ({among.text})", among.values))
                few = self.fetch(limited(rows.select(f"{fields.whole} AS string"), FEW))
                if len(few) < FEW:
                    yield from (row[0] for row in few if test(row[1]))
                    return
        statement = rows.select(fields.whole).statement("row_id", "string")
        with self.tx.execution_options(yield_per=PYTHON_ROWS).execute(statement) as strings:
            yield from (row[0] for row in strings if test(row[1]))


def _smallest(drivers: Sequence[Driver]) -> Driver:
    """The driver of the fewest rows. They are counted no further than it takes to tell."""
    if len(drivers) == 1:
        return drivers[0]
    few = [driver.count(FEW) for driver in drivers]
    if min(few) < FEW:
        return drivers[few.index(min(few))]
    return min(drivers, key=lambda driver: driver.size)


def _has_words(wanted: frozenset[str], text: str) -> bool:
    return words(text) >= wanted


def _conditions(node: Term) -> Iterator[Condition]:
    match node:
        case And(nodes) | Or(nodes):
            for part in nodes:
                yield from _conditions(part)
        case Not(inner):
            yield from _conditions(inner)
        case Condition():
            yield node
