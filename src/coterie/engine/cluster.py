"""The engine's door: vectors and a spec in, a clustering out."""

from dataclasses import dataclass
from typing import NamedTuple, assert_never

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coterie.engine import classical
from coterie.engine.arrays import NOISE, Labels, Matrix, as_matrix
from coterie.engine.assign import by_centroid, by_density
from coterie.engine.classical import Fitted
from coterie.engine.coverage import within_budget
from coterie.engine.describe import centroids_of
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
    (k) in 0..1, how long each group lasts, and `parting` (k, k), the distances at which they part."""

    labels: Labels
    probabilities: NDArray[np.float32]
    sampled: NDArray[np.bool_]
    reassigned: NDArray[np.bool_]
    advice: tuple[Advice, ...]
    stability: NDArray[np.float64] | None = None
    parting: NDArray[np.float64] | None = None

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
    seed: int = DEFAULT_SEED,
) -> Clustering:
    """Cluster `vectors` (n, d). With `sample_size` below n, fit on a seeded sample of so many rows and assign the rest.
    With `max_noise_ratio`, noise above that share of the rows joins the nearest groups.

    The same input, spec and seed give the same labels. Raises EngineError for input that cannot be clustered.
    """
    matrix = as_matrix(vectors)
    sampled = _sample(len(matrix), sample_size, seed)
    rows = matrix if sampled.all() else matrix[sampled]
    fitted = _fit(rows, spec, seed)
    labels = np.full(len(matrix), NOISE, np.int32)
    probabilities = np.ones(len(matrix), np.float32)
    labels[sampled], probabilities[sampled] = fitted.labels, fitted.probabilities
    if len(rows) < len(matrix):
        labels[~sampled] = _assign(matrix[~sampled], rows, fitted, spec)
    probabilities[labels == NOISE] = 0.0
    reassigned = np.zeros(len(matrix), bool)
    if max_noise_ratio is not None:
        labels, reassigned = within_budget(matrix, labels, max_noise_ratio, seed=seed)
    own, labels = labels, by_size(labels)
    stability, parting = fitted.stability, fitted.parting
    if stability is not None and parting is not None:
        renamed = _first_names(own, labels)
        stability, parting = stability[renamed], parting[np.ix_(renamed, renamed)]
    return Clustering(labels, probabilities, sampled, reassigned, tuple(_advice(labels)), stability, parting)


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
        chosen[np.random.default_rng(seed).choice(rows, size, replace=False)] = True
    return chosen


def _fit(rows: Matrix, spec: Params, seed: int) -> Fitted:
    match spec:
        case KMeansParams():
            return Fitted(kmeans(rows, spec), np.ones(len(rows), np.float32))
        case HDBSCANParams():
            found = hdbscan(rows, spec, seed=seed)
            parting = None
            if found.tree is not None and found.chosen is not None and found.chosen.sum() <= MOST_GROUPS:
                parting = partings(found.tree, found.chosen)
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


def _assign(rest: Matrix, sample: Matrix, fitted: Fitted, spec: Params) -> Labels:
    if fitted.predict is not None:
        return fitted.predict(rest)
    if isinstance(spec, HDBSCANParams | DBSCANParams | OPTICSParams):
        return by_density(rest, sample, fitted.labels)
    centroids = centroids_of(sample, fitted.labels)
    return by_centroid(rest, centroids) if len(centroids) else np.full(len(rest), NOISE, np.int32)


def _advice(labels: Labels) -> list[Advice]:
    counts = np.bincount(labels[labels != NOISE])
    if len(counts) == 0:
        return [Advice("all_noise", "no group was found: lower min_cluster_size or min_samples, or add documents")]
    found = []
    if len(counts) == 1:
        found.append(Advice("one_group", "only one group was found: lower min_cluster_size, or try k-means"))
    elif counts.max() > DOMINANT * len(labels):
        found.append(
            Advice("dominant_group", f"one group holds {counts.max() / len(labels):.0%} of the documents: try 'leaf'")
        )
    return found
