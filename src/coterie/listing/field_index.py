"""The field index in SQL: writing a resource's rows, and the clauses that a condition is at one row of it.

Strings are compared by what their index holds, their first CUT characters, and by the whole only where that leaves
something open: an operand that is shorter can only equal, precede or begin what it equals, precedes or begins cut off.
"""

import operator
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    update,
)

from coterie.listing.fields import CUT, FieldRow
from coterie.listing.tree import Condition, Kind, Pair, Scalar
from coterie.store.dialects import among, among_parameter, has_part, listed
from coterie.store.tables import paths

_COMPARE = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
_LOOSER = {"gt": operator.ge, "gte": operator.ge, "lt": operator.le, "lte": operator.le}


@dataclass(frozen=True, eq=False)
class FieldIndex:
    """The index of one kind of resource.

    `scope` names the tenant's value that its paths belong to. A `complete` one holds every path; another one only
    those that were declared. `texts` holds what is searched in, by row, with an index of the trigrams of all strings
    but those at `untexted` paths.
    """

    fields: Table
    scope: str
    complete: bool
    texts: Table | None = None
    untexted: frozenset[str] = frozenset()


class Path(NamedTuple):
    """A path of a scope: its number, whether any resource has more than one row at it, whether any string at it is cut
    off, and whether all rows are there.
    """

    id: int
    multiple: bool
    long: bool
    ready: bool


def paths_of(tx: Connection, scope: str, wanted: Iterable[str]) -> dict[str, Path]:
    """Those of the wanted paths that any resource of the scope has, or had."""
    values = {"wanted_scope": scope, "wanted_paths": listed(tx.dialect, list(wanted))}
    return {row[0]: Path(*row[1:]) for row in tx.execute(_paths(tx.dialect), values)}


@cache
def _paths(dialect: Dialect) -> Select[Any]:
    columns = (paths.c.path, paths.c.id, paths.c.multiple, paths.c.long, paths.c.ready)
    these = among_parameter(dialect, paths.c.path, bindparam("wanted_paths"))
    return select(*columns).where(paths.c.scope == bindparam("wanted_scope"), these)


def write_fields(tx: Connection, fields: Table, scope: str, rows_of: Sequence[tuple[int, Sequence[FieldRow]]]) -> None:
    """Put the rows of resources, by their row ids, in place of what was there."""
    found = {row.path for _, rows in rows_of for row in rows}
    known = paths_of(tx, scope, found)
    if new := found - known.keys():
        values = [
            {"scope": scope, "path": path, "multiple": False, "long": False, "ready": True} for path in sorted(new)
        ]
        tx.execute(insert(paths), values)
        known.update(paths_of(tx, scope, new))
    counts = [Counter(row.path for row in rows) for _, rows in rows_of]
    several = {path for count in counts for path, number in count.items() if number > 1}
    long = {row.path for _, rows in rows_of for row in rows if row.whole is not None}
    _mark(tx, {"multiple": True}, [known[path].id for path in several if not known[path].multiple])
    _mark(tx, {"long": True}, [known[path].id for path in long if not known[path].long])
    erase_fields(tx, fields, [row_id for row_id, _ in rows_of])
    values = [
        {"row_id": row_id, "path_id": known[row.path].id, **dict(zip(FieldRow._fields[1:], row[1:], strict=True))}
        for row_id, rows in rows_of
        for row in rows
    ]
    if values:
        tx.execute(insert(fields), values)


def _mark(tx: Connection, facts: Mapping[str, bool], path_ids: Sequence[int]) -> None:
    if path_ids:
        tx.execute(update(paths).where(paths.c.id.in_(path_ids)).values(**facts))


def erase_fields(tx: Connection, fields: Table, row_ids: Sequence[int]) -> None:
    """Take the rows of resources out."""
    tx.execute(delete(fields).where(among(tx, fields.c.row_id, list(row_ids))))


def takes_null(condition: Condition) -> bool:
    """Whether a resource without the path satisfies the condition."""
    return isinstance(condition.value, frozenset) and ("z", None) in condition.value


def row_matches(condition: Condition, path: Path, table: Any, dialect: Dialect) -> ColumnElement[bool]:
    """The clause for a row of the index at the condition's path. Not for `regex` and `text`: those are Python's."""
    value: Any = condition.value
    fields = Strings(table, path)
    match condition.operator:
        case "exists":
            clause: ColumnElement[bool] = fields.c.type != "z"
        case "in":
            clause = _among(value, condition, fields)
        case "contains":
            clause = _contains(value, condition, fields, dialect)
        case "starts_with":
            clause = _starts_with(value, condition, fields)
        case "ends_with":
            whole = fields.whole(condition.case_sensitive)
            clause = and_(fields.c.str.is_not(None), _ends_with(value, whole))
        case _:
            clause = _compared(condition, fields)
    return clause


