"""Bulk import: a spooled file to documents, block by block, in memory that does not grow with the file.

Without `strict`, each block is a transaction of its own: sound rows land, faulty ones are reported by number. With it,
the file is read twice, first to find any fault, then to store its vectors, which nothing leads to yet, and to put its
records by; one transaction, which holds the store's lock for no more than its own writing, then makes all visible.
"""

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from coterie.api.context import Services, Tenant
from coterie.documents.collections import count_batch, find_collection, spaces_of
from coterie.documents.reading import Block, ColumnMap, read_blocks
from coterie.documents.writing import (
    BadDocument,
    Batch,
    append_vectors,
    claim_spaces,
    dump_payload,
    new_document_id,
    retire,
    write_batch,
    write_records,
)
from coterie.kit.clock import iso
from coterie.kit.errors import BadRequest
from coterie.store.db import reserve
from coterie.store.vectors import Matrix

MAX_FAULTS = 1_000
MAX_STRICT_ROWS = 500_000
"""Rows of a strict import, which are written in one transaction that others wait for."""


@dataclass(frozen=True)
class ImportFile:
    """A file to import: where it is spooled, its type, how its columns map, and whether it is all or nothing."""

    path: Path
    content_type: str
    columns: ColumnMap
    strict: bool = False


def _table_of_marks() -> sqlite3.Connection:
    marks = sqlite3.connect("", isolation_level=None)  # a temporary file that SQLite makes, and deletes at the end
    marks.execute("CREATE TABLE marks (mark INTEGER PRIMARY KEY)")
    marks.execute("BEGIN")
    return marks


@dataclass
class Report:
    """What came of an import so far."""

    imported: int = 0
    failed: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)
    rows: int = 0
    _seen: sqlite3.Connection = field(default_factory=_table_of_marks)

    def fault(self, row: int, error: str) -> None:
        """Count a faulty row, and keep the first MAX_FAULTS."""
        self.failed += 1
        if len(self.errors) < MAX_FAULTS:
            self.errors.append({"row": row, "error": error})

    def seen(self, ids: Iterable[str | None]) -> set[int]:
        """The hashes of those of the ids that blocks before this one had. They are in a file of their own: there may be
        many."""
        marks = orjson.dumps([hash(identity) for identity in ids if identity is not None]).decode()
        had = self._seen.execute("SELECT mark FROM marks WHERE mark IN (SELECT value FROM json_each(?))", (marks,))
        return {row[0] for row in had}

    def remember(self, marks: Iterable[int]) -> None:
        """Keep the hashes of a block's ids."""
        self._seen.executemany("INSERT OR IGNORE INTO marks VALUES (?)", ((mark,) for mark in marks))

    def close(self) -> None:
        """Let go of the ids."""
        self._seen.close()


def import_documents(services: Services, tenant: Tenant, collection: str, file: ImportFile) -> dict[str, Any]:
    """Import the file; how many rows landed and which did not. Raises BadRequest, NotFound."""
    with services.db.read() as tx:
        collection_id = find_collection(tx, tenant, collection).id
        spaces = spaces_of(tx, collection_id)
    if file.strict:
        _check_all(file, spaces)
    with closing(Report()) as report:
        if file.strict:
            _import_at_once(services, tenant, collection_id, _batches(file, spaces, report), report)
        else:
            _import_what_is_sound(services, tenant, collection_id, _batches(file, spaces, report), report)
    return {
        "collection_id": collection_id,
        "imported": report.imported,
        "failed": report.failed,
        "errors": report.errors,
    }


def _import_what_is_sound(
    services: Services, tenant: Tenant, collection_id: str, batches: Iterator[Batch], report: Report
) -> None:
    claimed: dict[str, int] = {}
    for batch in batches:
        if _sizes(batch).items() - claimed.items():
            claimed = _claim(services, collection_id, batch)
        write_batch(services, tenant, collection_id, batch, whole=False)
        report.imported += len(batch.ids)
    if report.imported:
        with services.db.write() as tx:
            count_batch(tx, collection_id)


def _check_all(file: ImportFile, spaces: Mapping[str, int]) -> None:
    with closing(Report()) as report:
        for _ in _batches(file, spaces, report):
            if report.rows > MAX_STRICT_ROWS:
                raise BadRequest(
                    f"a strict import has at most {MAX_STRICT_ROWS} rows: nothing was imported; "
                    "split the file, or import it without 'strict'"
                )
    if report.failed:
        raise BadRequest(
            f"{report.failed} of {report.rows} rows are faulty and the import is strict: nothing was imported",
            {"errors": report.errors[:100], "failed": report.failed},
        )


