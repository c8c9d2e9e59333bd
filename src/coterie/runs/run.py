"""The story of one run: load, fit, recognize, characterize, map, members, label, write, publish; or load, assign,
write, publish.

Each is a step of a durable job. Arrays pass between the steps as files in the run's scratch folder, which stays until
the results are written (a task that has ended is not resumed, so nothing may be left to tidy after it); a step that is
repeated writes the same files again. The files of the result are published before the records that name them, and those
in one transaction with the task's end: a run completes once or not at all.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection, Row, select, update

from coterie.api.context import Services, Tenant
from coterie.clusters.service import change_cluster
from coterie.jobs import queue
from coterie.jobs.job import Canceled, Job, TakeAway
from coterie.kit.clock import iso
from coterie.runs.artifacts import artifact_prefix, artifacts_of, read_names
from coterie.runs.assigning import find_before, load_arrivals, write_assigned
from coterie.runs.attributes import group_documents
from coterie.runs.composite import load_groups
from coterie.runs.found import RunFiles
from coterie.runs.identity import edits_of, remember, save_earlier
from coterie.runs.known import known_groups
from coterie.runs.loading import check_collections
from coterie.runs.located import release
from coterie.runs.members import documents_of
from coterie.runs.naming import LABELING, label_results
from coterie.runs.passes import Passes
from coterie.runs.plan import Plan
from coterie.runs.queries import run_before
from coterie.runs.results import write_members, write_results
from coterie.runs.retention import retire_runs
from coterie.runs.sampling import load_vectors
from coterie.runs.telling import tell_run
from coterie.store.tables import clusters, runs

T = TypeVar("T")


@dataclass(frozen=True)
class InMemory:
    """The numeric steps of a run that has all of its vectors in the memory of one process."""

    job: Job
    plan: Plan
    folder: Path

    def fit(self) -> Any:
        """Find the groups."""
        return self._do("fit", "fit", 0.15, 0.5)

    def recognize(self) -> Any:
        """Find those of the run before among them."""
        return self._do("recognize", "recognize", 0.5, 0.52)

    def characterize(self) -> Any:
        """Describe and measure them."""
        return self._do("characterize", "characterize", 0.52, 0.6)

    def draw(self) -> Any:
        """Lay the map."""
        return self._do("map", "draw", 0.6, 0.7)

    def _do(self, step: str, stage: str, begin: float, end: float) -> Any:
        arguments = {"folder": str(self.folder), "plan": asdict(self.plan)}
        return self.job.compute(step, f"coterie.runs.stages:{stage}", arguments, begin=begin, end=end)()


class ClusterRun:
    """The handler of the job `cluster.run`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def run(self, job: Job, payload: Mapping[str, Any]) -> list[Any]:
        """Carry a run out; its outputs are the keys of its files."""
        run = self._find(payload["run_id"])
        plan = Plan(**orjson.loads(run.plan))
        tenant = Tenant("", payload["internal_id"], "", frozenset(), payload["namespace_id"], "")
        job = replace(job, about=lambda tx: check_collections(tx, tenant, plan.collection_ids))
        files = RunFiles(
            run.id,
            run.cluster_id,
            run.created_at,
            self._scratch(run.id),
            artifact_prefix(tenant.internal_id, tenant.namespace_id, run.id),
            job.check,
        )
        self._begin(run)
        if plan.mode == "assign":
            summary = self._assign(job, tenant, plan, run, files)
        else:
            summary = self._anew(job, tenant, plan, run, files)
        shutil.rmtree(files.folder, ignore_errors=True)
        job.step("publish", lambda: self._publish(job, run.id, summary), share=0.95)
        retire_runs(self.services, run.cluster_id)
        return [summary["parquet_path"], summary["members_key"]]

    def _anew(self, job: Job, tenant: Tenant, plan: Plan, run: Row[Any], files: RunFiles) -> dict[str, Any]:
        if plan.attributes:
            group = partial(group_documents, self.services, tenant, plan, files.folder)
            found = job.step("group", partial(_from_nothing, files.folder, group), share=0.05)
        else:
            found = self._by_vectors(job, tenant, plan, run, files.folder)
        job.step("members", lambda: write_members(self.services, tenant, plan, files), share=0.7)
        label = partial(label_results, job, self.services, tenant, plan, run, files)
        labeled = job.step("label", label, share=LABELING[0])
        write = partial(write_results, self.services, plan, files, {**found, "labeling": labeled})
        return job.step("write", write, share=LABELING[1])

    def _assign(self, job: Job, tenant: Tenant, plan: Plan, run: Row[Any], files: RunFiles) -> dict[str, Any]:
        before = find_before(self.services, run, files.prefix)
        arguments = {"folder": str(files.folder), "plan": asdict(plan)}
        load = partial(load_arrivals, self.services, tenant, plan, before, files.folder)
        loaded = job.step("load", partial(_from_nothing, files.folder, load), share=0.05)
        look = job.compute("assign", "coterie.runs.stages:assign", arguments, begin=0.3, end=0.7)
        found = {**loaded, **job.step("assign", look, share=0.3)}
        write = partial(write_assigned, self.services, tenant, plan, files, before, found)
        return job.step("write", write, share=0.7)

    def ended(self, tx: Connection, payload: Mapping[str, Any], status: str, error: str | None) -> TakeAway:
        """Mark the run and its definition; results of earlier runs stay, and files of this one go."""
        take_away = partial(self._take_away, payload)
        row = tx.execute(select(runs).where(runs.c.id == payload["run_id"])).first()
        if row is None:
            return take_away
        now = iso(self.services.clock.now())
        shown = {"status": status.lower(), "completed_at": now, "error_message": error}
        _change_run(tx, row, status, shown)
        self._mark_cluster(tx, row, {"status": status, "error": error})
        tell_run(tx, row.id, "cluster.execution.failed", now)
        return take_away

    def _take_away(self, payload: Mapping[str, Any]) -> None:
        folder = self._scratch(payload["run_id"])
        release(self.services.vectors, folder)
        shutil.rmtree(folder, ignore_errors=True)
        self.services.blobs.drop(artifact_prefix(payload["internal_id"], payload["namespace_id"], payload["run_id"]))

    def _by_vectors(self, job: Job, tenant: Tenant, plan: Plan, run: Row[Any], folder: Path) -> dict[str, Any]:
        passes = Passes(job.executor, job.polling, plan, folder)
        load = partial(self._load, tenant, plan, run, passes)
        loaded = job.step("load", partial(_from_nothing, folder, load), share=0.02)
        sampled = loaded.get("data", {}).get("sample") is not None
        steps = passes if sampled else InMemory(job, plan, folder)
        fitted = job.step("fit", steps.fit, share=0.15)
        recognized = job.step("recognize", steps.recognize, share=0.5)
        measured = job.step("characterize", steps.characterize, share=0.52)
        drawn = job.step("map", steps.draw, share=0.6)
        release(self.services.vectors, folder)
        warnings = [*loaded.get("advice", []), *fitted["warnings"]]
        return {**loaded, **fitted, **recognized, **measured, "map": drawn, "warnings": warnings}

    def _load(self, tenant: Tenant, plan: Plan, run: Row[Any], passes: Passes) -> dict[str, Any]:
        folder = passes.folder
        if plan.mode == "composite":
            loaded = load_groups(self.services, tenant, plan, folder)
        else:
            loaded = load_vectors(self.services, tenant, plan, passes)
        with self.services.db.read() as tx:
            before, known = run_before(tx, run), known_groups(tx, run.cluster_id)
        if before is not None:
            save_earlier(artifacts_of(self.services, tenant, before), known, plan, folder, documents_of(folder))
        return loaded

    def _find(self, run_id: str) -> Row[Any]:
        with self.services.db.read() as tx:
            row = tx.execute(select(runs).where(runs.c.id == run_id)).first()
        if row is None:
            raise Canceled
        return row

    def _scratch(self, run_id: str) -> Path:
        return self.services.settings.scratch_dir / run_id

    def _begin(self, run: Row[Any]) -> None:
        if run.status != queue.PENDING:
            return
        with self.services.db.write() as tx:
            row = tx.execute(select(runs).where(runs.c.id == run.id)).first()
            if row is None:
                raise Canceled
            _change_run(tx, row, queue.PROCESSING, {"status": "processing"})
            self._mark_cluster(tx, run, {"status": queue.PROCESSING})
            tell_run(tx, run.id, "cluster.execution.started", iso(self.services.clock.now()))

    def _mark_cluster(
        self, tx: Connection, run: Row[Any], changes: Mapping[str, Any], run_text: str | None = None
    ) -> None:
        """Show a run's state on its definition; one that has ended gives way to one that is under way or waits."""
        row = tx.execute(select(clusters).where(clusters.c.id == run.cluster_id)).first()
        if row is None:
            return
        shown = {**changes, "task_id": run.task_id}
        if changes["status"] not in queue.OPEN and (other := queue.open_task_of(tx, row.id, but=run.task_id)):
            shown.update(status=other.status, task_id=other.id, error=None)
        change_cluster(tx, row.pk, shown, iso(self.services.clock.now()), run_text=run_text)

    def _publish(self, job: Job, run_id: str, summary: Mapping[str, Any]) -> None:
        """Make the result visible: the run, its definition and the task, all at once."""
        now = iso(self.services.clock.now())
        outputs = [summary["parquet_path"], summary["members_key"]]
        try:
            found = read_names(self.services.blobs, summary["parquet_path"])
        except FileNotFoundError as error:  # what the run was about is gone, and its files with it
            raise Canceled from error
        with self.services.db.write() as tx:
            run = tx.execute(select(runs).where(runs.c.id == run_id)).first()
            if run is None:
                raise Canceled
            if run.status == queue.COMPLETED:
                return
            job.about(tx)
            edits = edits_of(remember(tx, run, found, now), found)
            whole = {"num_clusters": len(found) - len(edits["merged_groups"])}
            shown = {**summary["run"], **edits, **whole, "status": "completed", "completed_at": now}
            _change_run(tx, run, queue.COMPLETED, shown)
            changes = {**summary["cluster"], **whole, "status": queue.COMPLETED, "error": None, "last_executed_at": now}
            changes["last_run_id"] = run_id
            self._mark_cluster(tx, run, changes, "\n".join([summary["text"], *edits["label_overrides"].values()]))
            tell_run(tx, run_id, "cluster.execution.completed", now)
            self.services.on_run_completed(tx, run_id, now)
            if not job.complete(tx, outputs, warnings=summary["run"]["warnings"]):
                raise Canceled


def _from_nothing(folder: Path, load: Callable[[], T]) -> T:
    """Load into a folder that is empty: an attempt of before may have left files that this one has not."""
    shutil.rmtree(folder, ignore_errors=True)
    return load()


def _change_run(tx: Connection, row: Row[Any], status: str, shown: Mapping[str, Any]) -> None:
    resource = {**orjson.loads(row.resource), **shown}
    tx.execute(
        update(runs)
        .where(runs.c.pk == row.pk)
        .values(
            status=status,
            resource=orjson.dumps(resource).decode(),
            completed_at=resource["completed_at"],
        )
    )
