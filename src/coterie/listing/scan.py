"""Lists of resources without an index: the tenant's rows, one after the other, asked by the reference itself."""

import heapq
import time
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, select

from coterie.kit.errors import BadRequest
from coterie.listing.evaluate import Place, matches, place_of
from coterie.listing.fields import search_text
from coterie.listing.indexed import candidates
from coterie.listing.sql import Source
from coterie.listing.tree import NEWEST_FIRST, ListQuery
from coterie.listing.values import strings

ROWS = 1_000
"""Rows that are fetched at a time."""

SECONDS = 20.0
"""After so long a scan gives up: it holds a thread, and a snapshot that the store has to keep."""


def scan(tx: Connection, query: ListQuery, source: Source, tenant: Mapping[str, Any]) -> tuple[list[int], int]:
    """The keys of the page's rows, in order, and the total. Raises BadRequest for a scan that takes too long."""
    if query.order == NEWEST_FIRST:
        return _newest_first(tx, query, source, tenant)
    total = 0

    def places() -> Iterator[tuple[Place, int]]:
        nonlocal total
        for pk, identity, resource in _matching(tx, query, source, tenant):
            total += 1
            yield place_of(query.order, resource, identity), pk

    after = None if query.after is None else Place(query.order, query.after.keys, query.after.id)
    later = (item for item in places() if after is None or after < item[0])
    first = heapq.nsmallest(query.offset + query.limit, later)
    return [pk for _, pk in first[query.offset :]], total


def _newest_first(tx: Connection, query: ListQuery, source: Source, tenant: Mapping[str, Any]) -> tuple[list[int], int]:
    """As they come, without a look at what they are ordered by."""
    page: list[int] = []
    total = skipped = 0
    after = query.after
    for pk, identity, resource in _matching(tx, query, source, tenant):
        total += 1
        if after is not None and not _comes_later(resource["created_at"], identity, after.created_at, after.id):
            continue
        if skipped < query.offset:
            skipped += 1
        elif len(page) < query.limit:
            page.append(pk)
    return page, total


def _comes_later(created_at: str, identity: str, than_created_at: str, than_id: str) -> bool:
    return created_at < than_created_at or (created_at == than_created_at and identity > than_id)


def _matching(
    tx: Connection, query: ListQuery, source: Source, tenant: Mapping[str, Any]
) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Key, id and resource of the rows that the query asks for, newest first."""
    own = source.tenant
    if source.index is not None and query.where is not None:
        narrowed = candidates(tx, query.where, source.index, tenant)
        own = own if narrowed is None else own & source.pk.in_(narrowed)
    columns: list[Any] = [source.pk, source.id, source.resource]
    rows = (
        select(*columns, *([] if source.search is None else [source.search]))
        .where(own)
        .order_by(source.created_at.desc(), source.id)
    )
    ends = time.monotonic() + SECONDS
    found = tx.execution_options(yield_per=ROWS).execute(rows, dict(tenant))
    for partition in found.partitions():
        if time.monotonic() > ends:
            raise BadRequest(
                f"looking through all rows takes more than {SECONDS:.0f} s: ask for fewer, or let the namespace index "
                "the fields that are filtered by (payload_indexes)"
            )
        for row in partition:
            resource = orjson.loads(row[2])
            if query.where is not None and not matches(query.where, resource):
                continue
            if query.words:
                text = search_text(strings(resource)) if source.search is None else row[3]
                if not all(word in text for word in query.words):
                    continue
            yield row[0], row[1], resource
