"""Lists over the field index: counted first, then paged in whichever way the count says is cheaper.

The tree is turned into two forms. A *driver* is a select of row ids by path and value that holds all matching rows; a
*probe* is the clause that one row satisfies, looked up by row id. Of an AND the smallest driver is walked and the rest
are probed; what has no driver (a NOT, a missing field) is counted by its complement. Row ids grow with `created_at` and
with the id, so the index alone knows the default order and the order of ties.

The method is that of a textbook's access path selection (Selinger et al. 1979), with counts in place of estimates.
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
    case,
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

from coterie.listing.evaluate import MISSING
from coterie.listing.field_index import FieldIndex, Path, Strings, index_of, paths_of, row_matches, takes_null
from coterie.listing.fields import CUT
from coterie.listing.patterns import found
from coterie.listing.sql import Source
from coterie.listing.tree import NEWEST_FIRST, And, Condition, ListQuery, Node, Not, Or, SortKey
from coterie.listing.values import words
from coterie.store.dialects import has_part, values_of

FEW = 2_000
"""Rows that are looked at one by one without a thought."""

MANY = 20_000
"""How far a driver is counted to choose among several, or to say that a trigram is no rare one."""

PROBE_COST = 3
"""What a look at one row by its id costs, in steps along an index."""

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


def candidates(tx: Connection, node: Node, index: FieldIndex, tenant: Mapping[str, Any]) -> Select[Any] | None:
    """Row ids among which all matches of a tree are, from an index that need not be complete; None if it has none."""
    lookup = Lookup(tx, index, tenant, node, (), lambda: 0)
    driver = lookup.driver(node)
    return None if driver is None else driver.rows


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
        return self.by(rows, fields, index_of(condition) if by_value else "row")

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


class Planner:
    """One list request on its way to a page and a total."""

    def __init__(self, tx: Connection, query: ListQuery, source: Source, tenant: Mapping[str, Any]) -> None:
        assert source.index is not None
        self.tx = tx
        self.query = query
        self.source = source
        self.tenant = tenant
        wanted = And((*(() if query.where is None else (query.where,)), *map(Word, query.words)))  # type: ignore[arg-type]
        self.lookup = Lookup(tx, source.index, tenant, wanted, query.order, lambda: self._all)
        self.node = self.lookup.simplify(wanted)

    def run(self) -> tuple[list[int], int]:
        """The keys of the page's rows, in order, and the total."""
        if (few := self._few()) is not None:
            return few[self.query.offset :][: self.query.limit], len(few)
        total = self._count(self.node)
        if total == 0 or self.query.offset >= total:
            return [], total
        if self.query.order == NEWEST_FIRST:
            return self._newest_first(total), total
        return self._sorted(total), total

    def _few(self) -> list[int] | None:
        """All matches, newest first, where there are so few that fetching them is less than to count them first."""
        if self.query.order != NEWEST_FIRST or self.query.after is not None or self.node in (NOTHING, EVERYTHING):
            return None
        driver = None if self._is_ordered(self.node) else self.lookup.driver(self.node)
        if driver is None or (not driver.exact and driver.size >= MANY):
            return None
        found = list(self.tx.scalars(self._matching(driver, self.node).limit(FEW)))
        return sorted(found, reverse=True) if len(found) < FEW else None

    @cached_property
    def _all(self) -> int:
        statement = self.source.total
        if statement is None:
            statement = select(func.count()).select_from(self.source.table).where(self.source.tenant)
        return self.tx.scalar(statement, dict(self.tenant)) or 0

    # -- totals ---------------------------------------------------------------------------------------------------

    def _count(self, node: Term) -> int:
        """How many of the tenant's rows satisfy a node."""
        match node:
            case And(()):
                return self._all
            case Or(()):
                return 0
            case Not(inner):
                return self._all - self._count(inner)
            case Condition() if takes_null(node):
                # Rows that hold a null stand at a path that is there: they and the absent ones are apart.
                present = self._count(Condition(node.path, "exists"))
                return self._all - present + self._count_rows(self.lookup.rows_at(node), self._single(node))
            case And(nodes):
                return self._count_and(nodes)
        driver = self.lookup.driver(node)
        if driver is None:
            return self._count_by_probe(node)
        if not driver.exact:
            return self._count_and((node,), driver)
        return self._count_rows(driver.rows, driver.single)

    def _count_and(self, nodes: Sequence[Term], driver: Driver | None = None) -> int:
        driver = driver or self.lookup.driver(And(tuple(nodes)))  # type: ignore[arg-type]
        if driver is None:
            if all(isinstance(node, Not) for node in nodes):
                return self._all - self._count(Or(tuple(node.node for node in nodes)))  # type: ignore[union-attr]
            return self._count_by_probe(And(tuple(nodes)))  # type: ignore[arg-type]
        negated = [node for node in nodes if isinstance(node, Not)]
        if len(negated) == 1 and len(nodes) > 1 and driver.size >= FEW:
            # Those that satisfy the rest, without those of them that satisfy the negated one as well. For one only: the
            # two counts of each would double with every other.
            rest = tuple(node for node in nodes if node is not negated[0])
            kept = self.lookup.simplify(And(rest))  # type: ignore[arg-type]
            return self._count(kept) - self._count(self.lookup.simplify(And((*rest, negated[0].node))))  # type: ignore[arg-type]
        return self._count_rows(self._matching(driver, And(tuple(nodes))), True)  # type: ignore[arg-type]

    def _count_rows(self, rows: Select[Any], single: bool) -> int:
        return self.lookup.count(rows if single else rows.distinct())

    def _count_by_probe(self, node: Term) -> int:
        matching = self.lookup.probe(node, self.source.pk)
        return self.lookup.count(select(self.source.pk).where(self.source.tenant, matching))

    def _single(self, condition: Condition) -> bool:
        return not self.lookup.paths[condition.path].multiple

    # -- pages ----------------------------------------------------------------------------------------------------

    def _newest_first(self, total: int) -> list[int]:
        driver = self.lookup.driver(self.node) if self.node != EVERYTHING else None
        if driver is not None and (self._is_ordered(self.node) or self._is_short(driver, total)):
            rows = self._matching(driver, self.node)
            row_id = rows.selected_columns.row_id
        else:
            rows = select(self.source.pk.label("row_id")).where(self.source.tenant)
            row_id = self.source.pk
            rows = rows if self.node == EVERYTHING else rows.where(self.lookup.probe(self.node, row_id))
        if self.query.after is not None:
            rows = rows.where(row_id <= self._newest_row(self.source.created_at < self.query.after.created_at))
        return self._page(rows.order_by(row_id.desc()))

    def _is_short(self, driver: Driver, total: int) -> bool:
        """Whether to collect and sort all matches is less than to look at row after row until the page is full."""
        if total < FEW and driver.exact:
            return True
        looked_at = (self.query.offset + self.query.limit) * self._all // total
        return PROBE_COST * looked_at > total + (total if driver.exact else PROBE_COST * driver.size)

    def _is_ordered(self, node: Term) -> bool:
        """Whether the index gives the rows of a node by row id: those of one value at a path of single rows."""
        return (
            isinstance(node, Condition)
            and node.operator == "in"
            and isinstance(node.value, frozenset)
            and len(node.value) == 1
            and self._single(node)
        )

    def _matching(self, driver: Driver, node: Term) -> Select[Any]:
        """The row ids of all matches of a node, each once, under the name `row_id`."""
        if driver.exact and driver.single:
            return driver.rows
        rows = driver.rows.subquery()
        matching = select(rows.c.row_id)
        if not driver.exact:
            rest = node if driver.rest is None else And(driver.rest)  # type: ignore[arg-type]
            matching = matching.where(self.lookup.probe(rest, rows.c.row_id))
        return matching if driver.single else matching.distinct()

    def _sorted(self, total: int) -> list[int]:
        (key, *others) = self.query.order
        path = self.lookup.paths.get(key.path)
        if others or path is None or path.multiple:
            return self._sort_all()
        looked_at = (self.query.offset + self.query.limit) * max(1, self._all // total)
        if self.node != EVERYTHING and looked_at > total:
            return self._sort_all()
        return self._walk(key, path)

    def _sort_all(self) -> list[int]:
        """Every match with its values, sorted."""
        driver = self.lookup.driver(self.node) if self.node != EVERYTHING else None
        if driver is None:
            all_rows = select(self.source.pk.label("row_id")).where(self.source.tenant)
            matching = all_rows.where(self.lookup.probe(self.node, self.source.pk)).subquery()
        else:
            matching = self._matching(driver, self.node).subquery()
        rows: Any = matching
        terms: list[ColumnElement[Any]] = []
        places: list[tuple[SortKey, ColumnElement[Any], list[ColumnElement[Any]]]] = []
        columns: list[Any] = []
        joined: list[Any] = []
        grouped = False
        for key in self.query.order:
            path = self.lookup.paths.get(key.path)
            if path is None:
                places.append((key, literal(MISSING), []))
                continue
            fields = self.lookup.index.fields.alias()
            here = and_(fields.c.row_id == matching.c.row_id, fields.c.path_id == path.id)
            rows = rows.outerjoin(fields, here)
            joined.append(fields)
            values = _values(key, fields, path)
            if path.multiple:
                grouped = True
            first = func.max if key.descending else func.min
            columns += [(first, value) for value in values]
            places.append((key, literal(0), list(values)))
        wanted = select(matching.c.row_id).select_from(rows)
        for fields in joined:
            wanted = self.lookup.by(wanted, fields, "row")
        shown = (first(value) if grouped else value for first, value in columns)
        wanted = wanted.add_columns(*(value.label(f"v{at}") for at, value in enumerate(shown)))
        if grouped:
            wanted = wanted.group_by(matching.c.row_id)
        found = wanted.subquery()
        at = 0
        seeks: list[tuple[ColumnElement[Any], bool, Any]] = []
        for number, (key, _, values) in enumerate(places):
            own = [found.c[f"v{at + offset}"] for offset in range(len(values))]
            at += len(values)
            rank = case(*((value.is_not(None), place) for place, value in enumerate(own)), else_=literal(MISSING))
            if not own:
                continue
            terms.append(rank)
            after = None if self.query.after is None else self.query.after.keys[number]
            seeks.append((rank, False, after and after[0]))
            for place, value in enumerate(own):
                term = case((rank == place, value)) if len(own) > 1 else value
                terms.append(term.desc() if key.descending else term.asc())
                seeks.append((term, key.descending, after[1] if after and after[0] == place else None))
        page = select(found.c.row_id).order_by(*terms, found.c.row_id)
        if self.query.after is not None:
            page = page.where(_later([*seeks, (found.c.row_id, False, self._row_after)]))
        return self._page(page)

    def _walk(self, key: SortKey, path: Path) -> list[int]:
        """Along the index of the sort key's values, kind by kind, asking each row the rest; the missing ones last."""
        limit, offset = self.query.limit, self.query.offset
        page: list[int] = []
        for rows in self._sections(key, path):
            found = self._page(rows, limit, offset)
            page += found
            limit -= len(found)
            if limit == 0:
                break
            if offset:
                offset = 0 if found else offset - self.lookup.count(rows.order_by(None))
        return page

    def _sections(self, key: SortKey, path: Path) -> Iterator[Select[Any]]:
        """The rows of each kind in the key's order, then those that have no value there."""
        after = self.query.after.keys[0] if self.query.after else None
        kinds = [("s", 0)] if key.instant else [("n", 0), ("s", 1), ("b", 2)]
        for kind, rank in kinds:
            if after is not None and after[0] > rank:
                continue
            fields = self.lookup.index.fields.alias()
            strings = kind == "s" and not key.instant
            terms = [fields.c.str, Strings(fields, path).whole(True)] if strings and path.long else [fields.c.num]
            terms = [fields.c.str] if strings and not path.long else terms
            has_value = fields.c.str.is_not(None) if strings else and_(fields.c.type == kind, fields.c.num.is_not(None))
            rows = select(fields.c.row_id).where(fields.c.path_id == path.id, has_value)
            rows = self.lookup.by(rows, fields, "str" if strings else "num")
            if self.node != EVERYTHING:
                rows = rows.where(self.lookup.probe(self.node, fields.c.row_id))
            if after is not None and after[0] == rank:
                seek = [(terms[-1], key.descending, after[1]), (fields.c.row_id, False, self._row_after)]
                first = after[1][:CUT] if isinstance(after[1], str) else _stored(after[1])
                rows = rows.where(terms[0] <= first if key.descending else terms[0] >= first, _later(seek))
            ordered = [term.desc() if key.descending else term for term in terms]
            yield rows.order_by(*ordered, fields.c.row_id)
        fields = self.lookup.index.fields.alias()
        valued = and_(fields.c.type == "s", fields.c.num.is_not(None))
        valued = valued if key.instant else fields.c.type.in_(["n", "s", "b"])
        here = and_(fields.c.row_id == self.source.pk, fields.c.path_id == path.id, valued)
        present = exists(self.lookup.by(select(literal(1)).where(here), fields, "row"))
        missing = select(self.source.pk.label("row_id")).where(
            self.source.tenant, ~present, self.lookup.probe(self.node, self.source.pk)
        )
        if after is not None and after[0] == MISSING:
            missing = missing.where(self.source.pk > self._row_after)
        yield missing.order_by(self.source.pk)

    def _page(self, rows: Select[Any], limit: int | None = None, offset: int | None = None) -> list[int]:
        limited = rows.limit(self.query.limit if limit is None else limit)
        limited = limited.offset(self.query.offset if offset is None else offset)
        return list(self.tx.scalars(limited, dict(self.tenant)))

    @cached_property
    def _row_after(self) -> int:
        """The row id that the cursor's row has, or else the last one before it: what comes after it is greater."""
        assert self.query.after is not None
        return self._newest_row(self.source.created_at <= self.query.after.created_at)

    def _newest_row(self, clause: ColumnElement[bool]) -> int:
        newest = select(func.max(self.source.pk)).where(self.source.tenant, clause)
        return self.tx.scalar(newest, dict(self.tenant)) or 0


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


def _values(key: SortKey, fields: Any, path: Path) -> list[ColumnElement[Any]]:
    """A row's value by its kind, in the order of the kinds; null for the others."""
    if key.instant:
        return [case((fields.c.type == "s", fields.c.num))]
    number, boolean = (case((fields.c.type == kind, fields.c.num)) for kind in "nb")
    return [number, Strings(fields, path).whole(True), boolean]


def _later(terms: Sequence[tuple[ColumnElement[Any], bool, Any]]) -> ColumnElement[bool]:
    """The rows that come after those values, term by term; a value of None stands for a term that is null there."""
    clauses = []
    equal: list[ColumnElement[bool]] = []
    for term, descending, value in terms:
        if value is None:
            continue
        clauses.append(and_(*equal, term < _stored(value) if descending else term > _stored(value)))
        equal.append(term == _stored(value))
    return or_(*clauses)


def _stored(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value
