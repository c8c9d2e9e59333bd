"""A budget for noise: what is above it joins the nearest group, the best placed rows first."""

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
    noise = np.flatnonzero(labels == NOISE)
    grouped = np.flatnonzero(labels != NOISE)
    moved = np.zeros(len(labels), bool)
    excess = len(noise) - int(most * len(labels))
    if excess <= 0 or len(grouped) == 0:
        return labels, moved
    grouped = grouped[drawn(len(grouped), COMPARED, seed)]
    closest = nearest(matrix[noise], matrix[grouped])
    distance = distances_to(matrix[noise], matrix[grouped], closest)
    wanted = labels[grouped[closest]]
    reach = reaches(matrix[grouped], labels[grouped])[wanted]
    place = np.divide(distance, reach, out=np.full(len(noise), np.inf), where=reach > 0)
    first = np.lexsort((noise, distance, place))[:excess]
    found = labels.copy()
    found[noise[first]] = wanted[first]
    moved[noise[first]] = True
    return found, moved
