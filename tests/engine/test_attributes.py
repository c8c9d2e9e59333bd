"""Grouping by attributes."""

from typing import Any

import pytest

from coterie.engine import attributes
from coterie.engine.attributes import AttributeGroup, Column, TooManyGroups, aggregate, group_by


def column(*values: Any, repeated: bool = False) -> Column:
    made = Column(repeated=repeated)
    for value in values:
        made.add(value)
    return made


def grouped(*columns: Column, hierarchical: bool = False) -> list[AttributeGroup]:
    return group_by("abcdefghij"[: len(columns)], columns, hierarchical=hierarchical)


def labels(*columns: Column, hierarchical: bool = False) -> dict[str, tuple[str, str | None, list[int]]]:
    return {g.label: (g.id, g.parent, g.rows.tolist()) for g in grouped(*columns, hierarchical=hierarchical)}


def test_values_are_told_apart_by_type_and_missing_ones_are_a_group() -> None:
    found = grouped(column(1, "1", True, None, [], 1.0))
    assert [(group.values["a"], group.label, group.rows.tolist()) for group in found] == [
        (1, "1", [0, 5]),
        (None, "(missing)", [3, 4]),
        ("1", '"1"', [1]),
        (True, "true", [2]),
    ]


def test_no_two_groups_have_one_label() -> None:
    texts = ["(missing)", None, '"(missing)"', "true", True, "x" * 300, "x" * 300 + "y", {"k": 1}, '{"k": 1}', "plain"]
    found = [group.label for group in grouped(column(*texts))]
    assert len(set(found)) == len(texts)
    assert max(map(len, found)) <= attributes.MAX_LABEL + 4
    assert "plain" in found
    assert "(missing)" in found
    pairs = grouped(column("a, b", "a"), column("c", "b, c"))
    assert sorted(group.label for group in pairs) == ['"a", "b, c"', '"a, b", "c"']


def test_an_array_puts_a_row_in_several_groups_once_each() -> None:
    assert labels(column(["x", "y", "x"], "x", [["y"], None])) == {
        "x": ("cl_0", None, [0, 1]),
        "y": ("cl_1", None, [0, 2]),
    }


def test_several_attributes_make_pairs() -> None:
    assert labels(column(1, 1, 1), column("x", "y", "x")) == {
        "1, x": ("cl_0", None, [0, 2]),
        "1, y": ("cl_1", None, [1]),
    }


def test_a_hierarchy_has_a_level_an_attribute() -> None:
    found = labels(column(1, 1, 2), column("x", "y", "x"), hierarchical=True)
    assert found["1"] == ("cl_0", None, [0, 1])
    assert found["1, y"] == ("cl_0_sub_1", "cl_0", [1])
    assert found["2, x"] == ("cl_1_sub_0", "cl_1", [2])


def test_a_row_that_is_in_several_groups_below_is_once_in_the_one_above() -> None:
    found = labels(column("a", "a"), column(["x", "y"], "y"), hierarchical=True)
    assert found["a"][2] == [0, 1]
    assert (found["a, x"][2], found["a, y"][2]) == ([0], [0, 1])


def test_objects_are_equal_whatever_the_order_of_their_keys() -> None:
    [group] = grouped(column({"k": 1, "l": 2}, {"l": 2, "k": 1}))
    assert group.values == {"a": {"k": 1, "l": 2}}


def test_an_identifier_is_no_grouping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attributes, "MAX_GROUPS", 10)
    with pytest.raises(TooManyGroups, match=r"more than 10 groups: 'a' has 11 distinct values, 'b' has 1 distinct"):
        grouped(column(*range(11)), column(*["x"] * 11))
    assert len(grouped(column(*range(10)))) == 10


def test_lists_that_multiply_have_a_limit() -> None:
    many = column(list(range(40)))
    with pytest.raises(TooManyGroups, match="more than 1,000 groups"):
        grouped(many, many)


@pytest.mark.parametrize(
    ("method", "expected"),
    [("count", [4, 0]), ("sum", [4.5, None]), ("avg", [1.125, None]), ("min", [-1.0, None]), ("max", [2.0, None])],
)
def test_aggregates_are_of_numbers_only(method: str, expected: list[float | None]) -> None:
    numbers = column(1.5, [2, 2, "2"], True, "7", None, -1, {"n": 9}, repeated=True)
    found = grouped(column("x", "x", "x", "x", "y", "x", "y"))
    assert aggregate(method, numbers, [group.rows for group in found]) == expected
