"""Conditional triggers: each fires when its condition holds, and not before."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.jobs import queue
from coterie.kit.clock import ManualClock
from coterie.store.tables import runs
from coterie.store.vectors import POINT_READS
from coterie.triggers import conditions
from coterie.triggers.firing import fire_due
from objectstore import files_of
from support import KMEANS, add_cluster, add_collection, blobs
from triggers.support import PATH, add_trigger, end, get, put, statuses, work

Check = Callable[[], int]


@pytest.fixture(autouse=True)
def definition(client: TestClient) -> None:
    add_collection(client)
    add_cluster(client, vector_config=KMEANS)


@pytest.fixture
def check(services: Services, clock: ManualClock) -> Check:
    """Moves the clock to the next check; how many fired."""

    def move() -> int:
        clock.advance(timedelta(hours=1))
        return fire_due(services)

    return move


@pytest.fixture
def run(client: TestClient, services: Services, clock: ManualClock) -> Callable[[], None]:
    """A run that someone starts, done."""

    def do() -> None:
        clock.advance(timedelta(seconds=1))
        assert client.post("/v1/clusters/groups/execute").status_code == 200
        work(services)
        clock.advance(timedelta(seconds=1))

    return do


def add_condition(client: TestClient, kind: str, threshold: float, **more: Any) -> str:
    schedule = {"condition_type": kind, "threshold": threshold, **more}
    identity: str = add_trigger(client, trigger_type="conditional", schedule_config=schedule)["trigger_id"]
    return identity


def test_volume_counts_what_came_and_changed_since_the_last_run(
    client: TestClient, run: Callable[[], None], services: Services, check: Check
) -> None:
    run()
    identity = add_condition(client, "volume", 10)
    assert get(client, identity)["next_scheduled_at"] is not None
    put(client, 0, 6)
    assert check() == 0
    put(client, 0, 3)
    assert check() == 0
    put(client, 6, 1)
    assert check() == 1
    assert check() == 0  # its run is under way
    assert statuses(client, identity) == ["running"]
    work(services)
    assert check() == 0
    put(client, 7, 10)
    run()  # what someone else's run has seen does not count any more
    assert check() == 0


def test_volume_as_a_share_of_the_last_run(client: TestClient, run: Callable[[], None], check: Check) -> None:
    run()
    add_condition(client, "volume", 0.1, metric="share")
    put(client, 0, 5)
    assert check() == 0
    put(client, 5, 1)
    assert check() == 1


def test_before_the_first_run_all_is_new(client: TestClient, check: Check) -> None:
    add_condition(client, "volume", 61)
    add_condition(client, "quality", 1)
    add_condition(client, "drift", 0.1)
    add_condition(client, "custom", 0, metric="num_clusters")
    assert check() == 0
    put(client, 0, 1)
    assert check() == 1


def test_a_run_that_failed_does_not_count(
    client: TestClient, run: Callable[[], None], services: Services, check: Check
) -> None:
    run()
    identity = add_condition(client, "volume", 1)
    put(client, 0, 1)
    for _ in range(5):
        assert check() == 1
        end(services, queue.FAILED, "no luck")
    check()
    assert get(client, identity)["status"] == "failed"


@pytest.mark.parametrize(
    ("metric", "threshold", "fires"),
    [
        ("silhouette_score", 0.5, 0),
        ("silhouette_score", 0.9999, 1),
        ("davies_bouldin_score", 5, 0),
        ("davies_bouldin_score", 0.001, 1),
        ("noise_ratio", 0.5, 0),
        ("dbcv_score", 1, 0),  # a partition has none
    ],
)
def test_quality_fires_when_a_measure_is_worse(
    client: TestClient, run: Callable[[], None], check: Check, metric: str, threshold: float, fires: int
) -> None:
    run()
    add_condition(client, "quality", threshold, metric=metric)
    assert check() == 0  # the same documents would give the same groups
    put(client, 0, 1)
    assert check() == fires


@pytest.mark.parametrize(
    ("metric", "operator", "threshold", "fires"),
    [
        ("num_clusters", "gte", 3, 1),
        ("num_clusters", "gt", 3, 0),
        ("silhouette_score", "lt", 2, 1),
        ("num_points", "lte", 60, 1),
        ("no_such_thing", "gte", 0, 0),
        ("status", "gte", 0, 0),
    ],
)
def test_custom_compares_a_number_of_the_last_run(
    client: TestClient, run: Callable[[], None], check: Check, metric: str, operator: str, threshold: float, fires: int
) -> None:
    run()
    add_condition(client, "custom", threshold, metric=metric, operator=operator)
    put(client, 0, 1)
    assert check() == fires


def add_rows(client: TestClient, rows: Any) -> None:
    documents = [{"vectors": {"bring_your_own": row.tolist()}} for row in rows]
    assert client.post("/v1/collections/things/documents/batch", json={"documents": documents}).json()["failed"] == 0


def test_drift_is_told_from_more_of_the_same(client: TestClient, run: Callable[[], None], check: Check) -> None:
    run()
    identity = add_condition(client, "drift", 0.3)
    add_rows(client, blobs(size=20, seed=7))
    assert check() == 0
    add_rows(client, blobs(size=20, seed=8) + np.float32(4))
    assert check() == 1
    assert statuses(client, identity) == ["running"]


def test_drift_needs_enough_new_documents(client: TestClient, run: Callable[[], None], check: Check) -> None:
    run()
    add_condition(client, "drift", 0.1)
    add_rows(client, blobs(size=6, seed=7)[: conditions.LEAST_NEW - 1] + np.float32(50))
    assert check() == 0
    add_rows(client, blobs(size=1, seed=9) + np.float32(50))
    assert check() == 1


def test_drift_looks_at_a_bounded_sample(
    client: TestClient,
    run: Callable[[], None],
    services: Services,
    check: Check,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conditions, "LOOKED", 150)
    monkeypatch.setattr(conditions, "SAMPLE", 100)
    run()
    add_rows(client, blobs(size=100, seed=7) + np.float32(30))
    seen: list[int] = []
    read = services.vectors.read

    def count(space: Any, keys: Any, out: Any = None) -> Any:
        seen.append(len(keys))
        return read(space, keys, out)

    monkeypatch.setattr(services.vectors, "read", count)
    add_condition(client, "drift", 0.9)
    assert check() == 1
    assert sum(seen) == 100
    assert conditions.SAMPLE <= POINT_READS  # no scan of the whole


def test_drift_of_a_run_whose_files_are_gone_cannot_be_told(
    client: TestClient, run: Callable[[], None], services: Services, check: Check
) -> None:
    run()
    add_condition(client, "drift", 0.1)
    add_rows(client, blobs(size=20, seed=7) + np.float32(50))
    with services.db.read() as tx:
        (row,) = tx.execute(runs.select()).all()
    services.blobs.drop(files_of(services.blobs, row.id)[0].rpartition("/")[0])
    assert check() == 0


def test_a_trigger_without_a_definition_goes_by_its_own_last_run(
    client: TestClient, services: Services, check: Check
) -> None:
    config = {
        "algorithm": "kmeans",
        "algorithm_params": {"n_clusters": 3},
        "feature_vector": {"vector_name": "bring_your_own"},
    }
    schedule = {"condition_type": "volume", "threshold": 5}
    identity = add_trigger(
        client,
        trigger_type="conditional",
        schedule_config=schedule,
        execution_config={"collection_ids": ["things"], "config": config},
    )["trigger_id"]
    assert check() == 1
    work(services)
    assert check() == 0
    put(client, 0, 4)
    assert check() == 0
    put(client, 4, 1)
    assert check() == 1
    assert statuses(client, identity) == ["running", "completed"]
    changed = client.patch(f"{PATH}/{identity}", json={"schedule_config": {"condition_type": "drift"}})
    assert changed.status_code == 422  # a threshold of 5 is no share
