"""Bulk import: a spooled file to documents, block by block, in memory that does not grow with the file.

Without `strict`, each block is a transaction of its own: sound rows land, faulty ones are reported by number. With it,
the file is read twice, first to find any fault, then to write all of it in one transaction.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from coterie.api.context import Services, Tenant
from coterie.documents.collections import find_collection, spaces_of
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
from coterie.store.vectors import Keys

MAX_FAULTS = 1_000


@dataclass(frozen=True)
class ImportFile:
    """A file to import: where it is spooled, its type, how its columns map, and whether it is all or nothing."""

    path: Path
    content_type: str
    columns: ColumnMap
    strict: bool = False


@dataclass
class Report:
    """What came of an import so far."""

    imported: int = 0
    failed: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)
    rows: int = 0
    seen: set[int] = field(default_factory=set)

    def fault(self, row: int, error: str) -> None:
        """Count a faulty row, and keep the first MAX_FAULTS."""
        self.failed += 1
        if len(self.errors) < MAX_FAULTS:
            self.errors.append({"row": row, "error": error})


def import_documents(services: Services, tenant: Tenant, collection: str, file: ImportFile) -> dict[str, Any]:
    """Import the file; how many rows landed and which did not. Raises BadRequest, NotFound."""
    with services.db.read() as tx:
        collection_id = find_collection(tx, tenant, collection).id
        spaces = spaces_of(tx, collection_id)
    report = Report()
    if file.strict:
        _check_all(file, spaces)
        _import_at_once(services, tenant, collection_id, file, report)
    else:
        claimed: dict[str, int] = {}
        for batch in _batches(file, spaces, report):
            if _sizes(batch).items() - claimed.items():
                claimed = _claim(services, collection_id, batch)
            write_batch(services, tenant, collection_id, batch)
            report.imported += len(batch.ids)
    return {
        "collection_id": collection_id,
        "imported": report.imported,
        "failed": report.failed,
        "errors": report.errors,
    }


def _check_all(file: ImportFile, spaces: Mapping[str, int]) -> None:
    report = Report()
    for _ in _batches(file, spaces, report):
        pass
    if report.failed:
        raise BadRequest(
            f"{report.failed} of {report.rows} rows are faulty and the import is strict: nothing was imported",
            {"errors": report.errors[:100], "failed": report.failed},
        )


def _import_at_once(services: Services, tenant: Tenant, collection_id: str, file: ImportFile, report: Report) -> None:
    replaced: dict[str, list[Keys]] = {}
    with services.db.write() as tx:
        spaces = spaces_of(tx, collection_id)
        for batch in _batches(file, spaces, report):
            if report.failed:
                raise BadRequest("the collection's vectors changed meanwhile: nothing was imported; try again")
            claim_spaces(tx, collection_id, _sizes(batch), iso(services.clock.now()))
            first = reserve(tx, "vectors", sum(len(rows) for rows, _ in batch.vectors.values()))
            keys = append_vectors(services, tenant, collection_id, batch, first)
            _, retired = write_records(tx, services, tenant, collection_id, batch, keys)
            for name, numbers in retired.items():
                replaced.setdefault(name, []).append(numbers)
            report.imported += len(batch.ids)
    retire(services, tenant, collection_id, {name: np.concatenate(found) for name, found in replaced.items()})


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
    for number, identity in enumerate(block.ids):
        try:
            if number in block.faults:
                raise BadDocument(block.faults[number])
            payload = dump_payload(block.payloads[number])
            _take_id(identity, report)
        except BadDocument as error:
            report.fault(report.rows + number + 1, str(error))
            continue
        ids.append(identity or new_document_id())
        payloads.append(payload)
        kept.append(number)
    rows = np.array(kept, np.int64)
    return Batch(ids, ids, payloads, dict(_kept_vectors(block, rows)))


def _kept_vectors(block: Block, rows: Any) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for name, matrix in block.vectors.items():
        having = np.flatnonzero(~block.missing[name][rows]) if name in block.missing else np.arange(len(rows))
        if len(having):
            yield name, (having, matrix[rows[having]])


def _take_id(identity: str | None, report: Report) -> None:
    """Refuse an id that the file had before. Hashes stand for ids: a third of the memory."""
    if identity is None:
        return
    mark = hash(identity)
    if mark in report.seen:
        raise BadDocument(f"id '{identity}' comes twice in the file; the first one counts")
    report.seen.add(mark)
