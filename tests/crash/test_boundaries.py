"""The worker is killed at every boundary of a run, a write-back, its undoing, and a firing, by a seeded draw.

Whatever the boundary, everything ends once, the files agree with the records, and nothing is left over. COTERIE_KILLS
says how many of the boundaries are drawn for each store; a hundred are all of them, and some twice.
"""

import os
from collections.abc import Callable, Iterator
from itertools import count
from random import Random
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from conftest import PLACES, place_of
from coterie.runs.artifacts import Artifacts, artifact_prefix
from coterie.runs.retention import sweep_scratch, tidy_runs
from coterie.store.tables import (
    clusters,
    documents,
    enrichment_changes,
    group_labels,
    groups,
    runs,
    tasks,
    trigger_firings,
)
from crash.crew import Crew
from objectstore import files_of

SEED = os.environ["COTERIE_SEED"]
KILLS = int(os.environ.get("COTERIE_KILLS", "6"))
SECOND_DEATHS = 0.3
"""The share of the draws in which the worker that goes on is to be killed as well."""

NUMBERS = count()


def steps(*names: str) -> list[str]:
    return [f"{name} {point}" for name in names for point in ("begun", "done", "recorded")]


JOB = ["hand begun", "hand done", "take begun", "take done"]
NAMED = ("members 1", "label 1", "write 1", "publish 1")
BY_ATTRIBUTES = [*JOB, *steps("group 1", *NAMED)]
BOUNDARIES = {
    "vectors": [*JOB, *steps("load 1", "fit 1", "recognize 1", "characterize 1", "map 1", *NAMED)],
    "attributes": BY_ATTRIBUTES,
    "assignment": [*JOB, *steps("load 1", "assign 1", "write 1", "publish 1")],
    "enrichment": [*JOB, *steps("plan 1", "write 1", "write 2", "write 3", "publish 1")],
    "undo": [*JOB, *steps("plan 1", "restore 1", "publish 1")],
    "firing": [
        *("fire begun", "fire written", "fire committed"),
        *BY_ATTRIBUTES,
        *("settle begun", "settle written", "settle committed"),
    ],
}
"""Of each story, in the order in which a worker comes by them."""


def draw() -> Iterator[Any]:
    """The kills: one of each story first, then the other boundaries, and all of them again."""
    for store in PLACES:
        random = Random(f"{SEED} {store}")
        drawn: list[tuple[str, int]] = []
        while len(drawn) < KILLS:
            deck = [(story, number) for story, points in BOUNDARIES.items() for number in range(len(points))]
            random.shuffle(deck)
            first = dict(deck).items()
            drawn += [*first, *(each for each in deck if each not in first)]
        for place, (story, number) in enumerate(drawn[:KILLS]):
            first_death, *later = BOUNDARIES[story][number:]
            again = [random.choice(later)] if later and random.random() < SECOND_DEATHS else []
            deaths = [first_death, *again]
            yield pytest.param(store, story, deaths, id=f"{store}-{place}-{story}-{'-'.join(deaths)}".replace(" ", "_"))


@pytest.fixture(scope="module")
def crew_on(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Crew]]:
    """The crew of a store: one for all the kills of a process."""
    made: dict[str, Crew] = {}

    def get(store: str) -> Crew:
        if store not in made:
            made[store] = Crew(tmp_path_factory.mktemp(store), place_of(store, request))
        return made[store]

    yield get
    for each in made.values():
        each.close()


@pytest.mark.parametrize(("store", "story", "deaths"), [*draw()])
def test_whatever_a_death_cuts_off_ends_once(
    crew_on: Callable[[str], Crew], monkeypatch: pytest.MonkeyPatch, store: str, story: str, deaths: list[str]
) -> None:
    crew = crew_on(store)
    try:
        STORIES[story](crew, deaths)
        assert crew.passed() <= {*BOUNDARIES[story]}, "there are boundaries that no one draws"
        check_ends(crew)
        monkeypatch.setattr("coterie.runs.retention.GRACE_SECONDS", -1)
        tidy_runs(crew.services)
        sweep_scratch(crew.services)
        check_files(crew)
    except BaseException as error:
        error.add_note(f"COTERIE_SEED={SEED} COTERIE_KILLS={KILLS} {store}: {story}, killed at {deaths}\n{crew.log()}")
        raise


def run_by(definition: str) -> Callable[[Crew, list[str]], None]:
    def story(crew: Crew, deaths: list[str]) -> None:
        task = crew.die(deaths, lambda: crew.do(f"/v1/clusters/{definition}/execute"))
        check_run(crew, task["task_id"], task["additional_data"]["run_id"])
        assert crew.told() == {"cluster.execution.started": 1, "cluster.execution.completed": 1}

    return story


