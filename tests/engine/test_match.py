"""Groups found again: planted splits, merges, births, deaths and drifts."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.engine.arrays import Labels
from coterie.engine.match import LEAST_WEIGHT, Changes, Grouping, agreement, changes, match, shared


def grouping(labels: Labels, places: np.ndarray | None = None) -> Grouping:
    """The groups of rows that lie at `places` (n, d)."""
    count = int(labels.max(initial=-1)) + 1
    sizes = np.bincount(labels[labels >= 0], minlength=count)
    if places is None:
        return Grouping(sizes, np.zeros((count, 0)), np.zeros(count))
    centroids = np.array([places[labels == number].mean(axis=0) for number in range(count)])
    spread = [((places[labels == number] - centroids[number]) ** 2).sum(axis=1).mean() for number in range(count)]
    return Grouping(sizes, centroids, np.sqrt(spread))


def found(before: Labels, after: Labels) -> list[int]:
    return match(grouping(before), grouping(after), before, after).partner.tolist()


def told(before: Labels, after: Labels, names: str, later: str) -> Changes:
    return changes(grouping(before), grouping(after), list(names), list(later), before, after)


def rows(*counts: tuple[int, int]) -> Labels:
    """Labels from (label, how many) in a row."""
    return np.concatenate([np.full(many, label, np.int32) for label, many in counts])


def test_the_same_partition_under_other_numbers() -> None:
    before = rows((0, 30), (1, 20), (2, 10), (-1, 5))
    after = rows((2, 30), (0, 20), (1, 10), (-1, 5))
    assert found(before, after) == [1, 2, 0]
    assert match(grouping(before), grouping(after), before, after).weight.tolist() == [1, 1, 1]
    assert agreement(before, after) == {"ari": 1.0, "ami": pytest.approx(1.0)}
    same = told(before, after, "abc", "bca")
    assert same == Changes([], [], {}, {}, {}, {}, {})


def test_of_a_split_the_larger_part_is_the_group() -> None:
    before = rows((0, 100), (1, 50))
    after = rows((0, 60), (2, 40), (1, 50))
    assert found(before, after) == [0, 1, -1]
    changed = told(before, after, "ab", "abc")
    assert (changed.split, changed.born, changed.died) == ({"a": ["a", "c"]}, ["c"], [])
    assert changed.shrunk == {"a": (100, 60)}


def test_of_a_merge_the_largest_source_lives_on() -> None:
    before = rows((0, 60), (1, 40), (2, 50))
    after = rows((0, 100), (1, 50))
    assert found(before, after) == [0, 2]
    changed = told(before, after, "abc", "ac")
    assert (changed.merged, changed.died, changed.born) == ({"a": ["a", "b"]}, ["b"], [])
    assert changed.grown == {"a": (60, 100)}


def test_a_birth_out_of_noise_and_a_death_into_it() -> None:
    before = rows((0, 40), (1, 40), (-1, 30))
    after = rows((0, 40), (-1, 40), (1, 30))
    assert found(before, after) == [0, -1]
    changed = told(before, after, "ab", "ac")
    assert (changed.born, changed.died, changed.split, changed.merged) == (["c"], ["b"], {}, {})


def test_new_rows_alone_are_known_by_where_they_lie() -> None:
    dice = np.random.default_rng(0)
    centres = np.eye(4, 16) * 10
    of = np.repeat(np.arange(3, dtype=np.int32), 50)
    before = grouping(of, centres[of] + dice.normal(size=(150, 16)))
    order = np.array([2, 3, 0])  # the second group is a new one, far from all
    after = grouping(of, centres[order][of] + dice.normal(size=(150, 16)))
    none = np.empty(0, np.int32)
    assert match(before, after, none, none).partner.tolist() == [2, -1, 0]


def test_a_drift_is_told_in_radii() -> None:
    dice = np.random.default_rng(0)
    of = np.repeat(np.arange(2, dtype=np.int32), 50)
    noise = dice.normal(size=(100, 9))
    places = np.where(of[:, None] == 0, 0.0, 20.0) + noise
    moved = places + np.where(of[:, None] == 0, 1.0, 0.0)  # by 3, a radius of √9
    before, after = grouping(of, places), grouping(of, moved)
    assert match(before, after, of, of).partner.tolist() == [0, 1]
    assert changes(before, after, ["a", "b"], ["a", "b"], of, of).drifted == {"a": pytest.approx(1.0, abs=0.1)}


def test_common_rows_count_for_more_than_places() -> None:
    """A group of which half is new is still known by the half that is not."""
    before = rows((0, 40), (1, 40))
    after = grouping(rows((0, 80), (1, 80)))
    swapped = rows((1, 40), (0, 40))
    assert match(grouping(before), after, before, swapped).partner.tolist() == [1, 0]


def test_nothing_before_and_nothing_after() -> None:
    none, some = np.empty(0, np.int32), rows((0, 3))
    assert found(none, none) == []
    assert match(grouping(none), grouping(some), none, none).partner.tolist() == [-1]
    assert match(grouping(some), grouping(none), none, none).partner.tolist() == []
    assert agreement(none, none) == {"ari": None, "ami": None}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), min_size=1, max_size=40))
def test_no_other_matching_is_heavier(labels: list[tuple[int, int]]) -> None:
    before, after = (np.array(side, np.int32) for side in zip(*labels, strict=True))
    matching = match(grouping(before), grouping(after), before, after)
    sizes = grouping(before).sizes, grouping(after).sizes
    pairs = shared(before, after, len(sizes[0]), len(sizes[1])).toarray()
    weight = pairs / np.maximum(sizes[0][:, None] + sizes[1][None, :] - pairs, 1)
    weight[weight < LEAST_WEIGHT] = 0
    padded = np.zeros((4, 4))
    padded[: weight.shape[0], : weight.shape[1]] = weight
    best = max(sum(padded[row, column] for row, column in enumerate(order)) for order in permutations(range(4)))
    assert matching.weight.sum() == pytest.approx(best)
    given_out = matching.partner[matching.partner >= 0]
    assert len(set(given_out.tolist())) == len(given_out)


def test_very_many_groups() -> None:
    dice = np.random.default_rng(0)
    before = np.repeat(np.arange(20_000, dtype=np.int32), 5)
    after = dice.permutation(20_000).astype(np.int32)[before]
    partner = match(grouping(before), grouping(after), before, after).partner
    assert (partner[after] == before).all()
    assert agreement(before, after)["ami"] is None
