"""Some of the documents that wait, and their vectors.

The vectors are written first; one transaction then lets the documents point at them, takes them off the list and counts
them: a chunk that is repeated finds its documents gone from the list, and none is embedded twice.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from sqlalchemy import Connection, bindparam, delete, select, update

from coterie.api.context import Services, Tenant
from coterie.documents.contents import Contents, Document, known_vectors, look_at, read_waiting
from coterie.documents.mappings import FieldMapping, mappings_of
from coterie.documents.waiting import COUNTS, require_usable, usable
from coterie.documents.writing import BadDocument, claim_spaces, retire
from coterie.features.fetching import hosts_of
from coterie.features.models import Model
from coterie.jobs.job import Job, JobFailed
from coterie.kit.clock import iso
from coterie.kit.errors import BadRequest
from coterie.kit.metrics import documents_embedded
from coterie.store.db import reserve
from coterie.store.dialects import among, upsert
from coterie.store.tables import collections, documents, embeddings, waiting_documents
from coterie.store.vectors import Matrix, Space

CHUNK = 2_000
"""Documents of a step."""

PART = 250
"""Inputs that a model is given at once; of a step there are enough for a few processes."""

MAX_ERRORS = 100
"""Errors that a task shows; all are counted."""


@dataclass
class Made:
    """The vectors (n, d) of one name for the documents at `rows` (n), and what became of every document."""

    mapping: FieldMapping
    contents: Contents
    rows: list[int]
    digests: list[str]
    vectors: Matrix
    keys: Mapping[int, int]


@dataclass(frozen=True)
class Maker:
    """Makes the vectors of one collection, within a job."""

    services: Services
    tenant: Tenant
    job: Job
    collection_id: str

    def do(self, after: str, begin: float, end: float) -> list[Any]:
        """Make those of the next documents on the list, whose ids are greater than `after`; how many there were, and
        the id of the last. The job's share goes from `begin` to `end`. Raises JobFailed, StageError."""
        with self.services.db.read() as tx:
            waiting = read_waiting(tx, self.collection_id, after, CHUNK)
            resource = tx.scalar(select(collections.c.resource).where(collections.c.id == self.collection_id))
        if not waiting or resource is None:
            return [0, after]
        made = []
        models = self._models(mappings_of(orjson.loads(resource)))
        for number, (mapping, model) in enumerate(models):
            width = (end - begin) / len(models)
            made.append(self._make(mapping, model, waiting, begin + number * width, begin + (number + 1) * width))
        self._store(made)
        with self.services.db.write() as tx:
            _settle(tx, self, waiting, made)
        return [len(waiting), waiting[-1].id]

    def _models(self, mappings: Sequence[FieldMapping]) -> list[tuple[FieldMapping, Model]]:
        """The mappings whose models are here. Raises JobFailed if none is."""
        folder = self.services.settings.models_path
        found = [(mapping, model) for mapping in mappings if (model := usable(folder, mapping)) is not None]
        if not found:
            try:
                require_usable(folder, mappings)
            except BadRequest as error:
                raise JobFailed(error.message) from error
        return found

    def _make(self, mapping: FieldMapping, model: Model, waiting: Sequence[Document], begin: float, end: float) -> Made:
        """The vectors of one extractor: those that the collection has of the same content, and new ones of the rest."""
        space = Space(self.tenant.namespace_id, self.collection_id, mapping.name)
        with self.services.db.read() as tx:
            contents = look_at(tx, mapping, model.fingerprint, waiting)
            known, matrix = known_vectors(tx, self.services.vectors, space, list(contents.inputs))
        new = [digest for digest in contents.inputs if digest not in set(known)]
        vectors = np.zeros((len(known) + len(new), model.manifest.dimensions), np.float32)
        if matrix is not None:
            vectors[: len(known)] = matrix
        failed: dict[int, str] = {}
        if new:
            inputs = [contents.inputs[digest] for digest in new]
            failed = self._compute(mapping, model, inputs, vectors[len(known) :], begin, end)
        place = {digest: at for at, digest in enumerate([*known, *new])}
        faults = {new[at]: message for at, message in failed.items()}
        rows, digests, unseen = [], [], set(new)
        for row, digest in zip(contents.rows, contents.digests, strict=True):
            if digest in faults:
                contents.fail(row, faults[digest])
                continue
            contents.became[row] = "embedded" if digest in unseen else "reused"
            unseen.discard(digest)
            rows.append(row)
            digests.append(digest)
        return Made(mapping, contents, rows, digests, vectors[[place[digest] for digest in digests]], {})

    def _compute(
        self, mapping: FieldMapping, model: Model, inputs: Sequence[str], out: Matrix, begin: float, end: float
    ) -> dict[int, str]:
        """The vectors of inputs (n) to `out` (n, d); by position why some have none."""
        settings, starts = self.services.settings, range(0, len(inputs), PART)
        arguments = {
            "models": str(settings.models_path.resolve()),
            "name": mapping.name,
            "fingerprint": model.fingerprint,
            "kind": mapping.kind,
            "images": {"hosts": hosts_of(settings.image_hosts), "private_addresses": settings.image_private_addresses},
        }
        parts = [{"inputs": inputs[start : start + PART]} for start in starts]
        poll = self.job.polling("embed", begin, end)
        results = self.job.executor.map("coterie.features.stages:embed", parts, arguments, poll)
        failed: dict[int, str] = {}
        for start, (vectors, faults) in zip(starts, results, strict=True):
            out[start : start + len(vectors)] = vectors
            failed |= {start + at: message for at, message in faults.items()}
        documents_embedded.inc(len(inputs) - len(failed))
        return failed

    def _store(self, made: Sequence[Made]) -> None:
        """Write the vectors, which nothing leads to yet. Raises JobFailed if they do not fit the collection's."""
        sizes = {each.mapping.name: each.vectors.shape[1] for each in made if each.rows}
        with self.services.db.write() as tx:
            self.job.about(tx)
            try:
                present = claim_spaces(tx, self.collection_id, sizes, iso(self.services.clock.now()))
            except BadDocument as error:
                raise JobFailed(str(error)) from error
            first = reserve(tx, "vectors", sum(len(each.rows) for each in made))
        for name, size in sizes.items():
            if present[name] != size:
                raise JobFailed(f"vectors '{name}' of the collection have {present[name]} numbers, the model's {size}")
        for each in made:
            numbers = np.arange(first, first + len(each.rows), dtype=np.int64)
            space = Space(self.tenant.namespace_id, self.collection_id, each.mapping.name)
            self.services.vectors.append(space, numbers, each.vectors)
            each.keys = dict(zip(each.rows, numbers.tolist(), strict=True))
            first += len(each.rows)


