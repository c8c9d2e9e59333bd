"""Pages over the field index in the order of other fields than the time of making."""

from collections.abc import Iterator, Sequence
from typing import Any

from coterie.listing.evaluate import MISSING
from coterie.listing.field_index import Fields, Path
from coterie.listing.fields import CUT
from coterie.listing.fragments import Rows, Sql, all_of, any_of, derived, exists, none_of
from coterie.listing.lookup import EVERYTHING, Lookup, Term
from coterie.listing.tree import Position, SortKey
from coterie.store.dialects import exact

Seek = tuple[str, bool, Any]
"""A term of an order, whether it descends, and its value in the row to go on after."""


def sort_all(matching: Rows, lookup: Lookup, order: Sequence[SortKey], after: tuple[Position, int] | None) -> Sql:
    """The row ids of `matching` in an order, each joined with its values; after a position and its row id."""
    known = [(number, key) for number, key in enumerate(order) if key.path in lookup.paths]
    multiple = any(lookup.paths[key.path].multiple for _, key in known)
    inner = matching.select()
    columns, joins, values = ["m.row_id"], [f"({inner.text}) AS m"], list(inner.values)
    seeks: list[Seek] = []
    for number, key in known:
        path = lookup.paths[key.path]
        rows = lookup.fields_at(path, "row")
        fields = Fields(rows.table, path, True, lookup.tx.dialect)
        on = all_of(Sql(f"{rows.row_id} = m.row_id"), *rows.clauses)
        joins.append(f"{rows.source.text} ON {on.text}")
        values += on.values
        first = "MAX" if key.descending else "MIN"
        own = _values(key, fields)
        names = [f"v{number}_{at}" for at in range(len(own))]
        columns += [
            f"{first}({value}) AS {name}" if multiple else f"{value} AS {name}"
            for value, name in zip(own, names, strict=True)
        ]
        seeks += _seeks(key, names, None if after is None else after[0].keys[number])
    joined = Sql(" LEFT JOIN ".join(joins), tuple(values))
    rows = Rows("found.row_id", derived(columns, joined, "m.row_id" if multiple else None, "found"))
    if after is not None:
        rows = rows.where(_later([*seeks, ("found.row_id", False, after[1])], lookup))
    return rows.select(order=", ".join([*_terms(seeks), "found.row_id"]))


def sections(
    lookup: Lookup, every: Rows, node: Term, key: SortKey, after: tuple[Position, int] | None
) -> Iterator[tuple[Rows, str]]:
    """The matches in the order of one key at a path of single rows, along the index of its values: a select for each
    kind with its order, then one of those without a value.
    """
    path = lookup.paths[key.path]
    position = None if after is None else after[0].keys[0]
    for kind, rank in [("s", 0)] if key.instant else [("n", 0), ("s", 1), ("b", 2)]:
        if position is not None and position[0] > rank:
            continue
        here = after[1] if after is not None and position is not None and position[0] == rank else None
        yield _section(lookup, node, key, path, kind, None if here is None or position is None else (position[1], here))
    valued = lookup.fields_at(path, "row")
    table = valued.table
    valued = valued.where(
        Sql(f"{valued.row_id} = {every.row_id}"),
        Sql(f"{table}.type = 's' AND {table}.num IS NOT NULL" if key.instant else f"{table}.type IN ('n', 's', 'b')"),
    )
    missing = every.where(none_of(exists(valued.select())), lookup.probe(node, every.row_id))
    if after is not None and position is not None and position[0] == MISSING:
        missing = missing.where(Sql(f"{every.row_id} > ?", (after[1],)))
    yield missing, every.row_id


def _section(
    lookup: Lookup, node: Term, key: SortKey, path: Path, kind: str, after: tuple[Any, int] | None
) -> tuple[Rows, str]:
    """The matches with a value of one kind, in its order, from after a value and row id on."""
    as_text = kind == "s" and not key.instant
    rows = lookup.fields_at(path, "str" if as_text else "num")
    table = rows.table
    held = f"{table}.str" if as_text else f"{table}.num"
    terms = [held, Fields(table, path, True, lookup.tx.dialect).whole] if as_text and path.long else [held]
    rows = rows.where(Sql(f"{held} IS NOT NULL"), *([] if as_text else [Sql(f"{table}.type = '{kind}'")]))
    if node != EVERYTHING:
        rows = rows.where(lookup.probe(node, rows.row_id))
    if after is not None:
        value = after[0][:CUT] if isinstance(after[0], str) else exact(lookup.tx.dialect, after[0])
        seek = [(terms[-1], key.descending, after[0]), (rows.row_id, False, after[1])]
        rows = rows.where(Sql(f"{held} {'<=' if key.descending else '>='} ?", (value,)), _later(seek, lookup))
    down = " DESC" if key.descending else ""
    return rows, ", ".join([*(f"{term}{down}" for term in terms), rows.row_id])


def _values(key: SortKey, fields: Fields) -> list[str]:
    """A row's value by its kind, in the order of the kinds; null for the others."""
    of_kind = "CASE WHEN {table}.type = '{kind}' THEN {table}.num END"
    if key.instant:
        return [of_kind.format(table=fields.table, kind="s")]
    number, boolean = (of_kind.format(table=fields.table, kind=kind) for kind in "nb")
    return [number, fields.whole, boolean]


def _seeks(key: SortKey, values: Sequence[str], after: tuple[int, Any] | None) -> list[Seek]:
    """The order by one key: by kind first, then by the value, which counts only where no kind before it has one."""
    kinds = " ".join(f"WHEN {value} IS NOT NULL THEN {place}" for place, value in enumerate(values))
    rank = f"CASE {kinds} ELSE {MISSING} END"
    terms = [
        f"CASE WHEN {rank} = {place} THEN {value} END" if len(values) > 1 else value
        for place, value in enumerate(values)
    ]
    of_kind = [
        (term, key.descending, after[1] if after is not None and after[0] == place else None)
        for place, term in enumerate(terms)
    ]
    return [(rank, False, None if after is None else after[0]), *of_kind]


def _terms(seeks: Sequence[Seek]) -> list[str]:
    return [f"{term} DESC" if descending else term for term, descending, _ in seeks]


def _later(terms: Sequence[Seek], lookup: Lookup) -> Sql:
    """The rows that come after those values, term by term; a value of None stands for a term that is null there."""
    clauses = []
    equal: list[Sql] = []
    for term, descending, value in terms:
        if value is None:
            continue
        held = value if isinstance(value, str) else exact(lookup.tx.dialect, value)
        clauses.append(all_of(*equal, Sql(f"{term} {'<' if descending else '>'} ?", (held,))))
        equal.append(Sql(f"{term} = ?", (held,)))
    return any_of(*clauses)
