"""Namespaces: reads, the rules of a write, and the job that empties one.

A deleted namespace is gone at once: hidden, its name free. A job then removes what it held.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, func, insert, or_, select, update

from coterie.api.context import Account
from coterie.jobs import queue
from coterie.jobs.job import Job
from coterie.kit.errors import AlreadyExists, BadRequest, NotFound
from coterie.kit.ids import new_id
from coterie.listing.answer import Listed, run_list
from coterie.listing.field_index import erase_fields
from coterie.listing.fields import search_text
from coterie.listing.sql import Source
from coterie.listing.terms import erase_terms
from coterie.listing.texts import erase_texts
from coterie.listing.tree import Listable, ListQuery
from coterie.store.dialects import among
from coterie.store.storage import Storage
from coterie.store.tables import (
    cluster_fields,
    clusters,
    collections,
    document_fields,
    documents,
    namespaces,
    organizations,
    paths,
    tasks,
)
from coterie.store.vectors import VectorStore

MAX_NAMESPACES = 10_000
DELETE_JOB = "namespace.delete"
BRING_YOUR_OWN = {
    "feature_extractor_name": "bring_your_own",
    "version": "v1",
    "feature_extractor_id": "bring_your_own_v1",
}
"""The extractor of a namespace that was made without: vectors come along with the documents."""

DELETE_BATCH = 5_000

PROFILE = Listable("namespace_name", "namespace_id")
SOURCE = Source(
    namespaces,
    namespaces.c.pk,
    namespaces.c.id,
    namespaces.c.created_at,
    namespaces.c.resource,
    (namespaces.c.org_id == bindparam("org_id")) & namespaces.c.deleting.is_(False),
    namespaces.c.search_text,
)


def find_namespace(tx: Connection, account: Account, identifier: str) -> Row[Any]:
    """The account's namespace by id, else by name. Raises NotFound, for another account's too."""
    own = (
        select(namespaces)
        .where(
            namespaces.c.org_id == account.org_id,
            namespaces.c.deleting.is_(False),
            or_(namespaces.c.id == identifier, namespaces.c.name == identifier),
        )
        .order_by((namespaces.c.id == identifier).desc())
    )
    row = tx.execute(own.limit(1)).first()
    if row is None:
        raise NotFound(f"namespace '{identifier}' does not exist; POST /v1/namespaces/list shows yours")
    return row


def list_namespaces(tx: Connection, account: Account, query: ListQuery) -> Listed:
    """A page of the account's namespaces."""
    return run_list(tx, query, SOURCE, {"org_id": account.org_id})


def create_namespace(tx: Connection, account: Account, request: Mapping[str, Any], now: str) -> str:
    """A new namespace, as JSON. Raises AlreadyExists."""
    count = select(func.count()).select_from(namespaces).where(namespaces.c.org_id == account.org_id)
    if (tx.scalar(count) or 0) >= MAX_NAMESPACES:
        raise BadRequest(f"an organization has at most {MAX_NAMESPACES} namespaces")
    _check_free(tx, account, request["namespace_name"])
    return add_namespace(tx, account.org_id, request, now)


def add_namespace(tx: Connection, org_id: str, request: Mapping[str, Any], now: str) -> str:
    """Write a namespace; it as JSON."""
    resource = {
        "namespace_id": new_id("ns"),
        "namespace_name": request["namespace_name"],
        "description": request.get("description"),
        "feature_extractors": request.get("feature_extractors") or [BRING_YOUR_OWN],
        "payload_indexes": request.get("payload_indexes"),
        "namespace_ready": True,
        "created_at": now,
        "updated_at": now,
    }
    tx.execute(
        insert(namespaces).values(
            id=resource["namespace_id"], org_id=org_id, created_at=now, deleting=False, **_columns(resource)
        )
    )
    return orjson.dumps(resource).decode()


def update_namespace(tx: Connection, account: Account, identifier: str, changes: Mapping[str, Any], now: str) -> str:
    """Rename a namespace or replace its payload indexes; it as JSON. Raises NotFound, AlreadyExists."""
    row = find_namespace(tx, account, identifier)
    name = changes.get("namespace_name")
    if name is not None and name != row.name:
        _check_free(tx, account, name)
    given = {key: value for key, value in changes.items() if value is not None}
    resource = {**orjson.loads(row.resource), **given, "updated_at": now}
    tx.execute(update(namespaces).where(namespaces.c.pk == row.pk).values(**_columns(resource)))
    return orjson.dumps(resource).decode()


