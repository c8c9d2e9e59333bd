"""Groups of groups, and a budget for noise."""

import numpy as np
import pytest
from hdbscan.validity import validity_index
from sklearn.metrics import adjusted_rand_score

from coterie.engine.arrays import NOISE
from coterie.engine.clustering import cluster
from coterie.engine.describe import centroids_of
from coterie.engine.hierarchy import branches
from coterie.engine.quality import dbcv, quality
from coterie.engine.specs import AgglomerativeParams, DBSCANParams, HDBSCANParams, KMeansParams, Params
from support import blobs


def nested() -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Two continents of three countries of two towns each: the rows, and each row's town."""
    dice = np.random.default_rng(0)
    continents = np.array([[0, 0, 0], [1000, 0, 0]])
    countries = np.array([[0, 0, 0], [0, 100, 0], [0, 0, 100]])
    towns = np.array([[0, 0, 0], [0, 10, 10]])
    places = (continents[:, None, None] + countries[None, :, None] + towns[None, None]).reshape(-1, 3)
    rows = np.repeat(places, 30, axis=0) + dice.normal(size=(360, 3))
    return rows.astype(np.float32), np.repeat(np.arange(12), 30)


@pytest.mark.parametrize("spec", [HDBSCANParams(min_cluster_size=10), KMeansParams(n_clusters=12)])
def test_continents_and_countries_are_found_above_towns(spec: Params) -> None:
    rows, town = nested()
    found = cluster(rows, spec, hierarchical=True)
    assert found.groups == 12
    tree = branches(centroids_of(rows, found.labels), depth=3, per_level=[2, 6], parting=found.parting)
    assert [branch.level for branch in tree] == [0] * 2 + [1] * 6
    for branch in tree:
        members = town[np.isin(found.labels, branch.leaves)]
        size = 6 if branch.level == 0 else 2
        assert set(members // size) == {members[0] // size}
        assert len(branch.leaves) == size
        if branch.parent is not None:
            assert set(branch.leaves) < set(tree[branch.parent].leaves)


def test_levels_nest_and_single_children_are_left_out() -> None:
    centroids = np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32)
    for depth in range(1, 6):
        tree = branches(centroids, depth=depth)
        assert max((branch.level for branch in tree), default=-1) <= depth - 2
        for number, branch in enumerate(tree):
            assert len(branch.leaves) > 1
            assert branch.parent is None or branch.parent < number
            siblings = [set(other.leaves) for other in tree if other.parent == branch.parent and other is not branch]
            assert all(not set(branch.leaves) & other for other in siblings)
    assert branches(centroids[:2], depth=5) == []
    assert branches(centroids[:0], depth=5) == []


def test_noise_above_the_budget_joins_the_nearest_group_the_best_placed_first() -> None:
    dice = np.random.default_rng(0)
    rows = np.vstack([blobs(size=60), dice.uniform(-10, 30, (60, 4))]).astype(np.float32)
    plain = cluster(rows, HDBSCANParams(min_cluster_size=10))
    noise = plain.labels == NOISE
    assert noise.mean() > 0.15
    found = cluster(rows, HDBSCANParams(min_cluster_size=10), max_noise_ratio=0.05)
    assert (found.labels == NOISE).sum() == 12
    assert (found.reassigned == (noise & (found.labels != NOISE))).all()
    assert adjusted_rand_score(plain.labels[~noise], found.labels[~noise]) == 1.0
    assert (found.probabilities[found.reassigned] == 0).all()
    centres = centroids_of(rows, plain.labels)
    away = np.linalg.norm(rows[:, None] - centres, axis=2).min(axis=1)
    assert away[found.reassigned].mean() < away[found.labels == NOISE].mean()
    everything = cluster(rows, HDBSCANParams(min_cluster_size=10), max_noise_ratio=0.0)
    assert (everything.labels != NOISE).all()
    assert not cluster(rows, HDBSCANParams(min_cluster_size=10), max_noise_ratio=1.0).reassigned.any()


def test_without_a_group_noise_stays_noise() -> None:
    found = cluster(np.eye(4) * 100, DBSCANParams(), max_noise_ratio=0.0)
    assert (found.labels == NOISE).all()
    assert not found.reassigned.any()


def test_each_group_of_a_density_run_says_how_long_it_lasts() -> None:
    dice = np.random.default_rng(0)
    tight = dice.normal(size=(100, 3)) * 0.05
    loose = dice.normal(size=(60, 3)) * 2 + 30
    found = cluster(np.vstack([tight, loose]), HDBSCANParams(min_cluster_size=20), hierarchical=True)
    assert found.stability is not None
    assert found.stability.shape == (2,)
    assert ((found.stability > 0) & (found.stability <= 1)).all()
    assert found.stability[0] > found.stability[1]  # the larger group is the tight one
    assert found.parting is not None
    assert found.parting[0, 1] == pytest.approx(found.parting[1, 0])
    assert cluster(blobs(), AgglomerativeParams(n_clusters=3)).stability is None


@pytest.mark.parametrize("spread", [0.5, 2.0, 5.0])
def test_validity_of_densities_is_that_of_the_package(spread: float) -> None:
    dice = np.random.default_rng(3)
    centres = np.array([[0, 0, 0], [20, 0, 0], [0, 20, 0]])
    rows = np.repeat(centres, 50, axis=0) + dice.normal(size=(150, 3)) * spread
    labels = np.repeat([0, 1, 2], 50).astype(np.int32)
    labels[::17] = NOISE
    ours = dbcv(rows.astype(np.float32), labels)
    assert ours == pytest.approx(validity_index(rows, labels.astype(int)), abs=0.02)


def test_validity_is_a_measure_of_density_methods_only() -> None:
    rows, labels = blobs(), np.repeat([0, 1, 2], 20).astype(np.int32)
    assert quality(rows, labels, cosine=False, density=True)["dbcv_score"] > 0.8
    assert "dbcv_score" not in quality(rows, labels, cosine=False)
    assert dbcv(rows, np.zeros(60, np.int32)) is None
    assert dbcv(np.ones((6, 512), np.float32), np.repeat([0, 1], 3).astype(np.int32)) is not None
