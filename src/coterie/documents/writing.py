"""How documents are written: vectors first, then the records that make them visible, in one transaction.

A vector that no record points at is invisible, so a crash in between leaves nothing half-written. An upsert writes new
vectors and retires the old ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import Connection, Dialect, Row, bindparam, delete, insert, select, update

from coterie.api.bodies import MAX_DEPTH, has_nul, is_too_deep
from coterie.api.context import Services, Tenant
from coterie.documents.collections import count_batch, count_documents, spaces_of
from coterie.documents.mappings import mappings_of
from coterie.documents.payload_indexes import index_batch, index_documents, unindex
from coterie.documents.waiting import note_changed, note_waiting
from coterie.features.registry import is_well_formed
from coterie.kit.clock import iso
from coterie.kit.errors import NotFound
from coterie.kit.ids import new_id
from coterie.store.db import execute_many, reserve
from coterie.store.dialects import among, upsert
from coterie.store.tables import collections, documents, retired_vectors, vector_spaces
from coterie.store.vectors import Matrix, Space
from coterie.webhooks.events import emit_many

MAX_DIMENSIONS = 16_384
MAX_SPACES = 256
"""Names of vectors in one collection."""

MAX_MAGNITUDE = 1e18
"""Of a vector's numbers: their squares, summed, then stay well inside 32-bit floats."""

MAX_PAYLOAD = 65_536
"""Bytes of one document's metadata as JSON."""


class BadDocument(ValueError):
    """A document that cannot be taken; the message says why."""


@dataclass
class Batch:
    """Documents to write, all sound: ids (distinct), object ids, payloads as JSON, of each vector name the positions
    (m) of the documents that have it and their vectors (m, d), and enrichments as JSON (none: no document has any)."""

    ids: list[str]
    object_ids: list[str]
    payloads: list[bytes]
    vectors: dict[str, tuple[NDArray[np.int64], Matrix]] = field(default_factory=dict)
    enrichments: list[bytes] = field(default_factory=list)


@cache
def _upsert(dialect: Dialect) -> Any:
    new = upsert(dialect, documents).values(
        {name: bindparam(name) for name in documents.c.keys() if name != "pk"}  # noqa: SIM118
    )
    return new.on_conflict_do_update(
        index_elements=["collection_id", "id"],
        set_={name: new.excluded[name] for name in ("resource", "vectors", "updated_at")},
    )


def dump_payload(payload: Mapping[str, Any]) -> bytes:
    """A payload as JSON. Raises BadDocument for one that is too large or cannot be JSON."""
    try:
        text = orjson.dumps(payload, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z)
    except (orjson.JSONEncodeError, UnicodeEncodeError) as error:
        raise BadDocument(f"metadata cannot be stored as JSON: {error}") from error
    if len(text) > MAX_PAYLOAD:
        raise BadDocument(f"metadata is {len(text)} bytes of JSON; the limit is {MAX_PAYLOAD}")
    if b"\\u0000" in text and has_nul(orjson.loads(text)):
        raise BadDocument("metadata holds text with NUL (U+0000)")
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH and is_too_deep(payload):
        raise BadDocument(f"metadata is nested more than {MAX_DEPTH} levels deep")
    return text


def check_vector(values: Sequence[float], name: str, dimensions: int | None) -> Matrix:
    """One vector as (1, d). Raises BadDocument for what is empty, too long, not finite or of another length."""
    if not is_well_formed(name):
        raise BadDocument(f"'{name[:50]}' is no vector name: use 1 to 100 letters, digits, '_', '.' or '-'")
    if not 1 <= len(values) <= MAX_DIMENSIONS:
        raise BadDocument(f"vector '{name}' has {len(values)} numbers; 1 to {MAX_DIMENSIONS} are possible")
    if dimensions is not None and len(values) != dimensions:
        raise BadDocument(
            f"vector '{name}' has {len(values)} numbers; this collection's '{name}' vectors have {dimensions}"
        )
    vector = np.asarray(values, np.float64)
    if not (np.abs(vector) <= MAX_MAGNITUDE).all():
        raise BadDocument(f"vector '{name}' holds numbers that are not finite or beyond {MAX_MAGNITUDE:g}")
    return vector.astype(np.float32)[None, :]