def delete_namespace(tx: Connection, account: Account, identifier: str, now: str) -> None:
    """Hide a namespace, free its name, end its jobs and leave the rest to a job. Raises NotFound."""
    row = find_namespace(tx, account, identifier)
    tx.execute(update(namespaces).where(namespaces.c.pk == row.pk).values(deleting=True, name=row.id))
    queue.request_cancel(tx, tasks.c.namespace_id == row.id)
    _submit_deletion(tx, account.org_id, account.internal_id, row.id, now)


def resume_deletions(tx: Connection, now: str) -> None:
    """Submit anew the deletion of every hidden namespace whose task has ended without it."""
    busy = select(tasks.c.namespace_id).where(tasks.c.kind == DELETE_JOB, tasks.c.status.in_(queue.OPEN))
    left = (
        select(namespaces.c.id, namespaces.c.org_id, organizations.c.internal_id)
        .join(organizations, organizations.c.id == namespaces.c.org_id)
        .where(namespaces.c.deleting, namespaces.c.id.not_in(busy))
    )
    for row in tx.execute(left).all():
        _submit_deletion(tx, row.org_id, row.internal_id, row.id, now)


def _submit_deletion(tx: Connection, org_id: str, internal_id: str, namespace_id: str, now: str) -> None:
    payload = {"namespace_id": namespace_id, "internal_id": internal_id}
    queue.submit(tx, queue.NewTask(org_id, namespace_id, DELETE_JOB, "api_namespaces_delete", payload), now)


class NamespaceDeletion:
    """The job: vectors and artifacts first, then documents in batches, last the namespace itself."""

    def __init__(self, vectors: VectorStore, blobs: Storage) -> None:
        self.vectors = vectors
        self.blobs = blobs

    def run(self, job: Job, payload: Mapping[str, Any]) -> list[Any]:
        """Remove everything; harmless to repeat."""
        namespace_id = payload["namespace_id"]
        self.vectors.drop(namespace_id)
        self.blobs.drop(f"{payload['internal_id']}/{namespace_id}")
        in_it = select(collections.c.id).where(collections.c.namespace_id == namespace_id)
        while _delete_documents(job, documents.c.collection_id.in_(in_it)) or _delete_clusters(job, namespace_id):
            job.check()
        with job.db.write() as tx:
            tx.execute(delete(paths).where(or_(paths.c.scope == namespace_id, paths.c.scope.in_(in_it))))
            tx.execute(delete(namespaces).where(namespaces.c.id == namespace_id))
            tx.execute(delete(tasks).where(tasks.c.namespace_id == namespace_id, tasks.c.id != job.task_id))
        self.vectors.drop(namespace_id)  # what a job in its last breath may have added
        self.blobs.drop(f"{payload['internal_id']}/{namespace_id}")
        return []

    def ended(self, tx: Connection, payload: Mapping[str, Any], status: str, error: str | None) -> None:
        """Nothing to bring along: the namespace stays hidden."""


def _delete_documents(job: Job, own: ColumnElement[bool]) -> int:
    """Delete a batch of documents, in a short transaction of its own; how many there were."""
    with job.db.write() as tx:
        pks = tx.scalars(select(documents.c.pk).where(own).limit(DELETE_BATCH)).all()
        erase_fields(tx, document_fields, pks)
        tx.execute(delete(documents).where(among(tx, documents.c.pk, pks)))
    return len(pks)


def _delete_clusters(job: Job, namespace_id: str) -> int:
    """As `_delete_documents`, for definitions with their runs."""
    with job.db.write() as tx:
        own = select(clusters.c.pk).where(clusters.c.namespace_id == namespace_id)
        pks = tx.scalars(own.limit(DELETE_BATCH)).all()
        erase_fields(tx, cluster_fields, pks)
        erase_texts(tx, namespace_id, pks)
        erase_terms(tx, pks)
        tx.execute(delete(clusters).where(among(tx, clusters.c.pk, pks)))
    return len(pks)


def _check_free(tx: Connection, account: Account, name: str) -> None:
    taken = select(namespaces.c.id).where(namespaces.c.org_id == account.org_id, namespaces.c.name == name)
    if tx.scalar(taken) is not None:
        raise AlreadyExists(f"namespace '{name}' already exists")


def _columns(resource: Mapping[str, Any]) -> dict[str, Any]:
    parts = (resource["namespace_name"], resource["namespace_id"], resource["description"])
    return {
        "name": resource["namespace_name"],
        "resource": orjson.dumps(resource).decode(),
        "search_text": search_text(parts),
    }
