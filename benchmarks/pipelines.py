"""The usual way, umap-learn to five dimensions and then the package hdbscan, beside ours without and with a reduction;
and what a suggestion recommends, beside the best that its sweep tried."""

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_rand_score

from benchmarks.machine import describe
from benchmarks.vectors import labelled_sets
from coterie.engine import cluster, suggest
from coterie.engine.arrays import drawn
from coterie.engine.layout import layout
from coterie.engine.reduction import reduce
from coterie.engine.specs import HDBSCANParams, UMAPParams

SPEC = HDBSCANParams(min_cluster_size=10, min_samples=5)
FLAT = UMAPParams(n_components=5, min_dist=0.0)
SWEPT, BUDGET = 3000, 120.0


def main() -> None:
    """Print times, and adjusted Rand indices on all rows, on what is not noise, and with the noise share."""
    import hdbscan
    import umap

    print(describe(), *(f"{name} {version(name)}" for name in ("numba", "umap-learn", "hdbscan")))

    def usual(rows: Any) -> Any:
        flat = umap.UMAP(n_components=5, min_dist=0.0).fit_transform(rows)
        return hdbscan.HDBSCAN(min_cluster_size=10, min_samples=5).fit_predict(flat)

    ways: dict[str, Callable[[Any], Any]] = {
        "coterie": lambda rows: cluster(rows, SPEC).labels,
        "coterie, UMAP first": lambda rows: cluster(reduce(rows, FLAT), SPEC).labels,
        "umap-learn and hdbscan": usual,
    }
    small = np.random.default_rng(0).normal(size=(500, 64)).astype(np.float32)
    layout(small, seed=0)
    for way in ways.values():
        way(small)
    for name, (rows, truth) in labelled_sets().items():
        print(name)
        for who, way in ways.items():
            begun = time.perf_counter()
            labels = way(rows)
            seconds = time.perf_counter() - begun
            kept = labels >= 0
            score, inner = (adjusted_rand_score(truth[at], labels[at]) for at in (kept | True, kept))
            scores = f"ARI {score:.3f}, of what is not noise {inner:.3f}, noise {1 - kept.mean():.3f}"
            print(f"  {who}: {seconds:.1f} s, {scores}", flush=True)
        chosen = drawn(len(rows), SWEPT, 1)
        sample, classes = rows[chosen], truth[chosen]
        found = suggest(sample, seconds=BUDGET)
        scores = [
            adjusted_rand_score(classes, cluster(reduce(sample, each.candidate.reduction), each.candidate.spec).labels)
            for each in found.judged
        ]
        span = f"best {max(scores):.3f}, median {np.median(scores):.3f}"
        print(f"  suggested of {len(scores)}: ARI {scores[0]:.3f} on {len(sample):,} rows, {span}", flush=True)
