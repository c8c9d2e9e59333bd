"""What a fit will take, said before it begins: bytes at its peak, and rows where time is the bound.

The figures are upper bounds by the arrays that each algorithm holds at once, over the matrix itself.
"""

from typing import Any

from coterie.engine.errors import EngineError
from coterie.engine.specs import (
    AgglomerativeParams,
    DBSCANParams,
    GaussianMixtureParams,
    HDBSCANParams,
    KMeansParams,
    MeanShiftParams,
    NoReduction,
    OPTICSParams,
    Params,
    PCAParams,
    Reduction,
    SpectralParams,
    TSNEParams,
    UMAPParams,
)

MOST_ROWS: dict[type[Any], int] = {
    SpectralParams: 20_000,
    AgglomerativeParams: 40_000,
    MeanShiftParams: 5_000,
    OPTICSParams: 20_000,
}
"""These compare all pairs, or worse: beyond so many rows a fit would take hours."""

MOST_PLACED = 20_000
"""Rows that a map or UMAP places by descent; of more, a sample of so many."""

MOST_IN_A_TREE = 5_000
"""Rows that t-SNE places in two or three dimensions; of more, a sample of so many."""

MOST_IN_PAIRS = 1_000
"""Rows that it places in more dimensions, where it compares all pairs in every round."""

BASE = 360 * 2**20
"""Bytes of a process that has the libraries in memory and computes nothing."""

LIST_BYTES = 100
"""What lists of neighbours take for each neighbour: candidates, scores, both orders, weights."""


def peak_bytes(rows: int, dimensions: int, spec: Params) -> int:
    """An upper bound of the memory of a fit on (rows, dimensions), in bytes, the matrix of float32 itself included."""
    data = 4 * rows * dimensions
    pairs = 8 * rows * rows
    match spec:
        case KMeansParams():
            extra = 3 * data + 4 * rows * min(spec.n_clusters, 256) + 136 * spec.n_clusters * dimensions
        case HDBSCANParams() if spec.metric in ("euclidean", "l2", "cosine"):
            listed = max(15, spec.min_samples or spec.min_cluster_size)
            extra = 2 * data + LIST_BYTES * rows * min(listed, rows) + 512 * rows
        case HDBSCANParams():
            extra = 8 * pairs + 2 * data
        case DBSCANParams():
            extra = 3 * pairs + data
        case OPTICSParams():
            extra = 2 * data + 32 * 2**20 + (pairs if spec.metric == "cosine" else 0)
        case AgglomerativeParams():
            extra = 2 * pairs + data
        case SpectralParams() if spec.affinity == "nearest_neighbors":
            extra = 2 * data + 64 * rows * spec.n_neighbors + 40 * rows * max(spec.n_clusters, spec.n_components or 0)
        case SpectralParams():
            extra = 5 * pairs + 2 * data
        case GaussianMixtureParams():
            covariance = dimensions * (dimensions if spec.covariance_type in ("full", "tied") else 1)
            extra = 10 * data + 32 * rows * spec.n_components + 40 * spec.n_components * covariance
        case MeanShiftParams():
            extra = 2 * data + pairs
    return BASE + data + extra


def reduction_bytes(rows: int, dimensions: int, reduction: Reduction) -> int:
    """An upper bound of the memory that `reduce` takes beside the matrix (rows, dimensions), its result included."""
    match reduction:
        case NoReduction():
            return 0
        case PCAParams():
            return 8 * rows * reduction.n_components + 3 * 4 * min(rows, MOST_PLACED) * dimensions
        case TSNEParams() if reduction.n_components > 3:
            placed, pairs = MOST_IN_PAIRS, 12 * 8 * MOST_IN_PAIRS**2
        case TSNEParams():
            placed, pairs = MOST_IN_A_TREE, int(64 * 3 * reduction.perplexity) * MOST_IN_A_TREE
        case _:
            placed, pairs = MOST_PLACED, LIST_BYTES * reduction.n_neighbors * MOST_PLACED
    among = 4 * rows * (6 * reduction.n_components + 32 + min(dimensions, 64)) if rows > placed else 0
    return pairs + 4 * 4 * min(rows, placed) * (dimensions + reduction.n_components) + among


def layout_bytes(rows: int, dimensions: int, components: int, *, copies: int = 0) -> int:
    """An upper bound of the memory of a map of (rows, dimensions), in bytes, the matrix itself included and so many
    `copies` of it: one where rows are scaled, one where they are placed among those of an earlier map."""
    data = 4 * rows * dimensions
    return BASE + (1 + copies) * data + reduction_bytes(rows, dimensions, UMAPParams(n_components=components))


def preflight(rows: int, dimensions: int, spec: Params, *, sample_size: int | None, limit: int | None) -> None:
    """Raises EngineError if a fit on so many rows, or on a sample of them, would take more than `limit` bytes or hours
    of time; the message says how many would fit."""
    fitted = rows if sample_size is None else min(rows, sample_size)
    most = MOST_ROWS.get(type(spec), fitted)
    size = _fitting(rows, min(fitted, most), dimensions, spec, limit)
    advice = f"set sample_size to {size:,} or less" if size >= 2 else "use a worker with more memory"
    if fitted > most:
        raise EngineError(
            "too_many_vectors",
            f"this algorithm compares all pairs and takes at most {most:,} vectors at once, not {fitted:,}: "
            f"{advice}, and the rest is assigned to its groups",
        )
    if limit is not None and (needed := fit_bytes(rows, dimensions, spec, sample_size=sample_size)) > limit:
        raise EngineError(
            "too_little_memory",
            f"clustering {fitted:,} vectors of {dimensions} takes up to {mib(needed)} and this worker may use "
            f"{mib(limit)}: {advice}",
        )


def fit_bytes(rows: int, dimensions: int, spec: Params, *, sample_size: int | None) -> int:
    """What a fit on so many rows, or on a sample of them, takes with the rows beside it that are not in it."""
    fitted = rows if sample_size is None else min(rows, sample_size)
    return peak_bytes(fitted, dimensions, spec) + (rows - fitted) * dimensions * 4


def _fitting(rows: int, most: int, dimensions: int, spec: Params, limit: int | None) -> int:
    """The largest number of rows, up to `most`, whose fit stays within the limit."""
    low, high = 0, most
    while limit is not None and low < high:
        middle = (low + high + 1) // 2
        fits = fit_bytes(rows, dimensions, spec, sample_size=middle) <= limit
        low, high = (middle, high) if fits else (low, middle - 1)
    return high


def mib(size: int) -> str:
    """Bytes for people to read."""
    return f"{size / 2**20:,.0f} MiB"
