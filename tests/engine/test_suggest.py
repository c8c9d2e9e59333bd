"""The sweep: planted numbers of groups are found, the score is what it says, and budgets hold."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score

from coterie.engine.arrays import drawn
from coterie.engine.clustering import cluster
from coterie.engine.errors import EngineError
from coterie.engine.neighbours import exact_neighbours
from coterie.engine.reduction import reduce
from coterie.engine.specs import SWEPT, AgglomerativeParams, HDBSCANParams, KMeansParams
from coterie.engine.sweep import candidates, modularity, suggest
from support import blobs


@pytest.mark.parametrize("groups", [3, 6, 12])
def test_the_best_candidate_has_as_many_groups_as_were_planted(groups: int) -> None:
    rows = blobs(groups=groups, size=60, dimensions=16)
    found = suggest(rows, algorithms=["kmeans", "hdbscan"], seconds=120)
    assert found.left_out == 0
    assert found.judged[0].groups == groups
    assert found.judged[0].score > 0.7
    assert [each.score for each in found.judged] == sorted((each.score for each in found.judged), reverse=True)


def test_on_digits_what_is_recommended_is_close_to_the_truth() -> None:
    pixels, truth = load_digits(return_X_y=True)
    rows = drawn(len(pixels), 900, 0)
    best = suggest(pixels[rows], algorithms=["hdbscan", "agglomerative"], seconds=120).judged[0].candidate
    labels = cluster(reduce(pixels[rows].astype(np.float32), best.reduction), best.spec).labels
    assert adjusted_rand_score(truth[rows], labels) > 0.7


def test_the_same_seed_judges_alike_and_noise_scores_low() -> None:
    rows = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    first, second = (suggest(rows, algorithms=["kmeans", "agglomerative"], seconds=120, seed=5) for _ in range(2))
    assert [(each.candidate, each.score) for each in first.judged] == [
        (each.candidate, each.score) for each in second.judged
    ]
    assert first.judged[0].score < 0.6


def test_a_budget_that_is_over_leaves_candidates_out() -> None:
    seen: list[float] = []
    found = suggest(blobs(size=40), seconds=1e-6, progress=seen.append)
    assert len(found.judged) == 1
    assert found.left_out > 10
    assert all(0 < share <= 1 for share in seen)
    with pytest.raises(EngineError, match="lower sample_size"):
        suggest(blobs(size=40), memory=1000)
    with pytest.raises(EngineError, match="needs 10 vectors and there are 9"):
        suggest(blobs()[:9])


def test_equal_vectors_and_few_have_an_answer() -> None:
    for rows in (np.ones((40, 3)), blobs()[:10]):
        found = suggest(rows, seconds=60)
        assert found.judged
        assert all(0 <= each.score <= 1 for each in found.judged)


def test_the_sweep_s_beginning_has_something_of_everything() -> None:
    for rows in (10, 100, 3000, 20_000):
        every = list(candidates(rows, SWEPT, 1))
        kinds = {type(each.spec) for each in every}
        assert {type(each.spec) for each in every[:4]} == kinds
        assert len(set(map(repr, every))) == len(every)
        for each in every:
            asked = getattr(each.spec, "n_clusters", None) or getattr(each.spec, "n_components", None) or 2
            assert asked <= rows / 5
    only = list(candidates(500, ["hdbscan"], 1))
    assert {type(each.spec) for each in only} == {HDBSCANParams}


def test_modularity_is_that_of_the_graph() -> None:
    rows = blobs(groups=3, size=20)
    lists = exact_neighbours(rows, 5).indices
    true = np.repeat([0, 1, 2], 20).astype(np.int32)
    assert modularity(lists, true) == pytest.approx(2 / 3)
    assert modularity(lists, np.zeros(60, np.int32)) == pytest.approx(0)
    assert modularity(lists, np.full(60, -1, np.int32)) <= 0
    noisy = true.copy()
    noisy[::5] = -1
    assert modularity(lists, noisy) < 0.6
    edges = [(i, int(j)) for i, row in enumerate(lists) for j in row]
    labels = np.random.default_rng(0).integers(4, size=60).astype(np.int32)
    degree = np.bincount(np.ravel(edges), minlength=60)
    within = np.mean([labels[a] == labels[b] for a, b in edges])
    expected = sum((degree[labels == group].sum() / degree.sum()) ** 2 for group in range(4))
    assert modularity(lists, labels) == pytest.approx(within - expected)


def test_specs_of_the_sweep_are_the_engine_s() -> None:
    kinds = {type(each.spec) for each in candidates(1000, ["kmeans", "agglomerative"], 3)}
    assert kinds == {KMeansParams, AgglomerativeParams}
