"""How the statements are run: by which index, compiled how often, for which tenant."""

import sqlite3
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, text

from coterie.listing.functions import register
from coterie.listing.sql import Source, compile_list
from coterie.listing.syntax import parse_list
from listing.support import INDEXED, JSON_ROWS, PROFILE, TENANT, Store, definition

BOTH = pytest.mark.parametrize("source", [INDEXED, JSON_ROWS])


def plan(store: Store, body: object, source: Source) -> list[str]:
    """SQLite's plan of the page."""
    statements = compile_list(parse_list(body, profile=PROFILE), source, TENANT)
    with store.engine.connect() as connection:
        compiled = statements.page.compile(store.engine, compile_kwargs={"render_postcompile": True})
        bound = {**compiled.params, **statements.parameters}
        found = connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN {compiled}", tuple(bound[name] for name in compiled.positiontup or ())
        )
        return [row.detail for row in found]


@BOTH
def test_a_plain_list_walks_one_index_and_sorts_nothing(store: Store, source: Source) -> None:
    (step,) = plan(store, {}, source)
    assert step.startswith("SEARCH clusters USING INDEX ix_clusters_newest")


def test_a_value_is_looked_up_in_the_field_index(store: Store) -> None:
    steps = "\n".join(plan(store, {"filters": {"metadata.team": "a", "n": 5}}, INDEXED))
    assert "ix_fields_folded (namespace_id=? AND kind=? AND path=? AND folded=?)" in steps
    assert "ix_fields_num (namespace_id=? AND kind=? AND path=? AND type=? AND num=?)" in steps
    assert "SCAN fields" not in steps


def test_a_pattern_is_asked_only_of_the_rows_that_the_rest_leaves(store: Store) -> None:
    pattern = {"field": "f", "operator": "regex", "value": "^a"}
    steps = plan(store, {"filters": pattern}, INDEXED)
    assert any("ix_fields_row (row_id=?" in step for step in steps)
    store.fill([definition(number, f=f"a{number}", g=number) for number in range(20)])
    seen: list[str] = []
    with store.engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.create_function("coterie_regex", 3, lambda *call: seen.append(call[2]) is None, deterministic=True)
        assert store.agreed({"filters": {"AND": [pattern, {"g": 7}]}}) == ["clust_00007"]
        register(raw)
    assert set(seen) == {"a7"}


@BOTH
def test_requests_of_one_shape_are_compiled_once(store: Store, source: Source) -> None:
    texts: set[str] = set()

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        texts.add(statement)

    event.listen(store.engine, "before_cursor_execute", note)
    for value, limit in (("a", 1), ("b'; --", 20)):
        body = {"filters": {"f": value}, "sort": {"field": value}, "limit": limit}
        store.ask(parse_list(body, profile=PROFILE), source)
    event.remove(store.engine, "before_cursor_execute", note)
    assert len(texts) == 2
    assert not any("b'" in statement for statement in texts)


def test_the_statements_of_a_plain_list_are_kept() -> None:
    one, other = (compile_list(parse_list({}, profile=PROFILE, offset=at), INDEXED, TENANT) for at in (0, 5))
    assert one.page is other.page
    assert (one.parameters["offset"], other.parameters["offset"]) == (0, 5)


@BOTH
@pytest.mark.parametrize("body", [{}, {"filters": {"NOT": {"f": 0}}}, {"filters": {"f": 1}}, {"sort": {"field": "f"}}])
def test_a_neighbours_rows_are_neither_listed_nor_counted(store: Store, source: Source, body: object) -> None:
    store.fill([definition(1, f=1)])
    with store.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM clusters")) == 2
    assert store.ask(parse_list(body, profile=PROFILE), source) == (["clust_00001"], 1)
    statements = compile_list(parse_list(body, profile=PROFILE), source, {"namespace_id": "ns_none"})
    with store.engine.connect() as connection:
        assert connection.scalar(statements.count, statements.parameters) == 0


def test_other_kinds_of_rows_in_the_index_are_not_seen(store: Store) -> None:
    store.fill([definition(1)])
    assert store.agreed({"filters": {"number": 7}}) == []
    assert store.agreed({"filters": {"field": "word", "operator": "regex", "value": "x"}}) == []


@BOTH
def test_past_the_end_there_is_nothing_but_the_total(store: Store, source: Source) -> None:
    store.fill([definition(at) for at in range(3)])
    assert store.ask(parse_list({"offset": 2**63 - 1}, profile=PROFILE), source) == ([], 3)


def test_without_search_text_all_strings_are_searched(store: Store) -> None:
    store.fill([definition(1, a=[{"b": "Straße"}]), definition(2, a="data:text/plain,strasse")])
    query = parse_list({"search": "STRASSE"}, profile=PROFILE)
    assert store.ask(query, JSON_ROWS) == (["clust_00001"], 1)
    assert store.ask(query, replace(JSON_ROWS, search=INDEXED.search)) == ([], 0)


def test_the_largest_request_fits(store: Store) -> None:
    store.fill([definition(1, f=3)])
    lists = [{"field": "f", "operator": "in", "value": list(range(at, at + 1000))} for at in range(10)]
    regexes = [{"field": "f", "operator": "regex", "value": "a"}] * 90
    assert store.agreed({"filters": {"OR": [*lists, *regexes], "case_sensitive": True}}) == ["clust_00001"]
    assert store.agreed({"filters": {"AND": [{"NOT": node} for node in regexes]}}) == ["clust_00001"]
