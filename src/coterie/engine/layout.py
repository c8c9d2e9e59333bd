"""Vectors placed in few dimensions, neighbours near each other: UMAP (McInnes, Healy and Melville 2018).

A seeded sample is placed by descent from its principal components (an informed start is what keeps the large shape,
Kobak and Linderman 2021); every other row comes to stand among its nearest sampled ones. One thread and one order of
steps, so that the same input and seed give the same places.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from scipy.optimize import curve_fit
from scipy.sparse import csr_array

from coterie.engine.arrays import Matrix, drawn
from coterie.engine.kernels.layout import descend, memberships
from coterie.engine.memory import MOST_PLACED
from coterie.engine.neighbours import Neighbours, exact_neighbours, neighbours_among
from coterie.engine.projection import principal_components

SUPPORT = 4
"""Sampled rows among which another one is placed."""

EPOCHS = 200
"""Rounds of the descent; of few rows twice as many."""

EXTENT = 10.0
"""The start is scaled to so much on either side of the origin."""


def layout(
    matrix: Matrix, dimensions: int = 2, *, neighbours: int = 15, min_dist: float = 0.1, seed: int
) -> NDArray[np.float32]:
    """Places of `matrix` (n, d) in so many dimensions, (n, `dimensions`) float32, around the origin.

    `neighbours` weighs the small shape against the large, `min_dist` is how close rows may stand.
    """
    chosen = drawn(len(matrix), MOST_PLACED, seed)
    if len(chosen) == len(matrix):
        return _placed(matrix, dimensions, neighbours, min_dist, seed)
    places = _placed(matrix[chosen], dimensions, neighbours, min_dist, seed)
    return among(matrix, chosen, places, seed=seed)


def among(matrix: Matrix, chosen: NDArray[np.int64], places: NDArray[np.float32], *, seed: int) -> NDArray[np.float32]:
    """Places of all rows of `matrix` (n, d), given those (m, p) of its rows `chosen` (m): the mean of the nearest of
    these, by nearness."""
    found = neighbours_among(matrix, matrix[chosen], min(SUPPORT, len(chosen)), seed=seed)
    placed = _amid(found, places)
    placed[chosen] = places
    return placed


def beside(matrix: Matrix, landmarks: Matrix, places: NDArray[np.float32], *, seed: int = 0) -> NDArray[np.float32]:
    """Places for rows of `matrix` (n, d) that are not on the map, amid the nearest of its `landmarks` (m, d), which
    stand at `places` (m, p)."""
    found = neighbours_among(matrix, landmarks, min(SUPPORT, len(landmarks)), seed=seed)
    return _amid(found, places)


def align(places: NDArray[np.float32], earlier: NDArray[np.float32], known: NDArray[np.int64]) -> NDArray[np.float32]:
    """`places` (n, p) turned, mirrored and moved as a whole, so that its rows `known` (m) come as near as that can to
    where they stood `earlier` (m, p) (Schönemann 1966). Distances on the map stay as they are."""
    if len(known) < 2:
        return places
    here, there = places[known].mean(axis=0), earlier.mean(axis=0)
    turn, _ = orthogonal_procrustes(places[known] - here, earlier - there)
    turned: NDArray[np.float32] = ((places - here) @ turn + there).astype(np.float32)
    return turned


def _amid(found: Neighbours, places: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the neighbours' places, by nearness."""
    nearness = 1 / np.maximum(found.distances, 1e-6 * max(float(found.distances.mean()), 1e-30))
    nearness[found.indices < 0] = 0
    nearness /= nearness.sum(axis=1, keepdims=True)
    placed: NDArray[np.float32] = np.einsum("nk,nkp->np", nearness, places[found.indices]).astype(np.float32)
    return placed


def _placed(matrix: Matrix, dimensions: int, neighbours: int, min_dist: float, seed: int) -> NDArray[np.float32]:
    rows = len(matrix)
    places = _start(matrix, dimensions, seed)
    k = min(neighbours, rows - 1)
    if k < 2:
        return places
    bonds = _bonds(exact_neighbours(matrix, k))
    epochs = EPOCHS * (2 if rows <= MOST_PLACED // 4 else 1)
    a, b = _curve(min_dist)
    bonds.data[bonds.data < bonds.data.max() / epochs] = 0
    bonds.eliminate_zeros()
    gaps = (bonds.data.max() / bonds.data).astype(np.float32)
    descend(places, bonds.indptr, bonds.indices, gaps, epochs, np.float32(a), np.float32(b), seed)
    centred: NDArray[np.float32] = places - places.mean(axis=0, dtype=np.float64).astype(np.float32)
    return centred


def _start(matrix: Matrix, dimensions: int, seed: int) -> NDArray[np.float32]:
    """The principal components, a little shaken so that equal rows can part; further axes are noise alone."""
    noise = np.random.default_rng(seed).normal(scale=1e-3, size=(len(matrix), dimensions)).astype(np.float32)
    components = principal_components(matrix, seed=seed, dimensions=dimensions).of(matrix)
    widest = float(np.abs(components).max(initial=0)) or 1.0
    noise[:, : components.shape[1]] += components * np.float32(EXTENT / widest)
    return noise


def _bonds(lists: Neighbours) -> csr_array:
    """The memberships of both directions joined: a + b - ab."""
    rows, k = lists.indices.shape
    weights = np.zeros((rows, k), np.float32)
    memberships(lists.indices, lists.distances, weights)
    listed = lists.indices >= 0
    heads = np.repeat(np.arange(rows), k).reshape(rows, k)[listed]
    one_way = csr_array((weights[listed], (heads, lists.indices[listed])), shape=(rows, rows))
    other = one_way.T.tocsr()
    joined = csr_array(one_way + other - one_way.multiply(other))
    joined.sort_indices()
    return joined


def _curve(min_dist: float) -> tuple[float, float]:
    """a and b of 1 / (1 + a x^2b), nearest to 1 up to `min_dist` and a falling exponential beyond."""
    x = np.linspace(0, 3, 300)
    wanted = np.where(x < min_dist, 1.0, np.exp(-(x - min_dist)))
    (a, b), _ = curve_fit(lambda x, a, b: 1 / (1 + a * x ** (2 * b)), x, wanted)
    return float(a), float(b)
