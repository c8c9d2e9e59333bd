"""The rules of write-backs: starting one, undoing one, and what a definition writes back after each run."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Row, insert, select, update

from coterie.api.context import Tenant
from coterie.documents.collections import find_collection
from coterie.enrichment.queries import find_enrichment
from coterie.enrichment.schemas import ApplyClusterEnrichmentRequest
from coterie.jobs import queue
from coterie.kit.errors import BadRequest, Conflict
from coterie.kit.ids import new_id
from coterie.runs.queries import find_results
from coterie.store.tables import clusters, collections, enrichments, organizations, runs, tasks

JOB = "cluster.enrich"
UNDO_JOB = "cluster.enrich.undo"
MAX_BATCHES = 10_000
DEFAULT_BATCH = 1_000
PENDING, PROCESSING, COMPLETED = "pending", "processing", "completed"
UNDOING, UNDONE, PARTLY_UNDONE = "undoing", "undone", "partly_undone"
ENDED = (COMPLETED, "failed", "canceled", PARTLY_UNDONE)
"""The states from which a write-back can be undone."""


def start_enrichment(
    tx: Connection, tenant: Tenant, request: ApplyClusterEnrichmentRequest, now: str
) -> dict[str, Any]:
    """Write a write-back and its task, for the runs that are the newest now; the task.

    Raises NotFound, BadRequest, and Forbidden where documents would be made with a key that may not.
    """
    source = find_collection(tx, tenant, request.source_collection_id).id
    target = None
    if request.target_collection_id is not None:
        tenant.require("create")
        found = find_collection(tx, tenant, request.target_collection_id).id
        target = None if found == source else found
    keys: dict[str, str] = {}
    of_key: dict[str, Row[Any]] = {}
    for identifier in request.clustering_ids:
        keys[identifier], run = find_results(tx, tenant, identifier)
        if of_key.setdefault(keys[identifier], run).id != run.id:
            raise BadRequest(f"two runs of '{keys[identifier]}' would write the same; name one of them")
    mappings = None
    if request.field_mappings is not None:
        mappings = [
            {**mapping.model_dump(), "clustering_id": _clustering_of(mapping.clustering_id, keys)}
            for mapping in request.field_mappings
        ]
        if idle := of_key.keys() - {mapping["clustering_id"] for mapping in mappings}:
            raise BadRequest(f"'field_mappings' writes nothing of clustering '{min(idle)}'; leave it out")
    return _submit(tx, tenant, of_key, source, target, mappings, request.batch_size, now)


def start_undo(tx: Connection, tenant: Tenant, enrichment_id: str, now: str) -> dict[str, Any]:
    """Write the task that undoes a write-back; the task. Raises NotFound, Conflict."""
    row = find_enrichment(tx, tenant, enrichment_id)
    if row.status not in ENDED:
        undone = row.status in (UNDOING, UNDONE)
        advice = "it is undone already, or about to be" if undone else "wait for its end, or cancel its task"
        raise Conflict(f"enrichment '{enrichment_id}' is {row.status}: {advice}", {"status": row.status})
    resource = orjson.loads(row.resource)
    written = resource["target_collection_id"] or resource["source_collection_id"]
    task = _submit_task(tx, tenant, UNDO_JOB, enrichment_id, written, now)
    counts = resource["undo"] or dict.fromkeys(("restored", "kept", "removed", "gone"), 0)
    change_enrichment(tx, row, UNDOING, undo={**counts, "task_id": task["task_id"]})
    return task


def write_back(tx: Connection, run_id: str, now: str) -> None:
    """Start what the definition of a completed run writes back into its collections, those that are still there."""
    run = tx.execute(select(runs).where(runs.c.id == run_id)).one()
    text = tx.scalar(select(clusters.c.resource).where(clusters.c.id == run.cluster_id))
    definition = orjson.loads(text) if text else {}
    if not definition.get("enrich_source_collection"):
        return
    owner = select(organizations.c.id, organizations.c.internal_id).join(tasks, tasks.c.org_id == organizations.c.id)
    org_id, internal_id = tx.execute(owner.where(tasks.c.id == run.task_id)).one()
    tenant = Tenant(org_id, internal_id, "", frozenset(), run.namespace_id, "")
    mappings = (definition["source_enrichment_config"] or {}).get("field_mappings")
    if mappings is not None:
        mappings = [{**mapping, "clustering_id": run.cluster_id} for mapping in mappings]
    present = select(collections.c.id).where(
        collections.c.namespace_id == run.namespace_id, collections.c.id.in_(definition["input_collections"])
    )
    size = max(DEFAULT_BATCH, -(-orjson.loads(run.resource)["num_points"] // MAX_BATCHES))
    for collection_id in tx.scalars(present.order_by(collections.c.pk)).all():
        _submit(tx, tenant, {run.cluster_id: run}, collection_id, None, mappings, size, now)


def change_enrichment(tx: Connection, row: Row[Any], status: str, **shown: Any) -> None:
    """Bring a write-back's status and its resource along together."""
    resource = {**orjson.loads(row.resource), **shown, "status": status}
    tx.execute(
        update(enrichments)
        .where(enrichments.c.pk == row.pk)
        .values(status=status, resource=orjson.dumps(resource).decode())
    )


