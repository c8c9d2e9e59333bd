"""The rules of runs: starting one, finding one, deleting one."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import orjson
from sqlalchemy import Connection, Row, bindparam, delete, insert, select

from coterie.api.context import Tenant
from coterie.clusters.queries import find_cluster
from coterie.clusters.service import change_cluster
from coterie.jobs import queue
from coterie.kit.errors import BadRequest, Conflict, NotFound
from coterie.kit.ids import new_id
from coterie.listing.answer import Listed, run_list
from coterie.listing.sql import Source
from coterie.listing.tree import NEWEST_FIRST, Listable, ListQuery
from coterie.runs.plan import Plan, of_definition
from coterie.store.tables import runs

JOB = "cluster.run"
PROFILE = Listable("run_id", "run_id", frozenset({"created_at", "completed_at"}))
SOURCE = Source(
    runs,
    runs.c.pk,
    runs.c.id,
    runs.c.created_at,
    runs.c.resource,
    (runs.c.namespace_id == bindparam("namespace_id")) & (runs.c.cluster_id == bindparam("cluster_id")),
)


def start_definition(
    tx: Connection, tenant: Tenant, identifier: str, changes: Mapping[str, Any], now: str, *, wait: bool
) -> dict[str, Any]:
    """Start a run of a stored definition; its task. Raises NotFound, Conflict."""
    row = find_cluster(tx, tenant, identifier)
    plan = of_definition(orjson.loads(row.resource))
    for name in ("sample_size", "vis_n_components"):
        if plan.attributes and name in changes:
            raise BadRequest(f"'{name}' has no meaning for a grouping by attributes, which takes every document")
    plan = replace(plan, **changes)
    return start_run(tx, tenant, plan, now, cluster=row, wait=wait)


def start_run(
    tx: Connection, tenant: Tenant, plan: Plan, now: str, *, cluster: Row[Any] | None = None, wait: bool = False
) -> dict[str, Any]:
    """Write a run and its task in one transaction; the task.

    A definition has one run at a time: a second one raises Conflict, or with `wait` stands in line.
    """
    if cluster is not None and not wait and (busy := queue.open_task_of(tx, cluster.id)) is not None:
        raise Conflict(
            f"cluster '{cluster.name}' has a run under way (task '{busy.id}'); wait, cancel it, or send ?queue=true",
            {"task_id": busy.id},
        )
    run_id = new_id("run")
    cluster_id = None if cluster is None else cluster.id
    task = queue.submit(
        tx,
        queue.NewTask(
            tenant.org_id,
            tenant.namespace_id,
            JOB,
            "engine_cluster_build",
            payload={"run_id": run_id, "internal_id": tenant.internal_id, "namespace_id": tenant.namespace_id},
            lock=cluster_id or run_id,
            inputs=tuple(plan.collection_ids),
            extra={"run_id": run_id, "cluster_id": cluster_id},
        ),
        now,
    )
    resource = {
        "run_id": run_id,
        "cluster_id": cluster_id,
        "task_id": task["task_id"],
        "status": "pending",
        "algorithm": plan.algorithm,
        "num_clusters": None,
        "num_points": None,
        "metrics": {},
        "llm_labeling_errors": None,
        "created_at": now,
        "completed_at": None,
        "error_message": None,
    }
    tx.execute(
        insert(runs).values(
            id=run_id,
            namespace_id=tenant.namespace_id,
            cluster_id=cluster_id,
            task_id=task["task_id"],
            status=queue.PENDING,
            plan=orjson.dumps(asdict(plan)).decode(),
            resource=orjson.dumps(resource).decode(),
            created_at=now,
        )
    )
    if cluster is not None:
        change_cluster(tx, cluster.pk, {"status": queue.PENDING, "task_id": task["task_id"], "error": None}, now)
    return task


def find_results(tx: Connection, tenant: Tenant, identifier: str) -> tuple[str, Row[Any]]:
    """The newest completed run of a definition, by the definition's id or name or by the run's own id.

    With it what the answer calls itself: the definition's id, or the run's where it has none. Raises NotFound.
    """
    done = select(runs).where(runs.c.namespace_id == tenant.namespace_id, runs.c.status == queue.COMPLETED)
    run = tx.execute(done.where(runs.c.id == identifier)).first()
    if run is not None:
        return run.cluster_id or run.id, run
    cluster = find_cluster(tx, tenant, identifier)
    newest = done.where(runs.c.cluster_id == cluster.id).order_by(runs.c.created_at.desc(), runs.c.pk.desc())
    run = tx.execute(newest.limit(1)).first()
    if run is None:
        raise NotFound(f"cluster '{identifier}' has no completed run yet; POST /v1/clusters/{cluster.id}/execute")
    return cluster.id, run


def list_runs(tx: Connection, tenant: Tenant, identifier: str, query: ListQuery) -> Listed:
    """A page of a definition's runs, in whatever state. Raises NotFound."""
    cluster = find_cluster(tx, tenant, identifier)
    return run_list(tx, query, SOURCE, {"namespace_id": tenant.namespace_id, "cluster_id": cluster.id})


def latest_run(tx: Connection, tenant: Tenant, identifier: str) -> str:
    """The newest run of a definition, as JSON. Raises NotFound."""
    newest = list_runs(tx, tenant, identifier, ListQuery(None, NEWEST_FIRST, (), 1, 0)).results
    if not newest:
        raise NotFound(f"cluster '{identifier}' has no run yet; POST /v1/clusters/{identifier}/execute")
    return newest[0]


def get_run(tx: Connection, tenant: Tenant, run_id: str) -> Row[Any]:
    """A run by its id, in whatever state. Raises NotFound."""
    own = select(runs).where(runs.c.namespace_id == tenant.namespace_id, runs.c.id == run_id)
    row = tx.execute(own).first()
    if row is None:
        raise NotFound(f"run '{run_id}' does not exist in this namespace")
    return row


def delete_run(tx: Connection, tenant: Tenant, run_id: str) -> None:
    """Forget a run; its files are the caller's to remove after the commit."""
    tx.execute(delete(runs).where(runs.c.namespace_id == tenant.namespace_id, runs.c.id == run_id))


def artifact_prefix(internal_id: str, namespace_id: str, run_id: str) -> str:
    """Where the files of a run are."""
    return f"{internal_id}/{namespace_id}/engine_cluster_build/{run_id}"
