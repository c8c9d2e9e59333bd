"""Lists of resources without an index: the tenant's rows, one after the other, asked by the reference itself."""

import heapq
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

import orjson
from sqlalchemy import ColumnElement, Connection, select

from coterie.kit.errors import BadRequest
from coterie.listing.evaluate import Place, Resource, matches, place_of
from coterie.listing.fields import search_text
from coterie.listing.lookup import candidates
from coterie.listing.sql import Source
from coterie.listing.tree import NEWEST_FIRST, ListQuery, Node
from coterie.listing.values import strings
from coterie.store.dialects import seconds_of

Row = TypeVar("Row")
Block = TypeVar("Block")

ROWS = 1_000
"""Rows that are fetched at a time."""

SECONDS = 20.0
"""After so long a scan gives up where the store has no limit of its own: it holds a thread and a snapshot."""


def scan(tx: Connection, query: ListQuery, source: Source, tenant: Mapping[str, Any]) -> tuple[list[int], int]:
    """The keys of the page's rows, in order, and the total. Raises BadRequest for a scan that takes too long."""
    return page_of(_rows(tx, query, source, tenant), query)


def page_of(rows: Iterable[tuple[Row, str, Resource, str | None]], query: ListQuery) -> tuple[list[Row], int]:
    """The page of rows that come as (row, id, resource, search text), in their own order unless the query has one; and
    the total. Without a search text, a search looks in every string.
    """
    total = 0

    def matching() -> Iterator[tuple[Row, str, Resource]]:
        nonlocal total
        for row, identity, resource, text in rows:
            if _matches(query, resource, text):
                total += 1
                yield row, identity, resource

    if query.order == NEWEST_FIRST:
        after = query.after
        later = (
            row
            for row, identity, resource in matching()
            if after is None or _comes_later(resource["created_at"], identity, after.created_at, after.id)
        )
        page = list(islice(islice(later, query.offset, None), query.limit))
        for _ in later:
            pass  # for the total
        return page, total
    begin = None if query.after is None else Place(query.order, query.after.keys, query.after.id)
    places = (
        (place_of(query.order, resource, identity), number, row)
        for number, (row, identity, resource) in enumerate(matching())
    )
    ordered = (item for item in places if begin is None or begin < item[0])
    first = heapq.nsmallest(query.offset + query.limit, ordered, key=lambda item: item[:2])
    return [row for _, _, row in first[query.offset :]], total


def _matches(query: ListQuery, resource: Resource, text: str | None) -> bool:
    if query.where is not None and not matches(query.where, resource):
        return False
    if not query.words:
        return True
    searched = search_text(strings(resource)) if text is None else text
    return all(word in searched for word in query.words)


def _comes_later(created_at: str, identity: str, than_created_at: str, than_id: str) -> bool:
    return created_at < than_created_at or (created_at == than_created_at and identity > than_id)


def narrowed(
    tx: Connection, where: Node | None, source: Source, tenant: Mapping[str, Any]
) -> tuple[ColumnElement[bool], Node | None]:
    """The clause of the tenant's rows among which all matches of a tree are, and the tree if it is still to be asked of
    each: None where the index has decided."""
    driver = None if where is None or source.index is None else candidates(tx, where, source.index, tenant)
    if driver is None:
        return source.tenant, where
    rows = driver.rows.select().statement("row_id").subquery()
    return source.tenant & source.pk.in_(select(rows.c.row_id)), None if driver.exact else where


def _rows(
    tx: Connection, query: ListQuery, source: Source, tenant: Mapping[str, Any]
) -> Iterator[tuple[int, str, Resource, str | None]]:
    """The tenant's rows, newest first; with an index, those that may match."""
    own, _ = narrowed(tx, query.where, source, tenant)
    columns: list[Any] = [source.pk, source.id, source.resource]
    rows = select(*columns, *([] if source.search is None else [source.search])).where(own)
    rows = rows.order_by(source.created_at.desc(), source.id)
    with tx.execution_options(yield_per=ROWS).execute(rows, dict(tenant)) as found:
        for partition in within_time(found.partitions(), seconds_of(tx) or SECONDS):
            for row in partition:
                yield row[0], row[1], orjson.loads(row[2]), None if source.search is None else row[3]


def within_time(blocks: Iterable[Block], seconds: float = SECONDS) -> Iterator[Block]:
    """The blocks, as long as there is time. Raises BadRequest when it is over."""
    ends = time.monotonic() + seconds
    for block in blocks:
        if time.monotonic() > ends:
            raise BadRequest(
                f"looking through all rows takes more than {seconds:g} s: ask for fewer, or let the namespace index "
                "the fields that are filtered by (payload_indexes)"
            )
        yield block