def assign(crew: Crew, deaths: list[str]) -> None:
    """A document that came after a run in full, and goes again."""
    path = "/v1/clusters/by vectors/execute"
    base = crew.do(path)["additional_data"]["run_id"]
    crew.wait()
    shape = crew.client.get("/v1/collections/things/documents/d000", params={"return_vectors": True}).json()
    item = {"document_id": "late", "metadata": shape["metadata"], "vectors": {"bring_your_own": shape["vector"]}}
    assert crew.client.post("/v1/collections/things/documents", json=item).is_success
    task = crew.die(deaths, lambda: crew.do(path, {"mode": "assign"}))
    run = crew.client.get("/v1/clusters/by vectors/executions").json()
    assert (run["task_id"], run["status"], run["base_run_id"]) == (task["task_id"], "completed", base)
    assert (run["documents_arrived"], run["documents_assigned"], run["num_points"]) == (1, 1, 61)
    artifacts = artifacts_of(crew, run["run_id"])
    assert artifacts.members(["point_id"])["point_id"].to_pylist() == ["late"]
    assert (artifacts.count(), sum(row["num_members"] for row in artifacts.groups())) == (61, 61)
    assert crew.told() == {"cluster.execution.started": 1, "cluster.execution.completed": 1}
    assert crew.client.delete("/v1/collections/things/documents/late").is_success


def write_back(crew: Crew, field: str) -> dict[str, Any]:
    """The task of a write-back of three batches into a field of its own."""
    mappings = [{"source_field": "cluster_label", "target_field": field}]
    body = {"clustering_ids": ["by text"], "source_collection_id": "things", "field_mappings": mappings}
    return crew.do("/v1/clusters/enrich", {**body, "batch_size": 25}, **{"async": True})


def enrich(crew: Crew, deaths: list[str]) -> None:
    field = f"topic{next(NUMBERS)}"
    task = crew.die(deaths, lambda: write_back(crew, field))
    identity = task["additional_data"]["enrichment_id"]
    shown = crew.client.get(f"/v1/clusters/enrichments/{identity}").json()
    counts = {name: shown[name] for name in ("processed", "enriched", "unchanged", "created", "failed", "batches")}
    assert shown["status"] == "completed"
    assert counts == {"processed": 60, "enriched": 60, "unchanged": 0, "created": 0, "failed": 0, "batches": 3}
    assert outputs_of(crew, task["task_id"]) == [counts]
    noted = crew.rows(select(enrichment_changes.c.document_pk).where(enrichment_changes.c.enrichment_id == identity))
    assert len(noted) == len(set(noted)) == 60
    assert all(each["metadata"][field] == each["metadata"]["text"] for each in contents(crew).values())


def undo(crew: Crew, deaths: list[str]) -> None:
    before = contents(crew)
    identity = write_back(crew, f"topic{next(NUMBERS)}")["additional_data"]["enrichment_id"]
    crew.wait()
    assert contents(crew) != before
    task = crew.die(deaths, lambda: crew.do(f"/v1/clusters/enrichments/{identity}/undo"))
    shown = crew.client.get(f"/v1/clusters/enrichments/{identity}").json()
    counts = {"restored": 60, "kept": 0, "removed": 0, "gone": 0}
    assert (shown["status"], shown["undo"]) == ("undone", {**counts, "task_id": task["task_id"]})
    assert outputs_of(crew, task["task_id"]) == [counts]
    assert crew.count(enrichment_changes, enrichment_changes.c.enrichment_id == identity) == 0
    assert contents(crew) == before


def fire(crew: Crew, deaths: list[str]) -> None:
    schedule = {"interval_seconds": 86_400, "start_immediately": True}
    body = {"cluster_id": "by text", "trigger_type": "interval", "schedule_config": schedule}
    trigger = crew.die(deaths, lambda: crew.do("/v1/clusters/triggers", body))["trigger_id"]
    [firing] = crew.do(f"/v1/clusters/triggers/{trigger}/history", {})["executions"]
    assert (firing["status"], firing["num_clusters"], firing["num_documents"]) == ("completed", 3, 60)
    assert crew.count(trigger_firings, trigger_firings.c.trigger_id == trigger) == 1
    shown = crew.client.get(f"/v1/clusters/triggers/{trigger}").json()
    assert (shown["execution_count"], shown["consecutive_failures"]) == (1, 0)
    assert (shown["last_execution_status"], shown["last_execution_job_id"]) == ("completed", firing["job_id"])
    check_run(crew, firing["job_id"], firing["run_id"])
    assert crew.told() == {
        "trigger.fired": 1,
        "cluster.execution.started": 1,
        "cluster.execution.completed": 1,
        "trigger.execution.completed": 1,
    }
    assert crew.client.delete(f"/v1/clusters/triggers/{trigger}").is_success


