"""Maps and reductions: neighbours stay near, maps keep still, and what scikit-learn says of the same."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

from coterie.engine import layout as layouts
from coterie.engine import reduction as reductions
from coterie.engine.errors import EngineError
from coterie.engine.layout import align, among, layout
from coterie.engine.memory import layout_bytes, reduction_bytes
from coterie.engine.neighbours import neighbours_among
from coterie.engine.reduction import reduce, whiten
from coterie.engine.specs import NoReduction, PCAParams, Reduction, TSNEParams, UMAPParams, is_map
from support import blobs

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def digits() -> tuple[Floats, NDArray[np.int64]]:
    pixels, truth = load_digits(return_X_y=True)
    return pixels.astype(np.float32), truth


def kept(rows: Floats, places: Floats, truth: NDArray[np.int64]) -> tuple[float, float]:
    """How far neighbours on the map are neighbours, and how well they tell the class."""
    right = cross_val_score(KNeighborsClassifier(10), places, truth, cv=3).mean()
    return trustworthiness(rows, places, n_neighbors=10), float(right)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_map_of_digits_keeps_neighbours_together(digits: tuple[Floats, NDArray[np.int64]], dimensions: int) -> None:
    pixels, truth = digits
    places = layout(pixels, dimensions, seed=42)
    assert places.shape == (len(pixels), dimensions)
    near, right = kept(pixels, places, truth)
    assert near > 0.97
    assert right > 0.95
    with threadpool_limits(1):
        assert (layout(pixels, dimensions, seed=42) == places).all()
    assert not (layout(pixels, dimensions, seed=43) == places).all()


def test_beyond_the_sample_rows_stand_among_their_like(
    digits: tuple[Floats, NDArray[np.int64]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, truth = digits
    monkeypatch.setattr(layouts, "MOST_PLACED", 600)
    places = layout(pixels, seed=1)
    near, right = kept(pixels, places, truth)
    assert near > 0.93
    assert right > 0.9


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
def test_few_rows_and_equal_ones_have_places(rows: int) -> None:
    few = blobs()[:rows]
    assert np.isfinite(layout(few, seed=0)).all()
    assert np.isfinite(layout(np.ones((rows, 3), np.float32), 3, seed=0)).all()
    assert np.isfinite(layout(np.repeat(few, 30, axis=0), seed=0)).all()
    assert layout(few[:, :1], 2, seed=0).shape == (rows, 2)


def test_min_dist_spreads_what_is_close() -> None:
    rows = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)
    dense, loose = (layout(rows, min_dist=least, seed=0) for least in (0.0, 0.99))
    nearest = [np.sort(pairwise_distances(places), axis=1)[:, 1].mean() for places in (dense, loose)]
    assert nearest[1] > 1.5 * nearest[0]


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_turned_map_is_turned_back(mirrored: bool) -> None:
    dice = np.random.default_rng(0)
    before = dice.normal(size=(50, 2)).astype(np.float32) * [3, 1]
    turn = np.array([[np.cos(2), -np.sin(2)], [np.sin(2), np.cos(2)]]) @ np.diag([1, -1 if mirrored else 1])
    after = (before @ turn + [5, -7]).astype(np.float32)
    known = np.arange(0, 50, 2)
    laid = align(after, before[known].astype(np.float32), known)
    assert np.allclose(laid, before, atol=1e-4)
    noisy = align(after + dice.normal(size=after.shape).astype(np.float32), before[known].astype(np.float32), known)
    assert noisy.shape == before.shape
    wider = align(after, before[:9].astype(np.float32) * 4, np.arange(9))
    assert np.allclose(pairwise_distances(wider), pairwise_distances(after), atol=1e-3)


def test_rows_find_most_of_their_neighbours_among_others() -> None:
    dice = np.random.default_rng(0)
    targets = dice.normal(size=(3000, 6)).astype(np.float32)
    rows = np.vstack([dice.normal(size=(9000, 6)), targets[:10]]).astype(np.float32)
    found = neighbours_among(rows, targets, 5, seed=0)
    table = pairwise_distances(rows, targets)
    wanted = np.argsort(table, axis=1)[:, :5]
    hits = np.mean([len(set(a) & set(b)) / 5 for a, b in zip(found.indices, wanted, strict=True)])
    assert hits > 0.7
    assert (found.indices[-10:, 0] == np.arange(10)).all()
    listed = np.take_along_axis(table, found.indices.astype(np.int64), axis=1)
    assert np.allclose(found.distances, listed, atol=1e-2)
    few = neighbours_among(rows, targets[:3], 3, seed=0)
    assert (np.sort(few.indices, axis=1) == [0, 1, 2]).all()


def test_known_rows_keep_their_places() -> None:
    rows = blobs(size=40)
    known = np.arange(0, 120, 2)
    places = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32) + np.repeat(
        [[0], [50], [100]], 20, axis=0
    )
    laid = among(rows, known, places.astype(np.float32), seed=0)
    assert (laid[known] == places.astype(np.float32)).all()
    assert (np.abs(laid[:, 0] - np.repeat([0, 50, 100], 40)) < 10).all()


def test_principal_components_are_those_of_scikit_learn(digits: tuple[Floats, NDArray[np.int64]]) -> None:
    pixels, _ = digits
    ours, theirs = reduce(pixels, PCAParams(n_components=10)), PCA(10, svd_solver="full").fit_transform(pixels)
    signs = np.sign((ours * theirs).sum(axis=0))
    assert np.allclose(ours * signs, theirs, atol=1e-2)


@pytest.mark.parametrize("spec", [UMAPParams(), UMAPParams(n_components=5), TSNEParams(), PCAParams(n_components=8)])
def test_reductions_keep_classes_apart(digits: tuple[Floats, NDArray[np.int64]], spec: Reduction) -> None:
    pixels, truth = digits[0][:700], digits[1][:700]
    places = reduce(pixels, spec)
    assert places.shape == (700, spec.n_components)  # type: ignore[union-attr]
    assert kept(pixels, places, truth)[1] > 0.85
    assert (reduce(pixels, spec) == places).all()
    assert is_map(spec, 2) == (not isinstance(spec, PCAParams) and spec.n_components == 2)  # type: ignore[union-attr]


def test_tsne_places_a_sample_and_the_rest_among_it(
    digits: tuple[Floats, NDArray[np.int64]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, truth = digits
    monkeypatch.setattr(reductions, "MOST_IN_A_TREE", 500)
    monkeypatch.setattr(reductions, "MOST_IN_PAIRS", 100)
    assert kept(pixels, reduce(pixels, TSNEParams()), truth)[1] > 0.85
    assert reduce(pixels, TSNEParams(n_components=4)).shape == (len(pixels), 4)
    with pytest.raises(EngineError, match=r"perplexity 100 .* t-SNE has 100: lower it"):
        reduce(pixels, TSNEParams(n_components=4, perplexity=100))


def test_components_that_are_not_there_are_refused_and_none_changes_nothing() -> None:
    rows = blobs()
    assert reduce(rows, NoReduction()) is rows
    with pytest.raises(EngineError, match="use at most 4"):
        reduce(rows, PCAParams(n_components=5))
    assert reduce(rows, UMAPParams(n_components=6)).shape == (60, 6)


def test_whitening_evens_out_variances_the_less_the_softer() -> None:
    dice = np.random.default_rng(0)
    rows = (dice.normal(size=(4000, 4)) * [10, 3, 1, 0.1] @ np.linalg.qr(dice.normal(size=(4, 4)))[0]).astype(
        np.float32
    )
    hard, soft, none = (np.linalg.cond(np.cov(whiten(rows, epsilon).T)) for epsilon in (1e-8, 0.1, 1e6))
    assert hard < 1.01
    assert 1.5 < soft < none / 5
    assert none == pytest.approx(np.linalg.cond(np.cov(rows.T)), rel=0.05)
    assert np.isfinite(whiten(np.ones((5, 3), np.float32), 0.1)).all()


def test_memory_is_said_for_every_reduction() -> None:
    for spec in (PCAParams(), UMAPParams(), TSNEParams(), TSNEParams(n_components=5)):
        assert reduction_bytes(100_000, 512, spec) >= 4 * 100_000 * spec.n_components
    assert reduction_bytes(100_000, 512, NoReduction()) == 0
    assert layout_bytes(100_000, 512, 2) > 4 * 100_000 * (512 + 64)
    assert layout_bytes(100_000, 512, 2, copies=1) == layout_bytes(100_000, 512, 2) + 4 * 100_000 * 512


MEASURE = """
import resource
import numpy as np
from coterie.engine.layout import layout
rows = np.random.default_rng(0).standard_normal((300_000, 64), np.float32)
layout(rows, 2, seed=0)
print(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_a_map_takes_no_more_memory_than_was_said() -> None:
    taken = int(subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, check=True).stdout)
    assert 0.4 < taken / layout_bytes(300_000, 64, 2) < 1
