"""What a worker tells of a job while it has it: its span, the ids of its lines, and its metrics."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Row

from coterie.jobs import queue
from coterie.kit import metrics, telemetry

log = logging.getLogger("coterie.jobs")


@contextmanager
def observed(row: Row[Any], payload: Mapping[str, Any]) -> Iterator[Callable[[str], str]]:
    """Go on from what made a task. Yields what is to be called with the state that the job ended in, and gives it."""
    ids = {
        "task_id": row.id,
        "run_id": payload.get("run_id"),
        "organization_id": row.org_id,
        "namespace_id": row.namespace_id,
    }
    begun = time.perf_counter()
    with (
        telemetry.continued(payload.get(queue.ORIGIN, {}), f"job {row.kind}", "consumer", ids) as span,
        metrics.jobs_in_hand.track_inprogress(),
    ):

        def ended(status: str) -> str:
            seconds = time.perf_counter() - begun
            log.info("job %s ended as %s after %.1f s", row.kind, status, seconds)
            metrics.jobs_ended.labels(row.kind, status).inc()
            metrics.job_seconds.labels(row.kind).observe(seconds)
            span.tell("coterie.status", status)
            if status == queue.FAILED:
                span.fail("the job failed")
            return status

        yield ended
