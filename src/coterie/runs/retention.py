"""How runs go: deleted one by one, by a definition's retention, and what a crash left of them by the sweep.

Records go first and files after the commit, so that no record is without its files; files without a record are swept
up once they are older than a grace, which a run that has just been started needs.
"""

import logging
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Row, Select, delete, func, select

from coterie.api.context import Services, Tenant
from coterie.clusters.service import change_cluster
from coterie.config import Settings
from coterie.jobs import queue
from coterie.kit.clock import iso
from coterie.kit.errors import Conflict
from coterie.runs.artifacts import RUN_DEPTH, RUNS, artifact_prefix, artifacts_of, is_kept
from coterie.runs.links import sweep_links
from coterie.runs.queries import find_run
from coterie.runs.summary import definition_summary, run_text
from coterie.store.dialects import among
from coterie.store.hold import is_held
from coterie.store.tables import clusters, namespaces, organizations, runs

log = logging.getLogger("coterie.runs")

GRACE_SECONDS = 3600
"""Files that no record leads to are left alone for so long."""

ROWS = 1_000
WITH_FILES = runs.c.status.in_([*queue.OPEN, queue.COMPLETED])
NO_SUMMARY = ("num_clusters", "num_documents_clustered", "cluster_stats", "parquet_path", "members_key")
"""What a definition shows of its newest completed run, besides which one it is."""


class Policy(NamedTuple):
    """How many of a definition's ended runs are kept, and for how many days; None keeps all."""

    runs: int | None
    days: int | None


def policy_of(retention: Mapping[str, int | None] | None, settings: Settings) -> Policy:
    """A definition's own retention, and the server's where it does not say."""
    own = retention or {}
    return Policy(own.get("max_runs", settings.keep_runs), own.get("max_days", settings.keep_days))


def overdue(ended: Iterable[Row[Any]], policy: Policy, now: datetime) -> Iterator[str]:
    """Which of a definition's ended runs, the newest first, are to go: never the newest completed one, nor one that
    has a name, which does not count either, nor one that a run which stays was added to."""
    oldest = None if policy.days is None else iso(now - timedelta(days=policy.days))
    counted, completed = 0, False
    bases: set[str | None] = set()
    for run in ended:
        shown = orjson.loads(run.resource)
        named = bool(shown.get("run_name"))
        newest = run.status == queue.COMPLETED and not completed
        completed = completed or newest
        counted += not named
        late = policy.runs is not None and counted > policy.runs
        old = oldest is not None and (run.completed_at or "") < oldest
        if (late or old) and not (named or newest or run.id in bases):
            yield run.id
        else:
            bases.add(shown.get("base_run_id"))


def delete_run(tx: Connection, services: Services, tenant: Tenant, identifier: str, run_id: str) -> None:
    """Delete the record of a run that has ended; its files are the caller's to drop after the commit. A definition
    whose newest result it was shows the one before. Raises NotFound, Conflict."""
    run = find_run(tx, tenant, identifier, run_id)
    if run.status in queue.OPEN:
        raise Conflict(f"run '{run.id}' is under way: cancel it and wait for its end", {"task_id": run.task_id})
    if (busy := queue.open_task_of(tx, run.cluster_id)) is not None:
        reason = "a run of the definition is under way, and may go by this one: wait for its end"
        raise Conflict(reason, {"task_id": busy.id})
    others = select(runs.c.id, runs.c.resource).where(runs.c.cluster_id == run.cluster_id, runs.c.pk > run.pk)
    added = [row.id for row in tx.execute(others) if orjson.loads(row.resource).get("base_run_id") == run.id]
    if added:
        raise Conflict(f"run '{added[0]}' was added to this one: delete that first", {"run_id": added[0]})
    tx.execute(delete(runs).where(runs.c.pk == run.pk))
    definition = tx.execute(select(clusters).where(clusters.c.id == run.cluster_id)).one()
    if definition.last_run_id == run.id:
        _step_back(tx, services, tenant, definition)


def retire_runs(services: Services, cluster_id: str | None) -> None:
    """Delete what a definition's retention no longer keeps, but while a backup is made."""
    with services.db.read() as tx:
        doomed = [] if is_held(tx) else _overdue_of(tx, services, cluster_id)
    if doomed:
        with services.db.write() as tx:  # a run may have been given a name since
            gone = _delete(tx, select(runs.c.id).where(among(tx, runs.c.id, _overdue_of(tx, services, cluster_id))))
        _drop(services, gone)


def tidy_runs(services: Services) -> None:
    """One round of upkeep, but while a backup is made: every definition's retention, that of runs without a definition,
    and the sweep."""
    with services.db.read() as tx:
        if is_held(tx):
            return
        several = select(runs.c.cluster_id).where(runs.c.cluster_id.is_not(None))
        found = tx.scalars(several.group_by(runs.c.cluster_id).having(func.count() > 1)).all()
    for cluster_id in found:
        retire_runs(services, cluster_id)
    _retire_others(services)
    sweep_artifacts(services)
    sweep_links(services.blobs)


