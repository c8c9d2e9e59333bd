"""Which documents of a group are shown to a language model: typical ones that differ from each other."""

import numpy as np
from numpy.typing import NDArray

POOL = 256
"""Members that are looked at, evenly from the nearest to the centroid to the farthest."""

CORE = 0.9
"""The share of members, nearest first, that they are taken of: the fringe misleads."""

LAMBDA = 0.3
"""How much being typical counts against being different. By half or more nothing would: a document is about as far from
the first one chosen as from the centroid beside it."""


def pool_of(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """At most POOL (or `count`, if that is more) of a group's rows, which are sorted nearest first."""
    core = rows[: max(int(np.ceil(CORE * len(rows))), min(count, len(rows)))]
    places = np.linspace(0, len(core) - 1, min(len(core), max(POOL, count)))
    return core[np.unique(places.round().astype(np.int64))] if len(core) else core


def spread(count: int, size: int) -> NDArray[np.int64]:
    """At most `count` numbers below `size`, evenly, the first among them: a choice where there are no vectors."""
    return np.unique(np.linspace(0, max(size - 1, 0), min(count, size)).round().astype(np.int64))


def diverse(vectors: NDArray[np.float32], centroid: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """At most `count` numbers of `vectors` (m, d) by maximal marginal relevance (Carbonell and Goldstein 1998,
    section 2) over distances: the nearest to `centroid` (d) first, then what is both near to it and far from those
    chosen. Twins of those are left out. O(count * m * d)."""
    if not len(vectors):
        return np.empty(0, np.int64)
    far = np.linalg.norm(vectors - centroid, axis=1)
    twin = 1e-6 * max(float(far.max()), 1e-12)
    chosen = [int(far.argmin())]
    apart = np.linalg.norm(vectors - vectors[chosen[0]], axis=1)
    while len(chosen) < count and apart.max() > twin:
        score = (1 - LAMBDA) * apart - LAMBDA * far
        score[apart <= twin] = -np.inf
        chosen.append(int(score.argmax()))
        apart = np.minimum(apart, np.linalg.norm(vectors - vectors[chosen[-1]], axis=1))
    return np.array(chosen, np.int64)
