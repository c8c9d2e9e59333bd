"""Documents that wait for their vectors: noted by every write that may make some necessary, in its transaction.

What is written while no job is under way starts one: never one a document, and a job ends only in a transaction that
finds none waiting, so none is forgotten.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, func, select

from coterie.api.context import Tenant
from coterie.documents.mappings import FieldMapping, mappings_of
from coterie.features.manifest import BadModel
from coterie.features.models import Model, find_model, has_runtime
from coterie.jobs import queue
from coterie.kit.errors import BadRequest
from coterie.store.dialects import upsert
from coterie.store.tables import collections, namespaces, organizations, tasks, waiting_documents

JOB = "documents.embed"
COUNTS = ("embedded", "reused", "unchanged", "brought_along", "failed")
"""What becomes of a document with one extractor; `unchanged`: its vector is of just this content."""


def lock_of(collection_id: str) -> str:
    """Jobs that make a collection's vectors go one after the other."""
    return f"embed:{collection_id}"


def note_waiting(
    tx: Connection, models: Path, tenant: Tenant, collection: Mapping[str, Any], ids: Sequence[str], now: str
) -> None:
    """Note documents of a collection (its resource) as waiting, and see to it that a job will take them if their
    extractors are installed. Does nothing for a collection that maps no input."""
    mappings = mappings_of(collection)
    if not mappings or not ids:
        return
    wait(tx, collection["collection_id"], ids)
    if any(usable(models, mapping) is not None for mapping in mappings):
        start_embedding(tx, tenant, collection["collection_id"], now)


def note_changed(
    tx: Connection, models: Path, tenant: Tenant, collection_id: str, ids: Sequence[str], now: str
) -> None:
    """As `note_waiting`, for a collection that is named by its id."""
    text = tx.scalar(select(collections.c.resource).where(collections.c.id == collection_id))
    if text is not None:
        note_waiting(tx, models, tenant, orjson.loads(text), ids, now)


def wait(tx: Connection, collection_id: str, ids: Iterable[str]) -> None:
    """Note documents as waiting."""
    new = upsert(tx.dialect, waiting_documents)
    again = new.on_conflict_do_update(
        index_elements=["collection_id", "document_id"], set_={"revision": waiting_documents.c.revision + 1}
    )
    rows = [{"collection_id": collection_id, "document_id": identity, "revision": 1} for identity in dict.fromkeys(ids)]
    if rows:
        tx.execute(again, rows)


def count_waiting(tx: Connection, collection_id: str) -> int:
    """How many documents of a collection wait."""
    own = waiting_documents.c.collection_id == collection_id
    return tx.scalar(select(func.count()).select_from(waiting_documents).where(own)) or 0


def start_embedding(
    tx: Connection, tenant: Tenant, collection_id: str, now: str, *, everything: bool = False
) -> dict[str, Any]:
    """Write a task that makes a collection's vectors, of all its documents if `everything`; the task, or the one that
    is there if it will do: one that is under way takes what waits until none is left, one that has not begun takes all.
    """
    under_way = select(tasks.c.status, tasks.c.payload, tasks.c.resource).where(
        tasks.c.lock == lock_of(collection_id), tasks.c.status.in_(queue.OPEN), tasks.c.cancel_requested.is_(False)
    )
    for row in tx.execute(under_way):
        if not everything or (row.status == queue.PENDING and orjson.loads(row.payload)["everything"]):
            found: dict[str, Any] = orjson.loads(row.resource)
            return found
    owner = select(organizations.c.id, organizations.c.internal_id).join(
        namespaces, namespaces.c.org_id == organizations.c.id
    )
    org_id, internal_id = tx.execute(owner.where(namespaces.c.id == tenant.namespace_id)).one()
    payload = {"internal_id": internal_id, "namespace_id": tenant.namespace_id}
    task = queue.NewTask(
        org_id,
        tenant.namespace_id,
        JOB,
        "materialize",
        {**payload, "collection_id": collection_id, "everything": everything},
        lock=lock_of(collection_id),
        inputs=(collection_id,),
        extra={**dict.fromkeys(COUNTS, 0), "errors": []},
    )
    return queue.submit(tx, task, now)


def missing_advice(tx: Connection, without: Mapping[str, int], names: Sequence[str]) -> list[str]:
    """What to tell of a run that left documents out for want of vectors which the service can make: `without` has how
    many there are by collection, `names` the vectors that were wanted."""
    found = []
    for row in tx.execute(select(collections.c.id, collections.c.resource).where(collections.c.id.in_(without))):
        mapped = {mapping.name for mapping in mappings_of(orjson.loads(row.resource))}
        if without[row.id] and mapped & set(names):
            found.append(
                f"{without[row.id]} documents of {row.id} have no vector '{names[-1]}' yet and were left out: wait for "
                f"the task that makes them, or start it (POST /v1/collections/{row.id}/embed), and run again with the "
                "mode 'full': a run with the mode 'assign' looks only at documents that came since the last run"
            )
    return found


def usable(models: Path, mapping: FieldMapping) -> Model | None:
    """The model that a mapping asks for, if it is here and can be run."""
    try:
        model = find_model(models, mapping.name)
    except BadModel:
        return None
    return model if model is not None and has_runtime() and _fits(model, mapping) else None


def require_usable(models: Path, mappings: Sequence[FieldMapping]) -> None:
    """Raise BadRequest unless every mapping's model is here and fits, saying what to do."""
    if not mappings:
        raise BadRequest("the collection maps no field to an extractor: make one with 'input_mappings'")
    if not has_runtime():
        raise BadRequest("this installation runs no models: pip install 'coterie[models]'")
    for mapping in mappings:
        try:
            model = find_model(models, mapping.name)
        except BadModel as error:
            raise BadRequest(f"the model of extractor '{mapping.name}' is broken: {error}") from error
        if model is None:
            raise BadRequest(f"extractor '{mapping.name}' is not installed: coterie models add {mapping.name}")
        if not _fits(model, mapping):
            said = model.manifest
            raise BadRequest(
                f"the collection wants {mapping.kind} by '{mapping.name}' {mapping.version}; the model that is "
                f"installed is {said.version} and takes {' and '.join(said.inputs)}"
            )


def _fits(model: Model, mapping: FieldMapping) -> bool:
    return mapping.kind in model.manifest.inputs and mapping.version == model.manifest.version
