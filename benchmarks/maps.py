"""Maps beside umap-learn's in one process, on digits and, where it is installed, Fashion-MNIST."""

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from benchmarks.machine import describe
from benchmarks.vectors import PICTURES, Labelled, fashion
from coterie.engine.layout import layout

JUDGED = 3000


def main() -> None:
    """Print times, trustworthiness and how well the nearest on the map tell the class."""
    import umap

    print(describe(), *(f"{name} {version(name)}" for name in ("numba", "umap-learn")))
    pixels, truth = load_digits(return_X_y=True)
    sets = {"digits": Labelled(pixels.astype(np.float32), truth)}
    if PICTURES.exists():
        whole = fashion(PICTURES)
        sets["10,000 of Fashion-MNIST"] = Labelled(whole.vectors[:10_000], whole.truth[:10_000])
        sets["Fashion-MNIST, 70,000 x 784"] = whole
    else:
        print(f"without Fashion-MNIST: {PICTURES} is missing")
    makers: dict[str, Callable[[Any], Any]] = {
        "coterie": lambda rows: layout(rows, seed=42),
        "umap-learn": lambda rows: umap.UMAP().fit_transform(rows),
        "umap-learn, seeded": lambda rows: umap.UMAP(random_state=42, n_jobs=1).fit_transform(rows),
    }
    for make in makers.values():
        make(sets["digits"].vectors[:500])
    for name, data in sets.items():
        ours = None
        for who, make in makers.items():
            begun = time.perf_counter()
            places = make(data.vectors)
            seconds = time.perf_counter() - begun
            ours = ours or seconds
            near, right = _judged(data, places)
            print(f"{name}: {who} {seconds:.2f} s ({seconds / ours:.1f}), trust {near:.3f}, right {right:.3f}")


def _judged(data: Labelled, places: Any) -> tuple[float, float]:
    chosen = np.random.default_rng(0).choice(len(places), min(JUDGED, len(places)), replace=False)
    near = trustworthiness(data.vectors[chosen], places[chosen], n_neighbors=10)
    right = cross_val_score(KNeighborsClassifier(10), places, data.truth, cv=3).mean()
    return float(near), float(right)
