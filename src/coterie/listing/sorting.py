"""Pages over the field index in the order of other fields than the time of making."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, exists, func, literal, or_, select

from coterie.listing.evaluate import MISSING
from coterie.listing.field_index import Path, Strings, stored
from coterie.listing.fields import CUT
from coterie.listing.lookup import EVERYTHING, Lookup, Term
from coterie.listing.sql import Source
from coterie.listing.tree import Position, SortKey

Seek = tuple[ColumnElement[Any], bool, Any]
"""A term of an order, whether it descends, and its value in the row to go on after."""


def sort_all(
    matching: Subquery, lookup: Lookup, order: Sequence[SortKey], after: tuple[Position, int] | None
) -> Select[Any]:
    """The row ids of `matching` in an order, each joined with its values; after a position and its row id."""
    known = [(number, key) for number, key in enumerate(order) if key.path in lookup.paths]
    multiple = any(lookup.paths[key.path].multiple for _, key in known)
    rows: Any = matching
    columns: list[list[ColumnElement[Any]]] = []
    hinted = []
    for number, key in known:
        fields = lookup.index.fields.alias()
        path = lookup.paths[key.path]
        rows = rows.outerjoin(fields, and_(fields.c.row_id == matching.c.row_id, fields.c.path_id == path.id))
        hinted.append(fields)
        first = func.max if key.descending else func.min
        values = _values(key, fields, path)
        columns.append(
            [(first(value) if multiple else value).label(f"v{number}_{at}") for at, value in enumerate(values)]
        )
    wanted = select(matching.c.row_id, *(column for own in columns for column in own)).select_from(rows)
    for fields in hinted:
        wanted = lookup.by(wanted, fields, "row")
    found = (wanted.group_by(matching.c.row_id) if multiple else wanted).subquery()
    seeks: list[Seek] = []
    for (number, key), own in zip(known, columns, strict=True):
        position = None if after is None else after[0].keys[number]
        seeks += _seeks(key, [found.c[column.name] for column in own], position)
    page = select(found.c.row_id).order_by(*_terms(seeks), found.c.row_id)
    return page if after is None else page.where(_later([*seeks, (found.c.row_id, False, after[1])]))


def sections(
    lookup: Lookup, source: Source, node: Term, key: SortKey, after: tuple[Position, int] | None
) -> Iterator[Select[Any]]:
    """The matches in the order of one key at a path of single rows, along the index of its values: a select for each
    kind, then one of those without a value.
    """
    path = lookup.paths[key.path]
    position = None if after is None else after[0].keys[0]
    for kind, rank in [("s", 0)] if key.instant else [("n", 0), ("s", 1), ("b", 2)]:
        if position is not None and position[0] > rank:
            continue
        here = after[1] if after is not None and position is not None and position[0] == rank else None
        yield _section(lookup, node, key, path, kind, None if here is None or position is None else (position[1], here))
    fields = lookup.index.fields.alias()
    valued = (
        and_(fields.c.type == "s", fields.c.num.is_not(None)) if key.instant else fields.c.type.in_(["n", "s", "b"])
    )
    own = and_(fields.c.row_id == source.pk, fields.c.path_id == path.id, valued)
    present = exists(lookup.by(select(literal(1)).where(own), fields, "row"))
    missing = select(source.pk.label("row_id")).where(source.tenant, ~present, lookup.probe(node, source.pk))
    if after is not None and position is not None and position[0] == MISSING:
        missing = missing.where(source.pk > after[1])
    yield missing.order_by(source.pk)


def _section(
    lookup: Lookup, node: Term, key: SortKey, path: Path, kind: str, after: tuple[Any, int] | None
) -> Select[Any]:
    """The matches with a value of one kind, in its order, from after a value and row id on."""
    fields = lookup.index.fields.alias()
    as_text = kind == "s" and not key.instant
    held = fields.c.str if as_text else fields.c.num
    terms = [held, Strings(fields, path).whole(True)] if as_text and path.long else [held]
    rows = select(fields.c.row_id).where(fields.c.path_id == path.id, held.is_not(None))
    rows = lookup.by(rows if as_text else rows.where(fields.c.type == kind), fields, "str" if as_text else "num")
    if node != EVERYTHING:
        rows = rows.where(lookup.probe(node, fields.c.row_id))
    if after is not None:
        value = after[0][:CUT] if isinstance(after[0], str) else stored(after[0])
        seek = [(terms[-1], key.descending, after[0]), (fields.c.row_id, False, after[1])]
        rows = rows.where(held <= value if key.descending else held >= value, _later(seek))
    return rows.order_by(*(term.desc() if key.descending else term for term in terms), fields.c.row_id)


def _values(key: SortKey, fields: Any, path: Path) -> list[ColumnElement[Any]]:
    """A row's value by its kind, in the order of the kinds; null for the others."""
    if key.instant:
        return [case((fields.c.type == "s", fields.c.num))]
    number, boolean = (case((fields.c.type == kind, fields.c.num)) for kind in "nb")
    return [number, Strings(fields, path).whole(True), boolean]


def _seeks(key: SortKey, values: Sequence[ColumnElement[Any]], after: tuple[int, Any] | None) -> list[Seek]:
    """The order by one key: by kind first, then by the value, which counts only where no kind before it has one."""
    rank = case(*((value.is_not(None), place) for place, value in enumerate(values)), else_=literal(MISSING))
    terms = [case((rank == place, value)) if len(values) > 1 else value for place, value in enumerate(values)]
    of_kind = [
        (term, key.descending, after[1] if after is not None and after[0] == place else None)
        for place, term in enumerate(terms)
    ]
    return [(rank, False, None if after is None else after[0]), *of_kind]


def _terms(seeks: Sequence[Seek]) -> list[ColumnElement[Any]]:
    return [term.desc() if descending else term.asc() for term, descending, _ in seeks]


def _later(terms: Sequence[Seek]) -> ColumnElement[bool]:
    """The rows that come after those values, term by term; a value of None stands for a term that is null there."""
    clauses = []
    equal: list[ColumnElement[bool]] = []
    for term, descending, value in terms:
        if value is None:
            continue
        clauses.append(and_(*equal, term < stored(value) if descending else term > stored(value)))
        equal.append(term == stored(value))
    return or_(*clauses)
