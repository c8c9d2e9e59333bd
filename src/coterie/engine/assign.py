"""Rows that were not in the sample find their groups.

Partitions (k-means): the nearest centroid. Densities (HDBSCAN): the label of the nearest sampled row, unless it is
farther than the group's own rows are from each other; noise stays noise. Mixtures: the likeliest component. The rule
is a few arrays, so that rows can be placed on any machine.

Rows that came after the fit find the group of the nearest centroid, if they are not too far from it; those that fit
nowhere may be groups of their own, if they are as dense and as tight as groups are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coterie.engine.arrays import NOISE, Labels, Matrix, drawn, unit_rows
from coterie.engine.classical import Fitted, dbscan, likeliest
from coterie.engine.describe import QUANTILES, centroids_of, describe, quantiles
from coterie.engine.nearest import distances_to, nearest
from coterie.engine.neighbours import exact_neighbours
from coterie.engine.specs import DBSCANParams, HDBSCANParams, OPTICSParams, Params

Rule = Mapping[str, NDArray[Any]]
"""The arrays by which rows are placed."""

REACH_QUANTILE = 0.99
"""A row joins a group within the distance that this share of the group's rows keep to their nearest fellow."""

SLACK = 1.1
"""A later row may be this much farther from a centroid than REACH_QUANTILE of the group's rows: of a small group the
farthest row says little of how far the next one may be."""

LOOKED_AT = 3_000
"""Rows among which groups are looked for: in a dense topic half of all pairs are near, and all of these are held."""

TIGHT = 1.5
"""A proposed group's radius is at most so many times the largest that a group has."""


@dataclass(frozen=True)
class Assignment:
    """Of n rows: `labels` (n), `distances` (n) to the nearest centroid, and `probabilities` (n), the share of the
    group's own rows that are farther from it, 0 for noise."""

    labels: Labels
    distances: NDArray[np.float32]
    probabilities: NDArray[np.float32]


def to_groups(
    rows: Matrix, centroids: Matrix, spread: NDArray[np.float32], *, least_cosine: float | None = None
) -> Assignment:
    """Find for each of `rows` (n, d) its group among those with `centroids` (k, d), whose own rows' distances have
    `quantiles` (k, 21; `describe.QUANTILES`). With `least_cosine` a row joins at this cosine similarity to the centroid
    at least, whatever the distance."""
    if len(centroids) == 0 or len(rows) == 0:
        none = np.zeros(len(rows), np.float32)
        return Assignment(np.full(len(rows), NOISE, np.int32), none, none.copy())
    closest = nearest(rows, centroids)
    distances = distances_to(rows, centroids, closest)
    if least_cosine is None:
        reach = [SLACK * np.interp(REACH_QUANTILE, QUANTILES, own) for own in spread]
        fits = distances <= np.array(reach)[closest]
    else:
        directions = unit_rows(centroids)
        fits = np.einsum("ij,ij->i", unit_rows(rows), directions[closest]) >= least_cosine
    probabilities = np.zeros(len(rows), np.float32)
    for group in np.unique(closest[fits]):
        own = fits & (closest == group)
        probabilities[own] = 1 - np.interp(distances[own], spread[group], QUANTILES)
    return Assignment(np.where(fits, closest, NOISE).astype(np.int32), distances, probabilities)


def propose(rows: Matrix, radii: NDArray[np.float64], least: int, *, seed: int) -> Labels:
    """Groups of at least so many among `rows` (n, d) that fitted into none of the groups of these `radii` (k). Labels
    (n), numbered from 0.

    The groups that there are say how near together rows of one group lie: √2 radii, in many dimensions. What hangs
    together at that distance (DBSCAN) and is no wider than TIGHT times the widest of them is proposed. Of more than
    LOOKED_AT rows a seeded sample is looked at, and the others join what is found in it.
    """
    labels = np.full(len(rows), NOISE, np.int32)
    near = float(np.sqrt(2) * np.median(radii)) if len(radii) else 0.0
    if len(rows) < least or near == 0:
        return labels
    chosen = drawn(len(rows), LOOKED_AT, seed)
    dense = max(2, round(least * len(chosen) / len(rows)))
    found = dbscan(rows[chosen], DBSCANParams(eps=near, min_samples=dense)).labels
    seen = describe(rows[chosen], found)
    tight = np.sqrt(seen.variances) <= TIGHT * float(radii.max())
    labels[chosen] = np.where((found != NOISE) & np.append(tight, False)[found], found, NOISE)
    rest = np.setdiff1d(np.arange(len(rows)), chosen)
    if len(rest) and tight.any():
        reaches = quantiles(found, seen.distances, len(seen.sizes))[tight]
        joined = to_groups(rows[rest], seen.centroids[tight], reaches).labels
        labels[rest] = np.where(joined != NOISE, np.flatnonzero(tight)[joined], NOISE)
    sizes = np.bincount(labels[labels != NOISE], minlength=len(seen.sizes))
    names = np.full(len(sizes) + 1, NOISE, np.int32)  # the last is for noise
    large = np.flatnonzero(sizes >= least)
    names[large] = np.arange(len(large))
    return names[labels]


def rule_of(sample: Matrix, fitted: Fitted, spec: Params) -> Rule:
    """The rule by which rows find the groups of a fit on a `sample` (m, d)."""
    if fitted.mixture is not None:
        return fitted.mixture
    if isinstance(spec, HDBSCANParams | DBSCANParams | OPTICSParams):
        return {"sample": sample, "labels": fitted.labels, "reach": reaches(sample, fitted.labels)}
    return {"centroids": centroids_of(sample, fitted.labels)}


def by_rule(rows: Matrix, rule: Rule) -> Labels:
    """The label of each of `rows` (n, d)."""
    if "sample" in rule:
        return _by_density(rows, rule["sample"], rule["labels"], rule["reach"])
    if "centroids" not in rule:
        return likeliest(rows, rule)
    if len(rule["centroids"]) == 0:
        return np.full(len(rows), NOISE, np.int32)
    return nearest(rows, rule["centroids"])


def _by_density(rows: Matrix, sample: Matrix, labels: Labels, reach: NDArray[np.float64]) -> Labels:
    """The label of each row's nearest sampled row within that group's reach, else noise."""
    closest = nearest(rows, sample)
    distance = distances_to(rows, sample, closest)
    assigned = labels[closest]
    grouped = assigned != NOISE
    too_far = np.zeros(len(rows), bool)
    too_far[grouped] = distance[grouped] > reach[assigned[grouped]]
    return np.where(too_far, NOISE, assigned).astype(np.int32)


def reaches(sample: Matrix, labels: Labels) -> NDArray[np.float64]:
    """Of each group, the REACH_QUANTILE of its rows' distances to their nearest other row of it."""
    reaches = np.zeros(labels.max(initial=NOISE) + 1)
    for group in range(len(reaches)):
        members = sample[labels == group]
        if len(members) > 1:
            reaches[group] = np.quantile(exact_neighbours(members, 1).distances, REACH_QUANTILE)
    return reaches
