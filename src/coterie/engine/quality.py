"""How good a clustering is, by the usual internal measures. Noise is left out of all but its own share."""

import numpy as np
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

from coterie.engine.arrays import NOISE, Labels, Matrix
from coterie.engine.specs import DEFAULT_SEED

SILHOUETTE_ROWS = 10_000
"""Above so many rows the silhouette, which compares all pairs, is that of a seeded sample."""


def quality(matrix: Matrix, labels: Labels, *, cosine: bool, seed: int = DEFAULT_SEED) -> dict[str, float]:
    """Measures of `labels` (n) on `matrix` (n, d): `noise_ratio`, and where two groups or more have any meaning for
    them `silhouette_score` (Rousseeuw 1987; cosine distance if `cosine`), `davies_bouldin_score` (1979) and
    `calinski_harabasz_score` (1974), with `silhouette_sample_size`, the rows that it was computed on."""
    grouped = labels != NOISE
    measures = {"noise_ratio": float(1 - grouped.mean())}
    of = labels[grouped]
    groups = len(np.unique(of))
    if not 2 <= groups < len(of):
        return measures
    rows = matrix[grouped]
    measures["davies_bouldin_score"] = float(davies_bouldin_score(rows, of))
    measures["calinski_harabasz_score"] = float(calinski_harabasz_score(rows, of))
    chosen = np.arange(len(of))
    if len(of) > SILHOUETTE_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(len(of), SILHOUETTE_ROWS, replace=False))
    if 2 <= len(np.unique(of[chosen])) < len(chosen):
        metric = "cosine" if cosine else "euclidean"
        measures["silhouette_score"] = float(silhouette_score(rows[chosen], of[chosen], metric=metric))
        measures["silhouette_sample_size"] = float(len(chosen))
    return {name: value for name, value in measures.items() if np.isfinite(value)}
