"""Indexes on payload fields, as the namespace declares them: filters on those fields no longer look at every document.

A declared path has a row in `paths` for each collection. It is `ready`, and used, once all documents of the collection
are in it; from the moment that it is declared every write keeps it, so a look at each older document makes it whole.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, select, update

from coterie.documents.queries import INDEX, PROFILE
from coterie.listing.field_index import erase_fields, write_fields
from coterie.listing.fields import FieldRow, rows_for
from coterie.store.db import Db
from coterie.store.dialects import among
from coterie.store.tables import collections, documents, namespaces, paths

FILL_ROWS = 2_000
"""Documents that are looked at in one transaction."""


def declared_paths(resource: Mapping[str, Any]) -> set[str]:
    """The paths that a namespace declares; a field's name stands for the one in the payload."""
    names = (index["field_name"] for index in resource.get("payload_indexes") or ())
    return {name if name.startswith("metadata.") else f"metadata.{name}" for name in names}


def declare_for_collection(tx: Connection, namespace_id: str, collection_id: str) -> None:
    """Give a new, empty collection the indexes of its namespace."""
    _add(tx, collection_id, _declared(tx, namespace_id), ready=True)


def follow_declaration(db: Db, namespace_id: str) -> None:
    """Bring the indexes of a namespace's collections to what it declares now. Goes on where it was cut off."""
    with db.write() as tx:
        wanted = _declared(tx, namespace_id)
        own = tx.scalars(select(collections.c.id).where(collections.c.namespace_id == namespace_id)).all()
        for collection_id in own:
            rows = tx.execute(select(paths).where(paths.c.scope == collection_id)).all()
            _drop(tx, [row.id for row in rows if row.path not in wanted])
            _add(tx, collection_id, wanted - {row.path for row in rows}, ready=False)
    for collection_id in own:
        fill(db, collection_id)


def fill(db: Db, collection_id: str) -> None:
    """Make the indexes of a collection whole, in short transactions."""
    with db.read() as tx:
        unready = select(paths.c.id).where(paths.c.scope == collection_id, paths.c.ready.is_(False))
        waiting = tx.scalars(unready).all()
    if not waiting:
        return
    last: int | None = 0
    while last is not None:
        with db.write() as tx:
            own = select(documents.c.pk, documents.c.resource).where(
                documents.c.collection_id == collection_id, documents.c.pk > last
            )
            rows = tx.execute(own.order_by(documents.c.pk).limit(FILL_ROWS)).all()
            index_documents(tx, collection_id, [(row.pk, orjson.loads(row.resource)) for row in rows])
            last = rows[-1].pk if len(rows) == FILL_ROWS else None
    with db.write() as tx:
        tx.execute(update(paths).where(paths.c.id.in_(waiting)).values(ready=True))


def index_documents(tx: Connection, collection_id: str, resources: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    """Write the rows of documents, by their keys, at the paths that their collection indexes."""
    wanted = set(tx.scalars(select(paths.c.path).where(paths.c.scope == collection_id)))
    if wanted and resources:
        rows = [(pk, _rows(resource, wanted)) for pk, resource in resources]
        write_fields(tx, INDEX.fields, collection_id, rows)


def index_batch(tx: Connection, collection_id: str, ids: Sequence[str], payloads: Sequence[bytes]) -> None:
    """As `index_documents`, for documents that were just written, by their ids."""
    if tx.scalar(select(paths.c.id).where(paths.c.scope == collection_id).limit(1)) is None:
        return
    own = select(documents.c.pk, documents.c.id).where(
        documents.c.collection_id == collection_id, among(tx, documents.c.id, ids)
    )
    pks = {row.id: row.pk for row in tx.execute(own)}
    resources = [
        (pks[identity], {"metadata": orjson.loads(text)}) for identity, text in zip(ids, payloads, strict=True)
    ]
    index_documents(tx, collection_id, resources)


def unindex(tx: Connection, pks: Sequence[int]) -> None:
    """Take the rows of documents that go out of the index."""
    erase_fields(tx, INDEX.fields, pks)


def _rows(resource: Mapping[str, Any], wanted: Iterable[str]) -> list[FieldRow]:
    return [row for row in rows_for({"metadata": resource["metadata"]}, PROFILE) if row.path in wanted]


def _declared(tx: Connection, namespace_id: str) -> set[str]:
    text = tx.scalar(select(namespaces.c.resource).where(namespaces.c.id == namespace_id))
    return declared_paths(orjson.loads(text)) if text else set()


def _add(tx: Connection, collection_id: str, wanted: Iterable[str], *, ready: bool) -> None:
    new = {"scope": collection_id, "multiple": False, "long": False, "ready": ready}
    if rows := [{**new, "path": path} for path in sorted(wanted)]:
        tx.execute(insert(paths), rows)


def _drop(tx: Connection, path_ids: Sequence[int]) -> None:
    if path_ids:
        tx.execute(delete(INDEX.fields).where(INDEX.fields.c.path_id.in_(path_ids)))
        tx.execute(delete(paths).where(paths.c.id.in_(path_ids)))
