"""Fields that are written one by one, and taken back."""

from copy import deepcopy
from typing import Any

import pytest

from coterie.clusters.write_back import check_targets
from coterie.enrichment.fields import Blocked, Path, follow, take_back, tree_of, with_tree, write

LABEL: Path = ("metadata", "topic", "label")
NOTE: Path = ("metadata", "topic", "note")


def tree(**metadata: Any) -> Any:
    return {"metadata": metadata, "clusters": {}}


@pytest.mark.parametrize("metadata", [{}, {"topic": {}}, {"topic": {"label": None}}, {"topic": {"label": [1], "n": 2}}])
def test_what_was_written_is_taken_back_exactly(metadata: dict[str, Any]) -> None:
    held = tree(**deepcopy(metadata))
    changes = write(held, [(LABEL, "x"), (NOTE, {"a": 1}), (("clusters", "c"), {"cluster_id": "cl_0"})])
    assert held["metadata"]["topic"]["label"] == "x"
    assert take_back(held, changes) == 3
    assert held == tree(**metadata)


def test_what_is_there_already_is_no_change() -> None:
    held = tree(topic={"label": "x"})
    assert write(held, [(LABEL, "x")]) == []
    assert len(write(held, [(NOTE, None)])) == 1
    assert write(held, [(NOTE, None)]) == []


def test_a_field_that_was_changed_since_stays_and_the_others_go() -> None:
    held = tree()
    changes = write(held, [(LABEL, "x"), (NOTE, "y")])
    held["metadata"]["topic"]["label"] = "mine"
    assert take_back(held, changes) == 1
    assert held == tree(topic={"label": "mine"})
    held["metadata"] = {"topic": "a text"}
    assert take_back(held, changes) == 0
    assert held == tree(topic="a text")


def test_of_two_writes_the_first_value_comes_back() -> None:
    held = tree(topic={"label": "first"})
    first = write(held, [(LABEL, "second")])
    second = write(held, [(LABEL, "third"), (NOTE, 1)])
    assert take_back(held, follow(first, second)) == 2
    assert held == tree(topic={"label": "first"})


def test_a_path_through_a_text_is_blocked() -> None:
    with pytest.raises(Blocked):
        write(tree(topic="a text"), [(LABEL, "x")])


def test_entries_of_a_document_are_known_by_their_clustering() -> None:
    entries = [{"features": {"clustering_id": name}} for name in ("a", "b")]
    document = {"metadata": {}, "enrichments": {"clusters": entries, "taxonomies": []}}
    assert with_tree(document, tree_of(document)) == document
    assert with_tree(document, tree())["enrichments"] is None


@pytest.mark.parametrize(
    ("targets", "fine"),
    [
        (["a", "b"], True),
        (["a.b", "a.c"], True),
        (["ab", "a.b"], True),
        (["a", "a"], False),
        (["a-", "a.b", "a"], False),
    ],
)
def test_targets_that_are_in_each_other_s_way(targets: list[str], fine: bool) -> None:
    if fine:
        check_targets(targets)
        return
    with pytest.raises(ValueError, match="each other"):
        check_targets(targets)
