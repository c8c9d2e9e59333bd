"""The numbers of a worker process, for Prometheus. Labels are few and never ids."""

import logging

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, start_http_server

log = logging.getLogger("coterie.telemetry")

WORKER = CollectorRegistry()
ProcessCollector(registry=WORKER)

_MIB = 1024 * 1024
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 14_400)
_BYTES = tuple(_MIB * 2**power for power in range(7, 17))  # 128 MiB to 64 GiB

jobs_in_hand = Gauge("coterie_jobs_in_hand", "Jobs that the worker has begun and not ended.", registry=WORKER)
jobs_ended = Counter("coterie_jobs_ended", "Jobs that the worker ended.", ["kind", "status"], registry=WORKER)
job_seconds = Histogram(
    "coterie_job_seconds",
    "Time from a job's begin in this worker to its end; runs are of the kind cluster.run.",
    ["kind"],
    buckets=_SECONDS,
    registry=WORKER,
)
stage_seconds = Histogram(
    "coterie_stage_seconds",
    "Time of a computation outside the worker's own process.",
    ["stage", "kind"],
    buckets=_SECONDS,
    registry=WORKER,
)
stage_peak_bytes = Histogram(
    "coterie_stage_peak_memory_bytes",
    "The most memory that the process of a stage held meanwhile.",
    ["stage"],
    buckets=_BYTES,
    registry=WORKER,
)
vectors_read = Counter("coterie_vectors_read", "Vectors read for runs.", registry=WORKER)
documents_embedded = Counter(
    "coterie_documents_embedded", "Texts and images that a model made a vector of.", registry=WORKER
)


def serve(host: str, port: int) -> None:
    """Answer Prometheus on a port, 0 being a free one. A worker whose port is taken goes on without."""
    try:
        server, _ = start_http_server(port, host, registry=WORKER)
    except OSError as error:
        log.error(
            "no metrics: cannot listen on %s:%d (%s); set another COTERIE_METRICS_PORT", host, port, error.strerror
        )
    else:
        log.info("metrics are at http://%s:%d/metrics", host, server.server_port)
