"""The job of a write-back: the members of its runs, a batch at a time.

Each batch is a step and a transaction, which also counts it: a batch that is repeated finds itself counted and does
nothing.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson
from sqlalchemy import Connection, Row, select

from coterie.api.context import Services, Tenant
from coterie.enrichment.service import COMPLETED, PENDING, PROCESSING, change_enrichment
from coterie.enrichment.values import Values, mappings_of
from coterie.enrichment.writing import write_members
from coterie.jobs.job import Canceled, Job, JobFailed
from coterie.kit.clock import iso
from coterie.kit.errors import NotFound
from coterie.runs.artifacts import Artifacts, artifacts_of
from coterie.runs.queries import get_run
from coterie.store.tables import collections, enrichments

FAILURES = ("gone", "blocked", "too_large")
COUNTS = ("processed", "enriched", "failed", "batches", "unchanged", "created")


class ClusterEnrichment:
    """The handler of the job `cluster.enrich`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def run(self, job: Job, payload: Mapping[str, Any]) -> list[Any]:
        """Write every batch; the output is the counts."""
        tenant = Tenant("", payload["internal_id"], "", frozenset(), payload["namespace_id"], "")
        enrichment = self._begin(payload["enrichment_id"])
        try:
            totals = job.step("plan", lambda: self._totals(tenant, enrichment), share=0.01)
            done, number, whole = 0, 0, sum(totals)
            for clustering, total in zip(enrichment["clusterings"], totals, strict=True):
                artifacts = self._results(tenant, clustering["run_id"])
                mappings = mappings_of(clustering["clustering_id"], enrichment["field_mappings"])
                values = Values(clustering, mappings, artifacts)
                for offset in range(0, total, enrichment["batch_size"]):
                    batch = _Batch(number, offset, values, artifacts)
                    share = 0.02 + 0.96 * (done + offset) / whole
                    job.step("write", partial(self._write, tenant, enrichment, batch), share=share)
                    number += 1
                done += total
        except (FileNotFoundError, NotFound) as error:
            raise JobFailed("the results of a run were deleted; what was written before can be undone") from error
        return [job.step("publish", lambda: self._publish(job, enrichment["enrichment_id"]), share=0.99)]

    def ended(self, tx: Connection, payload: Mapping[str, Any], status: str, error: str | None) -> None:
        """Mark the write-back; what it wrote stays, and can be undone."""
        row = tx.execute(select(enrichments).where(enrichments.c.id == payload["enrichment_id"])).first()
        if row is not None:
            now = iso(self.services.clock.now())
            change_enrichment(tx, row, status.lower(), error_message=error, completed_at=now)

    def _begin(self, enrichment_id: str) -> dict[str, Any]:
        with self.services.db.write() as tx:
            row = _find(tx, enrichment_id)
            if row.status == PENDING:
                change_enrichment(tx, row, PROCESSING)
        resource: dict[str, Any] = orjson.loads(row.resource)
        return resource

    def _totals(self, tenant: Tenant, enrichment: Mapping[str, Any]) -> list[int]:
        """How many members each of the runs has."""
        return [self._results(tenant, each["run_id"]).count() for each in enrichment["clusterings"]]

    def _results(self, tenant: Tenant, run_id: str) -> Artifacts:
        with self.services.db.read() as tx:
            return artifacts_of(self.services, tenant, get_run(tx, tenant, run_id))

    def _write(self, tenant: Tenant, enrichment: Mapping[str, Any], batch: "_Batch") -> None:
        fields = batch.fields(enrichment["source_collection_id"], enrichment["batch_size"])
        with self.services.db.write() as tx:
            row = _find(tx, enrichment["enrichment_id"])
            shown = orjson.loads(row.resource)
            if shown["batches"] > batch.number:
                return
            _check_collections(tx, enrichment)
            counts = write_members(tx, self.services, tenant, enrichment, fields)
            failed = {name: shown["failures"][name] + counts[name] for name in FAILURES}
            counts.update(processed=len(fields), failed=sum(counts[name] for name in FAILURES), batches=1)
            added = {name: shown[name] + counts[name] for name in COUNTS}
            change_enrichment(tx, row, PROCESSING, **added, failures=failed)

    def _publish(self, job: Job, enrichment_id: str) -> dict[str, Any]:
        """End the write-back and its task at once."""
        with self.services.db.write() as tx:
            row = _find(tx, enrichment_id)
            resource = orjson.loads(row.resource)
            counts = {name: resource[name] for name in COUNTS}
            if row.status == COMPLETED:
                return counts
            change_enrichment(tx, row, COMPLETED, completed_at=iso(self.services.clock.now()))
            if not job.complete(tx, [counts], **counts):
                raise Canceled
        return counts


class _Batch:
    """A slice of the members of one of the runs."""

    def __init__(self, number: int, offset: int, values: Values, artifacts: Artifacts) -> None:
        self.number = number
        self.offset = offset
        self.values = values
        self.artifacts = artifacts

    def fields(self, collection_id: str, size: int) -> dict[str, Any]:
        """Of its documents in a collection, by their ids, what is to be written."""
        tables = self.artifacts.tables(self.artifacts.spans() or [], self.offset, size)
        members = [member for table in tables for member in table.to_pylist()]
        own = [member for member in members if member["collection_id"] == collection_id]
        return {member["point_id"]: self.values.of(member) for member in own}


def _find(tx: Connection, enrichment_id: str) -> Row[Any]:
    row = tx.execute(select(enrichments).where(enrichments.c.id == enrichment_id)).first()
    if row is None:
        raise Canceled
    return row


def _check_collections(tx: Connection, enrichment: Mapping[str, Any]) -> None:
    for name in ("source_collection_id", "target_collection_id"):
        wanted = enrichment[name]
        if wanted is not None and tx.scalar(select(collections.c.pk).where(collections.c.id == wanted)) is None:
            raise JobFailed(f"collection '{wanted}' was deleted")