def _settle(tx: Connection, maker: Maker, waiting: Sequence[Document], made: Sequence[Made]) -> None:
    """Let the documents point at their vectors and take them off the list; leave those that were written meanwhile."""
    maker.job.about(tx)
    own = select(documents.c.id, documents.c.pk, documents.c.vectors).where(
        documents.c.collection_id == maker.collection_id, among(tx, documents.c.id, [each.id for each in waiting])
    )
    present = {row.id: (row.pk, row.vectors) for row in tx.execute(own)}
    kept = {row for row, each in enumerate(waiting) if present.get(each.id) == (each.pk, each.vectors)}
    gone: dict[str, list[int]] = {}
    records, notes = [], []
    for row, each in enumerate(waiting):
        before: dict[str, int] = orjson.loads(each.vectors)
        after = dict(before)
        for own_made in made:
            name, key = own_made.mapping.name, own_made.keys.get(row)
            if key is None and row not in own_made.contents.stale:
                continue
            replaced = after.pop(name, None) if row in kept else key
            if replaced is not None:
                gone.setdefault(name, []).append(replaced)
            if row in kept and key is not None:
                after[name] = key
        if row in kept and after != before:
            records.append({"own": each.pk, "vectors": orjson.dumps(after).decode()})
    for own_made in made:
        for row, digest in zip(own_made.rows, own_made.digests, strict=True):
            if row in kept:
                notes.append(_note(maker.collection_id, waiting[row], own_made, row, digest))
    if records:
        tx.execute(update(documents).where(documents.c.pk == bindparam("own")), records)
    if notes:
        tx.execute(_remember(tx), notes)
    retire(tx, maker.tenant, maker.collection_id, gone, iso(maker.services.clock.now()))
    _strike_off(tx, maker.collection_id, waiting)
    maker.job.show(tx, lambda shown: _counted(shown, waiting, made, kept))


def _note(collection_id: str, document: Document, made: Made, row: int, digest: str) -> dict[str, Any]:
    own = {"document_pk": document.pk, "name": made.mapping.name, "collection_id": collection_id}
    return {**own, "digest": digest, "key": made.keys[row]}


def _remember(tx: Connection) -> Any:
    new = upsert(tx.dialect, embeddings)
    return new.on_conflict_do_update(
        index_elements=["document_pk", "name"], set_={name: new.excluded[name] for name in ("digest", "key")}
    )


def _strike_off(tx: Connection, collection_id: str, waiting: Sequence[Document]) -> None:
    """Take documents off the list, those but that were written again."""
    seen = (waiting_documents.c.document_id == bindparam("id_")) & (waiting_documents.c.revision == bindparam("seen"))
    struck = delete(waiting_documents).where(waiting_documents.c.collection_id == collection_id, seen)
    tx.execute(struck, [{"id_": each.id, "seen": each.revision} for each in waiting])


def _counted(
    shown: Mapping[str, Any], waiting: Sequence[Document], made: Sequence[Made], kept: set[int]
) -> dict[str, Any]:
    """What a task shows, with what became of these documents."""
    counts: Counter[str] = Counter()
    errors = list(shown["errors"])
    for each in made:
        counts.update(what for row, what in each.contents.became.items() if row in kept)
        errors += [
            {"document_id": waiting[row].id, "extractor": each.mapping.name, "error": message}
            for row, message in each.contents.faults.items()
            if row in kept
        ]
    return {**{name: shown[name] + counts[name] for name in COUNTS}, "errors": errors[:MAX_ERRORS]}