def claim_spaces(tx: Connection, collection_id: str, wanted: Mapping[str, int], now: str) -> dict[str, int]:
    """The dimensions of a collection's vectors; names that are new take those of `wanted` from now on."""
    spaces = spaces_of(tx, collection_id)
    new = {name: size for name, size in wanted.items() if name not in spaces}
    if len(spaces) + len(new) > MAX_SPACES:
        raise BadDocument(f"a collection has at most {MAX_SPACES} names of vectors")
    for name, size in new.items():
        tx.execute(
            insert(vector_spaces).values(collection_id=collection_id, name=name, dimensions=size, created_at=now)
        )
    return {**spaces, **new}


def write_batch(
    services: Services, tenant: Tenant, collection_id: str, batch: Batch, *, whole: bool = True
) -> list[bool]:
    """Write the documents, the `whole` of a request or a part of them; for each whether it is new. Raises NotFound when
    the collection is gone."""
    with services.db.write() as tx:
        first = reserve(tx, "vectors", sum(len(rows) for rows, _ in batch.vectors.values()))
    keys = append_vectors(services, tenant, collection_id, batch, first)
    with services.db.write() as tx:
        created = write_records(tx, services, tenant, collection_id, batch, keys)
        if whole and batch.ids:
            count_batch(tx, collection_id)
    return created


def append_vectors(
    services: Services, tenant: Tenant, collection_id: str, batch: Batch, first: int
) -> list[dict[str, int]]:
    """Store the vectors under keys from `first` on; per document the key of each of its names."""
    keys: list[dict[str, int]] = [{} for _ in batch.ids]
    for name, (rows, matrix) in batch.vectors.items():
        numbers = np.arange(first, first + len(rows), dtype=np.int64)
        services.vectors.append(Space(tenant.namespace_id, collection_id, name), numbers, matrix)
        for row, number in zip(rows.tolist(), numbers.tolist(), strict=True):
            keys[row][name] = number
        first += len(rows)
    return keys


def write_records(
    tx: Connection,
    services: Services,
    tenant: Tenant,
    collection_id: str,
    batch: Batch,
    keys: Sequence[Mapping[str, int]],
) -> list[bool]:
    """Write the records within a transaction, and retire the vectors that they replace: whether each is new."""
    own = select(collections.c.name, collections.c.resource).where(
        collections.c.id == collection_id, collections.c.namespace_id == tenant.namespace_id
    )
    collection = tx.execute(own).first()
    if collection is None:
        raise NotFound("the collection was deleted")
    now = iso(services.clock.now())
    before = _present(tx, collection_id, batch.ids)
    rows = [
        {
            "id": identity,
            "namespace_id": tenant.namespace_id,
            "collection_id": collection_id,
            "resource": _resource(
                collection_id, batch, number, before[identity][0] if identity in before else now, now
            ),
            "vectors": orjson.dumps(keys[number]).decode(),
            "created_at": now,
            "updated_at": now,
        }
        for number, identity in enumerate(batch.ids)
    ]
    if rows:
        execute_many(tx, _upsert(tx.dialect), rows)
        index_batch(tx, collection_id, batch.ids, batch.payloads)
    created = [identity not in before for identity in batch.ids]
    count_documents(tx, collection_id, sum(created), updated=len(created) - sum(created))
    retire(tx, tenant, collection_id, keys_by_name(text for _, text in before.values()), now)
    resource = orjson.loads(collection.resource)
    wanted = {mapping.name for mapping in mappings_of(resource)}
    without = [identity for identity, own in zip(batch.ids, keys, strict=True) if not wanted <= own.keys()]
    note_waiting(tx, services.settings.models_path, tenant, resource, without, now)
    where = {"collection_id": collection_id, "collection_name": collection.name}
    for new, type in ((True, "object.created"), (False, "object.updated")):
        ids = [identity for identity, is_new in zip(batch.ids, created, strict=True) if is_new is new]
        emit_many(tx, tenant.namespace_id, type, ids, where, now)
    return created


