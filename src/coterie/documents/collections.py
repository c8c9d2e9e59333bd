"""Collections: reads and the rules of a write."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Row, bindparam, delete, func, insert, or_, select, update

from coterie.api.context import Tenant
from coterie.documents.mappings import check_mappings
from coterie.features.registry import BRING_YOUR_OWN
from coterie.kit.errors import AlreadyExists, BadRequest, NotFound, invalid
from coterie.kit.ids import new_id
from coterie.kit.names import check_name
from coterie.listing.answer import Listed, run_list
from coterie.listing.field_index import erase_fields
from coterie.listing.fields import search_text
from coterie.listing.sql import Source
from coterie.listing.tree import Listable, ListQuery
from coterie.store.db import Db
from coterie.store.dialects import among
from coterie.store.tables import collections, document_fields, documents, paths, vector_spaces
from coterie.webhooks.events import emit

MAX_COLLECTIONS = 10_000
"""Collections of one namespace."""

MAX_METADATA = 65_536
"""Bytes of a resource's own metadata as JSON."""

DELETE_ROWS = 20_000
"""Documents that go in one transaction."""

PATCHABLE = ("collection_name", "description", "metadata", "enabled")

PROFILE = Listable("collection_name", "collection_id")
SOURCE = Source(
    collections,
    collections.c.pk,
    collections.c.id,
    collections.c.created_at,
    collections.c.resource,
    collections.c.namespace_id == bindparam("namespace_id"),
    collections.c.search_text,
)


def find_collection(tx: Connection, tenant: Tenant, identifier: str) -> Row[Any]:
    """The tenant's collection by id, else by name. Raises NotFound."""
    own = (
        select(collections)
        .where(
            collections.c.namespace_id == tenant.namespace_id,
            or_(collections.c.id == identifier, collections.c.name == identifier),
        )
        .order_by((collections.c.id == identifier).desc())
    )
    row = tx.execute(own.limit(1)).first()
    if row is None:
        raise NotFound(f"collection '{identifier}' does not exist in this namespace")
    return row


def find_collections(tx: Connection, tenant: Tenant, identifiers: Sequence[str]) -> list[Row[Any]]:
    """The collections of the identifiers, each once. Raises NotFound naming the first that does not exist."""
    rows = {row.id: row for row in (find_collection(tx, tenant, identifier) for identifier in identifiers)}
    return list(rows.values())


def list_collections(tx: Connection, tenant: Tenant, query: ListQuery) -> Listed:
    """A page of the namespace's collections."""
    return run_list(tx, query, SOURCE, {"namespace_id": tenant.namespace_id})


def create_collection(
    tx: Connection,
    tenant: Tenant,
    request: Mapping[str, Any],
    now: str,
    on_created: Callable[[Connection, str, str], None],
) -> str:
    """A new collection, as JSON; `on_created` is called with its namespace's id and its own. Raises AlreadyExists."""
    count = select(func.count()).select_from(collections).where(collections.c.namespace_id == tenant.namespace_id)
    if (tx.scalar(count) or 0) >= MAX_COLLECTIONS:
        raise BadRequest(f"a namespace has at most {MAX_COLLECTIONS} collections")
    _check_free(tx, tenant, request["collection_name"])
    _check_metadata(request.get("metadata"))
    if request["feature_extractors"] and request["feature_extractor"]:
        raise BadRequest("'feature_extractor' stands for a 'feature_extractors' of one; send one of them")
    check_mappings(request["feature_extractors"] or [request["feature_extractor"] or _bring_your_own()])
    extractors = request["feature_extractors"] or [request["feature_extractor"] or _bring_your_own()]
    resource = {
        "collection_id": new_id("col"),
        "collection_name": request["collection_name"],
        "description": request["description"],
        "schema": None,
        "input_schema": request["input_schema"],
        "output_schema": request["input_schema"],
        "feature_extractors": extractors,
        "feature_extractor": extractors[0],
        "source": request["source"] or {"type": "bucket", "bucket_id": None, "collection_id": None},
        "source_lineage": [],
        "vector_indexes": [],
        "payload_indexes": [],
        "enabled": True,
        "metadata": request["metadata"],
        "taxonomy_applications": None,
        "document_count": 0,
        "created_at": now,
        "updated_at": now,
    }
    tx.execute(
        insert(collections).values(
            id=resource["collection_id"], namespace_id=tenant.namespace_id, created_at=now, **_columns(resource)
        )
    )
    on_created(tx, tenant.namespace_id, resource["collection_id"])
    emit(tx, tenant.namespace_id, "collection.created", _named(resource), now)
    return orjson.dumps(resource).decode()


def update_collection(
    tx: Connection,
    tenant: Tenant,
    identifier: str,
    changes: Mapping[str, Any],
    now: str,
    on_renamed: Callable[[Connection, str], None],
) -> str:
    """Change what can be changed; the collection as JSON. Raises BadRequest naming what cannot.

    `on_renamed` is called with its id when it has a new name.
    """
    row = find_collection(tx, tenant, identifier)
    for key in changes:
        if key not in PATCHABLE:
            raise BadRequest(f"'{key}' of a collection cannot be changed; {', '.join(PATCHABLE)} can")
    _check_changes(tx, tenant, row, changes)
    resource = {**orjson.loads(row.resource), **changes, "updated_at": now}
    tx.execute(update(collections).where(collections.c.pk == row.pk).values(**_columns(resource)))
    if resource["collection_name"] != row.name:
        on_renamed(tx, row.id)
    emit(tx, tenant.namespace_id, "collection.updated", {**_named(resource), "changed": sorted(changes)}, now)
    return orjson.dumps(resource).decode()


