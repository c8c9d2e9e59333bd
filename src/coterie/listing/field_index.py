"""Filters and sort keys over the field index: each condition is a set of row ids found by path and value.

Regular expressions and words cannot be looked up; they are asked of the rows that the rest of a filter
leaves.
"""

import operator
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, assert_never

from sqlalchemy import (
    ColumnElement,
    Subquery,
    Table,
    and_,
    case,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    true,
)

from coterie.listing import expressions
from coterie.listing.tree import And, Condition, Kind, Node, Not, Or, Pair, Scalar, SortKey

_COMPARE = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


@dataclass(frozen=True, eq=False)
class FieldIndex:
    """The rows of one kind of resource in the field index, and the clause that keeps to the tenant's."""

    table: Table
    kind: str
    tenant: ColumnElement[bool]

    def at(self, path: str) -> ColumnElement[bool]:
        """The tenant's rows at a path."""
        return and_(self.tenant, self.table.c.kind == self.kind, self.table.c.path == path)


def holds(node: Node, index: FieldIndex, pk: ColumnElement[int]) -> ColumnElement[bool]:
    """The clause that holds for the resources, known by `pk`, that satisfy the tree."""
    match node:
        case And(nodes):
            return and_(true(), *(holds(part, index, pk) for part in nodes))
        case Or(nodes):
            return or_(false(), *(holds(part, index, pk) for part in nodes))
        case Not(inner):
            return not_(holds(inner, index, pk))
        case Condition():
            return _condition(node, index, pk)
        case _:
            assert_never(node)


def sort_values(key: SortKey, index: FieldIndex) -> Subquery:
    """Per row id the leaf that comes first in the key's order, in `n`, `s` or `b` by its kind; the others are
    null or come after it.
    """
    fields = index.table.c
    first = func.max if key.descending else func.min
    columns = [first(case((fields.type == ("s" if key.instant else "n"), fields.num))).label("n")]
    if not key.instant:
        columns += [first(fields.str).label("s"), first(case((fields.type == "b", fields.num))).label("b")]
    return select(fields.row_id, *columns).where(index.at(key.path)).group_by(fields.row_id).subquery()


def sort_terms(values: Subquery, key: SortKey) -> list[ColumnElement[Any]]:
    """Order by kind first, then by the value, which counts only where no kind before it has one."""
    kinds = [values.c[name] for name in ("n", "s", "b") if name in values.c]
    rank = case(*((kind.is_not(None), at) for at, kind in enumerate(kinds)), else_=len(kinds))
    terms = [case((rank == at, kind)) for at, kind in enumerate(kinds)]
    return [rank, *(term.desc() if key.descending else term.asc() for term in terms)]


def _condition(condition: Condition, index: FieldIndex, pk: ColumnElement[int]) -> ColumnElement[bool]:
    fields = index.table.c
    if condition.operator in ("regex", "text"):
        # No tenant here: the row outside is already the tenant's, and SQLite must go by row id, not by path.
        own = and_(fields.row_id == pk, fields.kind == index.kind, fields.path == condition.path)
        return exists(select(fields.row_id).where(own, _leaf(condition, index.table)))
    here = index.at(condition.path)
    present = pk.in_(select(fields.row_id).where(here, fields.type == "x"))
    if condition.operator == "exists":
        return present
    clause = pk.in_(select(fields.row_id).where(here, _leaf(condition, index.table)))
    return or_(clause, not_(present)) if _takes_null(condition) else clause


def _takes_null(condition: Condition) -> bool:
    return isinstance(condition.value, frozenset) and ("z", None) in condition.value


def _leaf(condition: Condition, fields: Table) -> ColumnElement[bool]:
    """The clause for an index row at the condition's path; `str` and `folded` are null but for strings."""
    value: Any = condition.value
    text = fields.c.str if condition.case_sensitive else fields.c.folded
    match condition.operator:
        case "in":
            return _among(value, condition, fields)
        case "contains":
            return _contains(value, text, fields)
        case "starts_with":
            return expressions.starts_with(text, value)
        case "ends_with":
            return expressions.ends_with(text, value)
        case "regex":
            return and_(fields.c.type == "s", expressions.has_pattern(fields.c.str, value, condition.case_sensitive))
        case "text":
            return and_(fields.c.type == "s", expressions.has_words(text, value))
        case _:
            kind, bound = value
            column = _column(kind, condition, fields)
            return _of_kind(kind, column, _COMPARE[condition.operator](column, bound), fields)


def _among(pairs: Iterable[Pair], condition: Condition, fields: Table) -> ColumnElement[bool]:
    """Equality with one of a set of values, per kind."""
    by_kind: defaultdict[Kind, list[Scalar]] = defaultdict(list)
    for kind, value in pairs:
        by_kind[kind].append(_stored(value))
    clauses = (_equal(kind, by_kind[kind], _column(kind, condition, fields), fields) for kind in sorted(by_kind))
    return or_(false(), *clauses)


def _equal(kind: str, values: list[Scalar], column: ColumnElement[Any], fields: Table) -> ColumnElement[bool]:
    if kind == "z":
        return fields.c.type == kind
    return _of_kind(kind, column, column == values[0] if len(values) == 1 else column.in_(values), fields)


def _of_kind(kind: str, column: ColumnElement[Any], test: ColumnElement[bool], fields: Table) -> ColumnElement[bool]:
    """The test, kept to one kind. Only strings have a text, and naming the type too would spoil the index on it."""
    return and_(fields.c.type == kind, test) if column is fields.c.num else test


def _stored(value: Scalar) -> Scalar:
    return int(value) if isinstance(value, bool) else value


def _contains(value: Any, text: ColumnElement[Any], fields: Table) -> ColumnElement[bool]:
    kind, part = value
    if kind != "s":
        return and_(fields.c.element.is_(True), _equal(kind, [_stored(part)], fields.c.num, fields))
    inside = and_(fields.c.element.is_(False), expressions.has_part(text, part))
    return or_(inside, and_(fields.c.element.is_(True), text == part))


def _column(kind: str, condition: Condition, fields: Table) -> ColumnElement[Any]:
    """Where the leaves of a kind stand in the form that the condition's operand has."""
    if kind != "s" or condition.instant:
        return fields.c.num
    return fields.c.str if condition.case_sensitive else fields.c.folded
