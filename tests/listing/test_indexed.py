"""How a list over the field index is carried out: in how many statements, by which index, in how many parameters."""

from typing import Any, NamedTuple

import pytest

from coterie.listing.syntax import parse_list
from coterie.store import db
from coterie.store.dialects import driver_of
from listing.support import INDEXED, PROFILE, Store, definition, thresholds

MOST = 60


@pytest.fixture
def statements(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that are sent, of which there must not be more than MOST."""
    sent: list[str] = []

    class Noting(NamedTuple):
        driver: Any

        def execute(self, statement: str, values: Any) -> Any:
            sent.append(statement)
            assert len(sent) <= MOST, "a request of bounded size takes a bounded number of statements"
            return self.driver.execute(statement, values)

    store.fill([definition(number, a=number % 3, b=f"b{number}", c=[number, "x"]) for number in range(30)])
    monkeypatch.setattr(db, "driver_of", lambda tx: Noting(driver_of(tx)))
    return sent


def test_many_negations_do_not_multiply(store: Store, statements: list[str]) -> None:
    negated = [{"field": "b", "operator": "ne", "value": f"b{number}"} for number in range(20)]
    body = {"filters": {"AND": [{"a": 1}, *negated]}, "limit": 5}
    nested: Any = {"AND": [{"a": 1}], "NOT": [{"b": "b4"}]}
    for _ in range(6):
        nested = {"AND": [{"c": "x"}], "NOT": [nested]}
    for asked in (body, {"filters": nested}):
        with thresholds(few=1, many=1):
            query = parse_list(asked, profile=PROFILE)
            found = store.ask(query, INDEXED)
        assert found == store.reference(query)
    assert statements


def test_a_plain_list_is_one_statement_for_its_page(store: Store, statements: list[str]) -> None:
    store.ask(parse_list({"limit": 100}, profile=PROFILE), INDEXED)
    assert len([statement for statement in statements if "SELECT" in statement]) == 2  # the keys, and the resources


def test_as_many_values_as_a_body_holds(store: Store) -> None:
    values = list(range(1000))
    fields = [{"field": f"c{number}" if number else "a", "operator": "in", "value": values} for number in range(16)]
    store.fill([definition(1, a=1, **{f"c{number}": number for number in range(1, 16)})])
    for logic in ("AND", "OR"):
        assert store.agreed({"filters": {logic: [*fields, {"field": "b", "operator": "is_null", "value": True}]}})