def _clustering_of(asked: str | None, keys: Mapping[str, str]) -> str:
    """Which clustering a mapping is of. Raises BadRequest."""
    if asked is None and len(set(keys.values())) > 1:
        raise BadRequest("with several clusterings each of 'field_mappings' names its own by 'clustering_id'")
    if asked is None or asked in keys.values():
        return asked or next(iter(keys.values()))
    if asked not in keys:
        raise BadRequest(f"'field_mappings' names clustering '{asked}', which is not among 'clustering_ids'")
    return keys[asked]


def _submit(
    tx: Connection,
    tenant: Tenant,
    of_key: Mapping[str, Row[Any]],
    source: str,
    target: str | None,
    mappings: Sequence[Mapping[str, Any]] | None,
    batch_size: int,
    now: str,
) -> dict[str, Any]:
    members = [orjson.loads(run.resource)["num_points"] for run in of_key.values()]
    if sum(-(-count // batch_size) for count in members) > MAX_BATCHES:
        raise BadRequest(f"that makes more than {MAX_BATCHES} batches: take a larger 'batch_size'")
    enrichment_id = new_id("enr")
    task = _submit_task(tx, tenant, JOB, enrichment_id, target or source, now)
    resource = {
        "enrichment_id": enrichment_id,
        "task_id": task["task_id"],
        "status": PENDING,
        "clusterings": [{"clustering_id": key, "run_id": run.id} for key, run in of_key.items()],
        "source_collection_id": source,
        "target_collection_id": target,
        "field_mappings": mappings,
        "batch_size": batch_size,
        **dict.fromkeys(("processed", "enriched", "failed", "batches", "unchanged", "created"), 0),
        "failures": dict.fromkeys(("gone", "blocked", "too_large"), 0),
        "undo": None,
        "error_message": None,
        "created_at": now,
        "completed_at": None,
    }
    tx.execute(
        insert(enrichments).values(
            id=enrichment_id,
            namespace_id=tenant.namespace_id,
            task_id=task["task_id"],
            status=PENDING,
            resource=orjson.dumps(resource).decode(),
            created_at=now,
        )
    )
    return task


def _submit_task(
    tx: Connection, tenant: Tenant, kind: str, enrichment_id: str, written: str, now: str
) -> dict[str, Any]:
    """The task of a job that writes into a collection: these are done one after the other."""
    payload = {
        "enrichment_id": enrichment_id,
        "internal_id": tenant.internal_id,
        "namespace_id": tenant.namespace_id,
    }
    task = queue.NewTask(
        tenant.org_id,
        tenant.namespace_id,
        kind,
        "materialize",
        payload,
        lock=written,
        inputs=(written,),
        extra={"enrichment_id": enrichment_id},
    )
    return queue.submit(tx, task, now)
