"""What to compute: one frozen dataclass an algorithm or reduction, with the v1 API's names, types, limits and defaults.

Plain dataclasses with `annotated_types`, so that they validate requests (Pydantic reads the constraints), stand in the
OpenAPI page, and load nothing numeric. `n_jobs` is accepted and changes nothing: a worker uses the processors it has,
and the labels do not depend on how many those are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

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


Params = (
    KMeansParams
    | DBSCANParams
    | HDBSCANParams
    | AgglomerativeParams
    | SpectralParams
    | GaussianMixtureParams
    | MeanShiftParams
    | OPTICSParams
)
SPECS: dict[str, type[Params]] = {
    "kmeans": KMeansParams,
    "dbscan": DBSCANParams,
    "hdbscan": HDBSCANParams,
    "agglomerative": AgglomerativeParams,
    "spectral": SpectralParams,
    "gaussian_mixture": GaussianMixtureParams,
    "mean_shift": MeanShiftParams,
    "optics": OPTICSParams,
}
"""The algorithms, by their name in the API."""

Seed = Annotated[int, Ge(0), Le(2**32 - 1)]


@dataclass(frozen=True)
class PCAParams:
    """Principal components (Pearson 1901)."""

    method: Literal["pca"] = "pca"
    n_components: Annotated[int, Ge(2), Le(256)] = 50
    random_state: Seed = DEFAULT_SEED


@dataclass(frozen=True)
class UMAPParams:
    """UMAP (McInnes, Healy and Melville 2018)."""

    method: Literal["umap"] = "umap"
    n_components: Annotated[int, Ge(2), Le(256)] = 2
    random_state: Seed = DEFAULT_SEED
    n_neighbors: Annotated[int, Ge(2), Le(200)] = 15
    min_dist: Annotated[float, Ge(0), Le(1)] = 0.1


@dataclass(frozen=True)
class TSNEParams:
    """t-SNE (van der Maaten and Hinton 2008; in up to three dimensions as in van der Maaten 2014)."""

    method: Literal["tsne"] = "tsne"
    n_components: Annotated[int, Ge(2), Le(256)] = 2
    random_state: Seed = DEFAULT_SEED
    perplexity: Annotated[float, Gt(0), Le(500)] = 30.0
    learning_rate: Annotated[float, Gt(0), Le(100_000)] = 200.0


@dataclass(frozen=True)
class NoReduction:
    """Vectors are clustered as they are."""

    method: Literal["none"] = "none"


Reduction = PCAParams | UMAPParams | TSNEParams | NoReduction
REDUCTIONS: dict[str, type[Reduction]] = {
    "pca": PCAParams,
    "umap": UMAPParams,
    "tsne": TSNEParams,
    "none": NoReduction,
}
"""The reductions, by their name in the API."""


SWEPT = ("kmeans", "hdbscan", "agglomerative", "gaussian_mixture")
"""Algorithms that a suggestion compares; the others have a parameter in units of distance, or take hours."""

MOST_SWEPT = 20_000
"""Rows that it looks at."""


def is_map(reduction: Reduction, dimensions: int) -> bool:
    """Whether what a reduction gives is a map of so many dimensions already."""
    return isinstance(reduction, UMAPParams | TSNEParams) and reduction.n_components == dimensions


def by_cosine(spec: Params) -> bool:
    """Whether vectors are compared by their directions alone."""
    return "cosine" in (getattr(spec, "metric", None), getattr(spec, "affinity", None))


_Rule = tuple[str, Callable[[Any], bool], str]

_TREE_METRICS = ("euclidean", "l2", "manhattan", "l1", "cityblock", "chebyshev", "minkowski", "cosine")
_SEARCHES = ("auto", "ball_tree", "kd_tree", "brute")
_QUIET = "the service shows progress in the task; leave it out"
_SEED = "use 0 to 4294967295"


def _one_of(name: str, *values: Any) -> _Rule:
    return name, lambda spec: getattr(spec, name) in values, f"use one of {', '.join(map(repr, values))}"


def _absent(name: str, why: str) -> _Rule:
    return name, lambda spec: not getattr(spec, name), why


def _at_most(name: str, most: int) -> _Rule:
    return name, lambda spec: getattr(spec, name) is None or getattr(spec, name) <= most, f"use at most {most:,}"


def _search() -> tuple[_Rule, ...]:
    """The rules of a search for neighbours within a metric."""
    return (
        _one_of("metric", *_TREE_METRICS),
        _one_of("algorithm", *_SEARCHES),
        (
            "algorithm",
            lambda spec: spec.metric != "cosine" or spec.algorithm in ("auto", "brute"),
            "cosine has no tree; use 'brute'",
        ),
        (
            "metric_params",
            lambda spec: not spec.metric_params,
            "the power of 'minkowski' is 'p'; the other metrics have none",
        ),
        ("p", lambda spec: spec.p >= 1, "use at least 1: below, it is no distance"),
    )


_RANDOM_STATE: _Rule = (
    "random_state",
    lambda spec: spec.random_state is None or 0 <= spec.random_state < 2**32,
    _SEED,
)
_RULES: dict[type[Any], tuple[_Rule, ...]] = {
    KMeansParams: (
        _one_of("init", "k-means++", "random"),
        _one_of("algorithm", "lloyd", "elkan"),
        _absent("verbose", _QUIET),
        ("copy_x", lambda spec: spec.copy_x, "the service always works on its own copy; leave it true"),
        _at_most("n_init", 1000),
        _RANDOM_STATE,
    ),
    HDBSCANParams: (
        _one_of("metric", *METRICS),
        _one_of("cluster_selection_method", "eom", "leaf"),
        _absent("prediction_data", "the service assigns new documents by itself; leave it false"),
    ),
    DBSCANParams: _search(),
    AgglomerativeParams: (
        _one_of("affinity", "euclidean", "l2", "l1", "manhattan", "cosine"),
        _one_of("linkage", "ward", "complete", "average", "single"),
        (
            "affinity",
            lambda spec: spec.linkage != "ward" or spec.affinity in ("euclidean", "l2"),
            "'ward' is euclidean; use another linkage",
        ),
        _absent("memory", "the service keeps no cache of trees between runs; leave it out"),
        _absent("connectivity", "a graph between documents is not part of a definition; leave it out"),
        _one_of("compute_full_tree", "auto", "true", "false"),
        _absent("compute_distances", "distances of merges are not kept; leave it false"),
    ),
    SpectralParams: (
        _one_of("eigen_solver", None, "arpack", "lobpcg"),
        _one_of(
            "affinity", "rbf", "nearest_neighbors", "cosine", "laplacian", "linear", "poly", "polynomial", "sigmoid"
        ),
        _one_of("assign_labels", "kmeans", "discretize", "cluster_qr"),
        _absent("kernel_params", "use 'gamma', 'degree' and 'coef0'"),
        _absent("verbose", _QUIET),
        _at_most("n_clusters", 1000),
        _at_most("n_components", 1000),
        _at_most("n_init", 1000),
        _RANDOM_STATE,
    ),
    GaussianMixtureParams: (
        _one_of("covariance_type", "full", "tied", "diag", "spherical"),
        _one_of("init_params", "kmeans", "k-means++", "random", "random_from_data"),
        _absent("warm_start", "each run starts anew; leave it false"),
        _absent("verbose", _QUIET),
        _at_most("n_components", 1000),
        _at_most("n_init", 100),
        _at_most("max_iter", 10_000),
        _RANDOM_STATE,
    ),
    MeanShiftParams: (_at_most("max_iter", 10_000),),
    OPTICSParams: (
        *_search(),
        _one_of("cluster_method", "xi", "dbscan"),
        ("xi", lambda spec: spec.xi < 1, "use less than 1"),
        (
            "min_cluster_size",
            lambda spec: (
                spec.min_cluster_size is None
                or 0 < spec.min_cluster_size <= 1
                or (spec.min_cluster_size >= 2 and spec.min_cluster_size == int(spec.min_cluster_size))
            ),
            "use a share up to 1, or a whole number from 2 on",
        ),
        (
            "eps",
            lambda spec: spec.eps is None or spec.max_eps is None or spec.eps <= spec.max_eps,
            "use at most 'max_eps'",
        ),
    ),
}


def refusals(spec: Params) -> Iterator[tuple[str, str]]:
    """Parameters whose values cannot be honoured: (name, what would work)."""
    for name, accepts, advice in _RULES[type(spec)]:
        if not accepts(spec):
            yield name, advice
