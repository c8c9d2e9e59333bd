"""Grouping by attributes."""

import pytest

from coterie.engine import attributes
from coterie.engine.attributes import TooManyGroups, group_by


def labels(rows: list[list[object]], names: tuple[str, ...] = ("a",), hierarchical: bool = False) -> dict[str, tuple]:
    return {g.label: (g.id, g.parent, g.rows) for g in group_by(names, rows, hierarchical=hierarchical)}


def test_values_are_told_apart_by_type_and_missing_ones_are_a_group() -> None:
    found = group_by(["a"], [[1], ["1"], [True], [None], [[]], [1.0]], hierarchical=False)
    assert [(group.values["a"], group.rows) for group in found] == [
        (1, (0, 5)),
        (None, (3, 4)),
        ("1", (1,)),
        (True, (2,)),
    ]
    assert found[1].label == "(missing)"


def test_an_array_puts_a_row_in_several_groups_once_each() -> None:
    assert labels([[["x", "y", "x"]], ["x"]]) == {"x": ("cl_0", None, (0, 1)), "y": ("cl_1", None, (0,))}


def test_several_attributes_make_pairs() -> None:
    assert labels([[1, "x"], [1, "y"], [1, "x"]], ("a", "b")) == {
        "1, x": ("cl_0", None, (0, 2)),
        "1, y": ("cl_1", None, (1,)),
    }


def test_a_hierarchy_has_a_level_an_attribute() -> None:
    found = labels([[1, "x"], [1, "y"], [2, "x"]], ("a", "b"), hierarchical=True)
    assert found["1"] == ("cl_0", None, (0, 1))
    assert found["1, y"] == ("cl_0_sub_1", "cl_0", (1,))
    assert found["2, x"] == ("cl_1_sub_0", "cl_1", (2,))


def test_an_identifier_is_no_grouping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attributes, "MAX_GROUPS", 10)
    with pytest.raises(TooManyGroups):
        group_by(["a"], [[number] for number in range(11)], hierarchical=False)
