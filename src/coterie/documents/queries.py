"""Reads of documents, for routes and for runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, bindparam, func, select

from coterie.api.context import Tenant
from coterie.documents.collections import spaces_of
from coterie.kit.errors import NotFound
from coterie.listing.answer import Listed, list_rows
from coterie.listing.evaluate import matches
from coterie.listing.field_index import FieldIndex
from coterie.listing.scan import narrowed
from coterie.listing.sql import Source
from coterie.listing.tree import Listable, ListQuery, Node
from coterie.store.dialects import among
from coterie.store.tables import document_fields, documents
from coterie.store.vectors import Matrix, Space, VectorStore

READ_ROWS = 5_000

PROFILE = Listable("document_id", "document_id")
INDEX = FieldIndex(document_fields, "collection_id", complete=False)
SOURCE = Source(
    documents,
    documents.c.pk,
    documents.c.id,
    documents.c.created_at,
    documents.c.resource,
    (documents.c.collection_id == bindparam("collection_id")) & (documents.c.namespace_id == bindparam("namespace_id")),
    index=INDEX,
)


@dataclass(frozen=True)
class Members:
    """The documents of a collection that have a vector of one name: `pks` (n), `ids` (n) and `keys` (n) into its
    space, how many documents do not have one, and the largest key that any document of the collection has."""

    space: Space
    dimensions: int | None
    pks: NDArray[np.int64]
    ids: list[str]
    keys: NDArray[np.int64]
    without: int
    last_pk: int = 0


def find_document(tx: Connection, tenant: Tenant, collection_id: str, document_id: str) -> Row[Any]:
    """A document of a collection. Raises NotFound."""
    own = select(documents).where(
        documents.c.namespace_id == tenant.namespace_id,
        documents.c.collection_id == collection_id,
        documents.c.id == document_id,
    )
    row = tx.execute(own).first()
    if row is None:
        raise NotFound(f"document '{document_id}' does not exist in this collection")
    return row


def list_documents(tx: Connection, tenant: Tenant, collection_id: str, query: ListQuery) -> tuple[Listed, list[str]]:
    """A page of a collection's documents, and beside each the JSON of its vectors' keys."""
    own = {"namespace_id": tenant.namespace_id, "collection_id": collection_id}
    page, total = list_rows(tx, query, SOURCE, own)
    found = select(documents.c.pk, documents.c.resource, documents.c.vectors).where(documents.c.pk.in_(page))
    rows = {row.pk: row for row in tx.execute(found)} if page else {}
    return Listed([rows[pk].resource for pk in page], total), [rows[pk].vectors for pk in page]


def with_vectors(
    store: VectorStore, tenant: Tenant, collection_id: str, resources: Sequence[str], keys: Sequence[str]
) -> list[dict[str, Any]]:
    """The documents with `vectors` by name, and `vector`, the first of them."""
    shown = [orjson.loads(text) for text in resources]
    held = [orjson.loads(text) for text in keys]
    for document in shown:
        document.update(vector=None, vectors={})
    for name in {name for each in held for name in each}:
        having = [number for number, each in enumerate(held) if name in each]
        wanted = np.array([held[number][name] for number in having], np.int64)
        matrix = store.read(Space(tenant.namespace_id, collection_id, name), wanted)
        for number, vector in zip(having, matrix.tolist(), strict=True):
            shown[number]["vectors"][name] = vector
    for document, each in zip(shown, held, strict=True):
        document["vector"] = document["vectors"][next(iter(each))] if each else None
    return shown


def load_members(
    tx: Connection, tenant: Tenant, collection_id: str, vector_name: str, where: Node | None = None, after: int = 0
) -> Members:
    """Which documents of a collection, of those that match and have a key larger than `after`, can be clustered by a
    vector, in the order they came."""
    pks: list[int] = []
    ids: list[str] = []
    keys: list[int] = []
    without = 0
    for pk, identity, text in _matching(tx, tenant, collection_id, where, after):
        value = orjson.loads(text).get(vector_name)
        if value is None:
            without += 1
            continue
        pks.append(pk)
        ids.append(identity)
        keys.append(value)
    space = Space(tenant.namespace_id, collection_id, vector_name)
    dimensions = spaces_of(tx, collection_id).get(vector_name)
    newest = select(func.max(documents.c.pk)).where(documents.c.collection_id == collection_id)
    last = tx.scalar(newest) or 0
    return Members(space, dimensions, np.array(pks, np.int64), ids, np.array(keys, np.int64), without, last)


def read_matrix(store: VectorStore, members: Sequence[Members], out: Matrix) -> None:
    """The vectors of all members one below the other into `out` (n, d). Raises MissingVectors."""
    start = 0
    for each in members:
        end = start + len(each.pks)
        if end > start:
            store.read(each.space, each.keys, out[start:end])
        start = end


def iterate_documents(tx: Connection, tenant: Tenant, pks: NDArray[np.int64]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The documents of some keys, in their order, as (position, resource). Those deleted meanwhile are left out."""
    for start in range(0, len(pks), READ_ROWS):
        block = pks[start : start + READ_ROWS].tolist()
        found = select(documents.c.pk, documents.c.resource).where(
            documents.c.namespace_id == tenant.namespace_id, documents.c.pk.in_(block)
        )
        texts: dict[int, str] = {row.pk: row.resource for row in tx.execute(found)}
        for number, pk in enumerate(block, start):
            if pk in texts:
                yield number, orjson.loads(texts[pk])


