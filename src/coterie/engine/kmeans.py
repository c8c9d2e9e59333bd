"""k-means, by scikit-learn."""

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from coterie.engine.arrays import Labels, Matrix, check_enough
from coterie.engine.specs import DEFAULT_SEED, KMeansParams


def kmeans(matrix: Matrix, spec: KMeansParams) -> Labels:
    """Labels (n) int32 in 0..k-1. Raises EngineError when there are fewer rows than groups.

    Fewer than k distinct rows give fewer groups. One thread: sums in another order would give other labels
    now and then, and the same seed shall give the same labels on every machine.
    """
    check_enough(matrix, "n_clusters", spec.n_clusters)
    distinct = _distinct_up_to(matrix, spec.n_clusters)
    model = KMeans(
        n_clusters=distinct,
        init=spec.init,
        n_init=spec.n_init,
        max_iter=spec.max_iter,
        tol=spec.tol,
        random_state=DEFAULT_SEED if spec.random_state is None else spec.random_state,
        algorithm=spec.algorithm if distinct > 1 else "lloyd",
    )
    with threadpool_limits(1):
        labels: Labels = model.fit_predict(matrix).astype(np.int32)
    return labels


def _distinct_up_to(matrix: Matrix, limit: int) -> int:
    """How many distinct rows there are, counted no further than `limit`."""
    seen: set[bytes] = set()
    for row in matrix:
        seen.add(row.tobytes())
        if len(seen) == limit:
            break
    return len(seen)
