"""Members into documents and back, a batch at a time, each within the caller's transaction.

Beside every document that is written stands what its fields held and what was written (`enrichment_changes`): undoing
needs neither the run nor its files.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Row, select

from coterie.api.context import Services, Tenant
from coterie.documents.writing import (
    BadDocument,
    Batch,
    change_documents,
    dump_payload,
    erase_documents,
    write_records,
)
from coterie.enrichment.fields import Blocked, Change, follow, take_back, tree_of, with_tree, write
from coterie.enrichment.values import Fields
from coterie.kit.clock import iso
from coterie.store.dialects import among, upsert
from coterie.store.tables import collections, documents, enrichment_changes

MAX_ENTRIES = 100
"""Clusterings whose groups one document may tell in `enrichments.clusters`."""


def write_members(
    tx: Connection,
    services: Services,
    tenant: Tenant,
    enrichment: Mapping[str, Any],
    fields: Mapping[str, Fields],
) -> Counter[str]:
    """Write the fields of documents, by their ids; how many were `enriched` (`unchanged`, `created`) and how many not
    (`gone`, `blocked`, `too_large`)."""
    source, target = enrichment["source_collection_id"], enrichment["target_collection_id"]
    sources = _documents(tx, tenant, source, list(fields))
    present = sources if target is None else _documents(tx, tenant, target, list(fields))
    counts: Counter[str] = Counter()
    changed: list[tuple[Row[Any], dict[str, Any], list[Change]]] = []
    copied: list[dict[str, Any]] = []
    for identity, values in fields.items():
        if identity not in sources:
            counts["gone"] += 1
            continue
        held = present.get(identity)
        document = orjson.loads((held or sources[identity]).resource)
        tree = tree_of(document)
        try:
            changes = write(tree, values)
            document = with_tree(document, tree)
            _check_size(document)
        except Blocked:
            counts["blocked"] += 1
            continue
        except BadDocument:
            counts["too_large"] += 1
            continue
        if held is None:
            copied.append(document)
        elif changes:
            changed.append((held, document, changes))
    written = len(changed) + len(copied)
    counts["enriched"] = len(fields) - counts.total()
    counts["unchanged"], counts["created"] = counts["enriched"] - written, len(copied)
    _change(tx, services, tenant, enrichment, changed)
    if copied:
        _copy(tx, services, tenant, enrichment, copied)
    return counts


def undo_changes(
    tx: Connection, services: Services, tenant: Tenant, collection_id: str, rows: Sequence[Row[Any]]
) -> Counter[str]:
    """Take back what changes say of documents; how many were `restored`, `kept`, `removed`, and how many are `gone`."""
    own = select(documents.c.pk, documents.c.resource, documents.c.vectors, documents.c.updated_at).where(
        documents.c.collection_id.in_(select(collections.c.id).where(collections.c.id == collection_id)),
        documents.c.namespace_id == tenant.namespace_id,
        among(tx, documents.c.pk, [row.document_pk for row in rows]),
    )
    present = {row.pk: row for row in tx.execute(own)}
    counts: Counter[str] = Counter()
    changed: list[tuple[int, dict[str, Any]]] = []
    removed: list[Any] = []
    for row in rows:
        document, noted = present.get(row.document_pk), orjson.loads(row.before)
        if document is None:
            counts["gone"] += 1
        elif "made_at" in noted:
            unchanged = document.updated_at == noted["made_at"]
            counts["removed" if unchanged else "kept"] += 1
            removed += [document] if unchanged else []
        else:
            resource, changes = orjson.loads(document.resource), _changes(noted)
            tree = tree_of(resource)
            taken = take_back(tree, changes)
            counts["restored" if taken == len(changes) else "kept"] += 1
            changed += [(document.pk, with_tree(resource, tree))] if taken else []
    now = iso(services.clock.now())
    change_documents(tx, services, tenant, collection_id, changed, now)
    if removed:
        erase_documents(tx, tenant, collection_id, removed, now)
    return counts


def _documents(tx: Connection, tenant: Tenant, collection_id: str, ids: Sequence[str]) -> dict[str, Any]:
    own = select(documents.c.pk, documents.c.id, documents.c.resource, documents.c.updated_at).where(
        documents.c.namespace_id == tenant.namespace_id,
        documents.c.collection_id == collection_id,
        among(tx, documents.c.id, ids),
    )
    return {row.id: row for row in tx.execute(own)}


def _check_size(document: Mapping[str, Any]) -> None:
    dump_payload(document["metadata"])
    if document["enrichments"] is not None and len(document["enrichments"]["clusters"]) > MAX_ENTRIES:
        raise BadDocument(f"a document tells the groups of at most {MAX_ENTRIES} clusterings")


def _change(
    tx: Connection,
    services: Services,
    tenant: Tenant,
    enrichment: Mapping[str, Any],
    changed: Sequence[tuple[Row[Any], dict[str, Any], list[Change]]],
) -> None:
    """Write documents that are there, and note what they held."""
    now = iso(services.clock.now())
    collection_id = enrichment["target_collection_id"] or enrichment["source_collection_id"]
    noted = _noted(tx, enrichment["enrichment_id"], [row.pk for row, _, _ in changed])
    change_documents(tx, services, tenant, collection_id, [(row.pk, document) for row, document, _ in changed], now)
    notes: dict[int, dict[str, Any]] = {}
    for row, _, changes in changed:
        earlier: dict[str, Any] = noted.get(row.pk, {"changes": []})
        if "changes" in earlier:
            notes[row.pk] = {"changes": follow(_changes(earlier), changes)}
        elif earlier["made_at"] == row.updated_at:
            notes[row.pk] = {"made_at": now}
    _note(tx, enrichment["enrichment_id"], notes)


def _copy(
    tx: Connection,
    services: Services,
    tenant: Tenant,
    enrichment: Mapping[str, Any],
    copied: Sequence[Mapping[str, Any]],
) -> None:
    """Write documents that the target collection lacks, without vectors, and note that they were made."""
    target, ids = enrichment["target_collection_id"], [document["document_id"] for document in copied]
    batch = Batch(
        ids,
        [document["object_id"] for document in copied],
        [dump_payload(document["metadata"]) for document in copied],
        enrichments=[orjson.dumps(document["enrichments"]) for document in copied],
    )
    write_records(tx, services, tenant, target, batch, [{}] * len(ids))
    made = _documents(tx, tenant, target, ids).values()
    _note(tx, enrichment["enrichment_id"], {row.pk: {"made_at": row.updated_at} for row in made})


def _noted(tx: Connection, enrichment_id: str, pks: Sequence[int]) -> dict[int, dict[str, Any]]:
    own = select(enrichment_changes.c.document_pk, enrichment_changes.c.before).where(
        enrichment_changes.c.enrichment_id == enrichment_id, among(tx, enrichment_changes.c.document_pk, pks)
    )
    return {row.document_pk: orjson.loads(row.before) for row in tx.execute(own)}


def _note(tx: Connection, enrichment_id: str, notes: Mapping[int, Mapping[str, Any]]) -> None:
    if not notes:
        return
    new = upsert(tx.dialect, enrichment_changes)
    rows = [
        {"enrichment_id": enrichment_id, "document_pk": pk, "before": orjson.dumps(note).decode()}
        for pk, note in notes.items()
    ]
    own = ["enrichment_id", "document_pk"]
    tx.execute(new.on_conflict_do_update(index_elements=own, set_={"before": new.excluded.before}), rows)


def _changes(noted: Mapping[str, Any]) -> list[Change]:
    return [Change(**{**each, "path": tuple(each["path"])}) for each in noted["changes"]]
