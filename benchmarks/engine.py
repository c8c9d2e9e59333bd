"""Density clustering beside its peers in one process, on generated vectors, Fashion-MNIST where it is installed
(`apt-get install dataset-fashion-mnist`), and sets of your own (`COTERIE_SETS`). `make bench` installs the peers."""

import os
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from benchmarks.machine import describe, spread
from benchmarks.vectors import Labelled, labelled_sets, planted
from coterie.engine.arrays import drawn
from coterie.engine.clustering import cluster
from coterie.engine.hdbscan import NEIGHBOURS
from coterie.engine.neighbours import approximate_neighbours
from coterie.engine.projection import principal_components
from coterie.engine.specs import HDBSCANParams

SPEC = HDBSCANParams(min_cluster_size=10, min_samples=5)
ROUNDS = int(os.environ.get("COTERIE_ROUNDS", "5"))
ASKED = 2000
"""Rows whose true neighbours are looked up."""


class Found(NamedTuple):
    """Of n rows: labels, -1 for noise, and how strongly each belongs."""

    labels: NDArray[Any]
    probabilities: NDArray[Any]


Fit = Callable[[Any], Found]


def main() -> None:
    """Print times, ratios and agreement."""
    import fast_hdbscan
    import hdbscan as package

    print(describe(), *(f"{name} {version(name)}" for name in ("numba", "fast-hdbscan", "hdbscan")))

    def fit(model: Any) -> Fit:
        def fitted(rows: Any) -> Found:
            model.fit(rows)
            return Found(np.asarray(model.labels_), np.asarray(model.probabilities_))

        return fitted

    peer = fit(fast_hdbscan.HDBSCAN(min_cluster_size=10, min_samples=5))
    for name, data in labelled_sets().items():
        _beside(name, data, "fast_hdbscan", peer, ROUNDS)
        _recall(name, data.vectors)
    theirs = fit(package.HDBSCAN(min_cluster_size=10, min_samples=5))
    _beside("generated, 10,000 x 512", planted(10_000), "hdbscan", theirs, 1)


def _beside(name: str, data: Labelled, peer: str, their: Fit, rounds: int) -> None:
    our_times, their_times = [], []
    small = data.vectors[:2000]
    theirs, ours = their(small), _ours(small)
    for _ in range(rounds):
        ours, seconds = _timed(_ours, data.vectors)
        our_times.append(seconds)
        theirs, seconds = _timed(their, data.vectors)
        their_times.append(seconds)
    for which, what in enumerate(("seconds", "processor seconds")):
        took, they_took = ([each[which] for each in times] for times in (our_times, their_times))
        ratio = statistics.median(they / own for own, they in zip(took, they_took, strict=True))
        print(f"{name}: {spread(took)} {what}, {peer} {spread(they_took)}, {ratio:.2f} times")
    share = max(float((found.labels < 0).mean()) for found in (ours, theirs))
    for who, found in (("coterie", ours), (peer, theirs)):
        kept = found.labels >= 0
        score, inner = (adjusted_rand_score(data.truth[at], found.labels[at]) for at in (kept | True, kept))
        print(f"  {who}: ARI {score:.3f}, of what is not noise {inner:.3f}, noise {1 - kept.mean():.3f}")
        firm = _firmest(found, share)
        inner = adjusted_rand_score(data.truth[firm], found.labels[firm])
        print(f"    at noise {share:.3f}, the weakest members left out: {inner:.3f}")
    print(f"  agreement: ARI {adjusted_rand_score(ours.labels, theirs.labels):.4f}", flush=True)


def _ours(rows: Any) -> Found:
    found = cluster(rows, SPEC)
    return Found(found.labels, found.probabilities)


def _firmest(found: Found, noise: float) -> Any:
    """The rows that are left when so large a share is taken for noise, those of the least probability first."""
    return np.argsort(-found.probabilities, kind="stable")[: round((1 - noise) * len(found.labels))]


def _recall(name: str, rows: Any) -> None:
    """Of 15 neighbours of rows drawn at random how many are found, by us and as fast_hdbscan finds them."""
    from pynndescent import NNDescent

    asked = drawn(len(rows), ASKED, 0)
    nearest = NearestNeighbors(n_neighbors=NEIGHBOURS + 1, algorithm="brute").fit(rows)
    true = [set(each) - {row} for row, each in zip(asked, nearest.kneighbors(rows[asked])[1], strict=True)]
    projected = principal_components(rows, seed=0).of(rows)
    lists = {
        "coterie": approximate_neighbours(rows, projected, NEIGHBOURS, seed=0).indices,
        "pynndescent": NNDescent(rows, n_neighbors=NEIGHBOURS + 1).neighbor_graph[0],
    }
    for who, found in lists.items():
        shares = [len(near & set(found[row])) / len(near) for row, near in zip(asked, true, strict=True)]
        print(f"{name}: recall of {NEIGHBOURS} neighbours {np.mean(shares):.3f}, {who}", flush=True)


def _timed(work: Fit, rows: Any) -> tuple[Found, tuple[float, float]]:
    begun, used = time.perf_counter(), time.process_time()
    found = work(rows)
    return found, (time.perf_counter() - begun, time.process_time() - used)
