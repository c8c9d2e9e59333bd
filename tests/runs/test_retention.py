"""What is kept of runs, and what goes with its files."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from sqlalchemy import delete, select
from starlette.testclient import TestClient

from coterie.api.context import Services, Tenant
from coterie.app import create_app
from coterie.config import Settings
from coterie.kit.clock import ManualClock, iso
from coterie.kit.errors import Conflict
from coterie.runs import retention
from coterie.runs.artifacts import artifacts_of, keep
from coterie.runs.editing import merge_groups, patch_group
from coterie.runs.queries import get_run
from coterie.runs.retention import Policy, overdue, policy_of, sweep_scratch, tidy_runs
from coterie.store.tables import runs
from objectstore import files_of
from runs.here import run_here
from support import KMEANS, add_cluster, add_collection

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def ended(*kinds: str) -> list[Any]:
    """Runs, the newest first, a day apart: c(ompleted), f(ailed), or named (C, F)."""
    return [
        SimpleNamespace(
            id=f"{kind}{number}",
            status="COMPLETED" if kind in "cC" else "FAILED",
            completed_at=iso(NOW - timedelta(days=number, hours=1)),
            resource=orjson.dumps({"run_name": "kept" if kind.isupper() else None}),
        )
        for number, kind in enumerate(kinds)
    ]


@pytest.mark.parametrize(
    ("kinds", "policy", "gone"),
    [
        ("ccc", Policy(None, None), []),
        ("ccc", Policy(1, None), ["c1", "c2"]),
        ("fcc", Policy(1, None), ["c2"]),
        ("ffc", Policy(1, None), ["f1"]),
        ("cCc", Policy(2, None), []),
        ("cCcc", Policy(2, None), ["c3"]),
        ("Ccc", Policy(1, None), ["c2"]),
        ("CcF", Policy(None, 1), ["c1"]),
        ("fffc", Policy(None, 2), ["f2"]),
        ("cfc", Policy(9, 1), ["f1", "c2"]),
    ],
)
def test_the_newest_completed_run_and_those_with_a_name_stay(kinds: str, policy: Policy, gone: list[str]) -> None:
    assert list(overdue(ended(*kinds), policy, NOW)) == gone


def test_the_run_that_a_kept_one_was_added_to_stays() -> None:
    found = ended("c", "c", "c", "c")
    found[0].resource = orjson.dumps({"base_run_id": "c2"})
    assert list(overdue(found, Policy(1, None), NOW)) == ["c1", "c3"]


def test_a_definition_s_retention_wins_over_the_settings() -> None:
    settings = Settings(keep_runs=5, keep_days=30)
    assert policy_of(None, settings) == Policy(5, 30)
    assert policy_of({"max_runs": 2}, settings) == Policy(2, 30)
    assert policy_of({"max_runs": None, "max_days": None}, settings) == Policy(None, None)
    assert policy_of(None, Settings()) == Policy(None, None)


@dataclass
class Place:
    """A service of this process under a clock, with a definition."""

    client: TestClient
    services: Services
    clock: ManualClock
    cluster: str
    monkeypatch: pytest.MonkeyPatch

    def run(self, **changes: Any) -> str:
        self.clock.advance(timedelta(minutes=1))
        return run_here(self.client, self.services, self.monkeypatch, self.cluster, **changes)

    def left(self) -> list[str]:
        listed = self.client.post(f"/v1/clusters/{self.cluster}/executions/list", json={"limit": 100}).json()
        return [run["run_id"] for run in listed["results"]]

    def files(self) -> set[str]:
        return {key.split("/")[-2] for key in files_of(self.services.blobs, "manifest.json")}


@pytest.fixture
def place(services: Services, auth: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    clock = ManualClock(NOW)
    clocked = replace(services, clock=clock)
    with TestClient(create_app(clocked), headers=auth, raise_server_exceptions=False) as client:
        add_collection(client)
        cluster = add_cluster(client, vector_config=KMEANS)["cluster_id"]
        yield Place(client, clocked, clock, cluster, monkeypatch)


def test_the_runs_that_a_definition_does_not_keep_go_when_another_completes(place: Place) -> None:
    place.client.patch(f"/v1/clusters/{place.cluster}", json={"retention": {"max_runs": 2}})
    first, second = place.run(), place.run()
    path = f"/v1/clusters/{place.cluster}/executions/{first}/name"
    assert place.client.patch(path, json={"run_name": " baseline "}).json()["run_name"] == "baseline"
    third, fourth = place.run(), place.run()
    assert place.left() == [fourth, third, first]
    assert place.files() == {fourth, third, first}
    assert place.client.get(f"/v1/clusters/{place.cluster}/executions/{second}").status_code == 404
    shown = place.client.get(f"/v1/clusters/{place.cluster}").json()
    assert (shown["retention"], shown["last_run_id"]) == ({"max_runs": 2}, fourth)


def test_upkeep_deletes_what_is_too_old(place: Place) -> None:
    kept = replace(place.services, settings=place.services.settings.model_copy(update={"keep_days": 7}))
    body = {"collection_ids": ["things"], "config": {"algorithm": "kmeans", "feature_vector": {"vector_name": "x"}}}
    task = place.client.post("/v1/clusters/jobs/submit", json=body).json()
    alone = task["additional_data"]["run_id"]
    with place.services.db.write() as tx:  # a run without a definition
        changed = {"status": "FAILED", "completed_at": iso(NOW)}
        tx.execute(runs.update().where(runs.c.id == alone).values(**changed))
    older, newer = place.run(), place.run()
    place.clock.advance(timedelta(days=6))
    tidy_runs(kept)
    assert place.left() == [newer, older]
    place.clock.advance(timedelta(days=2))
    tidy_runs(kept)
    assert place.left() == [newer]
    assert place.files() == {newer}
    with place.services.db.read() as tx:
        assert list(tx.scalars(select(runs.c.id))) == [newer]


def test_a_run_under_way_is_no_one_s_to_delete(place: Place) -> None:
    place.client.patch(f"/v1/clusters/{place.cluster}", json={"retention": {"max_runs": 1}})
    done = place.run()
    place.clock.advance(timedelta(minutes=1))
    task = place.client.post(f"/v1/clusters/{place.cluster}/execute").json()
    waiting = task["additional_data"]["run_id"]
    tidy_runs(place.services)
    assert place.left() == [waiting, done]
    refused = place.client.delete(f"/v1/clusters/{place.cluster}/executions/{waiting}")
    assert (refused.status_code, refused.json()["error"]["details"]["task_id"]) == (409, task["task_id"])


def test_a_definition_shows_the_run_before_the_deleted_one(place: Place) -> None:
    path = f"/v1/clusters/{place.cluster}"
    first = place.run()
    shown = place.client.get(path).json()
    second = place.run(filters={"AND": [{"field": "metadata.group", "operator": "lt", "value": 2}]})
    assert place.client.get(path).json()["num_documents_clustered"] == 40
    assert place.client.delete(f"{path}/executions/{second}").status_code == 204
    back = place.client.get(path).json()
    moved = ("updated_at", "task_id")
    assert {k: v for k, v in back.items() if k not in moved} == {k: v for k, v in shown.items() if k not in moved}
    assert place.client.post("/v1/clusters/list", json={"search": "piano"}).json()["total_count"] == 1
    assert place.client.delete(f"{path}/executions/{first}").status_code == 204
    empty = place.client.get(path).json()
    assert (empty["status"], empty["last_run_id"], empty["cluster_stats"]) == ("PENDING", None, None)
    assert place.client.post("/v1/clusters/list", json={"search": "piano"}).json()["total_count"] == 0
    assert place.files() == set()
    assert place.client.get(f"{path}/groups").status_code == 404
    assert place.client.get(path).status_code == 200


def make_old(path: Path) -> None:
    past = time.time() - 2 * retention.GRACE_SECONDS
    os.utime(path, (past, past))


def test_files_without_a_record_are_swept_up_after_a_while(place: Place) -> None:
    kept, lost, wanted = place.run(), place.run(), place.run()
    blobs = place.services.blobs
    [manifest] = files_of(blobs, f"{wanted}/manifest.json")
    keep(blobs, manifest.rpartition("/")[0])
    keep(blobs, f"int_x/ns_gone/engine_cluster_build/{wanted}")
    with place.services.db.write() as tx:
        tx.execute(delete(runs).where(runs.c.id.in_([lost, wanted])))
    tidy_runs(place.services)
    assert place.files() == {kept, lost, wanted}
    place.monkeypatch.setattr(retention, "GRACE_SECONDS", -2)
    tidy_runs(place.services)
    assert place.files() == {kept, wanted}
    assert not files_of(blobs, "ns_gone")


def test_a_run_whose_files_go_under_a_reader_is_not_found(place: Place) -> None:
    run_id = place.run()
    path = f"/v1/clusters/{place.cluster}"
    for key in files_of(place.services.blobs):
        place.services.blobs.drop(key.rpartition("/")[0])
    for rest in (f"/executions/{run_id}", "/executions", f"/executions/{run_id}/groups", "/groups", "/artifacts"):
        assert place.client.get(f"{path}{rest}").status_code == 404, rest
    for rest in (f"/executions/{run_id}/visualization", f"/executions/{run_id}/export", "/visualization"):
        assert place.client.get(f"{path}{rest}").status_code == 404, rest
    assert place.client.post(f"{path}/data").status_code == 404


def test_scratch_of_a_run_that_has_ended_is_swept_up(place: Place) -> None:
    task = place.client.post(f"/v1/clusters/{place.cluster}/execute").json()
    busy = place.services.settings.scratch_dir / task["additional_data"]["run_id"]
    left, fresh = (place.services.settings.scratch_dir / name for name in ("run_left", "run_fresh"))
    for folder in (busy, left, fresh):
        folder.mkdir()
    make_old(busy)
    make_old(left)
    sweep_scratch(place.services)
    assert [folder.exists() for folder in (busy, left, fresh)] == [True, False, True]


@pytest.mark.parametrize("bad", [{"max_runs": 0}, {"max_days": 0}, {"max_weeks": 1}, 5])
def test_a_faulty_retention_is_refused(place: Place, bad: Any) -> None:
    answer = place.client.patch(f"/v1/clusters/{place.cluster}", json={"retention": bad})
    assert answer.status_code == 422, answer.text


def test_no_run_is_deleted_while_another_may_go_by_it(place: Place) -> None:
    run_id = place.run()
    task = place.client.post(f"/v1/clusters/{place.cluster}/execute").json()["task_id"]
    refused = place.client.delete(f"/v1/clusters/{place.cluster}/executions/{run_id}")
    assert (refused.status_code, refused.json()["error"]["details"]["task_id"]) == (409, task)


def test_groups_are_not_merged_by_what_was_read_before(place: Place) -> None:
    internal_id = place.client.get("/v1/organizations").json()["internal_id"]
    namespace_id = place.client.get(f"/v1/clusters/{place.cluster}").json()["namespace_id"]
    tenant = Tenant("", internal_id, "", frozenset(), namespace_id, "")
    run_id = place.run()
    with place.services.db.read() as tx:
        run = get_run(tx, tenant, run_id)
    rows = artifacts_of(place.services, tenant, run).groups()
    with place.services.db.write() as tx:
        merge_groups(tx, run, rows, "cl_0", "cl_1", iso(NOW))
    for source, into in (("cl_0", "cl_2"), ("cl_1", "cl_0")):
        with pytest.raises(Conflict, match="meanwhile"), place.services.db.write() as tx:
            merge_groups(tx, run, rows, source, into, iso(NOW))
    place.run()
    with pytest.raises(Conflict, match="completed meanwhile"), place.services.db.write() as tx:
        merge_groups(tx, run, rows, "cl_2", "cl_1", iso(NOW))
    with pytest.raises(Conflict, match="completed meanwhile"), place.services.db.write() as tx:
        patch_group(tx, tenant, run, rows, "cl_2", {"label": "x"}, iso(NOW))
