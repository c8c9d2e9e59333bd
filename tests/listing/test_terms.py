"""Terms: which a resource has, and that an AND finds by them what it should."""

from typing import Any

import pytest
from sqlalchemy import func, select

from coterie.listing.fields import rows_for
from coterie.listing.syntax import parse_list
from coterie.listing.terms import LONGEST, MOST, erase_terms, terms_of
from coterie.store.tables import cluster_terms, clusters
from listing.support import INDEXED, NAMESPACE, NEIGHBOUR, PROFILE, Store, definition


def terms(resource: dict[str, Any]) -> set[str]:
    return set(terms_of(rows_for(resource, PROFILE), {"a": 1, "b": 2}))


def test_short_values_and_the_words_of_strings_are_terms() -> None:
    assert terms({"a": "Team Pearl", "b": [3, True]}) == {"1steam%20pearl", "1wteam", "1wpearl", "2n3", "2b1"}
    assert terms({"a": "Pearl"}) == {"1spearl"}
    assert terms({"a": "pearl!"}) == {"1spearl%21", "1wpearl"}
    long = "x" * (LONGEST + 1)
    assert terms({"a": long}) == {"1w" + "x" * LONGEST}


def test_numbers_that_are_equal_are_one_term_and_what_is_no_integer_is_none() -> None:
    assert terms({"a": [1, 1.0, True]}) == {"1n1", "1b1"}
    assert terms({"a": [-0.0, 0.5, 1e300, 2**53 + 1]}) == {"1n0", f"1n{2**53 + 1}"}


def test_null_and_paths_that_are_not_asked_for_have_none() -> None:
    assert terms({"a": None, "b": [None], "c": "x"}) == set()


TEXTS = ["Team Pearl", "straße", 'a"b', "a AND b", "100%", "_x.y-z~", "e\u0301", "", " ", "日本"]


@pytest.mark.parametrize("text", TEXTS)
def test_values_of_any_letters_come_together(store: Store, text: str) -> None:
    store.fill([definition(1, a=text, b=1), definition(2, a=text, b=2), definition(3, a=f"{text}x", b=1)])
    both = {"AND": [{"a": text}, {"b": 1}]}
    assert store.agreed({"filters": both}) == ["clust_00001"]
    assert store.agreed({"filters": {"AND": [{"a": text}], "NOT": [{"b": 1}]}}) == ["clust_00002"]


def test_words_of_one_text_and_of_several(store: Store) -> None:
    texts = ["red fox", "fox", ["red", "fox"], "foxes are red", "x" * 40 + " fox"]
    store.fill([definition(number, a=text) for number, text in enumerate(texts)])
    asked = lambda words: {"filters": {"AND": [{"field": "a", "operator": "text", "value": words}]}}  # noqa: E731
    assert store.agreed(asked("Fox red")) == ["clust_00000"]
    assert store.agreed(asked("fox")) == ["clust_00004", "clust_00002", "clust_00001", "clust_00000"]
    assert store.agreed(asked("fox " + "x" * 40)) == ["clust_00004"]
    assert store.agreed(asked("fox " + "x" * 39)) == []


def test_what_changes_is_found_by_its_new_terms_only(store: Store) -> None:
    store.fill([definition(1, a="red", b=1)])
    store.fill([definition(1, a="blue", b=1)])
    assert store.agreed({"filters": {"a": "red", "b": 1}}) == []
    assert store.agreed({"filters": {"a": "blue", "b": 1}}) == ["clust_00001"]


def test_a_term_belongs_to_one_namespace(store: Store) -> None:
    store.fill([definition(1, a="red", b=1)])
    query = parse_list({"filters": {"a": "red", "b": 1}}, profile=PROFILE)
    assert store.ask(query, INDEXED) == (["clust_00001"], 1)
    with store.db.write() as tx:
        assert tx.scalar(select(func.count()).select_from(cluster_terms)) == 2
        erase_terms(tx, tx.scalars(select(clusters.c.pk).where(clusters.c.namespace_id == NEIGHBOUR)).all())
    assert store.ask(query, INDEXED) == (["clust_00001"], 1)
    with store.db.write() as tx:
        erase_terms(tx, tx.scalars(select(clusters.c.pk).where(clusters.c.namespace_id == NAMESPACE)).all())
    assert store.ask(query, INDEXED) == ([], 0)


def test_many_values_are_asked_another_way(store: Store) -> None:
    store.fill([definition(number, a=number, b=number % 2) for number in range(8)])
    for count in (MOST, MOST + 1):
        values = {"field": "a", "operator": "in", "value": list(range(3, 3 + count))}
        assert store.agreed({"filters": {"AND": [values, {"b": 1}]}}) == [f"clust_0000{n}" for n in (7, 5, 3)]
