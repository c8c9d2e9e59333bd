"""Jobs that are done here and now, and a collection that was grouped by an attribute."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.enrichment.enrich import ClusterEnrichment
from coterie.enrichment.service import JOB, UNDO_JOB
from coterie.enrichment.undo import EnrichmentUndo
from coterie.jobs import queue, worker
from coterie.jobs.worker import Worker
from coterie.runs.run import ClusterRun
from coterie.store.tables import tasks
from support import add_collection

Work = Callable[[], list[str]]


@pytest.fixture
def work(services: Services, monkeypatch: pytest.MonkeyPatch) -> Work:
    """Does the open tasks, oldest first, and gives the states that they end in.

    No step is remembered: a task that was cut off is done again from its start, which is more than the engine does.
    """
    monkeypatch.setattr(worker, "_dbos_step", lambda _name, do: do())
    handlers: Any = {
        "cluster.run": ClusterRun(services),
        JOB: ClusterEnrichment(services),
        UNDO_JOB: EnrichmentUndo(services),
    }
    unused: Any = None
    hand = Worker(services.settings, services.db, services.clock, unused, handlers, upkeep=lambda: None)
    oldest = select(tasks.c.id).where(tasks.c.status.in_(queue.OPEN)).order_by(tasks.c.pk).limit(1)

    def do_all() -> list[str]:
        ended = []
        while True:
            with services.db.read() as tx:
                task_id = tx.scalar(oldest)
            if task_id is None:
                return ended
            ended.append(hand.see_through(task_id))

    return do_all


@pytest.fixture
def grouped(client: TestClient, work: Work) -> str:
    """The id of a definition that groups the 60 `things` by their text, and has run."""
    add_collection(client)
    body = {
        "cluster_name": "groups",
        "collection_ids": ["things"],
        "cluster_type": "attribute",
        "attribute_config": {"attributes": ["text"]},
    }
    identifier: str = client.post("/v1/clusters", json=body).json()["cluster_id"]
    assert client.post("/v1/clusters/groups/execute").status_code == 200
    assert work() == ["COMPLETED"]
    return identifier
