"""Health: whether the parts of the service answer.

The API names the parts after its own vendor's servers. Here `mongodb` is the records, `qdrant` the vectors, `s3` the
artifacts, `redis` the queue of jobs, `celery` and `engine` a live worker.
"""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from coterie.api.context import Services
from coterie.jobs.alive import count_alive
from coterie.store.tables import tasks


class HealthStatus(StrEnum):
    """All parts answer, or some do not."""

    OK = "OK"
    DEGRADED = "DEGRADED"


class HealthServiceStatus(BaseModel):
    redis: bool
    mongodb: bool
    qdrant: bool
    s3: bool
    celery: bool
    engine: bool


class HealthServiceErrors(BaseModel):
    redis: str | None = None
    mongodb: str | None = None
    qdrant: str | None = None
    s3: str | None = None
    celery: str | None = None
    engine: str | None = None


class HealthCheckResponse(BaseModel):
    status: HealthStatus
    data: HealthServiceStatus
    errors: HealthServiceErrors | None = None
    meta: dict[str, Any] | None = None


def live_workers(services: Services) -> int:
    """How many workers were heard of within the grace time. Raises SQLAlchemyError."""
    return count_alive(services.db, services.settings.worker_grace_seconds)


def check_health(services: Services, deep: bool) -> dict[str, Any]:
    """The state of the parts; a missing worker counts against it only when `deep`."""
    records, alive = _records(services)
    vectors, artifacts = services.vectors.storage.is_usable(), services.blobs.is_usable()
    worker = alive > 0 if deep else True
    data = {
        "redis": records,
        "mongodb": records,
        "qdrant": vectors,
        "s3": artifacts,
        "celery": worker,
        "engine": worker,
    }
    faults = {
        "mongodb": None if records else "the records do not answer",
        "redis": None if records else "the queue of jobs does not answer",
        "qdrant": None if vectors else "the storage of the vectors does not answer, or cannot be written",
        "s3": None if artifacts else "the storage of the artifacts does not answer, or cannot be written",
        "celery": None if worker else "no worker was heard of lately: start `coterie worker`",
        "engine": None if worker else "no worker was heard of lately: start `coterie worker`",
    }
    healthy = all(data.values())
    return {
        "status": HealthStatus.OK if healthy else HealthStatus.DEGRADED,
        "data": data,
        "errors": None if healthy else faults,
        "meta": {"live_workers": alive},
    }


def _records(services: Services) -> tuple[bool, int]:
    try:
        with services.db.read() as tx:
            tx.scalar(select(tasks.c.pk).limit(1))
        return True, live_workers(services)
    except SQLAlchemyError:
        return False, 0
