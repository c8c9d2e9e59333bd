"""HDBSCAN against the package of that name and against what must hold of any such tree."""

import warnings

import hdbscan as package
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree
from sklearn.cluster import HDBSCAN
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score, pairwise_distances
from threadpoolctl import threadpool_limits

from coterie.engine import hdbscan as engine
from coterie.engine.arrays import NOISE, as_matrix
from coterie.engine.clustering import cluster
from coterie.engine.densities import condense
from coterie.engine.hdbscan import core_distances, hdbscan
from coterie.engine.neighbours import approximate_neighbours, exact_neighbours
from coterie.engine.projection import principal_components
from coterie.engine.spanning import spanning_tree
from coterie.engine.specs import HDBSCANParams
from support import blobs

Rows = NDArray[np.float32]


def clouds(rows: int = 3000, groups: int = 30, dimensions: int = 24, seed: int = 0) -> tuple[Rows, NDArray[np.int64]]:
    """Groups of unequal size and spread, and a tenth of noise."""
    dice = np.random.default_rng(seed)
    truth = np.r_[dice.integers(groups, size=rows * 9 // 10), np.full(rows - rows * 9 // 10, NOISE)]
    centres = dice.normal(size=(groups, dimensions)) * 3
    spread = dice.uniform(0.3, 1.0, groups)
    found = centres[truth] + dice.normal(size=(rows, dimensions)) * spread[truth][:, None]
    found[truth == NOISE] = dice.normal(size=((truth == NOISE).sum(), dimensions)) * 4
    return found.astype(np.float32), truth


def reference(rows: Rows, **parameters: object) -> NDArray[np.int64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labels: NDArray[np.int64] = package.HDBSCAN(**parameters).fit_predict(rows.astype(np.float64))
    return labels


@pytest.mark.parametrize("match", [True, False])
@pytest.mark.parametrize(
    ("smallest", "samples", "method"), [(10, 5, "eom"), (5, None, "eom"), (15, 3, "leaf"), (2, 1, "leaf")]
)
def test_labels_are_those_of_the_package(match: bool, smallest: int, samples: int | None, method: str) -> None:
    rows, _ = clouds()
    spec = HDBSCANParams(smallest, samples, cluster_selection_method=method, match_reference_implementation=match)
    theirs = reference(
        rows,
        min_cluster_size=smallest,
        min_samples=samples,
        cluster_selection_method=method,
        match_reference_implementation=match,
    )
    assert adjusted_rand_score(hdbscan(rows, spec).labels, theirs) > 0.995


@pytest.mark.parametrize("match", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_labels_of_digits_are_those_of_the_package_in_any_order(match: bool, seed: int) -> None:
    """Their distances are roots of whole numbers: many are equal, and which edge is taken then shows."""
    rows = np.random.default_rng(seed).permutation(as_matrix(load_digits().data))
    ours = hdbscan(rows, HDBSCANParams(10, 5, match_reference_implementation=match)).labels
    theirs = reference(rows, min_cluster_size=10, min_samples=5, match_reference_implementation=match)
    assert adjusted_rand_score(ours, theirs) == 1.0


@pytest.mark.parametrize(
    "change",
    [
        {"cluster_selection_epsilon": 12.0},
        {"max_cluster_size": 60},
        {"alpha": 1.3},
        {"allow_single_cluster": True},
    ],
)
def test_each_parameter_does_what_it_does_in_the_package(change: dict[str, object]) -> None:
    rows, _ = clouds(2000)
    plain = hdbscan(rows, HDBSCANParams(10, 5)).labels
    ours = hdbscan(rows, HDBSCANParams(10, 5, **change)).labels  # type: ignore[arg-type]
    theirs = reference(rows, min_cluster_size=10, min_samples=5, **change)
    assert adjusted_rand_score(ours, theirs) > 0.99
    if change.keys() & {"cluster_selection_epsilon", "max_cluster_size"}:
        assert (ours != plain).any()


@pytest.mark.parametrize("metric", ["manhattan", "chebyshev"])
def test_other_metrics_run_over_a_table(metric: str) -> None:
    rows, _ = clouds(800, groups=6)
    ours = hdbscan(rows, HDBSCANParams(10, 5, metric=metric)).labels
    theirs = reference(rows, min_cluster_size=10, min_samples=5, metric=metric)
    assert adjusted_rand_score(ours, theirs) > 0.98


def test_cosine_is_that_of_a_table_of_cosines() -> None:
    rows, _ = clouds(800, groups=6)
    ours = hdbscan(rows, HDBSCANParams(10, 5, metric="cosine")).labels
    table = np.sqrt(2 * np.clip(pairwise_distances(rows.astype(np.float64), metric="cosine"), 0, None))
    theirs = HDBSCAN(min_cluster_size=10, min_samples=6, metric="precomputed", copy=True).fit_predict(table)
    assert adjusted_rand_score(ours, theirs) > 0.99


@pytest.mark.parametrize("rows", [1, 2, 3, 700, 2500])
def test_exact_neighbours_are_the_nearest(rows: int) -> None:
    matrix = np.random.default_rng(rows).normal(size=(rows, 12)).astype(np.float32)
    found = exact_neighbours(matrix, min(10, max(rows - 1, 1)))
    table = pairwise_distances(matrix.astype(np.float64))
    np.fill_diagonal(table, np.inf)
    expected = np.sort(table, axis=1)[:, : found.distances.shape[1]]
    assert found.distances == pytest.approx(expected, rel=1e-5)
    if rows > 1:
        assert (found.indices != np.arange(rows)[:, None]).all()


def test_most_approximate_neighbours_are_the_nearest_and_all_distances_are_true() -> None:
    rows, _ = clouds(6000)
    exact = exact_neighbours(rows, 15)
    found = approximate_neighbours(rows, principal_components(rows, seed=1).of(rows), 15, seed=1)
    recall = np.mean([len(set(a) & set(b)) / 15 for a, b in zip(exact.indices, found.indices, strict=True)])
    assert recall > 0.8
    for row in range(0, 6000, 500):
        assert found.distances[row] == pytest.approx(
            np.linalg.norm(rows[found.indices[row]] - rows[row], axis=1), rel=1e-4
        )
        assert len(set(found.indices[row])) == 15


def test_the_spanning_tree_weighs_what_the_lightest_one_weighs() -> None:
    rows, _ = clouds(900)
    lists = exact_neighbours(rows, 15)
    core = core_distances(lists, 5)
    tree = spanning_tree(rows, lists, core)
    table = np.maximum(pairwise_distances(rows.astype(np.float64)), np.maximum(core[:, None], core))
    np.fill_diagonal(table, 0)
    assert len(tree.weights) == 899
    assert tree.weights.sum() == pytest.approx(minimum_spanning_tree(table).sum(), rel=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_approximation_finds_the_groups_and_never_collapses(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    rows, truth = clouds(4000, seed=seed)
    exact = hdbscan(rows, HDBSCANParams(10, 5), seed=seed)
    monkeypatch.setattr(engine, "EXACT_ROWS", 0)
    found = hdbscan(rows, HDBSCANParams(10, 5), seed=seed)
    grouped = truth != NOISE
    assert adjusted_rand_score(truth[grouped], found.labels[grouped]) > (
        adjusted_rand_score(truth[grouped], exact.labels[grouped]) - 0.05
    )


def test_components_far_apart_are_joined_by_real_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "EXACT_ROWS", 0)
    rows = np.vstack([blobs(size=200), blobs(size=200) + 1000])
    found = hdbscan(rows, HDBSCANParams(10, 5))
    assert adjusted_rand_score(np.repeat(np.arange(6), 200), found.labels) > 0.95
    assert found.tree is not None
    births = 1 / found.tree.birth[found.tree.parent == 0]
    assert births == pytest.approx(np.full(len(births), 2000), rel=0.1)  # the way from one half to the other


@pytest.mark.parametrize("approximate", [True, False])
def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch, approximate: bool) -> None:
    rows, _ = clouds(3000)
    if approximate:
        monkeypatch.setattr(engine, "EXACT_ROWS", 0)
    found = []
    for threads in (1, 2, 3):
        monkeypatch.setattr("coterie.engine.threads.cores", lambda threads=threads: threads)
        with threadpool_limits(threads):
            found.append(hdbscan(rows, HDBSCANParams(10, 5)).labels)
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()


def test_a_million_equal_rows_are_one_group() -> None:
    found = cluster(np.ones((1_000_000, 2), np.float32), HDBSCANParams())
    assert found.groups == 1


def test_many_duplicates_of_few_rows_are_their_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.repeat(np.arange(12, dtype=np.float32).reshape(6, 2) * 10, 400, axis=0)
    for limit in (10**9, 0):
        monkeypatch.setattr(engine, "EXACT_ROWS", limit)
        found = cluster(rows, HDBSCANParams(min_cluster_size=10))
        assert adjusted_rand_score(found.labels, np.repeat(np.arange(6), 400)) == 1.0


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(2, 60),
    dimensions=st.integers(1, 3),
    smallest=st.integers(2, 8),
    samples=st.integers(1, 5),
    grid=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_what_holds_of_every_condensed_tree(
    rows: int, dimensions: int, smallest: int, samples: int, grid: bool, seed: int
) -> None:
    matrix = np.random.default_rng(seed).normal(size=(rows, dimensions)).astype(np.float32)
    matrix = np.round(matrix) if grid else matrix
    lists = exact_neighbours(matrix, min(max(samples, 5), rows - 1))
    tree = condense(spanning_tree(matrix, lists, core_distances(lists, samples)), smallest)
    clusters = len(tree.parent)
    assert tree.parent[0] == -1
    assert (tree.parent[1:] < np.arange(1, clusters)).all()  # parents come first
    assert tree.members[0] == rows
    assert (tree.members[1:] >= smallest).all() if rows >= smallest else clusters == 1
    children = np.bincount(tree.parent[1:], minlength=clusters)
    assert set(children) <= {0, 2}
    assert (tree.birth[1:] >= tree.birth[tree.parent[1:]]).all()
    assert (tree.at_density >= tree.birth[tree.of_row] - 1e-9).all()
    assert (tree.stability >= -1e-6).all()
    falling = np.bincount(tree.of_row, minlength=clusters)
    for cluster_ in range(clusters):
        below = tree.members[tree.parent == cluster_].sum()
        assert falling[cluster_] + below == tree.members[cluster_]