def sweep_artifacts(services: Services) -> None:
    """Delete the files of runs that have no record, or have failed, but for those that their request had kept."""
    found = [key for key in services.blobs.folders(RUN_DEPTH) if key.split("/")[2] == RUNS]
    for start in range(0, len(found), ROWS):
        names = {key: key.rsplit("/", 1)[1] for key in found[start : start + ROWS]}
        spaces = {key: key.split("/")[1] for key in names}
        with services.db.read() as tx:
            present = set(tx.scalars(select(runs.c.id).where(among(tx, runs.c.id, list(names.values())), WITH_FILES)))
            there = set(tx.scalars(select(namespaces.c.id).where(among(tx, namespaces.c.id, list(spaces.values())))))
        for key, run_id in names.items():
            if spaces[key] in there and run_id in present:
                continue
            late = 0 < services.blobs.added(key) < time.time() - GRACE_SECONDS
            if late and not (spaces[key] in there and is_kept(services.blobs, key)):
                log.warning("removing the files of %s, which has no record or no result", run_id)
                services.blobs.drop(key)


def sweep_scratch(services: Services) -> None:
    """Delete the folders of runs that are not under way from this worker's scratch folder."""
    found = {path.name: path for path in services.settings.scratch_dir.glob("run_*")}
    with services.db.read() as tx:
        own = among(tx, runs.c.id, list(found))
        busy = set(tx.scalars(select(runs.c.id).where(own, runs.c.status.in_(queue.OPEN))))
    for run_id, path in found.items():
        if run_id not in busy and path.exists() and time.time() - path.stat().st_mtime > GRACE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _overdue_of(tx: Connection, services: Services, cluster_id: str | None) -> list[str]:
    resource = tx.scalar(select(clusters.c.resource).where(clusters.c.id == cluster_id))
    if resource is None:
        return []
    policy = policy_of(orjson.loads(resource).get("retention"), services.settings)
    if policy == Policy(None, None):
        return []
    ended = select(runs.c.id, runs.c.status, runs.c.completed_at, runs.c.resource).where(
        runs.c.cluster_id == cluster_id, runs.c.status.not_in(queue.OPEN)
    )
    newest_first = ended.order_by(runs.c.created_at.desc(), runs.c.pk.desc())
    return list(overdue(tx.execute(newest_first), policy, services.clock.now()))


def _retire_others(services: Services) -> None:
    """Delete the runs without a definition that ended longer ago than the server keeps runs."""
    days = services.settings.keep_days
    if days is None:
        return
    oldest = iso(services.clock.now() - timedelta(days=days))
    others = select(runs.c.id).where(
        runs.c.cluster_id.is_(None), runs.c.status.not_in(queue.OPEN), runs.c.completed_at < oldest
    )
    gone: list[str] = [""]
    while gone:
        with services.db.write() as tx:
            gone = _delete(tx, others.limit(ROWS))
        _drop(services, gone)


def _delete(tx: Connection, ids: Select[Any]) -> list[str]:
    """Delete the records of runs; the prefixes of their files."""
    owners = runs.join(namespaces, namespaces.c.id == runs.c.namespace_id).join(
        organizations, organizations.c.id == namespaces.c.org_id
    )
    wanted = select(runs.c.id, runs.c.namespace_id, organizations.c.internal_id).select_from(owners)
    rows = tx.execute(wanted.where(runs.c.id.in_(ids))).all()
    tx.execute(delete(runs).where(among(tx, runs.c.id, [row.id for row in rows])))
    return [artifact_prefix(row.internal_id, row.namespace_id, row.id) for row in rows]


def _drop(services: Services, prefixes: Iterable[str]) -> None:
    for prefix in prefixes:
        services.blobs.drop(prefix)


def _step_back(tx: Connection, services: Services, tenant: Tenant, definition: Row[Any]) -> None:
    """Let a definition show the newest completed run that it has left."""
    done = select(runs).where(runs.c.cluster_id == definition.id, runs.c.status == queue.COMPLETED)
    before = tx.execute(done.order_by(runs.c.created_at.desc(), runs.c.pk.desc()).limit(1)).first()
    text = ""
    if before is None:
        changes = {**dict.fromkeys(NO_SUMMARY), "llm_labeling_errors": None, "last_run_id": None}
        changes["last_executed_at"] = None
        if definition.status == queue.COMPLETED:
            changes["status"] = queue.PENDING
    else:
        changes = definition_summary(orjson.loads(before.resource))
        changes.update(last_run_id=before.id, last_executed_at=before.completed_at)
        groups = artifacts_of(services, tenant, before).groups(["label", "keywords"])
        text = run_text((group["label"], group["keywords"]) for group in groups)
    change_cluster(tx, definition.pk, changes, iso(services.clock.now()), run_text=text)