STORIES = {
    "vectors": run_by("by vectors"),
    "attributes": run_by("by text"),
    "assignment": assign,
    "enrichment": enrich,
    "undo": undo,
    "firing": fire,
}


def contents(crew: Crew) -> dict[str, dict[str, Any]]:
    """What the documents hold, but for when they changed."""
    found = [orjson.loads(row.resource) for row in crew.rows(select(documents.c.resource))]
    return {each["document_id"]: {**each, "updated_at": None} for each in found}


def outputs_of(crew: Crew, task_id: str) -> list[Any]:
    found: list[Any] = crew.client.get(f"/v1/tasks/{task_id}").json()["outputs"]
    return found


def check_ends(crew: Crew) -> None:
    """Every task is completed, and every run is the one run of its task."""
    assert {row.status for row in crew.rows(select(tasks.c.status))} == {"COMPLETED"}
    ended = crew.rows(select(runs.c.task_id, runs.c.status))
    started = crew.rows(select(tasks.c.id).where(tasks.c.kind == "cluster.run"))
    assert sorted(row.task_id for row in ended) == sorted(row.id for row in started)
    assert {row.status for row in ended} == {"COMPLETED"}


def check_run(crew: Crew, task_id: str, run_id: str) -> None:
    """A run's record, task, definition, groups and files all say the same."""
    [run] = crew.rows(select(runs).where(runs.c.task_id == task_id))
    [definition] = crew.rows(select(clusters).where(clusters.c.id == run.cluster_id))
    shown, defined = orjson.loads(run.resource), orjson.loads(definition.resource)
    assert (run.id, run.status, shown["status"]) == (run_id, "COMPLETED", "completed")
    assert (shown["num_points"], shown["num_clusters"]) == (60, 3)
    assert (definition.last_run_id, definition.status, defined["task_id"]) == (run_id, "COMPLETED", task_id)
    artifacts = artifacts_of(crew, run_id)
    assert outputs_of(crew, task_id) == [artifacts.clusters_key, artifacts.members_key]
    assert (defined["parquet_path"], defined["members_key"]) == (artifacts.clusters_key, artifacts.members_key)
    assert artifacts.manifest["run_id"] == run_id
    members = artifacts.members()
    assert members.num_rows == artifacts.manifest["total_members"] == shown["num_points"]
    assert len(set(members["point_id"].to_pylist())) == 60
    found = artifacts.group_table()
    assert found["num_members"].to_pylist() == [20, 20, 20]
    for name, size in zip(found["cluster_id"].to_pylist(), found["num_members"].to_pylist(), strict=True):
        assert members["cluster_id"].to_pylist().count(name) == artifacts.count(name) == size
    known = crew.rows(select(groups.c.id, groups.c.resource).where(groups.c.cluster_id == run.cluster_id))
    assert {row.id: orjson.loads(row.resource)["last_run_id"] for row in known} == dict.fromkeys(
        found["cluster_id"].to_pylist(), run_id
    )
    assert crew.count(group_labels, group_labels.c.cluster_id == run.cluster_id) == 3


def check_files(crew: Crew) -> None:
    """Every run has its files, whole, and there are no others."""
    expected: set[str] = set()
    for row in crew.rows(select(runs.c.id)):
        artifacts = artifacts_of(crew, row.id)
        keys = [artifacts.clusters_key, artifacts.members_key, artifacts.manifest_key]
        if artifacts.manifest.get("fit"):
            keys.append(artifacts.map_key)
            keys += [] if "base" in artifacts.manifest else [artifacts.landmarks_key]
        expected |= {*keys}
    assert {*files_of(crew.services.blobs)} == expected
    assert list(crew.settings.scratch_dir.glob("[!.]*")) == []


def artifacts_of(crew: Crew, run_id: str) -> Artifacts:
    organization = crew.client.get("/v1/organizations").json()["internal_id"]
    [run] = crew.rows(select(runs.c.namespace_id).where(runs.c.id == run_id))
    return Artifacts(crew.services.blobs, artifact_prefix(organization, run.namespace_id, run_id))
