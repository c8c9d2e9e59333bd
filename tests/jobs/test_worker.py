"""Who counts as dead, who adopts, and what a worker that was taken for dead may still do."""

import os
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from coterie.api.context import Services
from coterie.jobs import queue
from coterie.jobs.job import Canceled, Job, Superseded
from coterie.jobs.worker import Worker
from coterie.store.tables import organizations, tasks, workers

HERE = socket.gethostname()
GONE = 2**22 + 1
"""No process has this number."""


class Executor:
    def run(self, *_: Any) -> Any: ...

    def close(self) -> None: ...


@pytest.fixture
def worker(services: Services) -> Worker:
    return Worker(services.settings, services.db, services.clock, Executor(), {}, upkeep=lambda: None)


@pytest.fixture
def add(services: Services) -> Callable[..., str]:
    def make(identity: str, host: str, pid: int, silence: float, adopter: str | None = None) -> str:
        row = {"id": identity, "host": host, "pid": pid, "started_at": "", "adopter": adopter}
        with services.db.write() as tx:
            tx.execute(insert(workers).values(**row, seen_at=time.time() - silence))
        return identity

    return make


def test_silence_counts_by_what_is_known_of_the_process(worker: Worker, add: Callable[..., str]) -> None:
    add("elsewhere, quiet", "other-host", 1, 60)
    add("elsewhere, alive", "other-host", 1, 0)
    add("here, gone", HERE, GONE, 0)
    add("here, held up", HERE, os.getppid(), 60)
    add("here, its number is another program's", HERE, os.getppid(), 3600)
    add("here, of my number", HERE, os.getpid(), 0)
    silent = {"elsewhere, quiet", "here, gone", "here, its number is another program's", "here, of my number"}
    assert set(worker._silent()) == silent


def test_an_adoption_that_failed_is_tried_again_and_another_s_is_not(worker: Worker, add: Callable[..., str]) -> None:
    worker._beat()
    add("b", "other-host", 1, 0)
    add("mine", "other-host", 1, 60, adopter=worker.id)
    add("theirs", "other-host", 1, 60, adopter="b")
    add("of one who died since", "other-host", 1, 60, adopter="long gone")
    assert set(worker._silent()) == {"mine", "of one who died since"}


@pytest.fixture
def task_id(services: Services) -> str:
    with services.db.write() as tx:
        org = tx.scalars(select(organizations.c.id)).one()
        new = queue.NewTask(org, "ns_x", "kind", "engine_cluster_build", {})
        return str(queue.submit(tx, new, "2026-01-01T00:00:00.000000Z")["task_id"])


def own(services: Services, task_id: str, owner: str) -> None:
    with services.db.write() as tx:
        tx.execute(update(tasks).where(tasks.c.id == task_id).values(owner=owner))


def test_a_job_in_other_hands_can_neither_go_on_nor_end(services: Services, task_id: str) -> None:
    job = Job(task_id, "w1", services.db, services.clock, Executor(), lambda _name, do: do())
    own(services, task_id, "w1")
    job.check()
    own(services, task_id, "w2")
    with pytest.raises(Superseded):
        job.check()
    job.report("fit", 0.5)
    with services.db.write() as tx, pytest.raises(Superseded):
        job.complete(tx, [])
    with services.db.read() as tx:
        row = tx.execute(select(tasks).where(tasks.c.id == task_id)).one()
    assert (row.status, "fit" in row.resource) == ("PENDING", False)


def test_a_job_whose_task_is_gone_is_told_to_clear_up(services: Services, task_id: str) -> None:
    ended: list[Any] = []

    class Handler:
        def run(self, job: Job, _payload: Any) -> list[Any]:
            with services.db.write() as tx:
                tx.execute(tasks.delete())
            job.check()
            return []

        def ended(self, _tx: Any, _payload: Any, status: str, error: str | None) -> None:
            ended.append((status, error))

    made = Worker(services.settings, services.db, services.clock, Executor(), {"kind": Handler()}, lambda: None)
    assert made.see_through(task_id) == queue.CANCELED
    assert ended == [(queue.CANCELED, None)]


def test_a_canceled_job_is_known_by_its_task(services: Services, task_id: str) -> None:
    job = Job(task_id, "w1", services.db, services.clock, Executor(), lambda _name, do: do())
    own(services, task_id, "w1")
    with services.db.write() as tx:
        queue.request_cancel(tx, tasks.c.id == task_id)
    with pytest.raises(Canceled):
        job.check()
