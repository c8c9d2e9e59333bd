"""Which groups stand beside a group."""

import numpy as np

from coterie.runs.beside import Beside
from coterie.runs.found import Group


def group(name: str, at: float = 0, parent: str | None = None, *, level: int = 0, leaf: bool = True) -> Group:
    return Group(name, np.empty(0, np.int64), [at, 0.0], parent=parent, level=level, leaf=leaf)


def test_by_centroid_the_nearest_of_its_kind_stand_beside_a_group() -> None:
    groups = [group("br_0", 1, leaf=False), *(group(f"cl_{at}", at, "br_0", level=1) for at in (0, 9, 1, 3, 40))]
    beside = Beside(groups, by_centroid=True)
    assert beside.of(1) == [3, 4, 2]
    assert beside.of(5) == [2, 4, 3]
    assert beside.of(0) == []


def test_groups_of_one_place_stand_beside_each_other_and_not_beside_themselves() -> None:
    beside = Beside([group(f"cl_{number}") for number in range(6)], by_centroid=True)
    assert [beside.of(number) for number in (0, 5)] == [[1, 2, 3], [0, 1, 2]]


def test_without_centroids_those_of_one_parent_stand_beside_a_group() -> None:
    names = ["a", "a", "b", "b", "a"]
    beside = Beside([group(f"g{at}", parent=name, level=1) for at, name in enumerate(names)], by_centroid=False)
    assert beside.of(0) == [1, 4, 2]
    assert beside.of(2) == [3, 1, 0]
