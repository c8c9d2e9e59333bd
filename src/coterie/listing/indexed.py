"""Lists over the field index: counted first, then paged in whichever way the count says is cheaper.

Of an AND the smallest driver (`listing.lookup`) is walked and the rest are probed; what has no driver (a NOT, or a
missing field) is counted by its complement. Row ids grow with `created_at` and with the id, so the index alone knows
the default order and the order of ties.

The method is that of a textbook's access path selection (Selinger et al. 1979), with counts in place of estimates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from coterie.listing import lookup
from coterie.listing.field_index import takes_null
from coterie.listing.fragments import Rows, Sql, limited
from coterie.listing.lookup import EVERYTHING, NOTHING, Driver, Lookup, Term, Word
from coterie.listing.sorting import sections, sort_all
from coterie.listing.sql import Source
from coterie.listing.tree import NEWEST_FIRST, And, Condition, ListQuery, Not, Or, Position, SortKey
from coterie.store.db import fetch_kept

PROBE_COST = 3
"""What a look at one row by its id costs, in steps along an index."""


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
        driver = self.lookup.driver(self.node)
        if driver is None or driver.ordered or (not driver.exact and driver.size >= lookup.MANY):
            return None
        rows = self.lookup.fetch(limited(self._matching(driver, self.node).select(), lookup.FEW))
        return sorted((row[0] for row in rows), reverse=True) if len(rows) < lookup.FEW else None

    @cached_property
    def _all(self) -> int:
        if self.source.total is None:
            return self.lookup.count(self._every)
        total: int = fetch_kept(self.tx, self.source.total, self.tenant)[0][0]
        return total

    @property
    def _every(self) -> Rows:
        """All of the tenant's rows, under their own table's name."""
        table, scope = self.source.table.name, self.lookup.index.scope
        return Rows(f"{table}.{self.source.pk.name}", Sql(table), (Sql(f"{table}.{scope} = ?", (self.tenant[scope],)),))

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
        return self._count_rows(driver.rows, driver.single) if driver.total is None else driver.total

    def _count_and(self, nodes: Sequence[Term], driver: Driver | None = None) -> int:
        driver = driver or self.lookup.driver(And(tuple(nodes)))  # type: ignore[arg-type]
        if driver is None:
            if all(isinstance(node, Not) for node in nodes):
                return self._all - self._count(Or(tuple(node.node for node in nodes)))  # type: ignore[union-attr]
            return self._count_by_probe(And(tuple(nodes)))  # type: ignore[arg-type]
        negated = [node for node in nodes if isinstance(node, Not)]
        if len(negated) == 1 and len(nodes) > 1 and driver.size >= lookup.FEW:
            # Those that satisfy the rest, without those of them that satisfy the negated one as well. For one only: the
            # two counts of each would double with every other.
            rest = tuple(node for node in nodes if node is not negated[0])
            kept = self.lookup.simplify(And(rest))  # type: ignore[arg-type]
            return self._count(kept) - self._count(self.lookup.simplify(And((*rest, negated[0].node))))  # type: ignore[arg-type]
        return self._count_rows(self._matching(driver, And(tuple(nodes))), True)  # type: ignore[arg-type]

    def _count_rows(self, rows: Rows, single: bool) -> int:
        return self.lookup.count(replace(rows, distinct=not single))

    def _count_by_probe(self, node: Term) -> int:
        return self.lookup.count(self._probed(node))

    def _probed(self, node: Term) -> Rows:
        """The tenant's rows that satisfy a node, looked at one by one."""
        return self._every.where(self.lookup.probe(node, self._every.row_id))

    def _single(self, condition: Condition) -> bool:
        return not self.lookup.paths[condition.path].multiple

    # -- pages ----------------------------------------------------------------------------------------------------

    def _newest_first(self, total: int) -> list[int]:
        driver = self.lookup.driver(self.node) if self.node != EVERYTHING else None
        if driver is not None and (driver.ordered or self._is_short(driver, total)):
            rows = self._matching(driver, self.node)
        else:
            rows = self._probed(self.node)
        if self.query.after is not None:
            last = self._newest_row(self.source.created_at < self.query.after.created_at)
            rows = rows.where(Sql(f"{rows.row_id} <= ?", (last,)))
        return self._page(rows.select(order=f"{rows.row_id} DESC"))

    def _is_short(self, driver: Driver, total: int) -> bool:
        """Whether to collect and sort all matches is less than to look at row after row until the page is full."""
        if total < lookup.FEW and driver.exact:
            return True
        looked_at = (self.query.offset + self.query.limit) * self._all // total
        return PROBE_COST * looked_at > total + (total if driver.exact else PROBE_COST * driver.size)

    def _matching(self, driver: Driver, node: Term) -> Rows:
        """The row ids of all matches of a node, each once."""
        if driver.exact and driver.single:
            return driver.rows
        rows = driver.rows.nested(self.lookup.alias())
        if not driver.exact:
            rest = node if driver.rest is None else And(driver.rest)  # type: ignore[arg-type]
            rows = rows.where(self.lookup.probe(rest, rows.row_id))
        return replace(rows, distinct=not driver.single)

    def _sorted(self, total: int) -> list[int]:
        (key, *others) = self.query.order
        path = self.lookup.paths.get(key.path)
        if others or path is None or path.multiple:
            return self._sort_all()
        looked_at = (self.query.offset + self.query.limit) * max(1, self._all // total)
        if self.node != EVERYTHING and looked_at > total:
            return self._sort_all()
        return self._walk(key)

    def _sort_all(self) -> list[int]:
        """Every match with its values, sorted."""
        driver = self.lookup.driver(self.node) if self.node != EVERYTHING else None
        matching = self._probed(self.node) if driver is None else self._matching(driver, self.node)
        return self._page(sort_all(matching, self.lookup, self.query.order, self._after))

    def _walk(self, key: SortKey) -> list[int]:
        """Along the index of the sort key's values, kind by kind, asking each row the rest; the missing ones last."""
        limit, offset = self.query.limit, self.query.offset
        page: list[int] = []
        for rows, order in sections(self.lookup, self._every, self.node, key, self._after):
            found = self._page(rows.select(order=order), limit, offset)
            page += found
            limit -= len(found)
            if limit == 0:
                break
            if offset:
                offset = 0 if found else offset - self.lookup.count(rows)
        return page

    def _page(self, rows: Sql, limit: int | None = None, offset: int | None = None) -> list[int]:
        limit = self.query.limit if limit is None else limit
        offset = self.query.offset if offset is None else offset
        return [row[0] for row in self.lookup.fetch(limited(rows, limit, offset))]

    @cached_property
    def _after(self) -> tuple[Position, int] | None:
        """The position to go on after, with the row id that its row has, or else the last one before it."""
        after = self.query.after
        return None if after is None else (after, self._newest_row(self.source.created_at <= after.created_at))

    def _newest_row(self, clause: ColumnElement[bool]) -> int:
        newest = select(func.max(self.source.pk)).where(self.source.tenant, clause)
        return self.tx.scalar(newest, dict(self.tenant)) or 0