def _import_at_once(
    services: Services, tenant: Tenant, collection_id: str, batches: Iterator[Batch], report: Report
) -> None:
    stored: dict[str, list[int]] = {}
    with tempfile.TemporaryFile(dir=services.settings.scratch_dir, prefix="import-") as waiting:
        try:
            for batch in batches:
                if report.failed:
                    raise BadRequest("the collection's vectors changed meanwhile: nothing was imported; try again")
                _claim(services, collection_id, batch)
                with services.db.write() as tx:
                    first = reserve(tx, "vectors", sum(len(rows) for rows, _ in batch.vectors.values()))
                keys = append_vectors(services, tenant, collection_id, batch, first)
                for of_document in keys:
                    for name, key in of_document.items():
                        stored.setdefault(name, []).append(key)
                waiting.write(_dump_records(batch, keys) + b"\n")
                report.imported += len(batch.ids)
            waiting.seek(0)
            with services.db.write() as tx:
                for batch, keys in map(_load_records, waiting):
                    write_records(tx, services, tenant, collection_id, batch, keys)
                if report.imported:
                    count_batch(tx, collection_id)
        except BaseException:
            with services.db.write() as tx:
                retire(tx, tenant, collection_id, stored, iso(services.clock.now()))
            raise


def _dump_records(batch: Batch, keys: Sequence[Mapping[str, int]]) -> bytes:
    return orjson.dumps([batch.ids, batch.object_ids, [payload.decode() for payload in batch.payloads], keys])


def _load_records(line: bytes) -> tuple[Batch, list[dict[str, int]]]:
    ids, object_ids, payloads, keys = orjson.loads(line)
    return Batch(ids, object_ids, [payload.encode() for payload in payloads]), keys


def _claim(services: Services, collection_id: str, batch: Batch) -> dict[str, int]:
    with services.db.write() as tx:
        try:
            present = claim_spaces(tx, collection_id, _sizes(batch), iso(services.clock.now()))
        except BadDocument as error:
            raise BadRequest(str(error)) from error
    for name, size in _sizes(batch).items():
        if present[name] != size:
            raise BadRequest(f"vector '{name}' has {size} numbers; this collection's have {present[name]}")
    return present


def _sizes(batch: Batch) -> dict[str, int]:
    return {name: matrix.shape[1] for name, (_, matrix) in batch.vectors.items()}


def _batches(file: ImportFile, spaces: Mapping[str, int], report: Report) -> Iterator[Batch]:
    for block in read_blocks(file.path, file.content_type, file.columns, spaces):
        batch = _sound(block, report)
        report.rows += len(block.ids)
        if batch.ids:
            yield batch


def _sound(block: Block, report: Report) -> Batch:
    """The rows of a block without fault, as documents; the others go into the report."""
    ids: list[str] = []
    payloads: list[bytes] = []
    kept: list[int] = []
    before = report.seen(block.ids)
    seen = set(before)
    for number, identity in enumerate(block.ids):
        try:
            if number in block.faults:
                raise BadDocument(block.faults[number])
            payload = dump_payload(block.payloads[number])
            if identity is not None:
                _take_id(identity, seen)
        except BadDocument as error:
            report.fault(report.rows + number + 1, str(error))
            continue
        ids.append(identity or new_document_id())
        payloads.append(payload)
        kept.append(number)
    report.remember(seen - before)
    return Batch(ids, ids, payloads, dict(_kept_vectors(block, kept)))


def _take_id(identity: str, seen: set[int]) -> None:
    """Refuse an id that the file had before."""
    mark = hash(identity)
    if mark in seen:
        raise BadDocument(f"id '{identity}' comes twice in the file; the first one counts")
    seen.add(mark)


def _kept_vectors(block: Block, kept: Sequence[int]) -> Iterator[tuple[str, tuple[NDArray[np.int64], Matrix]]]:
    """The vectors of the rows that are kept, at their places among those."""
    places = np.full(len(block.ids), -1, np.int64)
    places[kept] = np.arange(len(kept))
    for name, (rows, matrix) in block.vectors.items():
        having = places[rows] >= 0
        if having.all():
            yield name, (places[rows], matrix)
        elif having.any():
            yield name, (places[rows[having]], matrix[having])
