"""Rows that came later: to the groups there are, and to new ones."""

from typing import Any

import numpy as np
import pytest

from coterie.engine import assign
from coterie.engine.arrays import NOISE
from coterie.engine.assign import LOOKED_AT, propose, to_groups
from coterie.engine.describe import describe, quantiles


def test_a_row_joins_within_reach_and_its_probability_is_the_share_that_is_farther() -> None:
    dice = np.random.default_rng(0)
    rows = np.vstack([dice.normal(size=(500, 8)), dice.normal(size=(500, 8)) + 30]).astype(np.float32)
    labels = np.repeat(np.arange(2, dtype=np.int32), 500)
    found = describe(rows, labels)
    spread = quantiles(labels, found.distances, 2)
    again = to_groups(rows, found.centroids, spread)
    assert (again.labels == labels).mean() > 0.99
    farther = np.array([(found.distances[:500] > each).mean() for each in found.distances[:500]])
    joined = again.labels[:500] == 0
    assert np.abs(again.probabilities[:500] - farther)[joined].max() < 0.05
    out = to_groups(np.full((1, 8), 15, np.float32), found.centroids, spread)
    assert (out.labels.tolist(), out.probabilities.tolist()) == ([NOISE], [0.0])


def test_many_rows_are_looked_at_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """What DBSCAN holds grows with the square of the rows of a dense topic."""
    seen: list[int] = []
    own = assign.dbscan

    def counted(rows: Any, spec: Any) -> Any:
        seen.append(len(rows))
        return own(rows, spec)

    monkeypatch.setattr(assign, "dbscan", counted)
    dice = np.random.default_rng(0)
    topics = [dice.normal(size=(size, 16)) + place for size, place in ((9_000, 0), (3_000, 40))]
    scattered = dice.uniform(-4_000, 4_000, size=(500, 16))
    labels = propose(np.vstack([*topics, scattered]).astype(np.float32), np.array([4.0]), 10, seed=1)
    assert seen == [LOOKED_AT]
    assert sorted(np.unique(labels).tolist()) == [NOISE, 0, 1]
    assert (labels[:9_000] == labels[0]).mean() > 0.98
    assert (labels[12_000:] == NOISE).all()


def test_what_is_too_wide_or_too_few_is_not_proposed() -> None:
    dice = np.random.default_rng(0)
    line = np.zeros((400, 4), np.float32)
    line[:, 0] = np.arange(400)
    assert (propose(line, np.array([2.0]), 5, seed=0) == NOISE).all()
    few = dice.normal(size=(4, 4)).astype(np.float32)
    assert (propose(few, np.array([2.0]), 5, seed=0) == NOISE).all()
    assert (propose(few, np.empty(0), 2, seed=0) == NOISE).all()
