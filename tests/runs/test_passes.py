"""Runs whose fit is on a sample: passes over the parts find what one process finds in memory."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.config import Settings
from coterie.engine.memory import BASE
from coterie.jobs.job import JobFailed
from coterie.runs import recognition
from coterie.runs.located import read_located, release
from coterie.runs.sampling import sample_for
from coterie.store import parts
from coterie.store.folder import FolderStorage
from coterie.store.parts import divide, read_keys, read_vectors
from coterie.store.vectors import MissingVectors, Space, VectorStore
from runs.here import Inline, run_here
from runs.passing import arrays, clouds, in_memory, over_parts, plan_of, stored
from support import KMEANS, add_cluster, add_collection, blobs

ROWS = 900


def namespace_of(services: Services) -> str:
    (namespace,) = services.vectors.storage.folders(1)
    return namespace


def tags_of(store: VectorStore, space: Space) -> list[str]:
    dataset = store._open(space)
    assert dataset is not None
    return sorted(dataset.tags.list())


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_BYTES", 4 * 16 * 100)


@pytest.fixture
def store(tmp_path: Path) -> VectorStore:
    return VectorStore(FolderStorage(tmp_path / "vectors"))


CASES: dict[str, dict[str, Any]] = {
    "hdbscan": {"algorithm": "hdbscan", "params": {"min_cluster_size": 8}},
    "hdbscan, by direction": {"algorithm": "hdbscan", "params": {"metric": "cosine", "min_cluster_size": 8}},
    "hdbscan, little noise": {"algorithm": "hdbscan", "params": {"min_cluster_size": 8}, "max_noise_ratio": 0.02},
    "kmeans, at length one": {"algorithm": "kmeans", "params": {"n_clusters": 5}, "normalize": True},
    "dbscan": {"algorithm": "dbscan", "params": {"eps": 4.0}},
    "agglomerative": {"algorithm": "agglomerative", "params": {"n_clusters": 4}, "metrics": False},
    "mixture": {"algorithm": "gaussian_mixture", "params": {"n_components": 4, "covariance_type": "diag"}},
    "nothing but noise": {"algorithm": "dbscan", "params": {"eps": 1e-6}},
}


@pytest.mark.parametrize("case", CASES)
def test_passes_find_what_is_found_in_memory(case: str, tmp_path: Path, store: VectorStore) -> None:
    plan = plan_of(**CASES[case], sample_size=ROWS // 3)
    vectors = clouds(ROWS)
    whole = in_memory(plan, vectors, tmp_path / "whole")
    passed = over_parts(Inline(), plan, store, stored(store, vectors), tmp_path / "parts", ROWS // 3)
    assert len(read_located(tmp_path / "parts")) > 10
    here, there = arrays(tmp_path / "whole"), arrays(tmp_path / "parts")
    for name in ("labels", "probabilities", "origin"):
        np.testing.assert_array_equal(here[name], there[name])
    for name in ("centroids", "distances"):
        np.testing.assert_allclose(here[name], there[name], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(here["coordinates"], there["coordinates"], atol=1e-3)
    assert passed.pop("metrics") == pytest.approx(whole.pop("metrics"), rel=1e-4)
    assert passed == whole
    files = ("groups.json", "branches.json") if case != "nothing but noise" else ("groups.json",)
    for name in files:
        read = [orjson.loads((tmp_path / each / name).read_bytes()) for each in ("whole", "parts")]
        assert len(read[0]) == len(read[1])


@pytest.mark.parametrize(
    "changes",
    [
        {"whitening": 0.1},
        {"reduction": {"method": "pca", "n_components": 3}},
        {"reduction": {"method": "umap", "n_components": 2}},
        {"reduction": {"method": "tsne", "n_components": 2}},
    ],
)
def test_a_reduction_that_is_fitted_on_the_sample_takes_the_others_along(
    changes: dict[str, Any], tmp_path: Path, store: VectorStore
) -> None:
    plan = plan_of("kmeans", params={"n_clusters": 3}, sample_size=150, **changes)
    vectors = blobs(size=150, dimensions=16)
    found = over_parts(Inline(), plan, store, stored(store, vectors), tmp_path / "parts", 150)
    labels = np.load(tmp_path / "parts" / "labels.npy")
    assert sorted({tuple(part) for part in labels.reshape(3, 150)}) == [(at,) * 150 for at in range(3)]
    assert found["sampled"] == 150
    assert np.isfinite(np.load(tmp_path / "parts" / "coordinates.npy")).all()


def test_k_means_goes_over_all_rows_where_no_sample_was_asked_for(tmp_path: Path, store: VectorStore) -> None:
    vectors = clouds(ROWS, noise=0)
    plan = plan_of("kmeans", params={"n_clusters": 6})
    whole = in_memory(plan, vectors, tmp_path / "whole")
    passed = over_parts(Inline(), plan, store, stored(store, vectors), tmp_path / "parts", 100)
    assert passed["sampled"] == ROWS

    def inertia(name: str) -> float:
        return float((arrays(tmp_path / name)["distances"] ** 2).sum())

    assert inertia("parts") < 1.02 * inertia("whole")
    assert whole["found"] == passed["found"]
    assert (arrays(tmp_path / "parts")["origin"] == 0).all()


@pytest.mark.parametrize("stability", ["align", "transform"])
def test_groups_and_the_map_of_the_run_before_are_found_again(
    stability: str, tmp_path: Path, store: VectorStore
) -> None:
    """One of its groups was split by people, into two halves that the fit finds as one."""
    vectors = blobs(size=100, dimensions=16)
    half = np.repeat([0, 1, 2, 3], [100, 100, 50, 50]).astype(np.int32)
    half[::7] = recognition.ABSENT

    def earlier(folder: Path) -> None:
        centroids = [vectors[half == group].mean(axis=0) for group in range(4)]
        rows = [
            {
                "cluster_id": f"cl_{group}",
                "parent_cluster_id": None,
                "centroid_vector": centroid.tolist(),
                "hierarchy_level": 0,
                "num_members": int((half == group).sum()),
                "variance": 4.0,
            }
            for group, centroid in enumerate(centroids)
        ]
        recognition.save(folder, rows, set(), ["a", "b", "c", "c"], half)
        places = np.random.default_rng(0).normal(size=(300, 2))
        places[::7] = np.nan
        np.save(folder / "earlier.npy", places)

    plan = plan_of("kmeans", params={"n_clusters": 3}, sample_size=90, layout_stability=stability)
    whole = in_memory(plan, vectors, tmp_path / "whole", earlier)
    passed = over_parts(Inline(), plan, store, stored(store, vectors), tmp_path / "parts", 90, earlier)
    here, there = arrays(tmp_path / "whole"), arrays(tmp_path / "parts")
    np.testing.assert_array_equal(here["labels"], there["labels"])
    np.testing.assert_allclose(here["coordinates"], there["coordinates"], atol=1e-3)
    names = [recognition.read_recognized(tmp_path / each / "recognized.json") for each in ("whole", "parts")]
    assert [each.name for each in names[0]] == [each.name for each in names[1]]
    assert {each.name for each in names[0]} == {f"cl_{group}" for group in range(4)}
    assert whole["changes"] == pytest.approx(passed["changes"])


def test_a_snapshot_is_divided_by_itself_alone_and_stays_readable(
    store: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coterie.store.vectors.VERSIONS_KEPT", timedelta(0))
    space = Space("ns", "c", "v")
    vectors = clouds(ROWS)
    for part in np.array_split(np.arange(ROWS), 4):
        store.append(space, part, vectors[part])
    store.delete(space, np.arange(0, ROWS, 3))
    snapshot = store.snapshot(space, "run_1")
    assert snapshot is not None
    divided = divide(snapshot, 16)
    assert {part.rows for part in divided[:-1]} == {100}
    keys = np.concatenate([read_keys(part) for part in divided])
    store.delete(space, keys)
    store.compact(lambda: {"run_1"})
    np.testing.assert_array_equal(np.sort(keys), np.flatnonzero(np.arange(ROWS) % 3))
    np.testing.assert_array_equal(np.concatenate([read_vectors(part) for part in divided]), vectors[keys])
    chosen = np.arange(100) % 2 == 0
    np.testing.assert_array_equal(read_vectors(divided[0], chosen), vectors[keys[:100]][chosen])
    store.release(space, "run_1")
    store.release(space, "run_1")
    store.compact()
    with pytest.raises(ValueError, match="not found"):
        read_keys(divided[0])
    assert store.snapshot(Space("ns", "c", "none"), "run_1") is None


def test_what_a_run_has_pinned_is_let_go(tmp_path: Path, store: VectorStore) -> None:
    vectors = blobs(dimensions=16)
    members = stored(store, vectors)
    folder = tmp_path / "run_1"
    release(store, folder)
    over_parts(Inline(), plan_of("kmeans", params={"n_clusters": 3}), store, members, folder, 30)

    assert [tags_of(store, each.space) for each in members] == [["run_1"]] * 2
    release(store, folder)
    assert [tags_of(store, each.space) for each in members] == [[]] * 2


def test_a_run_that_fails_lets_go_of_it_too(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = add_collection(client)
    cluster = add_cluster(client, vector_config={**KMEANS, "sample_size": 30})["cluster_id"]
    space = Space(namespace_of(services), identity, "bring_your_own")

    def fail(name: str, do: Callable[[], Any]) -> Any:
        result = do()
        if name == "recognize":
            assert len(tags_of(services.vectors, space)) == 1
            raise JobFailed("it is to fail here")
        return result

    run_here(client, services, monkeypatch, cluster, fail)
    assert client.get(f"/v1/clusters/{cluster}").json()["status"] == "FAILED"
    assert tags_of(services.vectors, space) == []


def test_a_run_that_does_not_fit_says_what_it_was_fitted_on(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coterie.runs.loading.usable", lambda settings: BASE + 50 * 2**20)
    identity = add_collection(client, vectors=blobs(size=700))
    config = {
        "feature_extractor_name": "bring_your_own",
        "clustering_method": "agglomerative",
        "algorithm_params": {"n_clusters": 3},
    }
    cluster = add_cluster(client, vector_config=config)["cluster_id"]
    run_here(client, services, monkeypatch, cluster)
    run = client.get(f"/v1/clusters/{cluster}/executions").json()
    (warning,) = run["warnings"]
    assert "clustering 2,100 vectors of 4 takes up to" in warning
    assert f"a sample of {run['documents_fitted']:,} was fitted" in warning
    assert 1_000 < run["documents_fitted"] < 2_100
    groups = client.get(f"/v1/clusters/{cluster}/groups").json()
    assert [group["member_count"] for group in groups["groups"]] == [700] * 3
    space = Space(namespace_of(services), identity, "bring_your_own")
    assert tags_of(services.vectors, space) == []


def test_a_document_whose_vector_is_gone_is_told(tmp_path: Path, store: VectorStore) -> None:
    members = stored(store, blobs(dimensions=16))
    store.delete(members[0].space, members[0].keys[:1])
    with pytest.raises(MissingVectors, match="1 of 60 vectors are missing"):
        over_parts(Inline(), plan_of("kmeans"), store, members, tmp_path / "run_1", 30)


@pytest.mark.parametrize(
    ("algorithm", "params", "words"),
    [
        ("hdbscan", {}, "a sample of 50,000 was fitted, and the rest assigned to its groups; set sample_size"),
        ("kmeans", {"n_clusters": 8}, "it began on a sample of 10,000, and went on over all in 10 rounds at most"),
    ],
)
def test_a_sample_is_chosen_where_memory_is_short_and_said(algorithm: str, params: dict[str, Any], words: str) -> None:
    settings = Settings(memory_mib=1400)
    plan = plan_of(algorithm, params=params)
    assert sample_for(settings, plan, 50_000, 512, 0) == (None, [])
    size, (advice,) = sample_for(settings, plan, 2_000_000, 512, 0)
    assert size is not None
    assert words in advice
    assert "takes up to" in advice


def test_a_sample_that_was_asked_for_is_taken_or_refused() -> None:
    settings = Settings(memory_mib=1400)
    plan = plan_of("hdbscan", sample_size=20_000)
    assert sample_for(settings, plan, 100_000_000, 512, 0) == (20_000, [])
    assert sample_for(settings, plan, 20_000, 512, 0) == (None, [])
    with pytest.raises(JobFailed, match=r"set sample_size to 1[0-9][0-9],[0-9]{3} or less"):
        sample_for(settings, plan_of("hdbscan", sample_size=1_000_000), 100_000_000, 512, 0)
    with pytest.raises(JobFailed, match="set sample_size to 5,000 or less"):
        sample_for(settings, plan_of("mean_shift"), 6_000, 512, 0)
    with pytest.raises(JobFailed, match="use a worker with more memory"):
        sample_for(Settings(memory_mib=512), plan_of("hdbscan"), 100_000, 65_536, 0)
