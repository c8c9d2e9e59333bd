"""The engine's door: vectors and a spec in, a clustering out."""

from dataclasses import dataclass
from typing import NamedTuple, assert_never

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coterie.engine import classical
from coterie.engine.arrays import NOISE, Labels, Matrix, as_matrix, drawn, unit_rows
from coterie.engine.assign import by_rule, rule_of
from coterie.engine.classical import Fitted
from coterie.engine.coverage import within_budget
from coterie.engine.hdbscan import hdbscan
from coterie.engine.hierarchy import MOST_GROUPS, partings
from coterie.engine.kmeans import kmeans
from coterie.engine.specs import (
    DEFAULT_SEED,
    AgglomerativeParams,
    DBSCANParams,
    GaussianMixtureParams,
    HDBSCANParams,
    KMeansParams,
    MeanShiftParams,
    OPTICSParams,
    Params,
    SpectralParams,
    by_cosine,
)

DOMINANT = 0.9
"""A group that holds more than this share of the rows says little; the clustering then carries a warning."""


class Advice(NamedTuple):
    """Something odd about a result: a stable code, and what to do about it."""

    code: str
    message: str


@dataclass(frozen=True)
class Clustering:
    """Of n rows: `labels` (n) int32, groups numbered from 0 by falling size, -1 for noise; `probabilities` (n)
    float32, the strength of each membership; `sampled` (n) bool, whether a row was in the fit; `reassigned` (n) bool,
    whether it was noise and has a group for the sake of `max_noise_ratio`; advice. Of a tree of densities `stability`
    (k) in 0..1, how long each group lasts, and if asked for `parting` (k, k), the distances at which they part."""

    labels: Labels
    probabilities: NDArray[np.float32]
    sampled: NDArray[np.bool_]
    reassigned: NDArray[np.bool_]
    advice: tuple[Advice, ...]
    stability: NDArray[np.float64] | None = None
    parting: NDArray[np.float64] | None = None

    @property
    def origin(self) -> NDArray[np.int8]:
        """How each row came by its group, (n), as an index into `ORIGINS`."""
        return np.where(self.reassigned, 2, np.where(self.sampled, 0, 1)).astype(np.int8)

    @property
    def groups(self) -> int:
        """How many groups there are; noise is none."""
        return int(self.labels.max(initial=NOISE)) + 1


def cluster(
    vectors: ArrayLike,
    spec: Params,
    *,
    sample_size: int | None = None,
    max_noise_ratio: float | None = None,
    hierarchical: bool = False,
    seed: int = DEFAULT_SEED,
) -> Clustering:
    """Cluster `vectors` (n, d). With `sample_size` below n, fit on a seeded sample of so many rows and assign the rest.
    With `max_noise_ratio`, noise above that share of the rows joins the nearest groups. With `hierarchical`, a tree of
    densities tells where its groups part (`engine.hierarchy.branches` goes on from there).

    The same input, spec and seed give the same labels. Raises EngineError for input that cannot be clustered.
    """
    matrix = as_matrix(vectors)
    sampled = _sample(len(matrix), sample_size, seed)
    rows = matrix if sampled.all() else matrix[sampled]
    fitted = fit(rows, spec, seed=seed, hierarchical=hierarchical)
    labels = np.full(len(matrix), NOISE, np.int32)
    labels[sampled] = fitted.labels
    if len(rows) < len(matrix):
        labels[~sampled] = by_rule(compared(matrix[~sampled], spec), rule_of(compared(rows, spec), fitted, spec))
    reassigned = np.zeros(len(matrix), bool)
    if max_noise_ratio is not None:
        labels, reassigned = within_budget(compared(matrix, spec), labels, max_noise_ratio, seed=seed)
    return settled(fitted, spec, labels, sampled, reassigned, hierarchical=hierarchical)


def settled(
    fitted: Fitted,
    spec: Params,
    labels: Labels,
    sampled: NDArray[np.bool_],
    reassigned: NDArray[np.bool_],
    *,
    hierarchical: bool = False,
) -> Clustering:
    """The clustering of all rows, given the fit on those that were `sampled` (n), the `labels` (n) that all have come
    to have by its numbers, and which of them were `reassigned` (n)."""
    probabilities = np.ones(len(labels), np.float32)
    probabilities[sampled] = fitted.probabilities
    probabilities[(labels == NOISE) | reassigned] = 0.0
    own, labels = labels, by_size(labels)
    stability, parting = fitted.stability, fitted.parting
    renamed = _first_names(own, labels)
    stability = None if stability is None else stability[renamed]
    parting = None if parting is None else parting[np.ix_(renamed, renamed)]
    advice = tuple(_advice(labels, spec, hierarchical))
    return Clustering(labels, probabilities, sampled, reassigned, advice, stability, parting)


