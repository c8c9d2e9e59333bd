"""Where a resource's rows are, and the two statements of a list that asks for everything, newest first."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, Table, bindparam, func, select

from coterie.listing.field_index import FieldIndex
from coterie.listing.tree import ListQuery


@dataclass(frozen=True, eq=False)
class Source:
    """Where a resource's rows are. Make one a resource, not one a request: a plain listing's statements are kept by it.

    `tenant` holds named bind parameters, whose values a list is given. With a complete `index`, filters, sort keys and
    searches are answered from it; without one they are evaluated row by row, and an index that is not complete narrows
    the rows down. `search` is the text that is searched in; without it that is every string in the resource. `total`
    gives the number of the tenant's rows where something keeps it. Where the index is complete, the keys grow with
    `created_at` and with the id.
    """

    table: Table
    pk: ColumnElement[int]
    id: ColumnElement[str]
    created_at: ColumnElement[str]
    resource: ColumnElement[str]
    tenant: ColumnElement[bool]
    search: ColumnElement[str] | None = None
    index: FieldIndex | None = None
    total: Select[Any] | None = None


@dataclass(frozen=True, slots=True)
class Statements:
    """The page's keys in order, the total, and the parameters that both are executed with.

    A caller that wants more of the page's rows says `page.with_only_columns(...)`.
    """

    page: Select[Any]
    count: Select[Any]
    parameters: dict[str, Any]


def plain_statements(source: Source, tenant: Mapping[str, Any], query: ListQuery) -> Statements:
    """The statements of a query that asks for everything, newest first."""
    values = {**tenant, "limit": query.limit, "offset": query.offset}
    return Statements(plain_page(source), _plain_count(source), values)


@lru_cache(maxsize=64)
def plain_page(source: Source) -> Select[Any]:
    """The keys of a tenant's rows, newest first, from `offset` on and at most `limit`."""
    ordered = source.index is not None and source.index.complete
    order = [source.pk.desc()] if ordered else [source.created_at.desc(), source.id]
    rows = select(source.pk).where(source.tenant).order_by(*order)
    return rows.limit(bindparam("limit", type_=Integer)).offset(bindparam("offset", type_=BigInteger))


@lru_cache(maxsize=64)
def _plain_count(source: Source) -> Select[Any]:
    if source.total is not None:
        return source.total
    return select(func.count()).select_from(source.table).where(source.tenant)
