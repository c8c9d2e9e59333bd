"""Running a parsed list and writing its answer: stored JSON in, response bytes out, no model in between."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Dialect, Select, bindparam, select

from coterie.listing.cursor import write_cursor
from coterie.listing.indexed import Planner
from coterie.listing.paging import pagination
from coterie.listing.scan import scan
from coterie.listing.sql import Source, plain_statements
from coterie.listing.tree import Listable, ListQuery
from coterie.store.db import fetch_kept
from coterie.store.dialects import among_parameter, listed


class Listed(NamedTuple):
    """One page: the JSON texts of its resources and the total over all pages, from one snapshot."""

    results: Sequence[str]
    total: int


def run_list(tx: Connection, query: ListQuery, source: Source, tenant: Mapping[str, Any]) -> Listed:
    """The page and the total of a query. `tx` must be one transaction, so that both are of one snapshot."""
    page, total = list_rows(tx, query, source, tenant)
    if not page:
        return Listed([], total)
    texts: dict[int, str] = dict(fetch_kept(tx, _resources(source, tx.dialect), {"page": listed(tx.dialect, page)}))  # type: ignore[arg-type]
    return Listed([texts[pk] for pk in page], total)


@lru_cache(maxsize=64)
def _resources(source: Source, dialect: Dialect) -> Select[int, str]:
    return select(source.pk, source.resource).where(among_parameter(dialect, source.pk, bindparam("page")))


def list_rows(tx: Connection, query: ListQuery, source: Source, tenant: Mapping[str, Any]) -> tuple[list[int], int]:
    """The keys of the page's rows, in order, and the total."""
    if query.is_plain:
        statements = plain_statements(source, tenant, query)
        page = [row[0] for row in fetch_kept(tx, statements.page, statements.parameters)]
        if query.offset == 0 and len(page) < query.limit:
            return page, len(page)
        return page, fetch_kept(tx, statements.count, statements.parameters)[0][0]
    if source.index is not None and source.index.complete:
        return Planner(tx, query, source, tenant).run()
    return scan(tx, query, source, tenant)


def write_answer(listed: Listed, query: ListQuery, path: str, profile: Listable, **extra: Any) -> bytes:
    """The body of the response: `results`, `pagination`, `total_count` and what else the resource adds."""
    cursor = None
    if len(listed.results) == query.limit and query.offset + query.limit < listed.total:
        last = orjson.loads(listed.results[-1])
        cursor = write_cursor(query, last, last[profile.id_field])
    answer = {
        "results": [orjson.Fragment(text) for text in listed.results],
        "pagination": pagination(listed.total, query, path, cursor),
        "total_count": listed.total,
        **extra,
    }
    return orjson.dumps(answer)
