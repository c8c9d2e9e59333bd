"""The field index in SQL: writing a resource's rows, and the clauses that a condition is at one row of it.

Strings are compared by what their index holds, their first CUT characters, and by the whole only where that leaves
something open: an operand that is shorter can only equal, precede or begin what it equals, precedes or begins cut off.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, Select, Table, bindparam, delete, insert, select, update

from coterie.listing.fields import CUT, FieldRow
from coterie.listing.fragments import Sql, all_of, any_of, one_of
from coterie.listing.tree import Condition, Kind, Pair, Scalar
from coterie.store.db import fetch_kept
from coterie.store.dialects import among, among_parameter, exact, find, listed
from coterie.store.tables import paths

_COMPARE = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


@dataclass(frozen=True, eq=False)
class FieldIndex:
    """The index of one kind of resource.

    `scope` names the tenant's value that its paths belong to. A `complete` one holds every path; another one only
    those that were declared. `texts` holds what is searched in, by row, with an index of the trigrams of all strings
    but those at `untexted` paths; beside it are the terms of all paths but those (`listing.terms`).
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
    return {row[0]: Path(*row[1:]) for row in fetch_kept(tx, _paths(tx.dialect), values)}


@cache
def _paths(dialect: Dialect) -> Select[Any]:
    columns = (paths.c.path, paths.c.id, paths.c.multiple, paths.c.long, paths.c.ready)
    these = among_parameter(dialect, paths.c.path, bindparam("wanted_paths"))
    return select(*columns).where(paths.c.scope == bindparam("wanted_scope"), these)


def write_fields(
    tx: Connection, fields: Table, scope: str, rows_of: Sequence[tuple[int, Sequence[FieldRow]]]
) -> dict[str, Path]:
    """Put the rows of resources, by their row ids, in place of what was there. The paths that they have."""
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
    return known


def _mark(tx: Connection, facts: Mapping[str, bool], path_ids: Sequence[int]) -> None:
    if path_ids:
        tx.execute(update(paths).where(paths.c.id.in_(path_ids)).values(**facts))


def erase_fields(tx: Connection, fields: Table, row_ids: Sequence[int]) -> None:
    """Take the rows of resources out."""
    tx.execute(delete(fields).where(among(tx, fields.c.row_id, list(row_ids))))


def takes_null(condition: Condition) -> bool:
    """Whether a resource without the path satisfies the condition."""
    return isinstance(condition.value, frozenset) and ("z", None) in condition.value


def row_matches(condition: Condition, path: Path, table: str, dialect: Dialect) -> Sql:
    """The clause for a row of the index, under the alias `table`, at the condition's path. Not for `regex` and `text`:
    those are Python's.
    """
    value: Any = condition.value
    fields = Fields(table, path, condition.case_sensitive, dialect)
    match condition.operator:
        case "exists":
            return Sql(f"{table}.type <> 'z'")
        case "in":
            return _among(value, condition, fields)
        case "contains":
            return _contains(value, condition, fields)
        case "starts_with":
            return _starts_with(value, fields)
        case "ends_with":
            return all_of(fields.are_strings, _ends_with(value, fields.whole))
        case _:
            return _compared(condition, fields)


class Fields(NamedTuple):
    """The rows of the index at one path under an alias, and how their strings are compared."""

    table: str
    path: Path
    case_sensitive: bool
    dialect: Dialect

    @property
    def are_strings(self) -> Sql:
        return Sql(f"{self.table}.str IS NOT NULL")

    @property
    def cut(self) -> str:
        """What the index holds of a row's string."""
        return f"{self.table}.{'str' if self.case_sensitive else 'folded'}"

    @property
    def whole(self) -> str:
        """A row's string at its full length: what the index holds, where that is all there is at the path."""
        if not self.path.long:
            return self.cut
        return f"COALESCE({self.table}.{'whole' if self.case_sensitive else 'whole_folded'}, {self.cut})"

    def numbers(self, kind: Kind, clause: str, values: Iterable[Any]) -> Sql:
        """The rows of a kind whose number satisfies a clause."""
        stored = (exact(self.dialect, value) for value in values)
        return Sql(f"({self.table}.type = '{kind}' AND {self.table}.num {clause})", tuple(stored))