def change_documents(
    tx: Connection,
    services: Services,
    tenant: Tenant,
    collection_id: str,
    changed: Sequence[tuple[int, Mapping[str, Any]]],
    now: str,
) -> None:
    """Write the resources of documents anew, by their keys; their vectors stay, until what they were made of is found
    to have changed."""
    if not changed:
        return
    ids = [resource["document_id"] for _, resource in changed]
    note_changed(tx, services.settings.models_path, tenant, collection_id, ids, now)
    resources = [(pk, {**resource, "updated_at": now}) for pk, resource in changed]
    rows = [{"own": pk, "resource": orjson.dumps(resource).decode(), "updated_at": now} for pk, resource in resources]
    tx.execute(update(documents).where(documents.c.pk == bindparam("own")), rows)
    index_documents(tx, collection_id, resources)


def erase_documents(tx: Connection, tenant: Tenant, collection_id: str, rows: Sequence[Row[Any]], now: str) -> None:
    """Delete documents of a collection, and retire their vectors."""
    pks = [row.pk for row in rows]
    tx.execute(delete(documents).where(among(tx, documents.c.pk, pks)))
    unindex(tx, pks)
    count_documents(tx, collection_id, -len(pks))
    retire(tx, tenant, collection_id, keys_by_name(row.vectors for row in rows), now)


def retire(tx: Connection, tenant: Tenant, collection_id: str, keys: Mapping[str, Sequence[int]], now: str) -> None:
    """Note vector keys, by name, that no record points at any more, in the transaction that makes it so."""
    own = {"namespace_id": tenant.namespace_id, "collection_id": collection_id, "retired_at": now}
    rows = [{**own, "name": name, "keys": orjson.dumps(numbers).decode()} for name, numbers in keys.items()]
    if rows:
        tx.execute(insert(retired_vectors), rows)


def keys_by_name(texts: Iterable[str]) -> dict[str, list[int]]:
    """The vector keys of documents, from the JSON that their records hold, by name."""
    found: dict[str, list[int]] = {}
    for text in texts:
        for name, key in orjson.loads(text).items():
            found.setdefault(name, []).append(key)
    return found


def new_document_id() -> str:
    """An id for a document that came without."""
    return new_id("doc")


def _present(tx: Connection, collection_id: str, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Of those of the ids that exist: when each was created, and the JSON of its vectors' keys."""
    own = select(documents.c.id, documents.c.created_at, documents.c.vectors).where(
        documents.c.collection_id == collection_id, among(tx, documents.c.id, ids)
    )
    rows = tx.execute(own)
    return {row.id: (row.created_at, row.vectors) for row in rows}


def _resource(collection_id: str, batch: Batch, number: int, created_at: str, now: str) -> str:
    """A document's JSON. Put together from parts: the parts that are the same for all need no serializer."""
    identity, object_id = orjson.dumps(batch.ids[number]), orjson.dumps(batch.object_ids[number])
    enrichments = batch.enrichments[number] if batch.enrichments else b"null"
    return (
        b'{"document_id":%b,"collection_id":"%b","object_id":%b,"metadata":%b,"enrichments":%b,"source_blobs":[],'
        b'"internal_metadata":{},"document_blobs":[],"presigned_urls":[],"presigned_url":null,'
        b'"created_at":"%b","updated_at":"%b"}'
        % (
            identity,
            collection_id.encode(),
            object_id,
            batch.payloads[number],
            enrichments,
            created_at.encode(),
            now.encode(),
        )
    ).decode()