def iterate_payloads(
    tx: Connection, tenant: Tenant, collection_id: str, where: Node | None = None
) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Key, id and metadata of the documents of a collection that match, in the order they came."""
    own = {"namespace_id": tenant.namespace_id, "collection_id": collection_id}
    clause, left = narrowed(tx, where, SOURCE, own)
    found = select(documents.c.pk, documents.c.id, documents.c.resource).where(clause).order_by(documents.c.pk)
    for block in tx.execution_options(yield_per=READ_ROWS).execute(found, own).partitions():
        for pk, identity, text in block:
            resource = orjson.loads(text)
            if left is None or matches(left, resource):
                yield pk, identity, resource["metadata"]


def members_named(
    tx: Connection, tenant: Tenant, collection_id: str, vector_name: str, identities: Sequence[str]
) -> Members:
    """The same of the documents of those ids that are there and have the vector."""
    pks: list[int] = []
    ids: list[str] = []
    keys: list[int] = []
    for start in range(0, len(identities), READ_ROWS):
        found = select(documents.c.pk, documents.c.id, documents.c.vectors).where(
            documents.c.namespace_id == tenant.namespace_id,
            documents.c.collection_id == collection_id,
            among(tx, documents.c.id, list(identities[start : start + READ_ROWS])),
        )
        for row in tx.execute(found.order_by(documents.c.pk)):
            value = orjson.loads(row.vectors).get(vector_name)
            if value is not None:
                pks.append(row.pk)
                ids.append(row.id)
                keys.append(value)
    space = Space(tenant.namespace_id, collection_id, vector_name)
    dimensions = spaces_of(tx, collection_id).get(vector_name)
    return Members(space, dimensions, np.array(pks, np.int64), ids, np.array(keys, np.int64), 0)


def _matching(
    tx: Connection, tenant: Tenant, collection_id: str, where: Node | None, after: int = 0
) -> Iterator[tuple[int, str, str]]:
    """Key, id and the JSON of the vectors' keys of the documents that match, in the order they came. As in a list, an
    index on the payload decides or narrows down, and the rest is asked document by document."""
    own = {"namespace_id": tenant.namespace_id, "collection_id": collection_id}
    clause, left = narrowed(tx, where, SOURCE, own)
    columns = [documents.c.pk, documents.c.id, documents.c.vectors, *([] if left is None else [documents.c.resource])]
    found = select(*columns).where(clause, documents.c.pk > after).order_by(documents.c.pk)
    for row in tx.execution_options(yield_per=READ_ROWS).execute(found, own):
        if left is None or matches(left, orjson.loads(row.resource)):
            yield row.pk, row.id, row.vectors
