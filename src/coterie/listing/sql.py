"""A parsed list request to SQL: one statement for the page, one for the total.

Values are bind parameters and the statements' shapes repeat, so SQLAlchemy compiles each shape once. Run both
in one transaction: then page and total are of one snapshot.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Integer, Select, Table, bindparam, func, select

from coterie.listing import expressions, field_index
from coterie.listing.field_index import FieldIndex
from coterie.listing.tree import NEWEST_FIRST, ListQuery, SortKey


@dataclass(frozen=True, eq=False)
class Source:
    """Where a resource's rows are. Make one a resource, not one a request: a plain listing's statements are
    kept by it.

    `tenant` holds named bind parameters, whose values `compile_list` is given. `columns` are the paths that
    also stand in columns of their own, never null and in the order of the JSON's values: sorting takes those,
    by an index where there is one. Without `search`, searching goes over all strings in the resource; without
    `index`, filters and other sort keys are evaluated row by row on `resource`.
    """

    table: Table
    pk: ColumnElement[int]
    id: ColumnElement[str]
    resource: ColumnElement[str]
    tenant: ColumnElement[bool]
    columns: Mapping[str, ColumnElement[Any]] = field(default_factory=dict)
    search: ColumnElement[str] | None = None
    index: FieldIndex | None = None


@dataclass(frozen=True, slots=True)
class Statements:
    """The page's JSON texts in order, the total, and the parameters that both are executed with.

    A caller that wants more of the page's rows says `page.add_columns(...)`.
    """

    page: Select[str]
    count: Select[int]
    parameters: dict[str, Any]


def compile_list(query: ListQuery, source: Source, tenant: Mapping[str, Any]) -> Statements:
    """The statements of a query; `tenant` are the values of the named parameters in the source's clauses."""
    parameters = {**tenant, "limit": query.limit, "offset": query.offset}
    if query.is_plain:
        return Statements(*_plain(source), parameters)
    return Statements(*_build(query, source), parameters)


@lru_cache(maxsize=64)
def _plain(source: Source) -> tuple[Select[str], Select[int]]:
    return _build(ListQuery(None, NEWEST_FIRST, (), 0, 0), source)


def _build(query: ListQuery, source: Source) -> tuple[Select[str], Select[int]]:
    clauses = [source.tenant, *_filters(query, source)]
    rows: FromClause = source.table
    terms: list[ColumnElement[Any]] = []
    for key in query.order:
        rows, more = _sorted_by(key, rows, source)
        terms += more
    page = select(source.resource).select_from(rows).where(*clauses).order_by(*terms, source.id)
    count = select(func.count()).select_from(source.table).where(*clauses)
    return page.limit(bindparam("limit", type_=Integer)).offset(bindparam("offset", type_=Integer)), count


def _filters(query: ListQuery, source: Source) -> list[ColumnElement[bool]]:
    text = expressions.json_search_text(source.resource) if source.search is None else source.search
    clauses = [expressions.has_part(text, word) for word in query.words]
    if query.where is None:
        return clauses
    if source.index is None:
        return [expressions.json_matches(source.resource, query.where), *clauses]
    return [field_index.holds(query.where, source.index, source.pk), *clauses]


def _sorted_by(key: SortKey, rows: FromClause, source: Source) -> tuple[FromClause, list[ColumnElement[Any]]]:
    """The rows to select from and the terms to order by, for one sort key."""
    if (column := source.columns.get(key.path)) is not None:
        return rows, [column.desc() if key.descending else column.asc()]
    if source.index is None:
        rank, value = expressions.json_sort(source.resource, key)
        return rows, [rank, value.desc() if key.descending else value.asc()]
    values = field_index.sort_values(key, source.index)
    return rows.outerjoin(values, values.c.row_id == source.pk), field_index.sort_terms(values, key)
