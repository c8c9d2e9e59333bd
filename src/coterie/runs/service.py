"""The rules of runs: starting one, naming one, ending one."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import orjson
from sqlalchemy import Connection, Row, delete, insert, update

from coterie.api.context import Tenant
from coterie.clusters.queries import find_cluster
from coterie.clusters.service import change_cluster, check_filters
from coterie.documents.collections import counters_of
from coterie.jobs import queue
from coterie.kit.errors import BadRequest, Conflict
from coterie.kit.ids import new_id
from coterie.runs.plan import Plan, of_definition
from coterie.runs.queries import find_run, find_source
from coterie.store.tables import runs, tasks

JOB = "cluster.run"
MODE_FIELDS = ("mode", "assignment_threshold", "source_execution_ids")
MODE_EXCLUDES = ("sample_size", "vis_n_components", "filters")
NEUTRAL_THRESHOLD = 0.5
"""What clients of the API send unasked, whatever the mode."""


def start_definition(
    tx: Connection, tenant: Tenant, identifier: str, changes: Mapping[str, Any], now: str, *, wait: bool
) -> dict[str, Any]:
    """Start a run of a stored definition; its task. Its filters and those of `changes` both hold. Raises NotFound,
    Conflict, Invalid."""
    row = find_cluster(tx, tenant, identifier)
    plan = replace(of_definition(orjson.loads(row.resource)), **_mode(tx, tenant, row, changes))
    changes = {key: value for key, value in changes.items() if key not in MODE_FIELDS}
    for name in ("sample_size", "vis_n_components"):
        if plan.attributes and name in changes:
            raise BadRequest(f"'{name}' has no meaning for a grouping by attributes, which takes every document")
    filters = check_filters(changes.get("filters"))
    plan = replace(plan, **{**changes, "filters": [*plan.filters, *([filters] if filters else [])]})
    return start_run(tx, tenant, plan, now, cluster=row, wait=wait)


def _mode(tx: Connection, tenant: Tenant, cluster: Row[Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """What of a plan the mode decides. Raises BadRequest, NotFound for what the mode needs and is not there."""
    mode, threshold = changes.get("mode", "full"), changes.get("assignment_threshold")
    sources = changes.get("source_execution_ids")
    by_attributes = orjson.loads(cluster.resource)["attribute_config"] is not None
    if mode != "full" and by_attributes:
        raise BadRequest(
            f"a grouping by attributes has no mode '{mode}': run it in full, it takes every document anyway"
        )
    if mode != "composite" and sources is not None:
        raise BadRequest("'source_execution_ids' are of the mode 'composite'")
    if mode != "assign" and threshold not in (None, NEUTRAL_THRESHOLD):
        raise BadRequest("'assignment_threshold' is of the mode 'assign'")
    if mode == "composite":
        if sources is None:
            raise BadRequest("the mode 'composite' needs 'source_execution_ids': the runs whose groups are grouped")
        found = [find_source(tx, tenant, each) for each in sources]
        if len({run.cluster_id or run.id for run in found}) < len(found):
            raise BadRequest("'source_execution_ids' names a definition twice: its groups would count twice")
        return {"mode": mode, "source_runs": [run.id for run in found]}
    if mode == "full":
        return {}
    for name in MODE_EXCLUDES:
        if changes.get(name) is not None:
            raise BadRequest(f"'{name}' is of a run in full: the mode 'assign' goes by the run that it adds to")
    if orjson.loads(find_source(tx, tenant, cluster.id).resource).get("split_groups"):
        raise BadRequest("a group of the newest run was split since: a run in full takes the split over, then 'assign'")
    return {"mode": mode, "assignment_threshold": threshold}


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
        "mode": plan.mode,
        "source_execution_ids": plan.source_runs or None,
        "base_run_id": None,
        "run_name": None,
        "filters": {"AND": plan.filters} if len(plan.filters) > 1 else next(iter(plan.filters), None),
        "num_clusters": 0,
        "num_points": 0,
        "source_documents": None,
        "vectors_retrieved": None,
        "vectors_clustered": None,
        "metrics": {},
        "llm_labeling_errors": None,
        "llm_labeling_usage": None,
        "collection_counters": counters_of(tx, plan.collection_ids),
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


def name_run(tx: Connection, tenant: Tenant, identifier: str, run_id: str, name: str) -> dict[str, Any]:
    """Give a definition's run a name, which keeps it from retention, or take it away with an empty one. Raises
    NotFound."""
    run = find_run(tx, tenant, identifier, run_id)
    resource = {**orjson.loads(run.resource), "run_name": name or None}
    tx.execute(update(runs).where(runs.c.pk == run.pk).values(resource=orjson.dumps(resource).decode()))
    return {key: resource[key] for key in ("cluster_id", "run_id", "run_name")}


def cancel_run(tx: Connection, tenant: Tenant, identifier: str, run_id: str) -> dict[str, Any]:
    """Ask for the end of a definition's run; the run as it is then. Raises NotFound, and Conflict if it has ended."""
    run = find_run(tx, tenant, identifier, run_id)
    if not queue.request_cancel(tx, tasks.c.id == run.task_id):
        raise Conflict(f"run '{run.id}' has ended as {run.status.lower()}: there is nothing to cancel")
    shown: dict[str, Any] = orjson.loads(run.resource)
    return shown


def forget_run(tx: Connection, tenant: Tenant, run_id: str) -> None:
    """Forget a run that has no definition; its files are the caller's to remove after the commit."""
    tx.execute(delete(runs).where(runs.c.namespace_id == tenant.namespace_id, runs.c.id == run_id))
