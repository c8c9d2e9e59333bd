"""The stages of a run that go over its vectors part by part, on whichever machine: arrays in, arrays out.

Each is given a `part`, which of its rows are `chosen`, and what else there is of these (m). The parts are the same
wherever they are read, and so is what comes of each.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from coterie.engine.arrays import NOISE, Labels, Matrix, unit_rows
from coterie.engine.assign import Rule, by_rule
from coterie.engine.coverage import Nearest, nearest_group
from coterie.engine.describe import distances_from, sums_of
from coterie.engine.layout import beside
from coterie.engine.nearest import nearest
from coterie.engine.projection import Projection
from coterie.engine.reduction import transform
from coterie.runs import recognition
from coterie.store.parts import Part, read_vectors

Report = Callable[[float], None]
Chosen = NDArray[np.bool_] | None


class Space(TypedDict):
    """How vectors become what is clustered: at length one, whitened, in fewer dimensions, compared by direction."""

    normalize: bool
    whitening: Mapping[str, Matrix] | None
    reduction: Mapping[str, Matrix] | None
    cosine: bool


def read(report: Report, *, part: Part, chosen: Chosen, normalize: bool) -> Matrix:
    """The vectors (m, d)."""
    vectors = read_vectors(part, chosen)
    return unit_rows(vectors) if normalize else vectors


def assign(
    report: Report, *, part: Part, chosen: Chosen, space: Space, rule: Rule, mapped: bool
) -> tuple[Labels, Matrix | None]:
    """The labels (m) by the fit's rule; and where the rows are in its space, if that is a map."""
    rows = _in_space(part, chosen, space)
    return by_rule(_compared(rows, space), rule), rows if mapped else None


def read_space(report: Report, *, part: Part, chosen: Chosen, space: Space) -> Matrix:
    """The rows as they are compared (m, p)."""
    return _compared(_in_space(part, chosen, space), space)


def place_noise(
    report: Report,
    *,
    part: Part,
    chosen: Chosen,
    space: Space,
    sample: Matrix,
    of: Labels,
    reach: NDArray[np.float64],
) -> Nearest:
    """Rows of noise beside grouped ones (`engine.coverage`)."""
    return nearest_group(read_space(report, part=part, chosen=chosen, space=space), sample, of, reach)


def sum_nearest(
    report: Report, *, part: Part, chosen: Chosen, space: Space, centres: Matrix
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A round of k-means: of the rows that are nearest to each centre their sum (k, p) and number (k)."""
    rows = read_space(report, part=part, chosen=chosen, space=space)
    labels = nearest(rows, centres)
    return sums_of(rows, labels, len(centres)), np.bincount(labels, minlength=len(centres))


def split(
    report: Report,
    *,
    part: Part,
    chosen: Chosen,
    normalize: bool,
    labels: Labels,
    groups: Mapping[int, Sequence[int]],
    centroids: NDArray[np.float64],
) -> Labels:
    """For rows of groups that people have split before, where each goes (`recognition.nearest_of`)."""
    rows = read(report, part=part, chosen=chosen, normalize=normalize)
    return recognition.nearest_of(groups, centroids, rows, labels)


def add(
    report: Report, *, part: Part, chosen: Chosen, normalize: bool, labels: Labels
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
    """The groups (k) that have rows here, the sum of these (k, d), and that of their squared lengths (k)."""
    rows = read(report, part=part, chosen=chosen, normalize=normalize)
    groups = np.unique(labels[labels != NOISE])
    own = np.where(labels == NOISE, NOISE, np.searchsorted(groups, labels)).astype(np.int32)
    return groups, sums_of(rows, own, len(groups)), recognition.squares_of(rows, own, len(groups))


def measure(
    report: Report, *, part: Part, chosen: Chosen, normalize: bool, labels: Labels, centroids: Matrix
) -> NDArray[np.float32]:
    """How far each row is from its group's centroid (m)."""
    return distances_from(centroids, read(report, part=part, chosen=chosen, normalize=normalize), labels)


def lay(
    report: Report, *, part: Part, chosen: Chosen, space: Space, anchors: Matrix, places: Matrix, seed: int
) -> NDArray[np.float32]:
    """Places on the map (m, 2 or 3), amid the nearest of `anchors` (a, d), which stand at `places`."""
    rows = _compared(read(report, part=part, chosen=chosen, normalize=space["normalize"]), space)
    return beside(rows, anchors, places, seed=seed)


def _in_space(part: Part, chosen: Chosen, space: Space) -> Matrix:
    rows = read_vectors(part, chosen)
    if space["normalize"]:
        rows = unit_rows(rows)
    if space["whitening"] is not None:
        rows = Projection(**space["whitening"]).of(rows)
    return rows if space["reduction"] is None else transform(rows, space["reduction"])


def _compared(rows: Matrix, space: Space) -> Matrix:
    return unit_rows(rows) if space["cosine"] else rows
