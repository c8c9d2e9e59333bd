"""Six of the algorithms, by scikit-learn: specs in its words, results in ours.

All run with one BLAS thread: sums in another order would give other labels now and then, and the same seed shall give
the same labels on every machine. Those that compare all pairs are bounded in rows (`engine.memory`).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import (
    DBSCAN,
    OPTICS,
    AgglomerativeClustering,
    MeanShift,
    SpectralClustering,
    estimate_bandwidth,
)
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from coterie.engine.arrays import Labels, Matrix, all_alike, check_enough
from coterie.engine.errors import EngineError
from coterie.engine.specs import (
    DEFAULT_SEED,
    AgglomerativeParams,
    DBSCANParams,
    GaussianMixtureParams,
    MeanShiftParams,
    OPTICSParams,
    SpectralParams,
)

BANDWIDTH_ROWS = 1_000
"""Rows of which the bandwidth of a mean shift is estimated, drawn by the seed."""


class Fitted(NamedTuple):
    """Labels (n) int32 with -1 for noise, the strength of each membership (n) in 0..1; of a mixture its parameters, by
    which `likeliest` assigns rows that were not in the fit; and of a tree of densities how long each group lasts (k),
    0..1, and the distances at which groups part (k, k)."""

    labels: Labels
    probabilities: NDArray[np.float32]
    mixture: Mapping[str, NDArray[Any]] | None = None
    stability: NDArray[np.float64] | None = None
    parting: NDArray[np.float64] | None = None


def dbscan(matrix: Matrix, spec: DBSCANParams) -> Fitted:
    """Rows with `min_samples` others within `eps`, and what they reach."""
    model = DBSCAN(
        eps=spec.eps,
        min_samples=spec.min_samples,
        metric=spec.metric,
        algorithm=spec.algorithm,
        leaf_size=spec.leaf_size,
        p=spec.p if spec.metric == "minkowski" else None,
    )
    return _certain(_labels(model, matrix))


def optics(matrix: Matrix, spec: OPTICSParams) -> Fitted:
    """Groups by reachability, at the steepness `xi` or at the distance `eps`."""
    if len(matrix) < 2:
        return _certain(np.full(len(matrix), -1, np.int32))
    if all_alike(matrix):
        return _certain(np.zeros(len(matrix), np.int32))
    size = spec.min_cluster_size
    if size is not None:
        size = max(2, min(int(size), len(matrix))) if size > 1 else max(size, 2 / len(matrix))
    model = OPTICS(
        min_samples=min(spec.min_samples, len(matrix)),
        max_eps=np.inf if spec.max_eps is None else spec.max_eps,
        metric=spec.metric,
        p=spec.p,
        cluster_method=spec.cluster_method,
        eps=spec.eps,
        xi=spec.xi,
        predecessor_correction=spec.predecessor_correction,
        min_cluster_size=size,
        algorithm=spec.algorithm,
        leaf_size=spec.leaf_size,
    )
    with np.errstate(divide="ignore", invalid="ignore"):  # of rows that nothing reaches
        return _certain(_labels(model, matrix))


def agglomerative(matrix: Matrix, spec: AgglomerativeParams) -> Fitted:
    """The tree of merges, cut at `distance_threshold` where one is given, else into `n_clusters`.

    Raises EngineError when there are fewer rows than groups.
    """
    wanted = None if spec.distance_threshold is not None else spec.n_clusters or 2
    if wanted is not None:
        check_enough(matrix, "n_clusters", wanted)
    if all_alike(matrix):
        return _certain(np.zeros(len(matrix), np.int32))
    full: Any = {"auto": "auto", "true": True, "false": False}[spec.compute_full_tree]
    model = AgglomerativeClustering(
        n_clusters=wanted,
        metric=spec.affinity,
        linkage=spec.linkage,
        distance_threshold=spec.distance_threshold,
        compute_full_tree=True if wanted is None else full,
    )
    if spec.affinity == "cosine" and not matrix.any(axis=1).all():
        raise EngineError("zero_vector", "a vector of zeros has no direction: leave it out, or use another affinity")
    return _certain(_labels(model, matrix))


def spectral(matrix: Matrix, spec: SpectralParams) -> Fitted:
    """k-means in the first eigenvectors of the graph of likenesses. Raises EngineError for too few rows."""
    check_enough(matrix, "n_clusters", spec.n_clusters + 1)
    if all_alike(matrix):
        return _certain(np.zeros(len(matrix), np.int32))
    model = SpectralClustering(
        n_clusters=spec.n_clusters,
        eigen_solver=spec.eigen_solver,
        n_components=None if spec.n_components is None else min(spec.n_components, len(matrix) - 1),
        random_state=_seed(spec.random_state),
        n_init=spec.n_init,
        gamma=spec.gamma,
        affinity=spec.affinity,
        n_neighbors=min(spec.n_neighbors, len(matrix)),
        eigen_tol=spec.eigen_tol,
        assign_labels=spec.assign_labels,
        degree=spec.degree,
        coef0=spec.coef0,
    )
    return _certain(_labels(model, matrix, "lower gamma, or use the affinity 'nearest_neighbors'"))


def mean_shift(matrix: Matrix, spec: MeanShiftParams, *, seed: int = DEFAULT_SEED) -> Fitted:
    """The modes of the density at a bandwidth. Raises EngineError for seeds of another dimension."""
    if all_alike(matrix):
        return _certain(np.zeros(len(matrix), np.int32))
    width = spec.bandwidth or float(
        estimate_bandwidth(matrix, n_samples=min(len(matrix), BANDWIDTH_ROWS), random_state=seed)
    )
    if width <= 0:
        raise EngineError("no_bandwidth", "most vectors are equal, so that no bandwidth can be told: set 'bandwidth'")
    model = MeanShift(
        bandwidth=width,
        seeds=_starting("seeds", spec.seeds, (None, matrix.shape[1])),
        bin_seeding=spec.bin_seeding,
        min_bin_freq=spec.min_bin_freq,
        cluster_all=spec.cluster_all,
        max_iter=spec.max_iter,
    )
    return _certain(_labels(model, matrix, "raise 'bandwidth', or give seeds near the vectors"))


def gaussian_mixture(matrix: Matrix, spec: GaussianMixtureParams) -> Fitted:
    """The likeliest component of each row and its probability. Raises EngineError for too few rows, for starting values
    of the wrong shape, and where a covariance cannot be inverted."""
    check_enough(matrix, "n_components", max(2, spec.n_components))
    if all_alike(matrix):
        return _certain(np.zeros(len(matrix), np.int32))
    k, d = spec.n_components, matrix.shape[1]
    shape = {"full": (k, d, d), "tied": (d, d), "diag": (k, d), "spherical": (k,)}[spec.covariance_type]
    model = GaussianMixture(
        n_components=k,
        covariance_type=spec.covariance_type,
        tol=spec.tol,
        reg_covar=spec.reg_covar,
        max_iter=spec.max_iter,
        n_init=spec.n_init,
        init_params=spec.init_params,
        weights_init=_starting("weights_init", spec.weights_init, (k,)),
        means_init=_starting("means_init", spec.means_init, (k, d)),
        precisions_init=_starting("precisions_init", spec.precisions_init, shape),
        random_state=_seed(spec.random_state),
    )

    with threadpool_limits(1):
        try:
            shares = model.fit(matrix.astype(np.float64)).predict_proba(matrix.astype(np.float64))
        except ValueError as error:
            raise EngineError(
                "ill_defined",
                "the mixture has no solution on these vectors: raise 'reg_covar', lower 'n_components', use the "
                f"covariance_type 'diag', or mend the starting values ({_short(error)})",
            ) from error
    mixture = {
        "weights": model.weights_,
        "means": model.means_,
        "precisions_cholesky": model.precisions_cholesky_,
        "covariance_type": np.array(spec.covariance_type),
    }
    return Fitted(shares.argmax(axis=1).astype(np.int32), shares.max(axis=1).astype(np.float32), mixture)


def likeliest(rows: Matrix, mixture: Mapping[str, NDArray[Any]]) -> Labels:
    """The likeliest component of each of `rows` (n, d) in a mixture that was fitted before."""
    model = GaussianMixture(len(mixture["weights"]), covariance_type=str(mixture["covariance_type"]))
    for name in ("weights", "means", "precisions_cholesky"):
        setattr(model, f"{name}_", mixture[name])
    with threadpool_limits(1):
        labels: Labels = model.predict(rows.astype(np.float64)).astype(np.int32)
    return labels


def _labels(model: Any, matrix: Matrix, advice: str = "") -> Labels:
    with threadpool_limits(1):
        try:
            labels: Labels = model.fit_predict(matrix).astype(np.int32)
        except (ValueError, np.linalg.LinAlgError) as error:
            raise EngineError("ill_defined", f"no groups with these parameters: {advice or _short(error)}") from error
    return labels


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _certain(labels: Labels) -> Fitted:
    return Fitted(labels, np.ones(len(labels), np.float32))


def _starting(name: str, values: Any, shape: tuple[int | None, ...]) -> NDArray[np.float64] | None:
    """What the caller gives to begin with, checked."""
    if values is None:
        return None
    wanted = " x ".join("any" if size is None else str(size) for size in shape)
    try:
        table = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise EngineError("bad_start", f"'{name}' is no table of numbers ({wanted})") from error
    fits = table.ndim == len(shape) and all(
        size in (None, given) for size, given in zip(shape, table.shape, strict=True)
    )
    if not fits or table.size == 0 or not np.isfinite(table).all():
        raise EngineError("bad_start", f"'{name}' is to be a table of finite numbers, {wanted}")
    return table


def _seed(given: int | None) -> int:
    return DEFAULT_SEED if given is None else given