class Strings:
    """A table of fields at one path: where its strings stand, cut off and whole."""

    def __init__(self, table: Any, path: Path) -> None:
        self.c = table.c
        self._long = path.long

    def cut(self, case_sensitive: bool) -> ColumnElement[Any]:
        """What the index holds of a row's string."""
        column: ColumnElement[Any] = self.c.str if case_sensitive else self.c.folded
        return column

    def whole(self, case_sensitive: bool) -> ColumnElement[Any]:
        """A row's string at its full length: what the index holds, where that is all there is at the path."""
        cut = self.cut(case_sensitive)
        if not self._long:
            return cut
        return func.coalesce(self.c.whole if case_sensitive else self.c.whole_folded, cut)


def _is_number(kind: Kind, condition: Condition) -> bool:
    return kind != "s" or condition.instant


def _compared(condition: Condition, fields: Strings) -> ColumnElement[bool]:
    pair: Any = condition.value
    kind, bound = pair[0], stored(pair[1])
    compare = _COMPARE[condition.operator]
    if _is_number(kind, condition):
        return and_(fields.c.type == kind, compare(fields.c.num, bound))
    cut = fields.cut(condition.case_sensitive)
    strings = and_(fields.c.str.is_not(None), _LOOSER[condition.operator](cut, bound[:CUT]))
    if len(bound) < CUT:
        return and_(strings, compare(cut, bound))
    return and_(strings, compare(fields.whole(condition.case_sensitive), bound))


def _among(pairs: Iterable[Pair], condition: Condition, fields: Strings) -> ColumnElement[bool]:
    """Equality with one of a set of values, per kind."""
    by_kind: defaultdict[Kind, list[Scalar]] = defaultdict(list)
    for kind, value in pairs:
        by_kind[kind].append(stored(value))
    clauses = (_equal(kind, by_kind[kind], condition, fields) for kind in sorted(by_kind))
    return or_(false(), *clauses)


def _equal(kind: Kind, values: Sequence[Any], condition: Condition, fields: Strings) -> ColumnElement[bool]:
    if kind == "z":
        return fields.c.type == "z"  # type: ignore[no-any-return]
    if _is_number(kind, condition):
        return and_(fields.c.type == kind, _one_of(fields.c.num, values))
    return and_(fields.c.str.is_not(None), _equal_strings(values, condition.case_sensitive, fields))


def _equal_strings(values: Sequence[Any], case_sensitive: bool, fields: Strings) -> ColumnElement[bool]:
    cut, whole = fields.cut(case_sensitive), fields.whole(case_sensitive)
    short = [value for value in values if len(value) < CUT]
    clauses = [and_(cut == value[:CUT], whole == value) for value in values if len(value) >= CUT]
    if short:
        clauses.append(_one_of(cut, short))
    return or_(*clauses)


def _one_of(column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    return column == values[0] if len(values) == 1 else column.in_(values)


def stored(value: Any) -> Any:
    """A value as `num` holds it: booleans are 0 and 1."""
    return int(value) if isinstance(value, bool) else value


def _contains(value: Any, condition: Condition, fields: Strings, dialect: Dialect) -> ColumnElement[bool]:
    kind, part = value
    if kind != "s":
        return and_(fields.c.element, _equal(kind, [stored(part)], condition, fields))
    inside = has_part(dialect, fields.whole(condition.case_sensitive), part)
    equal = _equal_strings([part], condition.case_sensitive, fields)
    # An element that is equal holds the part as well: most rows are told by that, without a look beyond the index.
    return and_(fields.c.str.is_not(None), inside, or_(~fields.c.element, equal))


def _ends_with(suffix: str, string: ColumnElement[Any]) -> ColumnElement[bool]:
    begins = func.length(string) - len(suffix) + 1
    return and_(begins >= 1, func.substr(string, begins) == suffix)


def index_of(condition: Condition) -> str:
    """Which index of the table of fields has the rows of a condition together: the end of its name."""
    pair: Any = condition.value
    operator = condition.operator
    if operator == "in" and pair and not condition.instant and all(kind == "s" for kind, _ in pair):
        return "str" if condition.case_sensitive else "folded"
    if operator in ("starts_with", "ends_with", "regex", "text") or (operator == "contains" and pair[0] == "s"):
        return "str" if condition.case_sensitive or operator == "regex" else "folded"
    if operator in _COMPARE and pair[0] == "s" and not condition.instant:
        return "str" if condition.case_sensitive else "folded"
    return "num"


def _starts_with(prefix: str, condition: Condition, fields: Strings) -> ColumnElement[bool]:
    """As a range, which an index has: everything from the prefix up to the next text that does not begin with it."""
    cut = fields.cut(condition.case_sensitive)
    begins = and_(fields.c.str.is_not(None), cut >= prefix[:CUT])
    following = _following(prefix[:CUT])
    begins = begins if following is None else and_(begins, cut < following)
    if len(prefix) <= CUT:
        return begins
    whole = fields.whole(condition.case_sensitive)
    return and_(begins, func.substr(whole, 1, len(prefix)) == prefix)


def _following(prefix: str) -> str | None:
    """The first text, by code points, after all that begin with the prefix; None if there is none."""
    while prefix:
        last = ord(prefix[-1]) + 1
        if last <= 0x10FFFF:
            return prefix[:-1] + chr(0xE000 if 0xD800 <= last <= 0xDFFF else last)
        prefix = prefix[:-1]
    return None
