"""Reads on the driver itself: values in their places, and errors as SQLAlchemy raises them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import bindparam, literal, select
from sqlalchemy.exc import OperationalError

from coterie.store.db import Db, estimate, fetch, fetch_kept
from coterie.store.dialects import is_timeout

SLOW = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT max(i) FROM n",
    "postgresql": "SELECT pg_sleep(?)",
}


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Db]:
    postgresql = request.param == "postgresql"
    db = Db(request.getfixturevalue("postgres").create() if postgresql else tmp_path / "coterie.db", 0.3)
    yield db
    db.close()


def test_values_are_never_text(db: Db) -> None:
    with db.read() as tx:
        values = ["it's", "100%", "?", "%s", None]
        asked = "SELECT " + ", ".join("CAST(? AS TEXT)" for _ in values)
        assert fetch(tx, asked, values) == [tuple(values)]
        kept = select(bindparam("given") + literal(1))
        assert [fetch_kept(tx, kept, {"given": number}) for number in (1, 2)] == [[(2,)], [(3,)]]


def test_a_statement_over_its_time_is_told_from_other_errors_and_leaves_the_connection_usable(db: Db) -> None:
    with pytest.raises(OperationalError) as caught, db.read() as tx:
        fetch(tx, SLOW[tx.dialect.name], [1_000_000_000])
    assert is_timeout(caught.value)
    with db.read() as tx:
        assert fetch(tx, "SELECT 1") == [(1,)]


def test_what_is_read_is_of_one_moment(db: Db) -> None:
    with db.write() as tx:
        tx.exec_driver_sql("CREATE TABLE things (n INTEGER)")
    with db.read() as tx:
        assert fetch(tx, "SELECT count(*) FROM things") == [(0,)]
        with db.write() as other:
            other.exec_driver_sql("INSERT INTO things VALUES (1)")
        assert fetch(tx, "SELECT count(*) FROM things") == [(0,)]


def test_only_postgresql_says_how_many_rows_it_expects(db: Db) -> None:
    with db.read() as tx:
        expected = estimate(tx, "SELECT n FROM (VALUES (?), (?), (?)) AS t(n)", [1, 2, 3]) if is_server(db) else None
        assert expected == (3 if is_server(db) else None)
        assert is_server(db) or estimate(tx, "SELECT 1", []) is None


def is_server(db: Db) -> bool:
    return isinstance(db.location, str)
