"""The engine against scikit-learn, on real digits, and by what must not change a result."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score, calinski_harabasz_score, davies_bouldin_score, silhouette_score
from threadpoolctl import threadpool_limits

from coterie.engine.arrays import NOISE, as_matrix, unit_rows
from coterie.engine.clustering import by_size, cluster
from coterie.engine.describe import describe
from coterie.engine.errors import EngineError
from coterie.engine.kmeans import lloyd
from coterie.engine.quality import quality
from coterie.engine.specs import (
    AgglomerativeParams,
    DBSCANParams,
    GaussianMixtureParams,
    HDBSCANParams,
    KMeansParams,
    MeanShiftParams,
    OPTICSParams,
    Params,
    SpectralParams,
    refusals,
)
from support import THREE, blobs

DENSITY = HDBSCANParams(min_cluster_size=5)
EVERY = pytest.mark.parametrize("spec", THREE.values(), ids=THREE)
ABSOLUTE = (DBSCANParams, MeanShiftParams, SpectralParams)
"""Those with a parameter in units of distance: scaling the vectors changes their groups."""
WITHOUT_NOISE = (KMeansParams, AgglomerativeParams, SpectralParams, GaussianMixtureParams)


@pytest.fixture(scope="module")
def digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    pixels, truth = load_digits(return_X_y=True)
    return pixels.astype(np.float32), truth


def test_digits_agree_with_scikit_learn(digits: tuple[NDArray[np.float32], NDArray[np.int64]]) -> None:
    pixels, truth = digits
    ours = cluster(pixels, KMeansParams(n_clusters=10))
    theirs = KMeans(10, n_init=10, random_state=42).fit_predict(pixels)
    assert adjusted_rand_score(ours.labels, theirs) > 0.99
    assert adjusted_rand_score(ours.labels, truth) > 0.6


@EVERY
def test_order_scale_and_type_of_the_input_change_nothing(spec: Params) -> None:
    rows = blobs()
    base = cluster(rows, spec)
    assert base.groups == 3
    order = np.random.default_rng(1).permutation(len(rows))
    assert adjusted_rand_score(cluster(rows[order], spec).labels, base.labels[order]) > 0.9
    for other in (rows.astype(np.float64), np.asfortranarray(rows), np.repeat(rows, 2, axis=1)[:, ::2]):
        assert (cluster(other, spec).labels == base.labels).all()
    assert cluster(rows.astype(np.float16), spec).groups == 3
    if not isinstance(spec, ABSOLUTE):
        assert (cluster(rows * 8, spec).labels == base.labels).all()
    assert adjusted_rand_score(cluster(np.c_[rows, np.ones(len(rows))], spec).labels, base.labels) == 1.0


@EVERY
def test_the_same_seed_gives_the_same_labels_whatever_the_threads(spec: Params) -> None:
    rows = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)
    with threadpool_limits(1):
        one = cluster(rows, spec).labels
    with threadpool_limits(2):
        two = cluster(rows, spec).labels
    assert (one == two).all()


@EVERY
@pytest.mark.parametrize("rows", [np.zeros((1, 1)), np.zeros((2, 2)), np.ones((60, 2)), np.arange(60.0)[:, None]])
def test_few_and_equal_rows_do_not_break(spec: Params, rows: NDArray[np.float64]) -> None:
    if isinstance(spec, WITHOUT_NOISE) and len(rows) < 3:
        with pytest.raises(EngineError, match="add documents"):
            cluster(rows, spec)
        return
    found = cluster(rows, spec)
    assert len(found.labels) == len(rows)
    assert found.labels.min() >= NOISE
    if (rows == rows[0]).all() and len(rows) == 60:
        assert found.groups == 1
        assert "one_group" in {advice.code for advice in found.advice}


def test_a_density_of_too_few_rows_is_all_noise_with_advice() -> None:
    found = cluster(np.zeros((3, 2)), DENSITY)
    assert (found.labels == NOISE).all()
    assert (found.probabilities == 0).all()
    assert [advice.code for advice in found.advice] == ["all_noise"]


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        (np.empty((0, 3)), "no_vectors"),
        (np.empty((3, 0)), "not_a_matrix"),
        (np.zeros(3), "not_a_matrix"),
        (np.array([[1.0, np.nan]]), "not_finite"),
        (np.array([[1.0, np.inf]]), "not_finite"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(rows: NDArray[np.float64], code: str) -> None:
    with pytest.raises(EngineError) as error:
        as_matrix(rows)
    assert error.value.code == code


@EVERY
def test_a_sample_is_fitted_and_the_rest_finds_its_groups(spec: Params) -> None:
    knows_noise = isinstance(spec, HDBSCANParams | DBSCANParams | OPTICSParams)
    outliers = np.full((3 if knows_noise else 0, 4), 300.0)
    rows = np.vstack([blobs(size=200), outliers]).astype(np.float32)
    found = cluster(rows, spec, sample_size=150)
    truth = np.r_[np.repeat([0, 1, 2], 200), [3] * len(outliers)]
    assert found.sampled.sum() == 150
    assert (found.origin == np.where(found.sampled, 0, 1)).all()
    assert (cluster(rows, spec, sample_size=150).labels == found.labels).all()
    grouped = (found.labels != NOISE) & (truth < 3)
    assert grouped.mean() > 0.5
    assert adjusted_rand_score(found.labels[grouped], truth[grouped]) == 1.0
    assert (found.labels[truth == 3] == NOISE).all()


def test_with_cosine_the_rest_finds_its_groups_by_direction() -> None:
    rows = blobs(size=200) + 1
    lengths = np.random.default_rng(0).uniform(0.01, 100, len(rows)).astype(np.float32)
    spec = HDBSCANParams(min_cluster_size=10, metric="cosine")
    found = cluster(rows * lengths[:, None], spec, sample_size=300, max_noise_ratio=0.0)
    assert adjusted_rand_score(found.labels, np.repeat([0, 1, 2], 200)) == 1.0


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (DENSITY, "lower min_samples"),
        (DBSCANParams(eps=0.001), "raise eps"),
        (MeanShiftParams(bandwidth=1000), "lower bandwidth"),
        (GaussianMixtureParams(), "ask for more groups"),
    ],
)
def test_advice_names_the_algorithm_s_own_parameters(spec: Params, words: str) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 30)) * 10
    assert words in cluster(rows, spec).advice[0].message


def test_cosine_is_blind_to_length() -> None:
    rows = blobs() + 1
    lengths = np.random.default_rng(0).uniform(0.1, 100, len(rows)).astype(np.float32)
    spec = HDBSCANParams(min_cluster_size=5, metric="cosine")
    plain, scaled = cluster(rows, spec), cluster(rows * lengths[:, None], spec)
    assert adjusted_rand_score(plain.labels, scaled.labels) > 0.99


def test_groups_are_numbered_by_size_then_by_first_row() -> None:
    labels = np.array([7, 7, -1, 3, 3, 9, 9, 9], np.int32)
    assert by_size(labels).tolist() == [1, 1, -1, 2, 2, 0, 0, 0]


def test_a_group_is_described_by_its_centre_spread_and_nearest_rows() -> None:
    rows = np.array([[0, 0], [2, 0], [1, 0], [10, 0], [10, 4], [50, 50]], np.float32)
    found = describe(rows, np.array([0, 0, 0, 1, 1, -1], np.int32), representatives=2)
    assert found.centroids.tolist() == [[1, 0], [10, 2]]
    assert found.sizes.tolist() == [3, 2]
    assert found.variances == pytest.approx([2 / 3, 4])
    assert found.distances[:5].tolist() == [1, 1, 0, 2, 2]
    assert found.distances[5] == pytest.approx(np.hypot(40, 48))
    assert [each.tolist() for each in found.representatives] == [[2, 0], [3, 4]]


def test_quality_is_scikit_learn_s_without_the_noise() -> None:
    rows, labels = blobs(), np.repeat([0, 1, -1], 20).astype(np.int32)
    found = quality(rows, labels, cosine=False)
    assert found["silhouette_score"] == pytest.approx(silhouette_score(rows[:40], labels[:40]))
    assert found["davies_bouldin_score"] == pytest.approx(davies_bouldin_score(rows[:40], labels[:40]))
    assert found["calinski_harabasz_score"] == pytest.approx(calinski_harabasz_score(rows[:40], labels[:40]), rel=1e-5)
    assert found["noise_ratio"] == pytest.approx(1 / 3)
    cosine = quality(rows, labels, cosine=True)["silhouette_score"]
    assert cosine == pytest.approx(silhouette_score(rows[:40], labels[:40], metric="cosine"))
    assert quality(rows, np.zeros(60, np.int32), cosine=False) == {"noise_ratio": 0.0}


def test_the_silhouette_of_many_rows_is_sampled_by_a_seed() -> None:
    rows = blobs(size=4000)
    labels = np.repeat([0, 1, 2], 4000).astype(np.int32)
    found = quality(rows, labels, cosine=False)
    assert found["silhouette_sample_size"] == 10_000
    assert found == quality(rows, labels, cosine=False)


def test_unit_rows_leave_zeros_alone() -> None:
    scaled = unit_rows(np.array([[3, 4], [0, 0]], np.float32))
    assert scaled == pytest.approx(np.array([[0.6, 0.8], [0, 0]]))


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        (KMeansParams(), []),
        (HDBSCANParams(), []),
        (KMeansParams(init="x", algorithm="x", verbose=1, copy_x=False), ["init", "algorithm", "verbose", "copy_x"]),
        (
            HDBSCANParams(metric="x", cluster_selection_method="x", prediction_data=True),
            [
                "metric",
                "cluster_selection_method",
                "prediction_data",
            ],
        ),
    ],
)
def test_what_cannot_be_honoured_is_named(spec: Params, names: list[str]) -> None:
    assert [name for name, _ in refusals(spec)] == names


def test_the_engine_s_door_loads_numerics_only_when_asked() -> None:
    code = (
        "import sys, coterie.engine.specs, coterie.engine\n"
        "assert not {'numpy', 'sklearn', 'numba'} & set(sys.modules)\n"
        "from coterie.engine import EngineError, cluster, suggest\n"
        "import coterie.engine.clustering, coterie.engine.sweep\n"
        "from coterie.engine import cluster as again\n"
        "assert again is cluster is coterie.engine.clustering.cluster\n"
        "assert not hasattr(coterie.engine, 'nothing')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_beyond_a_sample_k_means_ends_where_scikit_learn_does_on_any_number_of_threads() -> None:
    dice = np.random.default_rng(3)
    centres = dice.normal(size=(12, 80))
    rows = (centres[dice.integers(12, size=12_000)] + dice.normal(size=(12_000, 80)) * 0.8).astype(np.float32)
    found = cluster(rows, KMeansParams(n_clusters=12, n_init=2)).labels
    theirs = KMeans(12, n_init=2, random_state=1).fit(rows)
    ours = describe(rows, found)
    assert (ours.variances * ours.sizes).sum() < 1.005 * theirs.inertia_
    assert adjusted_rand_score(found, theirs.labels_) > 0.95
    with threadpool_limits(1):
        assert (cluster(rows, KMeansParams(n_clusters=12, n_init=2)).labels == found).all()
    few = cluster(np.repeat(rows[:3], 4_000, axis=0), KMeansParams(n_clusters=5)).labels
    assert len(np.unique(few)) == 3


def test_a_centre_that_loses_its_rows_stays() -> None:
    rows = blobs(groups=2)
    labels = lloyd(rows, np.vstack([rows[:1], rows[-1:], rows[:1] + 1000]), most=10, tolerance=0)
    assert (labels == np.repeat([0, 1], 20)).all()
