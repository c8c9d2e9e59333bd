"""The rules of a write, one document or a batch of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from pydantic import ValidationError
from sqlalchemy import update

from coterie.api.context import Services, Tenant
from coterie.documents.collections import count_batch, count_documents, find_collection, spaces_of
from coterie.documents.payload_indexes import index_documents
from coterie.documents.queries import find_document
from coterie.documents.schemas import DocumentCreateRequest, DocumentFields, DocumentUpdateRequest, SparseVector
from coterie.documents.waiting import note_changed
from coterie.documents.writing import (
    BadDocument,
    Batch,
    append_vectors,
    check_vector,
    claim_spaces,
    dump_payload,
    erase_documents,
    new_document_id,
    retire,
    write_batch,
)
from coterie.features.registry import vector_name
from coterie.kit.clock import iso
from coterie.kit.errors import BadRequest
from coterie.store.db import reserve
from coterie.store.tables import documents
from coterie.store.vectors import Matrix
from coterie.webhooks.events import emit_many

Result = dict[str, Any]


def create_document(services: Services, tenant: Tenant, collection: str, item: DocumentCreateRequest) -> str:
    """Write one document; it as JSON. Raises BadRequest, NotFound."""
    result = write_items(services, tenant, collection, [item])[0]
    if result["error"] is not None:
        raise BadRequest(result["error"])
    with services.db.read() as tx:
        row = find_document(tx, tenant, find_collection(tx, tenant, collection).id, result["document_id"])
    resource: str = row.resource
    return resource


def write_raw(services: Services, tenant: Tenant, collection: str, items: Sequence[Mapping[str, Any]]) -> list[Result]:
    """Write what is sound of a batch; per item its id, whether it was created, updated or failed, and why."""
    parsed: list[DocumentCreateRequest | str] = []
    for item in items:
        try:
            parsed.append(DocumentCreateRequest.model_validate(item))
        except ValidationError as error:
            fault = error.errors()[0]
            parsed.append(f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}")
    results = write_items(services, tenant, collection, parsed)
    for item, result in zip(items, results, strict=True):
        given = item.get("document_id")
        result["document_id"] = result["document_id"] or (given if isinstance(given, str) else None)
    return results


def write_items(
    services: Services, tenant: Tenant, collection: str, items: Sequence[DocumentCreateRequest | str]
) -> list[Result]:
    """As `write_raw`, for items that are parsed; a text in an item's place is why it could not be."""
    with services.db.write() as tx:
        row = find_collection(tx, tenant, collection)
        results, taken, spaces = [], [], spaces_of(tx, row.id)
        new: dict[str, int] = {}
        seen: set[str] = set()
        for item in items:
            try:
                prepared = _prepare(item, row.id, row.name, {**spaces, **new})
                _take_id(prepared.id, seen)
            except BadDocument as error:
                identity = None if isinstance(item, str) else item.document_id
                results.append({"document_id": identity, "status": "failed", "error": str(error)})
                continue
            new.update({name: vector.shape[1] for name, vector in prepared.vectors.items() if name not in spaces})
            results.append({"document_id": prepared.id, "status": "", "error": None})
            taken.append(prepared)
        _claim(tx, row.id, new, iso(services.clock.now()))
    created = iter(write_batch(services, tenant, row.id, _batch(taken)))
    for result in results:
        if result["error"] is None:
            result["status"] = "created" if next(created) else "updated"
    return results


