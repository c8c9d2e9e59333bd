"""k-means beside scikit-learn, faiss and superkmeans: the time each takes, and the inertia it comes to."""

import os
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks.machine import describe
from benchmarks.vectors import planted
from coterie.engine.describe import centroids_of
from coterie.engine.describe import describe as describe_groups
from coterie.engine.kmeans import kmeans
from coterie.engine.nearest import nearest
from coterie.engine.specs import KMeansParams

GROUPS = 500
ROUNDS = int(os.environ.get("COTERIE_ROUNDS", "3"))


def main() -> None:
    """Print medians, one start each."""
    import faiss
    import superkmeans
    from sklearn.cluster import KMeans

    libraries = ("scikit-learn", "faiss-cpu", "superkmeans")
    print(describe(), *(f"{name} {version(name)}" for name in libraries), f"{GROUPS} groups, 2 threads")
    rows = planted(100_000).vectors

    def ours(most: int) -> Any:
        return centroids_of(rows, kmeans(rows, KMeansParams(GROUPS, n_init=1, max_iter=most)))

    def by_faiss(most: int) -> Any:
        model = faiss.Kmeans(rows.shape[1], GROUPS, niter=most, max_points_per_centroid=10**9, seed=1)
        model.train(rows)
        return model.centroids

    def by_superkmeans(most: int) -> Any:
        options = {"iters": most, "sampling_fraction": 1.0, "max_points_per_cluster": 10**9}
        model = superkmeans.SuperKMeans(GROUPS, rows.shape[1], hierarchical=False, early_termination=False, **options)
        return model.train(rows)

    def by_sklearn(start: str, most: int) -> Any:
        return KMeans(GROUPS, init=start, n_init=1, max_iter=most, random_state=1).fit(rows).cluster_centers_

    makers: dict[str, Callable[[], Any]] = {
        "coterie, 1 round": lambda: ours(1),
        "coterie, 10 rounds": lambda: ours(10),
        "coterie, to its end": lambda: ours(300),
        "faiss, 10 rounds": lambda: by_faiss(10),
        "faiss, 25 rounds": lambda: by_faiss(25),
        "superkmeans, 10 rounds": lambda: by_superkmeans(10),
        "superkmeans, 25 rounds": lambda: by_superkmeans(25),
        "scikit-learn, random, 10 rounds": lambda: by_sklearn("random", 10),
        "scikit-learn, k-means++, 10 rounds": lambda: by_sklearn("k-means++", 10),
    }
    kmeans(rows[:12_000], KMeansParams(8, n_init=1))
    for name, make in makers.items():
        times = []
        for _ in range(1 if "++" in name or "end" in name else ROUNDS):
            begun = time.perf_counter()
            centres = make()
            times.append(time.perf_counter() - begun)
        labels = nearest(rows, np.ascontiguousarray(centres, np.float32))
        found = describe_groups(rows, labels)
        print(f"{name}: {statistics.median(times):.2f} s, inertia {(found.variances * found.sizes).sum():,.0f}")
