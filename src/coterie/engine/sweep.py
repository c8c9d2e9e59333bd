"""Which algorithm, and with what parameters: a sweep over candidates, each judged by how well its groups follow the
neighbourhoods of the vectors and by whether they come back when a part of the vectors is left out."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import adjusted_rand_score

from coterie.engine.arrays import NOISE, Labels, Matrix, as_matrix, drawn
from coterie.engine.clustering import cluster
from coterie.engine.errors import EngineError
from coterie.engine.memory import peak_bytes, reduction_bytes
from coterie.engine.neighbours import exact_neighbours
from coterie.engine.reduction import reduce
from coterie.engine.specs import (
    DEFAULT_SEED,
    MOST_SWEPT,
    SWEPT,
    AgglomerativeParams,
    GaussianMixtureParams,
    HDBSCANParams,
    KMeansParams,
    NoReduction,
    Params,
    Reduction,
    UMAPParams,
)

NEIGHBOURS = 15
"""Of so many consists a row's neighbourhood."""

RESAMPLES = 3
"""How often a candidate is fitted again on a part of the rows."""

PART = 0.8
"""How large that part is."""

FEWEST = 10
"""With fewer rows there is nothing to compare."""

COUNTS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 60, 80, 100, 150, 200)
SMALLEST = (5, 10, 20, 40, 80, 160)


@dataclass(frozen=True)
class Candidate:
    """A way to cluster, and in what dimensions."""

    spec: Params
    reduction: Reduction = field(default_factory=NoReduction)


@dataclass(frozen=True)
class Judged:
    """A candidate on the sample.

    `modularity` says how well its groups follow the graph of neighbours, up to 1, noise counting against it (Newman and
    Girvan 2004); `stability` is the mean adjusted Rand index of its groups with those of parts of the sample, up to 1
    (after Hennig 2007); `score` is the geometric mean of both; `seconds` is what it took.
    """

    candidate: Candidate
    groups: int
    noise_ratio: float
    modularity: float
    stability: float
    score: float
    seconds: float


@dataclass(frozen=True)
class Sweep:
    """The candidates that were judged, the best first, and how many there was no time for."""

    judged: tuple[Judged, ...]
    left_out: int


def suggest(
    vectors: ArrayLike,
    *,
    algorithms: Sequence[str] = SWEPT,
    seconds: float = 60.0,
    memory: int | None = None,
    seed: int = DEFAULT_SEED,
    progress: Callable[[float], None] = lambda share: None,
) -> Sweep:
    """Judge candidates on `vectors` (n, d), at most MOST_SWEPT of them, drawn by a seed.

    It ends when `seconds` are over; one candidate is judged in any case. Those that would take more than `memory` bytes
    are left out. What is judged in which order, and how, depends on the seed alone; how far it comes, on the machine.
    Raises EngineError for vectors that cannot be clustered, and for fewer than FEWEST.
    """
    matrix = as_matrix(vectors)
    if len(matrix) < FEWEST:
        raise EngineError("too_few_vectors", f"a suggestion needs {FEWEST} vectors and there are {len(matrix)}")
    sample = matrix[drawn(len(matrix), MOST_SWEPT, seed)]
    parts = [drawn(len(sample), round(PART * len(sample)), seed + 1 + number) for number in range(RESAMPLES)]
    lists = exact_neighbours(sample, min(NEIGHBOURS, len(sample) - 1)).indices
    every = [
        each for each in candidates(len(sample), algorithms, seed) if memory is None or _peak(each, sample) <= memory
    ]
    if not every:
        raise EngineError("too_little_memory", "no algorithm has the memory for such a sample: lower sample_size")
    spaces: dict[tuple[Reduction, int], Matrix] = {}
    deadline = time.monotonic() + seconds
    judged: list[Judged] = []
    for number, candidate in enumerate(every):
        if judged and time.monotonic() > deadline:
            break
        judged.append(_judge(candidate, sample, parts, lists, spaces, seed))
        left = max(deadline - time.monotonic(), 0) / seconds
        progress(max((number + 1) / len(every), 1 - left))
    ranked = sorted(judged, key=lambda each: -each.score)
    return Sweep(tuple(ranked), len(every) - len(judged))


