"""What SQLite and PostgreSQL do differently, and nothing else.

SQLite in WAL mode: any number of readers beside one writer. A read sees one snapshot from its first statement to its
end; a write takes the lock at its start (`BEGIN IMMEDIATE`), so that it can wait but never fail half-way for having
read first. `synchronous=FULL`: what a commit acknowledged survives a power cut.

PostgreSQL: a read is one repeatable-read, read-only transaction. A write takes one advisory lock at its start, so that
writes come one after the other as on SQLite, and a rule that reads before it writes holds on both: no name twice, no
two runs at once, no count lost, however many servers there are.
"""

import sqlite3
import time
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    String,
    Table,
    bindparam,
    create_engine,
    event,
    func,
    select,
    text,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from coterie.store.types import Text

POOL_SIZE = 48
"""More than the 40 threads that serve requests, so that no request waits for a connection."""

SERVER_POOL_SIZE = 8
"""Connections to PostgreSQL that a process keeps when it has little to do; it takes up to POOL_SIZE."""

BUSY_TIMEOUT_SECONDS = 30
WRITE_LOCK = 0x436F7465726965
"""The advisory lock of the writers: "Coterie"."""

QUERY_CANCELED = "57014"
_STEPS = 20_000
"""Instructions of SQLite's machine between two looks at the clock: some milliseconds."""


def open_engine(location: Path | str, statement_seconds: float | None) -> Engine:
    """An engine on a SQLite file, or on the PostgreSQL database of a URL.

    With `statement_seconds` a statement within a read that takes longer ends in an OperationalError.
    """
    engine = _open_sqlite(location, statement_seconds) if isinstance(location, Path) else _open_postgres(location)
    if statement_seconds is not None:
        event.listen(engine, "connect", partial(_limit, engine.dialect.name, statement_seconds))
    return engine


def seconds_of(tx: Connection) -> float | None:
    """How long a read may take; None where it may take its time."""
    seconds: float | None = tx.info.get("statement_seconds")
    return seconds


def _limit(dialect: str, seconds: float, connection: Any, record: Any) -> None:
    record.info["statement_seconds"] = seconds
    if dialect == "postgresql":
        connection.execute(f"SET statement_timeout = {round(seconds * 1000)}")
        connection.commit()


def _open_postgres(location: str) -> Engine:
    options = f"-c lock_timeout={BUSY_TIMEOUT_SECONDS}s"
    return create_engine(
        location,
        pool_size=SERVER_POOL_SIZE,
        max_overflow=POOL_SIZE - SERVER_POOL_SIZE,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"options": options, "application_name": "coterie"},
    )


def reading(engine: Engine) -> Engine:
    """The engine whose transactions are snapshots."""
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def writing(engine: Engine) -> Engine:
    """The engine whose transactions write, one at a time."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(coterie_begin="BEGIN IMMEDIATE")
    return engine.execution_options(isolation_level="READ COMMITTED", postgresql_readonly=False)


def take_write_lock(tx: Connection) -> None:
    """Let no other write go on beside this one, in any process."""
    if tx.dialect.name == "postgresql":
        tx.execute(text("SET LOCAL statement_timeout = 0"))
        tx.execute(select(func.pg_advisory_xact_lock(WRITE_LOCK)))


def upsert(dialect: Dialect, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that can say `on_conflict_do_…`, the same on both."""
    return sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)


def among(tx: Connection, wanted: ColumnElement[Any], values: Sequence[int] | Sequence[str]) -> ColumnElement[bool]:
    """The column is one of the values, however many: they are one parameter."""
    return among_parameter(tx.dialect, wanted, bindparam(None, listed(tx.dialect, values), unique=True))


def among_parameter(dialect: Dialect, wanted: ColumnElement[Any], values: BindParameter[Any]) -> ColumnElement[bool]:
    """The column is one of the values of a parameter, which is given as `listed` makes it."""
    if dialect.name == "sqlite":
        every = func.json_each(values).table_valued("value")
        return wanted.in_(select(every.c.value))
    return wanted == func.any(type_coerce(values, ARRAY(Text if isinstance(wanted.type, String) else BigInteger())))


def listed(dialect: Dialect, values: Sequence[int] | Sequence[str]) -> Any:
    """Values as one parameter."""
    return orjson.dumps(values).decode() if dialect.name == "sqlite" else list(values)


def values_of(dialect: Dialect) -> str:
    """A select of the numbers that one parameter holds as `listed` makes it, with one column `row_id`."""
    if dialect.name == "sqlite":
        return "SELECT value AS row_id FROM json_each(?)"
    return "SELECT unnest(CAST(? AS bigint[])) AS row_id"


def fence(dialect: Dialect) -> str:
    """What ends the select within an EXISTS, so that it is looked up for each row that is asked.

    PostgreSQL would turn it into a join by its own estimate of rows, which knows nothing of how paths and values go
    together: 834 for 100,000. An offset keeps it from that.
    """
    return "" if dialect.name == "sqlite" else " OFFSET 0"


def by_index(dialect: Dialect, index: str) -> str:
    """What follows a table's name to say by which index its rows are found: SQLite keeps no statistics."""
    return f" INDEXED BY {index}" if dialect.name == "sqlite" else ""


def find(dialect: Dialect) -> str:
    """The function that tells at which code point a text has a part, 0 where it has not."""
    return "instr" if dialect.name == "sqlite" else "strpos"


def exact(dialect: Dialect, value: Any) -> Any:
    """A number as a column of `Number` is compared with it."""
    return value if dialect.name == "sqlite" or value is None else Decimal(value)


def last_key(tx: Connection, table: Table) -> int:
    """The largest key that a table ever gave out."""
    if tx.dialect.name == "sqlite":
        found = tx.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
    else:
        sequence = tx.scalar(select(func.pg_get_serial_sequence(table.name, "pk")))
        found = tx.scalar(text(f"SELECT last_value FROM {sequence} WHERE is_called"))  # noqa: S608 - the table's own
    return found or 0


def go_on_after(tx: Connection, table: Table, key: int) -> None:
    """Let a table's next key be larger than one, and than all that it has."""
    if tx.dialect.name == "sqlite":
        if table.dialect_options["sqlite"]["autoincrement"] and key:
            own = {"name": table.name, "key": key}
            tx.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), own)
            tx.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :key)"), own)
        return
    sequence = func.pg_get_serial_sequence(table.name, "pk")
    largest = select(func.coalesce(func.max(table.c.pk), 0)).scalar_subquery()
    following = func.greatest(largest, key) + 1
    tx.execute(select(func.setval(sequence, following, False)))


def is_timeout(error: OperationalError) -> bool:
    """Whether a statement was ended for its time limit."""
    return getattr(error.orig, "sqlstate", None) == QUERY_CANCELED or str(error.orig) == "interrupted"


def driver_of(connection: Connection) -> Any:
    """The driver's own connection."""
    return connection.connection.driver_connection


def _open_sqlite(path: Path, statement_seconds: float | None) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=POOL_SIZE,
        max_overflow=16,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_SECONDS, "isolation_level": None},
    )

    def begin(connection: Connection) -> None:
        statement = connection.get_execution_options().get("coterie_begin")
        if statement_seconds is not None:
            ends = time.monotonic() + statement_seconds
            late = None if statement else lambda: time.monotonic() > ends
            driver_of(connection).set_progress_handler(late, _STEPS)
        connection.exec_driver_sql(statement or "BEGIN")

    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", begin)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-32000"):
        connection.execute(f"PRAGMA {pragma}")
