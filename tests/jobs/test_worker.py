"""Who counts as dead, who adopts, and what a worker that was taken for dead may still do."""

import os
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from coterie.api.context import Services
from coterie.jobs import alive, queue
from coterie.jobs.alive import host_of_this_process
from coterie.jobs.job import Canceled, Job, Superseded
from coterie.jobs.worker import GIVEN_UP, MAX_RECOVERIES, Worker
from coterie.store.storage import StorageFailed
from coterie.store.tables import organizations, tasks, workers

HERE = host_of_this_process()
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
    def make(identity: str, host: str, pid: int, silence: float) -> str:
        row = {"id": identity, "host": host, "pid": pid, "started_at": ""}
        with services.db.write() as tx:
            tx.execute(insert(workers).values(**row, seen_at=time.time() - silence))
        return identity

    return make


def test_silence_counts_by_what_is_known_of_the_process(
    worker: Worker, services: Services, add: Callable[..., str]
) -> None:
    add("elsewhere, quiet", "other-host", 1, 60)
    add("elsewhere, alive", "other-host", 1, 0)
    add("here, gone", HERE, GONE, 0)
    add("here, held up", HERE, os.getppid(), 60)
    add("here, its number is another program's", HERE, os.getppid(), 3600)
    add("here, of my number", HERE, os.getpid(), 0)
    silent = {"elsewhere, quiet", "here, gone", "here, its number is another program's", "here, of my number"}
    with services.db.read() as tx:
        assert set(alive.silent(tx, worker.id, worker.settings.worker_grace_seconds)) == silent


def test_what_silent_workers_had_is_left_to_others_and_counted(
    worker: Worker, services: Services, add: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    monkeypatch.setattr(worker, "_close_books", closed.append)
    add("alive", "other-host", 1, 0)
    add("silent", "other-host", 1, 60)
    owners = ("alive", "silent", "of no one's memory", None)
    held = [submit(services, owner=owner) for owner in owners]
    worker._adopt()
    with services.db.read() as tx:
        found = {row.id: (row.owner, row.recoveries) for row in tx.execute(select(tasks))}
        assert set(tx.scalars(select(workers.c.id))) == {"alive"}
    assert [found[task] for task in held] == [("alive", 0), (None, 1), (None, 1), (None, 0)]
    assert closed == ["silent"]


def test_a_job_that_took_down_its_workers_is_given_up(
    services: Services, monkeypatch: pytest.MonkeyPatch, task_id: str
) -> None:
    monkeypatch.setattr("coterie.jobs.worker.DBOS.cancel_workflow", lambda _id: None)
    ended: list[Any] = []

    class Handler:
        def ended(self, _tx: Any, _payload: Any, status: str, error: str | None) -> None:
            ended.append((status, error))

    worker = worker_with(services, Handler())
    with services.db.write() as tx:
        tx.execute(update(tasks).values(recoveries=MAX_RECOVERIES))
    worker._beat()
    worker._dispatch()
    assert ended == [(queue.FAILED, GIVEN_UP)]
    assert state(services, task_id).status == queue.FAILED


def test_a_storage_that_fails_when_a_job_is_tidied_does_not_hold_up_the_worker(
    services: Services, monkeypatch: pytest.MonkeyPatch, task_id: str
) -> None:
    monkeypatch.setattr("coterie.jobs.worker.DBOS.cancel_workflow", lambda _id: None)
    locked: list[bool] = []

    def take_away() -> None:
        locked.append(services.db._writer.locked())
        raise StorageFailed("away")

    class Handler:
        def ended(self, *_arguments: Any) -> Any:
            return take_away

    worker = worker_with(services, Handler())
    with services.db.write() as tx:
        tx.execute(update(tasks).values(cancel_requested=True))
    worker._beat()
    worker._dispatch()
    assert locked == [False]  # the store's lock is not held meanwhile
    assert state(services, task_id).status == queue.CANCELED


def worker_with(services: Services, handler: Any) -> Worker:
    return Worker(services.settings, services.db, services.clock, Executor(), {"kind": handler}, lambda: None)


def submit(services: Services, **columns: Any) -> str:
    with services.db.write() as tx:
        org = tx.scalars(select(organizations.c.id)).one()
        new = queue.NewTask(org, "ns_x", "kind", "engine_cluster_build", {})
        task = str(queue.submit(tx, new, "2026-01-01T00:00:00.000000Z")["task_id"])
        if columns:
            tx.execute(update(tasks).where(tasks.c.id == task).values(**columns))
    return task


def state(services: Services, task_id: str) -> Any:
    with services.db.read() as tx:
        return tx.execute(select(tasks).where(tasks.c.id == task_id)).one()


@pytest.fixture
def task_id(services: Services) -> str:
    return submit(services)


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
    row = state(services, task_id)
    assert (row.status, '"fit"' in row.resource) == ("PENDING", False)


def test_an_earlier_attempt_can_neither_go_on_nor_end(services: Services, task_id: str) -> None:
    job = Job(task_id, "w1", services.db, services.clock, Executor(), lambda _name, do: do(), attempt=1)
    own(services, task_id, "w1")
    with pytest.raises(Superseded):
        job.check()


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