def by_size(labels: Labels) -> Labels:
    """The same partition with groups numbered by falling size; of equal sizes, the one with the earlier row first."""
    names, first, inverse, counts = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -counts))
    order = order[names[order] != NOISE]
    renamed = np.full(len(names), NOISE, np.int32)
    renamed[order] = np.arange(len(order), dtype=np.int32)
    return renamed[inverse]


def _first_names(before: Labels, after: Labels) -> NDArray[np.int32]:
    """What each group was called before it was numbered by size."""
    groups, first = np.unique(after, return_index=True)
    names: NDArray[np.int32] = before[first[groups != NOISE]]
    return names


def _sample(rows: int, size: int | None, seed: int) -> NDArray[np.bool_]:
    chosen = np.ones(rows, bool)
    if size is not None and size < rows:
        chosen[:] = False
        chosen[drawn(rows, size, seed)] = True
    return chosen


def compared(rows: Matrix, spec: Params) -> Matrix:
    """The rows as the algorithm compares them."""
    return unit_rows(rows) if by_cosine(spec) else rows


def fit(rows: Matrix, spec: Params, *, seed: int, hierarchical: bool = False) -> Fitted:
    """Cluster `rows` (n, d) as they are, by the algorithm's own numbers. Raises EngineError."""
    match spec:
        case KMeansParams():
            return Fitted(kmeans(rows, spec), np.ones(len(rows), np.float32))
        case HDBSCANParams():
            found = hdbscan(rows, spec, seed=seed)
            parting = None
            if hierarchical and found.tree is not None and found.chosen is not None:
                parting = partings(found.tree, found.chosen) if found.chosen.sum() <= MOST_GROUPS else None
            return Fitted(found.labels, found.probabilities, stability=found.persistence, parting=parting)
        case DBSCANParams():
            return classical.dbscan(rows, spec)
        case AgglomerativeParams():
            return classical.agglomerative(rows, spec)
        case SpectralParams():
            return classical.spectral(rows, spec)
        case GaussianMixtureParams():
            return classical.gaussian_mixture(rows, spec)
        case MeanShiftParams():
            return classical.mean_shift(rows, spec, seed=seed)
        case OPTICSParams():
            return classical.optics(rows, spec)
        case _:
            assert_never(spec)


def _advice(labels: Labels, spec: Params, hierarchical: bool) -> list[Advice]:
    finer, coarser = next((hints for kinds, hints in _HINTS if isinstance(spec, kinds)), _OTHERS)
    counts = np.bincount(labels[labels != NOISE])
    if len(counts) == 0:
        return [Advice("all_noise", f"no group was found: {coarser}, or add documents")]
    found = []
    if len(counts) == 1:
        found.append(Advice("one_group", f"only one group was found: {finer}"))
    elif counts.max() > DOMINANT * len(labels):
        share = counts.max() / len(labels)
        found.append(Advice("dominant_group", f"one group holds {share:.0%} of the documents: {finer}"))
    if hierarchical and len(counts) > MOST_GROUPS:
        found.append(Advice("no_hierarchy", f"more than {MOST_GROUPS:,} groups get no groups above them: {coarser}"))
    return found


_OTHERS = ("ask for more groups, or try another algorithm", "ask for fewer groups")
_HINTS = (
    (
        HDBSCANParams,
        (
            "lower min_cluster_size, use the cluster_selection_method 'leaf', or try k-means",
            "lower min_samples, or lower min_cluster_size if groups are small and raise it if there are too many",
        ),
    ),
    (DBSCANParams | OPTICSParams, ("lower eps or raise min_samples", "raise eps or lower min_samples")),
    (MeanShiftParams, ("lower bandwidth", "raise bandwidth, or set cluster_all")),
)
"""By algorithm what makes groups finer, and what makes them fewer or lets there be some."""
