"""Running a parsed list and writing its answer: stored JSON in, response bytes out, no model in between."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection

from coterie.listing.paging import pagination
from coterie.listing.sql import Source, compile_list
from coterie.listing.tree import ListQuery


class Listed(NamedTuple):
    """One page: the JSON texts of its resources and the total over all pages, from one snapshot."""

    results: Sequence[str]
    total: int


def run_list(tx: Connection, query: ListQuery, source: Source, tenant: Mapping[str, Any]) -> Listed:
    """The page and the total of a query. `tx` must be one transaction, so that both are of one snapshot."""
    statements = compile_list(query, source, tenant)
    results = tx.execute(statements.page, statements.parameters).scalars().all()
    if query.offset == 0 and len(results) < query.limit:
        return Listed(results, len(results))
    return Listed(results, tx.scalar(statements.count, statements.parameters) or 0)


def write_answer(listed: Listed, query: ListQuery, path: str, **extra: Any) -> bytes:
    """The body of the response: `results`, `pagination`, `total_count` and what else the resource adds."""
    answer = {
        "results": [orjson.Fragment(text) for text in listed.results],
        "pagination": pagination(listed.total, query, path),
        "total_count": listed.total,
        **extra,
    }
    return orjson.dumps(answer)
