"""The conditions of a list request over the field index, in two forms.

A *driver* is a select of row ids by path and value that holds all matching rows; a *probe* is the clause that one row
satisfies, looked up by row id. What Python alone can decide, a pattern or the words of a text, becomes a list of them.
"""

import re
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
from coterie.listing.values import words
from coterie.store.db import estimate, fetch
from coterie.store.dialects import by_index, fence, listed, values_of

FEW = 2_000
"""Rows that are looked at one by one without a thought."""

MANY = 20_000
"""How far a driver is counted to choose among several, or to say that a trigram is no rare one."""

COMMON = 16
"""A part that one row in so many has is common: looking at all of them is less than looking each such row up."""

TRIGRAM = 3
PYTHON_ROWS = 10_000
_LITERAL, _ESCAPED = re.compile(r"[\\%_]"), r"\\\g<0>"


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
                return exists(texts.where(Sql(f"{texts.row_id} = {row_id}"), self._is_searched(texts, part)).select())
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
        # The drivers of an AND: that of all its conditions that terms tell, or of each part by itself.
        of_nodes = {number: told for number, node in enumerate(nodes) if (told := self._terms(node)) is not None}
        if len(of_nodes) < 2:
            of_nodes = {}
        else:
            rows = having(tuple(chain(*(groups for groups, _ in of_nodes.values()))), self.tx.dialect, self.alias())
            left = tuple(node for at, node in enumerate(nodes) if at not in of_nodes or not of_nodes[at][1])
            ordered = not left and self.tx.dialect.name == "sqlite"
            yield Driver(rows, True, not left, partial(self.count, rows), left, ordered)
        searched = [node for node in nodes if isinstance(node, Word)]
        if searched:
            others = tuple(node for node in nodes if node not in searched)
            yield replace(self._of_words([word.part for word in searched]), exact=not others, rest=others)
        alone = [node for at, node in enumerate(nodes) if at not in of_nodes and node not in searched]
        for part in self._together(alone):
            if (driver := self._of_part(part)) is not None:
                others = tuple(node for node in nodes if node not in part or not driver.exact)
                yield replace(driver, exact=not others, rest=others, ordered=driver.ordered and not others)

    def _terms(self, node: Term) -> tuple[Groups, bool] | None:
        # The terms that a condition's resources have, and whether they decide it.
        if self.index.texts is None or not isinstance(node, Condition) or node.path in self.index.untexted:
            return None
        return wanted_terms(node, self.paths[node.path])

    def rows_at(self, *conditions: Condition) -> Rows:
        """The row ids of conditions on one path, as often as a row of the index satisfies them."""
        path = self.paths[conditions[0].path]
        rows = self.fields_at(path, index_of(conditions[0]))
        return rows.where(*(row_matches(each, path, self.table_of(rows), self.tx.dialect) for each in conditions))

    def fields_at(self, path: Path, index: str) -> Rows:
        """The rows of the table of fields at a path, found by one of its indexes, under an alias of their own."""
        alias, name = self.alias(), self.index.fields.name
        source = Sql(f"{name} AS {alias}{by_index(self.tx.dialect, f'ix_{name}_{index}')}")
        return Rows(f"{alias}.row_id", source, (Sql(f"{alias}.path_id = ?", (path.id,)),))

    @staticmethod
    def table_of(rows: Rows) -> str:
        """The alias that rows are selected from."""
        return rows.row_id.partition(".")[0]

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

    def _is_searched(self, texts: Rows, part: str) -> Sql:
        return has_part(self.tx.dialect, f"{self.table_of(texts)}.search", part)

    def _probe(self, condition: Condition, row_id: str) -> Sql:
        if condition.operator in ("regex", "text"):
            listed = self._listed(condition)
            return Sql(f"{row_id} IN ({listed.text})", listed.values)
        holds = self._holds(condition, row_id)
        if not takes_null(condition):
            return holds
        return any_of(holds, none_of(self._holds(Condition(condition.path, "exists"), row_id)))

    def _holds(self, condition: Condition, row_id: str) -> Sql:
        by_value = condition.operator == "in" and len(condition.value or ()) == 1 and not takes_null(condition)
        path = self.paths[condition.path]
        rows = self.fields_at(path, index_of(condition) if by_value else "row")
        matching = row_matches(condition, path, self.table_of(rows), self.tx.dialect)
        found = rows.where(Sql(f"{rows.row_id} = {row_id}"), matching).select()
        return exists(Sql(found.text + fence(self.tx.dialect), found.values))

    def _driver(self, condition: Condition) -> Driver | None:
        path = self.paths.get(condition.path)
        if path is None or not path.ready or takes_null(condition):
            return None
        if condition.operator in ("regex", "text"):
            if not self.index.complete:
                return None
            listed = self._listed(condition)
            rows = Rows("row_id", Sql(f"({listed.text}) AS {self.alias()}", listed.values))
            return Driver(rows, True, True, lambda cap: min(cap, len(self._found[condition])))
        if condition.operator in ("contains", "ends_with") and (by_trigrams := self._by_trigrams(condition)):
            return by_trigrams
        rows = self.rows_at(condition)
        ordered = condition.operator == "in" and len(condition.value or ()) == 1 and not path.multiple
        return Driver(rows, not path.multiple, True, partial(self.count, rows), ordered=ordered)

    def _of_words(self, parts: Sequence[str]) -> Driver:
        """The resources that a search for all of the parts finds."""
        texts = self._own_texts()
        if (candidates := self._with_trigrams(parts)) is not None:
            among = self._among(candidates)
            texts = texts.where(Sql(f"{texts.row_id} IN ({among.text})", among.values))
            size: Callable[[int], int] = lambda cap: min(cap, len(candidates))  # noqa: E731
        else:
            size = lambda cap: cap  # noqa: E731
        return Driver(texts.where(*(self._is_searched(texts, part) for part in parts)), True, True, size)

    def _by_trigrams(self, condition: Condition) -> Driver | None:
        value: Any = condition.value
        part = value[1] if condition.operator == "contains" else value
        if not isinstance(part, str) or condition.case_sensitive or condition.path in self.index.untexted:
            return None
        if (candidates := self._with_trigrams([part])) is None:
            return None
        listed = self._among(candidates)
        rows = Rows("row_id", Sql(f"({listed.text}) AS {self.alias()}", listed.values))
        return Driver(rows, True, False, lambda cap: min(cap, len(candidates)))

    def _with_trigrams(self, parts: Sequence[str]) -> list[int] | None:
        """The rows whose strings hold the parts; None if an index would not make that cheap."""
        long = [part for part in parts if len(part) >= TRIGRAM]
        if self.index.texts is None or not long or self._count_all() < FEW:
            return None
        cap = min(MANY, self._count_all() // COMMON)
        texts = self._own_texts()
        if self.tx.dialect.name == "sqlite":
            grams = dict.fromkeys(part[at : at + TRIGRAM] for part in long for at in range(len(part) - TRIGRAM + 1))
            wanted = " AND ".join('"' + gram.replace('"', '""') + '"' for gram in grams)
            hits = "SELECT rowid FROM cluster_trigrams WHERE cluster_trigrams MATCH ?"
            rows = texts.where(Sql(f"{texts.row_id} IN ({hits})", (wanted,)))
        else:
            rows = texts.where(*(Sql(f"{self.table_of(texts)}.strings LIKE ?", (_like(part),)) for part in long))
        statement = rows.select()
        if (estimate(self.tx, *statement) or 0) >= cap:
            return None
        found = [row[0] for row in self.fetch(limited(statement, cap))]
        return found if len(found) < cap else None

    def _among(self, row_ids: Sequence[int]) -> Sql:
        return Sql(values_of(self.tx.dialect), (listed(self.tx.dialect, row_ids),))

    def _union(self, drivers: Sequence[Driver | None]) -> Driver | None:
        parts = [driver for driver in drivers if driver is not None]
        if len(parts) < len(drivers) or not parts:
            return None
        every = union(part.rows.select() for part in parts)
        rows = Rows("row_id", Sql(f"({every.text}) AS {self.alias()}", every.values))
        exact = all(part.exact for part in parts)
        return Driver(rows, True, exact, lambda cap: sum(part.count(cap) for part in parts))

    def _listed(self, condition: Condition) -> Sql:
        """The row ids of a condition that Python decides, string by string."""
        if condition not in self._found:
            self._found[condition] = list(dict.fromkeys(self._decided(condition)))
        return self._among(self._found[condition])

    def _decided(self, condition: Condition) -> Iterator[int]:
        value: Any = condition.value
        path = self.paths[condition.path]
        rows = self.fields_at(path, "row")
        fields = Fields(
            self.table_of(rows), path, condition.operator == "regex" or condition.case_sensitive, self.tx.dialect
        )
        rows = rows.where(fields.are_strings)
        test: Callable[[str], bool] = partial(found, value, condition.case_sensitive)
        if condition.operator == "text":
            rows = rows.where(*(has_part(self.tx.dialect, fields.whole, word) for word in value))
            test = partial(_has_words, frozenset(value))
            if (told := self._terms(condition)) is not None:
                among = having(told[0], self.tx.dialect, self.alias()).select()
                rows = rows.where(Sql(f"{rows.row_id} IN ({among.text})", among.values))
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


def _like(part: str) -> str:
    """The pattern of the texts that hold a part."""
    return f"%{_LITERAL.sub(_ESCAPED, part)}%"


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
