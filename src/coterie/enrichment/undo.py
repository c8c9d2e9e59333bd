"""The job that undoes a write-back: what it noted of each document, some at a time, and each note goes with its use."""

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, delete, func, select

from coterie.api.context import Services, Tenant
from coterie.enrichment.service import PARTLY_UNDONE, UNDOING, UNDONE, change_enrichment
from coterie.enrichment.writing import undo_changes
from coterie.jobs.job import Canceled, Job
from coterie.store.tables import enrichment_changes, enrichments

ROWS = 1_000
"""Documents that are restored in one transaction."""


class EnrichmentUndo:
    """The handler of the job `cluster.enrich.undo`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def run(self, job: Job, payload: Mapping[str, Any]) -> list[Any]:
        """Take back every change; the output is the counts."""
        tenant = Tenant("", payload["internal_id"], "", frozenset(), payload["namespace_id"], "")
        enrichment_id = payload["enrichment_id"]
        total = job.step("plan", lambda: self._count(enrichment_id), share=0.01)
        steps = -(-total // ROWS)
        for number in range(steps):
            share = 0.02 + 0.96 * number / steps
            job.step("restore", lambda: self._restore(tenant, enrichment_id), share=share)
        return [job.step("publish", lambda: self._publish(job, enrichment_id), share=0.99)]

    def ended(self, tx: Connection, payload: Mapping[str, Any], status: str, error: str | None) -> None:
        """What was not taken back yet can still be."""
        row = tx.execute(select(enrichments).where(enrichments.c.id == payload["enrichment_id"])).first()
        if row is not None:
            change_enrichment(tx, row, PARTLY_UNDONE, error_message=error)

    def _count(self, enrichment_id: str) -> int:
        own = enrichment_changes.c.enrichment_id == enrichment_id
        with self.services.db.read() as tx:
            return tx.scalar(select(func.count()).select_from(enrichment_changes).where(own)) or 0

    def _restore(self, tenant: Tenant, enrichment_id: str) -> None:
        own = select(enrichment_changes).where(enrichment_changes.c.enrichment_id == enrichment_id)
        with self.services.db.write() as tx:
            row = tx.execute(select(enrichments).where(enrichments.c.id == enrichment_id)).first()
            if row is None:
                raise Canceled
            changes = tx.execute(own.order_by(enrichment_changes.c.pk).limit(ROWS)).all()
            if not changes:
                return
            resource = orjson.loads(row.resource)
            written = resource["target_collection_id"] or resource["source_collection_id"]
            counts = undo_changes(tx, self.services, tenant, written, changes)
            within = (
                enrichment_changes.c.enrichment_id == enrichment_id,
                enrichment_changes.c.pk <= changes[-1].pk,
            )
            tx.execute(delete(enrichment_changes).where(*within))
            undo = resource["undo"]
            change_enrichment(tx, row, UNDOING, undo={**undo, **{name: undo[name] + counts[name] for name in counts}})

    def _publish(self, job: Job, enrichment_id: str) -> dict[str, Any]:
        with self.services.db.write() as tx:
            row = tx.execute(select(enrichments).where(enrichments.c.id == enrichment_id)).first()
            if row is None:
                raise Canceled
            undo: dict[str, Any] = orjson.loads(row.resource)["undo"]
            counts = {name: undo[name] for name in undo if name != "task_id"}
            if row.status != UNDONE:
                change_enrichment(tx, row, UNDONE, error_message=None)
                if not job.complete(tx, [counts], **counts):
                    raise Canceled
        return counts