def candidates(rows: int, algorithms: Sequence[str], seed: int) -> Iterator[Candidate]:
    """The sweep for so many rows, so ordered that its beginning has something of everything."""
    counts = [count for count in _middle_first(COUNTS) if count <= rows / 5]
    smallest = [size for size in _middle_first(SMALLEST) if size <= rows / 5]
    flat = UMAPParams(n_components=5, min_dist=0.0, random_state=seed)
    families = {
        "kmeans": (Candidate(KMeansParams(count, n_init=3, random_state=seed)) for count in counts),
        "hdbscan": chain.from_iterable(
            (
                Candidate(HDBSCANParams(size, min_samples=min(size, 5)), flat),
                Candidate(HDBSCANParams(size, min_samples=min(size, 5))),
                Candidate(HDBSCANParams(size, min_samples=min(size, 5), cluster_selection_method="leaf"), flat),
            )
            for size in smallest
        ),
        "agglomerative": (Candidate(AgglomerativeParams(count)) for count in counts),
        "gaussian_mixture": (
            Candidate(GaussianMixtureParams(count, covariance_type="diag", random_state=seed)) for count in counts
        ),
    }
    for together in zip_longest(*(families[name] for name in SWEPT if name in algorithms)):
        yield from (each for each in together if each is not None)


def _peak(candidate: Candidate, sample: Matrix) -> int:
    rows, dimensions = sample.shape
    reduced = candidate.reduction.n_components if isinstance(candidate.reduction, UMAPParams) else dimensions
    extra = reduction_bytes(rows, dimensions, candidate.reduction) + 2 * sample.nbytes
    return peak_bytes(rows, reduced, candidate.spec) + extra


def modularity(lists: NDArray[np.int32], labels: Labels) -> float:
    """Of `labels` (n) on the graph that joins each row to its neighbours `lists` (n, k): the share of edges within
    groups, less what it would be by chance. Noise rows are groups of one."""
    heads = np.repeat(labels, lists.shape[1])
    tails = labels[lists.ravel()]
    grouped = labels != NOISE
    within = (heads == tails) & (heads != NOISE)
    ends = np.bincount(heads[heads != NOISE], minlength=1) + np.bincount(
        tails[tails != NOISE], minlength=max(int(labels[grouped].max(initial=0)) + 1, 1)
    )
    return float(within.mean() - ((ends / (2 * len(heads))) ** 2).sum())


def _judge(
    candidate: Candidate,
    sample: Matrix,
    parts: Sequence[NDArray[np.int64]],
    lists: NDArray[np.int32],
    spaces: dict[tuple[Reduction, int], Matrix],
    seed: int,
) -> Judged:
    """`spaces` keeps what was reduced, of the whole (0) and of its parts, for the candidates after this one."""
    begun = time.monotonic()

    def labels_of(number: int, rows: Matrix) -> Labels:
        key = (candidate.reduction, number)
        if not isinstance(candidate.reduction, NoReduction) and key not in spaces:
            spaces[key] = reduce(rows, candidate.reduction)
        return cluster(spaces.get(key, rows), candidate.spec, seed=seed).labels

    labels = labels_of(0, sample)
    again = [adjusted_rand_score(labels[part], labels_of(number, sample[part])) for number, part in enumerate(parts, 1)]
    groups = int(labels.max(initial=NOISE)) + 1
    worth, stability = modularity(lists, labels), float(np.mean(again)) if groups > 1 else 0.0
    score = float(np.sqrt(max(worth, 0) * max(stability, 0)))
    noise = float((labels == NOISE).mean())
    return Judged(candidate, groups, noise, worth, stability, score, time.monotonic() - begun)


def _middle_first(values: Sequence[int]) -> list[int]:
    """The values so ordered that a beginning of any length spans them: the middle, then the middles of what is left."""
    spans, order = [(0, len(values))], []
    while spans:
        first, last = spans.pop(0)
        if first < last:
            middle = (first + last) // 2
            order.append(values[middle])
            spans += [(first, middle), (middle + 1, last)]
    return order
