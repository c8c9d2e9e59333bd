"""A budget for noise: what is above it joins the nearest group, the best placed rows first."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coterie.engine.arrays import NOISE, Labels, Matrix, drawn
from coterie.engine.assign import reaches
from coterie.engine.nearest import distances_to, nearest

COMPARED = 20_000
"""Grouped rows that noise is compared with; of more, a seeded sample."""


def within_budget(matrix: Matrix, labels: Labels, most: float, *, seed: int) -> tuple[Labels, NDArray[np.bool_]]:
    """The labels with at most the share `most` of noise, and which rows (n) have been given a group for that.

    A row's place is its distance to the nearest grouped row, as a multiple of what the rows of that group keep to each
    other; the lowest come first. Without any group all stays noise.
    """
    chosen = compared_with(labels, most, seed=seed)
    if len(chosen) == 0:
        return labels, np.zeros(len(labels), bool)
    noise = np.flatnonzero(labels == NOISE)
    sample, of = matrix[chosen], labels[chosen]
    return join(labels, most, nearest_group(matrix[noise], sample, of, reaches(sample, of)))


class Nearest(NamedTuple):
    """Of each row of noise the `group` (n) that it is nearest to, its `place` (n) and its `distance` (n)."""

    group: Labels
    place: NDArray[np.float64]
    distance: NDArray[np.float32]


def compared_with(labels: Labels, most: float, *, seed: int) -> NDArray[np.int64]:
    """The grouped rows that noise is compared with; none where it is within the budget."""
    grouped = np.flatnonzero(labels != NOISE)
    if _excess(labels, most) <= 0:
        return grouped[:0]
    return grouped[drawn(len(grouped), COMPARED, seed)]


def nearest_group(rows: Matrix, sample: Matrix, of: Labels, reach: NDArray[np.float64]) -> Nearest:
    """Find it for `rows` (n, d) of noise among grouped ones (m, d) of groups `of` (m), which have a `reach` (k)."""
    closest = nearest(rows, sample)
    distance = distances_to(rows, sample, closest)
    group = of[closest]
    own = reach[group]
    return Nearest(group, np.divide(distance, own, out=np.full(len(rows), np.inf), where=own > 0), distance)


def join(labels: Labels, most: float, found: Nearest) -> tuple[Labels, NDArray[np.bool_]]:
    """The labels with those rows of noise moved that are in excess and best placed, and which they are."""
    noise = np.flatnonzero(labels == NOISE)
    first = noise[np.lexsort((noise, found.distance, found.place))[: _excess(labels, most)]]
    moved = np.zeros(len(labels), bool)
    moved[first] = True
    joined = labels.copy()
    joined[first] = found.group[np.searchsorted(noise, first)]
    return joined, moved


def _excess(labels: Labels, most: float) -> int:
    return int((labels == NOISE).sum()) - int(most * len(labels))
