"""The other algorithms against scikit-learn; refusals; and what a fit takes."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN, OPTICS, AgglomerativeClustering, MeanShift, SpectralClustering
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from coterie.engine.clustering import cluster
from coterie.engine.errors import EngineError
from coterie.engine.memory import MOST_ROWS, peak_bytes, preflight
from coterie.engine.specs import (
    SPECS,
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


def rows_with_noise() -> NDArray[np.float32]:
    dice = np.random.default_rng(4)
    return np.vstack([blobs(size=60), dice.uniform(-10, 30, (30, 4))]).astype(np.float32)


@pytest.mark.parametrize(
    ("spec", "theirs"),
    [
        (DBSCANParams(eps=1.2, min_samples=4), DBSCAN(eps=1.2, min_samples=4)),
        (DBSCANParams(eps=0.02, metric="cosine"), DBSCAN(eps=0.02, metric="cosine")),
        (DBSCANParams(eps=2, metric="minkowski", p=1.5), DBSCAN(eps=2, metric="minkowski", p=1.5)),
        (OPTICSParams(), OPTICS()),
        (OPTICSParams(cluster_method="dbscan", eps=1.5), OPTICS(cluster_method="dbscan", eps=1.5)),
        (OPTICSParams(min_cluster_size=0.1, xi=0.1), OPTICS(min_cluster_size=0.1, xi=0.1)),
        (AgglomerativeParams(n_clusters=4), AgglomerativeClustering(4)),
        (
            AgglomerativeParams(n_clusters=5, linkage="average", affinity="cosine"),
            AgglomerativeClustering(5, linkage="average", metric="cosine"),
        ),
        (
            AgglomerativeParams(n_clusters=None, distance_threshold=15, linkage="complete"),
            AgglomerativeClustering(None, distance_threshold=15, linkage="complete"),
        ),
        (SpectralParams(n_clusters=3, gamma=0.1), SpectralClustering(3, gamma=0.1, random_state=42)),
        (
            SpectralParams(n_clusters=3, gamma=0.1, assign_labels="cluster_qr"),
            SpectralClustering(3, gamma=0.1, assign_labels="cluster_qr", random_state=42),
        ),
        (MeanShiftParams(bandwidth=4), MeanShift(bandwidth=4)),
        (
            MeanShiftParams(bandwidth=4, bin_seeding=True, cluster_all=False),
            MeanShift(bandwidth=4, bin_seeding=True, cluster_all=False),
        ),
        (GaussianMixtureParams(n_components=4), GaussianMixture(4, random_state=42)),
        (
            GaussianMixtureParams(n_components=3, covariance_type="diag", n_init=2, init_params="k-means++"),
            GaussianMixture(3, covariance_type="diag", n_init=2, init_params="k-means++", random_state=42),
        ),
    ],
)
def test_labels_are_those_of_scikit_learn(spec: Params, theirs: Any) -> None:
    rows = rows_with_noise()
    assert adjusted_rand_score(cluster(rows, spec).labels, theirs.fit_predict(rows.astype(np.float64))) == 1.0


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (KMeansParams(n_clusters=61), "n_clusters needs 61"),
        (AgglomerativeParams(n_clusters=61), "n_clusters needs 61"),
        (SpectralParams(n_clusters=60), "n_clusters needs 61"),
        (GaussianMixtureParams(n_components=61), "n_components needs 61"),
        (GaussianMixtureParams(n_components=2, means_init=[[1.0, 2.0]]), "'means_init' is to be"),
        (GaussianMixtureParams(n_components=2, weights_init=["x", "y"]), "'weights_init'"),
        (GaussianMixtureParams(n_components=2, weights_init=[0.9, 0.9]), "starting values"),
        (MeanShiftParams(seeds=[[1.0]]), "'seeds' is to be"),
        (MeanShiftParams(bandwidth=0.001, seeds=[[500.0] * 4]), "bandwidth"),
    ],
)
def test_what_cannot_be_fitted_says_why(spec: Params, words: str) -> None:
    with pytest.raises(EngineError, match=words.replace("(", r"\(")):
        cluster(blobs(), spec)


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        (AgglomerativeParams(memory="/tmp", connectivity=[[1]]), ["memory", "connectivity"]),
        (AgglomerativeParams(affinity="cosine"), ["affinity"]),
        (
            AgglomerativeParams(compute_distances=True, compute_full_tree="no"),
            ["compute_full_tree", "compute_distances"],
        ),
        (DBSCANParams(metric="hamming", metric_params={"a": 1}), ["metric", "metric_params"]),
        (DBSCANParams(metric="cosine", algorithm="kd_tree"), ["algorithm"]),
        (DBSCANParams(p=0.5), ["p"]),
        (OPTICSParams(xi=1.0, min_cluster_size=1.5), ["xi", "min_cluster_size"]),
        (OPTICSParams(eps=3, max_eps=2), ["eps"]),
        (SpectralParams(kernel_params={"a": 1}, affinity="precomputed"), ["affinity", "kernel_params"]),
        (SpectralParams(eigen_solver="amg", verbose=True), ["eigen_solver", "verbose"]),
        (GaussianMixtureParams(warm_start=True, n_init=101), ["warm_start", "n_init"]),
        (MeanShiftParams(max_iter=10_001), ["max_iter"]),
        *((kind(), []) for kind in SPECS.values()),
    ],
)
def test_what_cannot_be_honoured_is_named(spec: Params, names: list[str]) -> None:
    assert [name for name, _ in refusals(spec)] == names


@pytest.mark.parametrize("spec", THREE.values(), ids=THREE)
def test_a_fit_that_would_not_fit_names_the_sample_that_would(spec: Params) -> None:
    limit = 600 * 2**20
    with pytest.raises(EngineError) as error:
        preflight(2_000_000, 512, spec, sample_size=None, limit=limit)
    assert error.value.code in ("too_little_memory", "too_many_vectors")
    with pytest.raises(EngineError, match="sample_size to ") as error:
        preflight(100_000, 512, spec, sample_size=99_999, limit=limit)
    advised = int(error.value.message.split("sample_size to ")[1].split(" ")[0].replace(",", ""))
    preflight(100_000, 512, spec, sample_size=advised, limit=limit)
    with pytest.raises(EngineError):
        preflight(100_000, 512, spec, sample_size=2 * advised, limit=limit)
    assert peak_bytes(2000, 512, spec) > peak_bytes(1000, 512, spec)


@pytest.mark.parametrize("kind", MOST_ROWS)
def test_what_takes_hours_is_bounded_in_rows(kind: type[Params]) -> None:
    most = MOST_ROWS[kind]
    with pytest.raises(EngineError) as error:
        preflight(most + 1, 8, kind(), sample_size=None, limit=None)
    assert error.value.code == "too_many_vectors"
    preflight(most, 8, kind(), sample_size=None, limit=None)
    preflight(10 * most, 8, kind(), sample_size=most, limit=None)


def test_a_seed_is_a_parameter() -> None:
    rows = np.random.default_rng(0).normal(size=(400, 6)).astype(np.float32)
    spec = KMeansParams(n_clusters=20, n_init=1)
    assert (cluster(rows, spec).labels == cluster(rows, spec).labels).all()
    assert (cluster(rows, spec).labels != cluster(rows, replace(spec, random_state=7)).labels).any()


MEASURE = """
import resource
import numpy as np
from coterie.engine.clustering import cluster
from coterie.engine.hdbscan import prepare
from coterie.engine.specs import *
prepare()
cluster(np.random.default_rng(0).normal(size=({rows}, {dimensions})).astype(np.float32), {spec})
print(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "rows", "dimensions"),
    [
        (KMeansParams(n_init=1, max_iter=10), 100_000, 256),
        (HDBSCANParams(), 15_000, 256),
        (HDBSCANParams(), 100_000, 256),
        (HDBSCANParams(metric="manhattan"), 4_000, 16),
        (DBSCANParams(eps=1000), 8_000, 64),
        (AgglomerativeParams(), 8_000, 64),
        (AgglomerativeParams(linkage="single", affinity="cosine"), 8_000, 64),
        (SpectralParams(), 4_000, 32),
        (SpectralParams(affinity="nearest_neighbors"), 3_000, 32),
        (GaussianMixtureParams(n_components=8, max_iter=10), 50_000, 64),
        (MeanShiftParams(), 2_000, 8),
        (OPTICSParams(), 5_000, 64),
    ],
)
def test_a_fit_takes_no_more_memory_than_was_said(spec: Params, rows: int, dimensions: int) -> None:
    script = MEASURE.format(rows=rows, dimensions=dimensions, spec=spec)
    taken = int(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)
    assert 0.2 < taken / peak_bytes(rows, dimensions, spec) < 1
