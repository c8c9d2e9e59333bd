"""What documents' vectors are to be made of, and which of them are there already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from coterie.documents.mappings import FieldMapping, NoInput
from coterie.store.dialects import among
from coterie.store.tables import documents, embeddings, waiting_documents
from coterie.store.vectors import Matrix, Space, VectorStore


@dataclass(frozen=True)
class Document:
    """A document that waits: `revision` is of its place on the list, `vectors` the text that its record holds."""

    id: str
    revision: int
    pk: int | None
    payload: Mapping[str, Any]
    vectors: str


@dataclass
class Contents:
    """Of one extractor, by the positions of documents: those that need a vector (`rows`) and the digests of what it is
    made of, the inputs by digest; what became of each document, why some can have no vector, and which of those have
    one that was made of something else."""

    rows: list[int] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)
    became: dict[int, str] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)
    stale: set[int] = field(default_factory=set)
    had: set[int] = field(default_factory=set)

    def fail(self, row: int, message: str) -> None:
        """A document can have no vector; one that it has is of what it was."""
        self.became[row], self.faults[row] = "failed", message
        if row in self.had:
            self.stale.add(row)


def read_waiting(tx: Connection, collection_id: str, after: str, limit: int) -> list[Document]:
    """The first documents on a collection's list whose ids are greater than `after`; those that were deleted have no
    `pk`."""
    listed = waiting_documents
    own = (
        select(listed.c.document_id, listed.c.revision, documents.c.pk, documents.c.resource, documents.c.vectors)
        .select_from(
            listed.outerjoin(
                documents,
                (documents.c.collection_id == listed.c.collection_id) & (documents.c.id == listed.c.document_id),
            )
        )
        .where(listed.c.collection_id == collection_id, listed.c.document_id > after)
    )
    rows = tx.execute(own.order_by(listed.c.document_id).limit(limit))
    return [
        Document(
            row.document_id,
            row.revision,
            row.pk,
            {} if row.pk is None else orjson.loads(row.resource)["metadata"],
            row.vectors or "{}",
        )
        for row in rows
    ]


def look_at(tx: Connection, mapping: FieldMapping, fingerprint: str, waiting: Sequence[Document]) -> Contents:
    """What one extractor, by its model's fingerprint, has to do for documents."""
    found = Contents()
    made = _made(tx, mapping.name, [each.pk for each in waiting if each.pk is not None])
    for row, each in enumerate(waiting):
        if each.pk is None:
            continue
        key = orjson.loads(each.vectors).get(mapping.name)
        digest, own_key = made.get(each.pk, ("", None))
        if key is not None and key != own_key:
            found.became[row] = "brought_along"
            continue
        if key is not None:
            found.had.add(row)
        try:
            content = mapping.input_of(each.payload)
        except NoInput as error:
            found.fail(row, str(error))
            continue
        wanted = digest_of(fingerprint, mapping.kind, content)
        if key is not None and digest == wanted:
            found.became[row] = "unchanged"
            continue
        found.rows.append(row)
        found.digests.append(wanted)
        found.inputs.setdefault(wanted, content)
    return found


def digest_of(fingerprint: str, kind: str, content: str) -> str:
    """What tells one content of one model from another. An image at a URL counts by its URL."""
    found = blake2b(digest_size=16)
    for part in (fingerprint, kind, content):
        found.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return found.hexdigest()


def known_vectors(
    tx: Connection, store: VectorStore, space: Space, digests: Sequence[str]
) -> tuple[list[str], Matrix | None]:
    """Of those of the digests of which the collection has a vector: they, and the vectors (n, d)."""
    rows = tx.execute(
        select(embeddings.c.digest, embeddings.c.key).where(
            embeddings.c.collection_id == space.collection_id,
            embeddings.c.name == space.name,
            among(tx, embeddings.c.digest, list(digests)),
        )
    )
    keys = {row.digest: row.key for row in rows}
    if not keys:
        return [], None
    matrix, here = store.look_up(space, np.array(list(keys.values()), np.int64))
    if matrix is None:
        return [], None
    kept: NDArray[np.bool_] = here  # a vector that was replaced is deleted some time later
    return [digest for digest, is_here in zip(keys, kept, strict=True) if is_here], matrix[kept]


def _made(tx: Connection, name: str, pks: Sequence[int]) -> dict[int, tuple[str, int]]:
    """Of those of the documents whose vector of a name the service made: of what, and its key."""
    rows = tx.execute(
        select(embeddings.c.document_pk, embeddings.c.digest, embeddings.c.key).where(
            embeddings.c.name == name, among(tx, embeddings.c.document_pk, list(pks))
        )
    )
    return {row.document_pk: (row.digest, row.key) for row in rows}
