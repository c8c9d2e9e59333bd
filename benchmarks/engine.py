"""Density clustering beside its peers in one process, on generated vectors, Fashion-MNIST where it is installed
(`apt-get install dataset-fashion-mnist`), and sets of your own (`COTERIE_SETS`). `make bench` installs the peers."""

import os
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_rand_score

from benchmarks.machine import describe
from benchmarks.vectors import Labelled, labelled_sets, planted
from coterie.engine.clustering import cluster
from coterie.engine.specs import HDBSCANParams

SPEC = HDBSCANParams(min_cluster_size=10, min_samples=5)
ROUNDS = int(os.environ.get("COTERIE_ROUNDS", "5"))


def main() -> None:
    """Print times, ratios and agreement."""
    import fast_hdbscan
    import hdbscan as package

    print(describe(), *(f"{name} {version(name)}" for name in ("numba", "fast-hdbscan", "hdbscan")))
    peer = fast_hdbscan.HDBSCAN(min_cluster_size=10, min_samples=5)
    for name, data in labelled_sets().items():
        _beside(name, data, "fast_hdbscan", lambda rows: np.asarray(peer.fit_predict(rows)), ROUNDS)
    theirs = package.HDBSCAN(min_cluster_size=10, min_samples=5)
    _beside("generated, 10,000 x 512", planted(10_000), "hdbscan", lambda rows: theirs.fit_predict(rows), 1)


def _beside(name: str, data: Labelled, peer: str, their: Callable[[Any], Any], rounds: int) -> None:
    our_times, their_times = [], []
    small = data.vectors[:2000]
    their(small), cluster(small, SPEC)
    for _ in range(rounds):
        ours, seconds = _timed(lambda rows: cluster(rows, SPEC).labels, data.vectors)
        our_times.append(seconds)
        theirs, seconds = _timed(their, data.vectors)
        their_times.append(seconds)
    ratio = statistics.median(their / own for own, their in zip(our_times, their_times, strict=True))
    took, they_took = statistics.median(our_times), statistics.median(their_times)
    print(f"{name}: {took:.2f} s, {peer} {they_took:.2f} s, {ratio:.2f} times")
    for who, labels in (("coterie", ours), (peer, theirs)):
        kept = labels >= 0
        score, inner = (adjusted_rand_score(data.truth[at], labels[at]) for at in (kept | True, kept))
        print(f"  {who}: ARI {score:.3f}, of what is not noise {inner:.3f}, noise {1 - kept.mean():.3f}")
    print(f"  agreement: ARI {adjusted_rand_score(ours, theirs):.4f}")


def _timed(work: Callable[[Any], Any], rows: Any) -> tuple[Any, float]:
    begun = time.perf_counter()
    found = work(rows)
    return found, time.perf_counter() - begun
