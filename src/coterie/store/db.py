"""The records' database: short transactions, on SQLite or PostgreSQL (`store.dialects`)."""

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, Select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.sql.compiler import SQLCompiler

from coterie.kit.errors import Unavailable
from coterie.store.dialects import (
    BUSY_TIMEOUT_SECONDS,
    driver_of,
    open_engine,
    reading,
    take_write_lock,
    upsert,
    writing,
)
from coterie.store.tables import sequences


class InlineReads:
    """Short reads on the driver itself, for the event loop's thread: no pool, no thread, no result objects.

    Statements are compiled once and kept, so only those that a module holds should come here. A read of a few
    index entries takes less than handing it to a thread; nothing longer belongs here.
    """

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA query_only=ON")
        self._compile = lru_cache(maxsize=64)(partial(_compile, dialect))

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is executed within sees one state of the store."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")

    def execute(self, statement: Select[Any], parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        text, names, defaults = self._compile(statement)
        return self._connection.execute(text, [parameters.get(n, defaults.get(n)) for n in names]).fetchall()

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


class Db:
    """Transactions on the records. One object a process; safe to share between threads."""

    def __init__(self, location: Path | str, statement_seconds: float | None = None) -> None:
        """On a SQLite file, or the PostgreSQL database of a URL; `statement_seconds` bounds a read's statements."""
        self.location = location
        self.engine = open_engine(location, statement_seconds)
        self._reads = reading(self.engine)
        self._writes = writing(self.engine)
        self._writer = threading.Lock()  # queue fairly here, not in SQLite's sleeping busy handler

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A snapshot; nothing that is written in it stays."""
        with self._reads.connect() as connection:
            connection.begin()
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: committed when the block ends, rolled back when it raises. Raises Unavailable."""
        if not self._writer.acquire(timeout=BUSY_TIMEOUT_SECONDS):
            raise Unavailable("other writes take too long; nothing was changed, try again", 2)
        try:
            with self._writes.begin() as connection:
                take_write_lock(connection)
                yield connection
        finally:
            self._writer.release()

    @cached_property
    def inline(self) -> InlineReads | None:
        """Short reads for the event loop's thread; None where a read has to wait for a server."""
        return InlineReads(self.location, self.engine.dialect) if isinstance(self.location, Path) else None

    def close(self) -> None:
        """Give the connections back."""
        if "inline" in self.__dict__:
            if self.inline is not None:
                self.inline.close()
            del self.inline
        self.engine.dispose()


def fetch(tx: Connection, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """The rows of a statement, with a `?` for each value, on the driver itself: a short one takes 10 µs rather than 70.

    Raises OperationalError, as SQLAlchemy does.
    """
    text = statement if tx.dialect.name == "sqlite" else statement.replace("?", "%s")
    return _on_driver(tx, text, values)


def estimate(tx: Connection, statement: str, values: Sequence[Any]) -> int | None:
    """How many rows PostgreSQL expects of a statement; SQLite does not say."""
    if tx.dialect.name == "sqlite":
        return None
    rows: int = fetch(tx, f"EXPLAIN (FORMAT JSON) {statement}", values)[0][0][0]["Plan"]["Plan Rows"]
    return rows


def fetch_kept(tx: Connection, statement: Select[Any], parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The same of a statement that a module holds: it is compiled once."""
    text, names, defaults = _kept(tx.dialect, statement)
    given = {name: parameters.get(name, defaults.get(name)) for name in names}
    return _on_driver(tx, text, given if tx.dialect.positional is False else list(given.values()))


def _on_driver(tx: Connection, text: str, values: Any) -> list[tuple[Any, ...]]:
    try:
        rows: list[tuple[Any, ...]] = driver_of(tx).execute(text, values).fetchall()
    except tx.dialect.loaded_dbapi.OperationalError as error:
        raise OperationalError(text, None, error) from error
    return rows


def _compile(dialect: Dialect, statement: Select[Any] | Insert) -> tuple[str, list[str], dict[str, Any]]:
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    return str(compiled), list(compiled.positiontup or compiled.params), dict(compiled.params)


_kept = lru_cache(maxsize=256)(_compile)


def execute_many(tx: Connection, statement: Insert, rows: Sequence[Mapping[str, Any]]) -> None:
    """Run a statement that a module holds for many rows, on the driver itself: a third of the time.

    Every value is bound as it is, so the columns must be of types that the driver takes.
    """
    text, names, _ = _compile(tx.dialect, statement)
    by_name = tx.dialect.positional is False
    values = [{name: row[name] for name in names} if by_name else [row[name] for name in names] for row in rows]
    driver_of(tx).cursor().executemany(text, values)


def reserve(tx: Connection, name: str, count: int) -> int:
    """The first of `count` numbers in a row that no one else gets, once `tx` is committed."""
    tx.execute(upsert(tx.dialect, sequences).values(name=name, next=1).on_conflict_do_nothing())
    taken = update(sequences).where(sequences.c.name == name).values(next=sequences.c.next + count)
    following: int = tx.execute(taken.returning(sequences.c.next)).scalar_one()
    return following - count