def update_document(
    services: Services, tenant: Tenant, collection: str, document_id: str, changes: DocumentUpdateRequest
) -> str:
    """Replace a document's payload, or vectors of it; it as JSON. Raises BadRequest, NotFound."""
    now = iso(services.clock.now())
    with services.db.write() as tx:
        found = find_collection(tx, tenant, collection)
        collection_id = found.id
        find_document(tx, tenant, collection_id, document_id)
        try:
            vectors = _vectors(changes, spaces_of(tx, collection_id))
            payload = None if changes.metadata is None else dump_payload(changes.metadata)
        except BadDocument as error:
            raise BadRequest(str(error)) from error
        _claim(tx, collection_id, {name: vector.shape[1] for name, vector in vectors.items()}, now)
        first = reserve(tx, "vectors", len(vectors))
    batch = Batch([document_id], [""], [b"{}"], {n: (np.zeros(1, np.int64), v) for n, v in vectors.items()})
    new_keys = append_vectors(services, tenant, collection_id, batch, first)[0]
    with services.db.write() as tx:
        row = find_document(tx, tenant, collection_id, document_id)
        resource = {**orjson.loads(row.resource), "updated_at": now}
        if payload is not None:
            resource["metadata"] = orjson.Fragment(payload)
        old_keys: dict[str, int] = orjson.loads(row.vectors)
        text = orjson.dumps(resource).decode()
        vectors_text = orjson.dumps({**old_keys, **new_keys}).decode()
        values = {"resource": text, "vectors": vectors_text, "updated_at": now}
        tx.execute(update(documents).where(documents.c.pk == row.pk).values(values))
        if payload is not None:
            index_documents(tx, collection_id, [(row.pk, {"metadata": changes.metadata})])
        replaced = {name: [key] for name, key in old_keys.items() if name in new_keys}
        retire(tx, tenant, collection_id, replaced, now)
        note_changed(tx, services.settings.models_path, tenant, collection_id, [document_id], now)
        where = {"collection_id": collection_id, "collection_name": found.name}
        emit_many(tx, tenant.namespace_id, "object.updated", [document_id], where, now)
        count_documents(tx, collection_id, 0, updated=1)
        count_batch(tx, collection_id)
    return text


def delete_document(services: Services, tenant: Tenant, collection: str, document_id: str) -> None:
    """Delete a document and its vectors. Raises NotFound."""
    now = iso(services.clock.now())
    with services.db.write() as tx:
        found = find_collection(tx, tenant, collection)
        collection_id = found.id
        row = find_document(tx, tenant, collection_id, document_id)
        erase_documents(tx, tenant, collection_id, [row], now)
        where = {"collection_id": collection_id, "collection_name": found.name}
        emit_many(tx, tenant.namespace_id, "object.deleted", [document_id], where, now)


class _Prepared:
    """A sound document on its way."""

    def __init__(self, identity: str, object_id: str, payload: bytes, vectors: dict[str, Matrix]) -> None:
        self.id = identity
        self.object_id = object_id
        self.payload = payload
        self.vectors = vectors


def _prepare(
    item: DocumentCreateRequest | str, collection_id: str, collection_name: str, spaces: Mapping[str, int]
) -> _Prepared:
    if isinstance(item, str):
        raise BadDocument(item)
    if item.collection_id not in (None, collection_id, collection_name):
        raise BadDocument(f"collection_id '{item.collection_id}' is not the collection of this request")
    identity = item.document_id or new_document_id()
    return _Prepared(identity, item.object_id or identity, dump_payload(item.metadata or {}), _vectors(item, spaces))


def _take_id(identity: str, seen: set[str]) -> None:
    if identity in seen:
        raise BadDocument(f"document_id '{identity}' comes twice in this batch")
    seen.add(identity)


def _vectors(item: DocumentFields, spaces: Mapping[str, int]) -> dict[str, Matrix]:
    found: dict[str, Matrix] = {}
    for feature in item.features:
        if feature.payload or feature.model_extra:
            raise BadDocument("a feature's payload is not kept: put it into the document's metadata")
        vectors = feature.vectors
        name = vector_name(feature.feature_extractor_id)
        if isinstance(vectors, SparseVector):
            raise BadDocument(f"vector '{name}' is sparse; only dense vectors are kept")
        if isinstance(vectors, list) and vectors and isinstance(vectors[0], list):
            raise BadDocument(f"vector '{name}' is a list of vectors; only single dense vectors are kept")
        named: Mapping[str, Any] = vectors if isinstance(vectors, dict) else {name: vectors or []}
        if vectors is not None:
            found.update({n: check_vector(values, n, spaces.get(n)) for n, values in named.items()})
    for given, values in item.vectors.items():
        name = vector_name(given)
        if name in found:
            raise BadDocument(f"vector '{name}' is given twice")
        found[name] = check_vector(values, name, spaces.get(name))
    return found


def _claim(tx: Any, collection_id: str, new: Mapping[str, int], now: str) -> None:
    try:
        claim_spaces(tx, collection_id, new, now)
    except BadDocument as error:
        raise BadRequest(str(error)) from error


def _batch(prepared: Sequence[_Prepared]) -> Batch:
    rows: dict[str, list[int]] = {}
    for number, each in enumerate(prepared):
        for name in each.vectors:
            rows.setdefault(name, []).append(number)
    return Batch(
        [each.id for each in prepared],
        [each.object_id for each in prepared],
        [each.payload for each in prepared],
        {
            name: (np.array(having, np.int64), np.vstack([prepared[n].vectors[name] for n in having]))
            for name, having in rows.items()
        },
    )
