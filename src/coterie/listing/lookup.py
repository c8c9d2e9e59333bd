"""The conditions of a list request over the field index, in two forms.

A *driver* is a select of row ids by path and value that holds all matching rows; a *probe* is the clause that one row
satisfies, looked up by row id. What Python alone can decide, a pattern or the words of a text, becomes a list of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    column,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    text,
    true,
    union,
)

from coterie.listing.field_index import FieldIndex, Strings, index_of, paths_of, row_matches, takes_null
from coterie.listing.patterns import found
from coterie.listing.tree import And, Condition, Node, Not, Or, SortKey
from coterie.listing.values import words
from coterie.store.dialects import has_part, row_by_row, values_of

FEW = 2_000
"""Rows that are looked at one by one without a thought."""

MANY = 20_000
"""How far a driver is counted to choose among several, or to say that a trigram is no rare one."""

TRIGRAM = 3
PYTHON_ROWS = 10_000


class Word(NamedTuple):
    """A word that a search wants, beside the conditions of the tree."""

    part: str


Term = Node | Word
NOTHING, EVERYTHING = Or(()), And(())


@dataclass(frozen=True, eq=False)
class Driver:
    """Row ids that hold all matches: whether each comes once, whether they are the matches and no more."""

    rows: Select[Any]
    single: bool
    exact: bool
    count: Callable[[], int]
    rest: tuple[Term, ...] | None = None
    """Where it is one of an AND's parts: the others, which remain to be asked."""

    @cached_property
    def size(self) -> int:
        """How many there are, at most MANY."""
        return self.count()


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
        self.tenant = tenant
        wanted = {condition.path for condition in _conditions(node)} | {key.path for key in order}
        self.paths = paths_of(tx, tenant[index.scope], wanted)
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

    def probe(self, node: Term, row_id: ColumnElement[int]) -> ColumnElement[bool]:
        """The clause that a row satisfies."""
        match node:
            case And(nodes):
                return and_(true(), *(self.probe(part, row_id) for part in nodes))
            case Or(nodes):
                return or_(false(), *(self.probe(part, row_id) for part in nodes))
            case Not(inner):
                return not_(self.probe(inner, row_id))
            case Word(part):
                texts = self._texts.alias()
                own = and_(texts.c.namespace_id == self.tenant["namespace_id"], texts.c.row_id == row_id)
                return exists(select(literal(1)).where(own, self._has(texts.c.search, part)))
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
                parts = self._together(nodes)
                found = ((number, self._of_part(part)) for number, part in enumerate(parts))
                drivers = [(number, driver) for number, driver in found if driver is not None]
                if not drivers:
                    return None
                number, best = min(drivers, key=lambda item: item[1].size) if len(drivers) > 1 else drivers[0]
                others = (node for at, part in enumerate(parts) if at != number or not best.exact for node in part)
                return replace(best, exact=best.exact and len(parts) == 1, rest=tuple(others))
            case Or(nodes):
                return self._union([self.driver(part) for part in nodes])
            case Not():
                return None
            case Word(part):
                return self._driver_of_word(part)
            case Condition():
                return self._driver(node)

    def rows_at(self, *conditions: Condition) -> Select[Any]:
        """The row ids of conditions on one path, as often as a row of the index satisfies them."""
        fields = self.index.fields.alias()
        path = self.paths[conditions[0].path]
        satisfied = (row_matches(condition, path, fields, self.tx.dialect) for condition in conditions)
        rows = select(fields.c.row_id).where(fields.c.path_id == path.id, *satisfied)
        return self.by(rows, fields, index_of(conditions[0]))

    def by(self, rows: Select[Any], fields: Any, index: str) -> Select[Any]:
        """Tell SQLite, which keeps no statistics, by which index the rows of a table of fields are found."""
        return rows.with_hint(fields, f"INDEXED BY ix_{self.index.fields.name}_{index}", "sqlite")

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
        return Driver(rows, True, True, partial(self.count, rows, MANY))

    def count(self, rows: Select[Any], cap: int | None = None) -> int:
        """How many rows a select gives, at most `cap`."""
        limited = rows if cap is None else rows.limit(cap)
        return self.tx.scalar(select(func.count()).select_from(limited.subquery()), dict(self.tenant)) or 0

    @property
    def _texts(self) -> Any:
        return self.index.texts

    def _has(self, value: ColumnElement[Any], part: str) -> ColumnElement[bool]:
        return has_part(self.tx.dialect, value, part)

    def _probe(self, condition: Condition, row_id: ColumnElement[int]) -> ColumnElement[bool]:
        if condition.operator in ("regex", "text"):
            return row_id.in_(self._listed(condition))
        holds = exists(self._row_at(condition, row_id))
        if not takes_null(condition):
            return holds
        return or_(holds, ~exists(self._row_at(Condition(condition.path, "exists"), row_id)))

    def _row_at(self, condition: Condition, row_id: ColumnElement[int]) -> Select[Any]:
        fields = self.index.fields.alias()
        path = self.paths[condition.path]
        here = and_(fields.c.row_id == row_id, fields.c.path_id == path.id)
        rows = select(literal(1)).where(here, row_matches(condition, path, fields, self.tx.dialect))
        by_value = condition.operator == "in" and len(condition.value or ()) == 1 and not takes_null(condition)
        return row_by_row(self.tx.dialect, self.by(rows, fields, index_of(condition) if by_value else "row"))

    def _driver(self, condition: Condition) -> Driver | None:
        path = self.paths.get(condition.path)
        if path is None or not path.ready or takes_null(condition):
            return None
        if condition.operator in ("regex", "text"):
            if not self.index.complete:
                return None
            rows = self._listed(condition)
            return Driver(rows, True, True, lambda: len(self._found[condition]))
        if condition.operator in ("contains", "ends_with") and (by_trigrams := self._by_trigrams(condition)):
            return by_trigrams
        rows = self.rows_at(condition)
        return Driver(rows, not path.multiple, True, partial(self.count, rows, MANY))

    def _driver_of_word(self, part: str) -> Driver:
        texts = self._texts
        own = texts.c.namespace_id == self.tenant["namespace_id"]
        rows = select(texts.c.row_id).where(own, self._has(texts.c.search, part))
        by_trigrams = self._with_trigrams([part])
        return by_trigrams or Driver(rows, True, True, lambda: MANY)

    def _by_trigrams(self, condition: Condition) -> Driver | None:
        value: Any = condition.value
        part = value[1] if condition.operator == "contains" else value
        if not isinstance(part, str) or condition.case_sensitive or self.index.texts is None or not self._is_large:
            return None
        return None if condition.path in self.index.untexted else self._with_trigrams([part])

    def _with_trigrams(self, parts: Sequence[str]) -> Driver | None:
        """The rows whose strings hold the parts; None if an index would not make that cheap."""
        long = [part for part in parts if len(part) >= TRIGRAM]
        if not long or not self._is_large:
            return None
        texts = self._texts
        if self.tx.dialect.name == "sqlite":
            grams = dict.fromkeys(part[at : at + TRIGRAM] for part in long for at in range(len(part) - TRIGRAM + 1))
            wanted = " AND ".join('"' + gram.replace('"', '""') + '"' for gram in grams)
            matched = text("SELECT rowid FROM cluster_trigrams WHERE cluster_trigrams MATCH :grams")
            hits: Any = matched.bindparams(grams=wanted).columns(column("rowid")).subquery()
            rows = select(texts.c.row_id).where(texts.c.row_id.in_(select(hits.c.rowid)))
        else:
            rows = select(texts.c.row_id).where(*(texts.c.strings.contains(part, autoescape=True) for part in long))
        rows = rows.where(texts.c.namespace_id == self.tenant["namespace_id"])
        size = self.count(rows, MANY)
        return None if size == MANY else Driver(rows, True, False, lambda: size)

    @cached_property
    def _is_large(self) -> bool:
        return self._count_all() >= FEW

    def _union(self, drivers: Sequence[Driver | None]) -> Driver | None:
        parts = [driver for driver in drivers if driver is not None]
        if len(parts) < len(drivers) or not parts:
            return None
        rows = union(*(part.rows for part in parts)).subquery()
        exact = all(part.exact for part in parts)
        return Driver(select(rows.c.row_id), True, exact, lambda: sum(part.size for part in parts))

    def _listed(self, condition: Condition) -> Select[Any]:
        """The row ids of a condition that Python decides, string by string."""
        if condition not in self._found:
            self._found[condition] = list(dict.fromkeys(self._decided(condition)))
        return select(values_of(self.tx.dialect, self._found[condition]).c.row_id)

    def _decided(self, condition: Condition) -> Iterator[int]:
        fields = self.index.fields.alias()
        value: Any = condition.value
        path = self.paths[condition.path]
        whole = Strings(fields, path).whole(condition.operator == "regex" or condition.case_sensitive)
        rows = select(fields.c.row_id, whole).where(fields.c.path_id == path.id, fields.c.str.is_not(None))
        test: Callable[[str], bool] = partial(found, value, condition.case_sensitive)
        if condition.operator == "text":
            rows = rows.where(*(self._has(whole, word) for word in value))
            test = partial(_has_words, frozenset(value))
            rare = None if condition.case_sensitive else self._with_trigrams(value)
            if rare is not None and condition.path not in self.index.untexted:
                rows = self.by(rows.where(fields.c.row_id.in_(rare.rows)), fields, "row")
        with self.tx.execution_options(yield_per=PYTHON_ROWS).execute(rows) as strings:
            yield from (row[0] for row in strings if test(row[1]))


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
