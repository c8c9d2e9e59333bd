"""The job that makes vectors: of the documents that wait, some at a time, until none is left.

Each chunk is a step, which `making` describes. A document that is written meanwhile stays on the list, or comes back to
it; the job ends in a transaction that finds the list empty.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from coterie.api.context import Services, Tenant
from coterie.documents.making import CHUNK, Maker
from coterie.documents.waiting import COUNTS, count_waiting, wait
from coterie.jobs.job import Canceled, Job, JobFailed
from coterie.store.tables import collections, documents

GATHERED = 20_000
"""Documents that are put on the list in one transaction."""


class Embedding:
    """The handler of the job `documents.embed`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def run(self, job: Job, payload: Mapping[str, Any]) -> list[Any]:
        """Make the vectors; the output is the counts."""
        tenant = Tenant("", payload["internal_id"], "", frozenset(), payload["namespace_id"], "")
        collection_id = payload["collection_id"]
        job = replace(job, about=lambda tx: _check_collection(tx, collection_id))
        whole = job.step("gather", lambda: self._gather(job, payload), share=0.0)
        maker = Maker(self.services, tenant, job, collection_id)
        done, after, counts = 0, "", None
        while counts is None:
            begin, end = (min(0.01 + 0.98 * part / max(whole, 1), 0.99) for part in (done, done + CHUNK))
            read, after = job.step("embed", partial(maker.do, after, begin, end), share=begin)
            done += read
            if read == 0:
                after = ""
                counts = job.step("publish", partial(self._publish, job, collection_id), share=0.99)
        return [counts]

    def ended(self, tx: Connection, payload: Mapping[str, Any], status: str, error: str | None) -> None:
        """What was made stays, and what waits goes on waiting."""

    def _gather(self, job: Job, payload: Mapping[str, Any]) -> int:
        """Put every document on the list if all are wanted, once; how many there are on it."""
        collection_id, last = payload["collection_id"], 0
        own = select(documents.c.pk, documents.c.id).where(documents.c.collection_id == collection_id)
        while payload["everything"]:
            with self.services.db.write() as tx:
                rows = tx.execute(own.where(documents.c.pk > last).order_by(documents.c.pk).limit(GATHERED)).all()
                wait(tx, collection_id, [row.id for row in rows])
                if not rows:
                    job.remember(tx, {**payload, "everything": False})
            if not rows:
                break
            last = rows[-1].pk
        with self.services.db.read() as tx:
            return count_waiting(tx, collection_id)

    def _publish(self, job: Job, collection_id: str) -> dict[str, Any] | None:
        """End the task; the counts. None if more documents came."""
        with self.services.db.read() as tx:
            if count_waiting(tx, collection_id):
                return None
        job.executor.run("coterie.features.stages:release", {}, lambda share: None)
        counts: dict[str, Any] = {}
        with self.services.db.write() as tx:
            if count_waiting(tx, collection_id):
                return None
            job.show(tx, lambda shown: {name: counts.setdefault(name, shown[name]) for name in COUNTS})
            if not job.complete(tx, [counts]):
                raise Canceled
        return counts


def _check_collection(tx: Connection, collection_id: str) -> None:
    if tx.scalar(select(collections.c.pk).where(collections.c.id == collection_id)) is None:
        raise JobFailed(f"collection '{collection_id}' was deleted")
