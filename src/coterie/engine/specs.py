"""What to compute: one frozen dataclass an algorithm, with the v1 API's names, types, limits and defaults.

Plain dataclasses with `annotated_types`, so that they validate requests (Pydantic reads the constraints), stand in the
OpenAPI page, and load nothing numeric. `SPECS` has those that run; the others are here for their names and limits.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le

METRICS = ("euclidean", "l2", "cosine", "manhattan", "l1", "chebyshev")
"""Distances that HDBSCAN takes. Cosine is computed as euclidean between unit vectors, which orders pairs alike."""

DEFAULT_SEED = 42


@dataclass(frozen=True)
class KMeansParams:
    """k-means (Lloyd 1982; k-means++ starts, Arthur and Vassilvitskii 2007)."""

    n_clusters: Annotated[int, Ge(2), Le(1000)] = 8
    max_iter: Annotated[int, Ge(1), Le(10_000)] = 300
    random_state: int | None = DEFAULT_SEED
    n_init: Annotated[int, Ge(1)] = 10
    tol: Annotated[float, Gt(0)] = 1e-4
    init: str = "k-means++"
    verbose: Annotated[int, Ge(0)] = 0
    copy_x: bool = True
    algorithm: str = "lloyd"


@dataclass(frozen=True)
class HDBSCANParams:
    """HDBSCAN* (Campello, Moulavi and Sander 2013; selection as in McInnes and Healy 2017)."""

    min_cluster_size: Annotated[int, Ge(2)] = 5
    min_samples: Annotated[int, Ge(1)] | None = None
    cluster_selection_epsilon: Annotated[float, Ge(0)] = 0.0
    max_cluster_size: Annotated[int, Ge(1)] | None = None
    metric: str = "euclidean"
    alpha: Annotated[float, Gt(0)] = 1.0
    cluster_selection_method: str = "eom"
    allow_single_cluster: bool = False
    prediction_data: bool = False
    match_reference_implementation: bool = False


@dataclass(frozen=True)
class DBSCANParams:
    """DBSCAN (Ester and others 1996)."""

    eps: Annotated[float, Gt(0)] = 0.5
    min_samples: Annotated[int, Ge(1)] = 5
    metric: str = "euclidean"
    metric_params: dict[str, Any] = field(default_factory=dict)
    algorithm: str = "auto"
    leaf_size: Annotated[int, Ge(1)] = 30
    p: Annotated[float, Gt(0)] = 2
    n_jobs: int = 1


@dataclass(frozen=True)
class AgglomerativeParams:
    """Agglomerative clustering (Ward 1963 and the other linkages)."""

    n_clusters: Annotated[int, Ge(2)] | None = 2
    affinity: str = "euclidean"
    memory: str | None = None
    connectivity: Any | None = None
    compute_full_tree: str = "auto"
    linkage: str = "ward"
    distance_threshold: Annotated[float, Gt(0)] | None = None
    compute_distances: bool = False


@dataclass(frozen=True)
class SpectralParams:
    """Spectral clustering (Ng, Jordan and Weiss 2001)."""

    n_clusters: Annotated[int, Ge(2)] = 8
    eigen_solver: str | None = None
    n_components: Annotated[int, Ge(1)] | None = None
    random_state: int | None = DEFAULT_SEED
    n_init: Annotated[int, Ge(1)] = 10
    gamma: Annotated[float, Gt(0)] = 1.0
    affinity: str = "rbf"
    n_neighbors: Annotated[int, Ge(1)] = 10
    eigen_tol: Annotated[float, Ge(0)] = 0.0
    assign_labels: str = "kmeans"
    degree: float = 3
    coef0: float = 1
    kernel_params: dict[str, Any] | None = None
    n_jobs: int = 1
    verbose: bool = False


@dataclass(frozen=True)
class GaussianMixtureParams:
    """Mixtures of Gaussians by expectation maximisation (Dempster, Laird and Rubin 1977)."""

    n_components: Annotated[int, Ge(1)] = 1
    covariance_type: str = "full"
    tol: Annotated[float, Gt(0)] = 1e-3
    reg_covar: Annotated[float, Ge(0)] = 1e-6
    max_iter: Annotated[int, Ge(1)] = 100
    n_init: Annotated[int, Ge(1)] = 1
    init_params: str = "kmeans"
    weights_init: list[Any] | None = None
    means_init: list[Any] | None = None
    precisions_init: list[Any] | None = None
    random_state: int | None = DEFAULT_SEED
    warm_start: bool = False
    verbose: Annotated[int, Ge(0)] = 0
    verbose_interval: Annotated[int, Ge(1)] = 10


@dataclass(frozen=True)
class MeanShiftParams:
    """Mean shift (Comaniciu and Meer 2002)."""

    bandwidth: Annotated[float, Gt(0)] | None = None
    seeds: list[list[float]] | None = None
    bin_seeding: bool = False
    min_bin_freq: Annotated[int, Ge(1)] = 1
    cluster_all: bool = True
    n_jobs: int = 1
    max_iter: Annotated[int, Ge(1)] = 300


@dataclass(frozen=True)
class OPTICSParams:
    """OPTICS (Ankerst and others 1999)."""

    min_samples: Annotated[int, Ge(2)] = 5
    max_eps: Annotated[float, Gt(0)] | None = None
    metric: str = "minkowski"
    p: Annotated[float, Gt(0)] = 2
    metric_params: dict[str, Any] | None = None
    cluster_method: str = "xi"
    eps: Annotated[float, Gt(0)] | None = None
    xi: Annotated[float, Ge(0), Le(1)] = 0.05
    predecessor_correction: bool = True
    min_cluster_size: float | None = None
    algorithm: str = "auto"
    leaf_size: Annotated[int, Ge(1)] = 30
    n_jobs: int = 1


Params = KMeansParams | HDBSCANParams
SPECS: dict[str, type[KMeansParams] | type[HDBSCANParams]] = {"kmeans": KMeansParams, "hdbscan": HDBSCANParams}
"""The algorithms that run, by their name in the API."""

_Rule = tuple[str, Callable[[Any], bool], str]
_RULES: dict[type[Any], tuple[_Rule, ...]] = {
    KMeansParams: (
        ("init", lambda value: value in ("k-means++", "random"), "use 'k-means++' or 'random'"),
        ("algorithm", lambda value: value in ("lloyd", "elkan"), "use 'lloyd' or 'elkan'"),
        ("verbose", lambda value: value == 0, "the service shows progress in the task; leave it 0"),
        ("copy_x", lambda value: value, "the service always works on its own copy; leave it true"),
        ("n_init", lambda value: value <= 1000, "use at most 1000"),
        ("random_state", lambda value: value is None or 0 <= value < 2**32, "use 0 to 4294967295"),
    ),
    HDBSCANParams: (
        ("metric", lambda value: value in METRICS, f"use one of {', '.join(METRICS)}"),
        ("cluster_selection_method", lambda value: value in ("eom", "leaf"), "use 'eom' or 'leaf'"),
        ("prediction_data", lambda value: not value, "the service assigns new documents by itself; leave it false"),
    ),
}


def refusals(spec: Params) -> Iterator[tuple[str, str]]:
    """Parameters whose values cannot be honoured: (name, what would work)."""
    for name, accepts, advice in _RULES[type(spec)]:
        if not accepts(getattr(spec, name)):
            yield name, advice
