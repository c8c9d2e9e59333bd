"""SQL as text with its values beside it, put together piece by piece.

The planner makes three or four statements a request, of a shape that depends on the request. As SQLAlchemy's objects
they took longer to build and to compile than the store took to answer; text takes microseconds. A value is never in the
text: there is a `?` for each. What is in the text are names of tables and columns, and numbers of our own making.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import TextualSelect, column, text


class Sql(NamedTuple):
    """A piece of SQL and the values of its `?`, in their order."""

    text: str
    values: tuple[Any, ...] = ()

    def statement(self, *columns: str) -> TextualSelect:
        """A whole select as SQLAlchemy takes it, with the names of its columns."""
        parts = self.text.split("?")
        named = parts[0] + "".join(f":value_{number}{part}" for number, part in enumerate(parts[1:]))
        values = {f"value_{number}": value for number, value in enumerate(self.values)}
        return text(named).bindparams(**values).columns(*map(column, columns))


TRUE, FALSE = Sql("TRUE"), Sql("FALSE")


def all_of(*clauses: Sql) -> Sql:
    """Every clause holds."""
    return _joined(" AND ", [clause for clause in clauses if clause != TRUE], TRUE)


def any_of(*clauses: Sql) -> Sql:
    """At least one clause holds."""
    return _joined(" OR ", [clause for clause in clauses if clause != FALSE], FALSE)


def none_of(clause: Sql) -> Sql:
    """The clause does not hold."""
    return Sql(f"NOT ({clause.text})", clause.values)


def exists(rows: Sql) -> Sql:
    """The select has a row."""
    return Sql(f"EXISTS ({rows.text})", rows.values)


def one_of(column: str, values: Iterable[Any]) -> Sql:
    """The column is one of the values; there is at least one."""
    given = tuple(values)
    if len(given) == 1:
        return Sql(f"{column} = ?", given)
    return Sql(f"{column} IN ({', '.join('?' * len(given))})", given)


def union(selects: Iterable[Sql]) -> Sql:
    """The rows of any of the selects, each once."""
    return _joined(" UNION ", list(selects), FALSE, "{}")


def _joined(word: str, clauses: list[Sql], none: Sql, form: str = "({})") -> Sql:
    if len(clauses) < 2:
        return clauses[0] if clauses else none
    return Sql(form.format(word.join(c.text for c in clauses)), tuple(value for c in clauses for value in c.values))


@dataclass(frozen=True, slots=True)
class Rows:
    """A select of row ids: the expression that is one, what it is selected from, and the clauses. Other columns and an
    order may be added when it is written.
    """

    row_id: str
    source: Sql
    clauses: tuple[Sql, ...] = ()
    distinct: bool = False

    @property
    def table(self) -> str:
        """The alias that they are selected from."""
        return self.row_id.partition(".")[0]

    def where(self, *clauses: Sql) -> "Rows":
        """Those of them that satisfy the clauses as well."""
        return replace(self, clauses=self.clauses + clauses)

    def nested(self, alias: str) -> "Rows":
        """The same, as a select from this one."""
        inner = self.select()
        return Rows(f"{alias}.row_id", Sql(f"({inner.text}) AS {alias}", inner.values))

    def select(self, *columns: str, order: str | None = None) -> Sql:
        """The statement: `row_id`, and what other columns are named."""
        matching = all_of(*self.clauses)
        word = "SELECT DISTINCT" if self.distinct else "SELECT"
        picked = ", ".join([f"{self.row_id} AS row_id", *columns])
        text = f"{word} {picked} FROM {self.source.text} WHERE {matching.text}"
        return Sql(text if order is None else f"{text} ORDER BY {order}", self.source.values + matching.values)


def limited(rows: Sql, limit: int, offset: int = 0) -> Sql:
    """The rows from `offset` on, at most `limit`."""
    if not offset:
        return Sql(f"{rows.text} LIMIT ?", (*rows.values, limit))
    return Sql(f"{rows.text} LIMIT ? OFFSET ?", (*rows.values, limit, offset))


def counted(rows: Sql) -> Sql:
    """How many rows a select gives."""
    return Sql(f"SELECT COUNT(*) FROM ({rows.text}) AS counted", rows.values)  # noqa: S608


def derived(columns: Iterable[str], source: Sql, group: str | None, alias: str) -> Sql:
    """Columns of a source as a table of that alias, one row a group."""
    grouped = "" if group is None else f" GROUP BY {group}"
    return Sql(f"(SELECT {', '.join(columns)} FROM {source.text}{grouped}) AS {alias}", source.values)  # noqa: S608
