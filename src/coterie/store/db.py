"""The records' database: short transactions, and the few notes on its dialect.

SQLite in WAL mode: any number of readers beside one writer. A read sees one snapshot from its first statement to
its end. A write takes the lock at its start (`BEGIN IMMEDIATE`), so that it can wait but never fail half-way for
having read first. `synchronous=FULL`: what a commit acknowledged survives a power cut.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, Insert, Select, create_engine, event, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.pool import QueuePool
from sqlalchemy.sql.compiler import SQLCompiler

from coterie.store.tables import sequences

BUSY_TIMEOUT_SECONDS = 30
POOL_SIZE = 48
"""More than the 40 threads that serve requests, so that no request waits for a connection."""


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

    def __init__(self, path: Path, prepare: Callable[[sqlite3.Connection], None] | None = None) -> None:
        """`prepare` is done to every new connection: the list language gives it its functions."""
        self.path = path
        self.engine = _sqlite_engine(path)
        if prepare is not None:
            event.listen(self.engine, "connect", lambda connection, _record: prepare(connection))
        self._writes = self.engine.execution_options(coterie_begin="BEGIN IMMEDIATE")
        self._writer = threading.Lock()  # queue fairly here, not in SQLite's sleeping busy handler

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A snapshot; nothing that is written in it stays."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: committed when the block ends, rolled back when it raises."""
        with self._writer, self._writes.begin() as connection:
            yield connection

    @cached_property
    def inline(self) -> InlineReads:
        """Short reads for the event loop's thread."""
        return InlineReads(self.path, self.engine.dialect)

    def close(self) -> None:
        """Give the connections back."""
        if "inline" in self.__dict__:
            self.inline.close()
            del self.inline
        self.engine.dispose()


def _compile(dialect: Dialect, statement: Select[Any] | Insert) -> tuple[str, list[str], dict[str, Any]]:
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    return str(compiled), list(compiled.positiontup or ()), dict(compiled.params)


def execute_many(tx: Connection, statement: Insert, rows: Sequence[Mapping[str, Any]]) -> None:
    """Run a statement that a module holds for many rows, on the driver itself: a third of the time.

    Every value is bound as it is, so the columns must be of types that the driver takes.
    """
    text, names, _ = _compile(tx.dialect, statement)
    driver = tx.connection.driver_connection
    assert driver is not None
    driver.executemany(text, [[row[name] for name in names] for row in rows])


def reserve(tx: Connection, name: str, count: int) -> int:
    """The first of `count` numbers in a row that no one else gets, once `tx` is committed."""
    tx.execute(insert(sequences).values(name=name, next=1).on_conflict_do_nothing())
    first: int = tx.scalar(select(sequences.c.next).where(sequences.c.name == name)) or 1
    tx.execute(update(sequences).where(sequences.c.name == name).values(next=first + count))
    return first


def _sqlite_engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=POOL_SIZE,
        max_overflow=16,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_SECONDS, "isolation_level": None},
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-32000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    statement = connection.get_execution_options().get("coterie_begin", "BEGIN")
    connection.exec_driver_sql(statement)