def delete_collection(tx: Connection, tenant: Tenant, identifier: str, now: str) -> str:
    """Delete a collection, which hides its documents; its id, for `delete_documents`. Raises NotFound."""
    row = find_collection(tx, tenant, identifier)
    tx.execute(delete(collections).where(collections.c.pk == row.pk))
    emit(tx, tenant.namespace_id, "collection.deleted", {"collection_id": row.id, "collection_name": row.name}, now)
    collection_id: str = row.id
    return collection_id


def delete_documents(db: Db, collection_id: str) -> None:
    """Delete the documents that a collection left, in short transactions, so that no other write waits for long."""
    some = select(documents.c.pk).where(documents.c.collection_id == collection_id).limit(DELETE_ROWS)
    deleted = DELETE_ROWS
    while deleted == DELETE_ROWS:
        with db.write() as tx:
            pks = tx.scalars(some).all()
            erase_fields(tx, document_fields, pks)
            deleted = tx.execute(delete(documents).where(among(tx, documents.c.pk, pks))).rowcount
    with db.write() as tx:
        tx.execute(delete(paths).where(paths.c.scope == collection_id))


def count_documents(tx: Connection, collection_id: str, more: int, updated: int = 0) -> None:
    """Keep the counts beside the documents, in the same transaction."""
    own = collections.c.id == collection_id
    row = tx.execute(select(collections.c.document_count, collections.c.resource).where(own)).one()
    resource = {**orjson.loads(row.resource), "document_count": row.document_count + more}
    text = orjson.dumps(resource).decode()
    counts = {"added": collections.c.added + max(more, 0), "updated": collections.c.updated + updated}
    values = {"document_count": row.document_count + more, "resource": text, **counts}
    tx.execute(update(collections).where(own).values(values))


def count_batch(tx: Connection, collection_id: str) -> None:
    """Count a request that has written all its documents."""
    counted = update(collections).where(collections.c.id == collection_id)
    tx.execute(counted.values(batches=collections.c.batches + 1))


def counters_of(tx: Connection, collection_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Of those of the collections that are there: how many documents they have, how many came and how many were written
    anew in all their time, and in how many requests."""
    columns = (collections.c.document_count, collections.c.added, collections.c.updated, collections.c.batches)
    rows = tx.execute(select(collections.c.id, *columns).where(among(tx, collections.c.id, collection_ids)))
    names = ("documents", "added", "updated", "batches")
    return {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}


def spaces_of(tx: Connection, collection_id: str) -> dict[str, int]:
    """The names of a collection's vectors and their dimensions, oldest first."""
    rows = tx.execute(
        select(vector_spaces.c.name, vector_spaces.c.dimensions)
        .where(vector_spaces.c.collection_id == collection_id)
        .order_by(vector_spaces.c.created_at, vector_spaces.c.name)
    )
    return {row.name: row.dimensions for row in rows}


def describe_features(tx: Connection, tenant: Tenant, identifier: str) -> dict[str, Any]:
    """What vectors the collection's documents have."""
    row = find_collection(tx, tenant, identifier)
    features = [
        {
            "feature_address": f"mixpeek://{name}@v1/{name}",
            "feature_uri": f"mixpeek://{name}@v1/{name}",
            "feature_extractor_name": name,
            "version": "v1",
            "vector_index": {
                "name": name,
                "description": f"Vectors of {name}",
                "dimensions": dimensions,
                "type": "dense",
                "distance": "cosine",
                "datatype": "float32",
            },
            "primary": number == 0,
        }
        for number, (name, dimensions) in enumerate(spaces_of(tx, row.id).items())
    ]
    return {"features": features}


def _check_changes(tx: Connection, tenant: Tenant, row: Row[Any], changes: Mapping[str, Any]) -> None:
    if "collection_name" in changes and changes["collection_name"] != row.name:
        name = changes["collection_name"]
        try:
            check_name(name if isinstance(name, str) else "", "collection name")
        except ValueError as error:
            raise invalid(("body", "collection_name"), str(error)) from error
        _check_free(tx, tenant, name)
    description = changes.get("description")
    if description is not None and (not isinstance(description, str) or len(description) > 4096):
        raise invalid(("body", "description"), "a description is a text of at most 4096 characters")
    if changes.get("enabled", True) is not True:
        raise BadRequest("'enabled' cannot be false: collections cannot be switched off")
    _check_metadata(changes.get("metadata"))


def _check_metadata(metadata: Any) -> None:
    if metadata is not None and not isinstance(metadata, dict):
        raise invalid(("body", "metadata"), "metadata is an object")
    if metadata is not None and len(orjson.dumps(metadata)) > MAX_METADATA:
        raise invalid(("body", "metadata"), f"metadata is at most {MAX_METADATA} bytes of JSON")


def _check_free(tx: Connection, tenant: Tenant, name: str) -> None:
    taken = select(collections.c.id).where(
        collections.c.namespace_id == tenant.namespace_id, collections.c.name == name
    )
    if tx.scalar(taken) is not None:
        raise AlreadyExists(f"collection '{name}' already exists in this namespace")


def _bring_your_own() -> dict[str, Any]:
    return {
        "feature_extractor_name": BRING_YOUR_OWN,
        "version": "v1",
        "feature_extractor_id": f"{BRING_YOUR_OWN}_v1",
        "parameters": {},
        "input_mappings": {},
    }


def _named(resource: Mapping[str, Any]) -> dict[str, Any]:
    return {name: resource[name] for name in ("collection_id", "collection_name")}


def _columns(resource: Mapping[str, Any]) -> dict[str, Any]:
    parts = (resource["collection_name"], resource["collection_id"], resource["description"])
    return {
        "name": resource["collection_name"],
        "resource": orjson.dumps(resource).decode(),
        "search_text": search_text(parts),
    }