def _is_number(kind: Kind, condition: Condition) -> bool:
    return kind != "s" or condition.instant


def _compared(condition: Condition, fields: Fields) -> Sql:
    pair: Any = condition.value
    kind, bound = pair
    compare = _COMPARE[condition.operator]
    if _is_number(kind, condition):
        return fields.numbers(kind, f"{compare} ?", [bound])
    if len(bound) < CUT:
        return all_of(fields.are_strings, Sql(f"{fields.cut} {compare} ?", (bound,)))
    looser = Sql(f"{fields.cut} {compare[0]}= ?", (bound[:CUT],))
    return all_of(fields.are_strings, looser, Sql(f"{fields.whole} {compare} ?", (bound,)))


def _among(pairs: Iterable[Pair], condition: Condition, fields: Fields) -> Sql:
    """Equality with one of a set of values, per kind."""
    by_kind: defaultdict[Kind, list[Scalar]] = defaultdict(list)
    for kind, value in pairs:
        by_kind[kind].append(value)
    return any_of(*(_equal(kind, by_kind[kind], condition, fields) for kind in sorted(by_kind)))


def _equal(kind: Kind, values: Sequence[Any], condition: Condition, fields: Fields) -> Sql:
    if kind == "z":
        return Sql(f"{fields.table}.type = 'z'")
    if not _is_number(kind, condition):
        return all_of(fields.are_strings, _equal_strings(values, fields))
    return fields.numbers(kind, *(("= ?", values) if len(values) == 1 else (f"IN ({_marks(values)})", values)))


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _equal_strings(values: Sequence[str], fields: Fields) -> Sql:
    short = [value for value in values if len(value) < CUT]
    clauses = [
        Sql(f"({fields.cut} = ? AND {fields.whole} = ?)", (value[:CUT], value)) for value in values if len(value) >= CUT
    ]
    return any_of(*clauses, *([one_of(fields.cut, short)] if short else []))


def _contains(value: Any, condition: Condition, fields: Fields) -> Sql:
    kind, part = value
    if kind != "s":
        return all_of(Sql(f"{fields.table}.element"), _equal(kind, [part], condition, fields))
    # An element that is equal holds the part as well: most rows are told by that, without a look beyond the index.
    equal = any_of(Sql(f"NOT {fields.table}.element"), _equal_strings([part], fields))
    return all_of(fields.are_strings, has_part(fields.dialect, fields.whole, part), equal)


def has_part(dialect: Dialect, string: str, part: str) -> Sql:
    """The string holds the part, code point by code point."""
    return Sql(f"{find(dialect)}({string}, ?) > 0", (part,))


def _ends_with(suffix: str, string: str) -> Sql:
    begins = f"LENGTH({string}) - {len(suffix)} + 1"
    return Sql(f"({begins} >= 1 AND SUBSTR({string}, {begins}) = ?)", (suffix,))


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


def _starts_with(prefix: str, fields: Fields) -> Sql:
    """As a range, which an index has: everything from the prefix up to the next text that does not begin with it."""
    begins = [fields.are_strings, Sql(f"{fields.cut} >= ?", (prefix[:CUT],))]
    if (following := _following(prefix[:CUT])) is not None:
        begins.append(Sql(f"{fields.cut} < ?", (following,)))
    if len(prefix) > CUT:
        begins.append(Sql(f"SUBSTR({fields.whole}, 1, {len(prefix)}) = ?", (prefix,)))
    return all_of(*begins)


def _following(prefix: str) -> str | None:
    """The first text, by code points, after all that begin with the prefix; None if there is none."""
    while prefix:
        last = ord(prefix[-1]) + 1
        if last <= 0x10FFFF:
            return prefix[:-1] + chr(0xE000 if 0xD800 <= last <= 0xDFFF else last)
        prefix = prefix[:-1]
    return None
