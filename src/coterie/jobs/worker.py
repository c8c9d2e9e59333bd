"""The worker's side of a job: DBOS runs each task as one durable workflow, step by step.

A worker takes tasks from the outbox, hands them to DBOS under the task's id, beats its heart, and resumes the jobs of
workers that fell silent. What was tried of DBOS shapes this: it resumes only what its own executor id left, so each
worker process has an id of its own and a survivor calls `resume_workflow` for the dead; two processes with one id
would run a job twice; its application version is pinned, or an upgrade would strand running jobs.

A worker stops as if it crashed, but says goodbye: its jobs are left to be resumed, none is marked failed.

Who has a task is written on it. A worker that was taken for dead, and is not, finds another's name there and stands
still: what it would record of a step would be read as the step's result.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from dbos import DBOS, DBOSConfig, SetWorkflowID
from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from coterie.compute.executor import Executor, StageError
from coterie.config import Settings
from coterie.jobs import queue
from coterie.jobs.job import Canceled, Handler, Job, JobFailed, Superseded
from coterie.jobs.observed import observed
from coterie.kit.clock import Clock, iso
from coterie.kit.errors import CoterieError
from coterie.kit.ids import new_id
from coterie.store.db import Db
from coterie.store.tables import tasks, workers

log = logging.getLogger("coterie.jobs")

QUEUE = "coterie"
WORKFLOW = "coterie.job"
APPLICATION_VERSION = "1"
"""Changes only when the steps of a job change so that a half-done one of the old kind cannot go on."""

DISPATCH_SECONDS = 0.1
RECONCILE_SECONDS = 5.0
UPKEEP_SECONDS = 300.0
LIVE_PROCESS_GRACES = 20
"""A silent worker whose process still runs on this machine gets so many times the grace."""

MAX_RECOVERIES = 20
"""A job that took down its worker so often is failed rather than tried again."""


class Worker:
    """One worker process: an identity, the job engine and the loop that feeds it."""

    def __init__(
        self,
        settings: Settings,
        db: Db,
        clock: Clock,
        executor: Executor,
        handlers: Mapping[str, Handler],
        upkeep: Callable[[], None],
    ) -> None:
        self.id = new_id("worker")
        self.settings = settings
        self.db = db
        self.clock = clock
        self.executor = executor
        self.handlers = handlers
        self.upkeep = upkeep
        self._workflow: Any = None
        self._stopping = threading.Event()
        self._loop = threading.Thread(target=self._feed, name="coterie-dispatch", daemon=True)
        self._keeper = threading.Thread(target=self._keep_up, name="coterie-upkeep", daemon=True)

    def start(self) -> None:
        """Launch the engine and begin to take tasks."""
        DBOS(config=_dbos_config(self.settings, self.id))
        self._workflow = DBOS.workflow(name=WORKFLOW, max_recovery_attempts=MAX_RECOVERIES)(
            lambda task_id: self.see_through(task_id)
        )
        self._beat()
        DBOS.launch()
        DBOS.register_queue(
            QUEUE, worker_concurrency=self.settings.job_concurrency, polling_interval_sec=DISPATCH_SECONDS
        )
        self._loop.start()
        self._keeper.start()

    def stop(self) -> None:
        """Stop taking tasks and say goodbye. The process must exit next: jobs in hand are for others to resume."""
        self._stopping.set()
        self.executor.close()
        self._loop.join(5)
        with self.db.write() as tx:
            tx.execute(update(workers).where(workers.c.id == self.id).values(seen_at=0.0))

    # -- one job ---------------------------------------------------------------------------------------------

    def see_through(self, task_id: str) -> str:
        """The workflow: run the task's handler and end the task, whatever comes. The state it ended in."""
        with self.db.read() as tx:
            row = tx.execute(select(tasks).where(tasks.c.id == task_id)).first()
        if row is None or row.status not in queue.OPEN:
            return "gone"
        handler, payload = self.handlers[row.kind], orjson.loads(row.payload)
        job = Job(task_id, self.id, self.db, self.clock, self.executor, _dbos_step, kind=row.kind)
        with observed(row, payload) as ended:
            return ended(self._carry_out(job, handler, payload))

    def _carry_out(self, job: Job, handler: Handler, payload: Mapping[str, Any]) -> str:
        task_id = job.task_id
        try:
            self._begin(task_id)
            outputs = handler.run(job, payload)
            return self._end(task_id, handler, payload, queue.COMPLETED, outputs=outputs)
        except Superseded:
            return _stand_still()
        except Canceled:
            return self._end(task_id, handler, payload, queue.CANCELED)
        except (JobFailed, CoterieError, StageError) as error:
            return self._end(task_id, handler, payload, queue.FAILED, error=str(error))
        except Exception as error:
            log.exception("job %s failed", task_id)
            message = f"internal error ({type(error).__name__}); the worker's log has the details"
            return self._end(task_id, handler, payload, queue.FAILED, error=message)

    def _begin(self, task_id: str) -> None:
        with self.db.write() as tx:
            row = tx.execute(select(tasks).where(tasks.c.id == task_id)).first()
            if row is not None and row.status in queue.OPEN:
                tx.execute(update(tasks).where(tasks.c.pk == row.pk).values(owner=self.id))
                now = iso(self.clock.now())
                begun = orjson.loads(row.resource)["additional_data"].get("started_at", now)
                queue.change(tx, row, now, status=queue.PROCESSING, additional_data={"started_at": begun})

    def _end(
        self,
        task_id: str,
        handler: Handler,
        payload: Mapping[str, Any],
        status: str,
        *,
        error: str | None = None,
        outputs: list[Any] | None = None,
        owned: bool = True,
    ) -> str:
        with self.db.write() as tx:
            row = tx.execute(select(tasks).where(tasks.c.id == task_id)).first()
            superseded = owned and row is not None and row.owner not in (None, self.id)
            if row is None:  # its namespace is gone: what the job made meanwhile must go too
                handler.ended(tx, payload, queue.CANCELED, None)
            elif row.status in queue.OPEN and not superseded:
                if status != queue.COMPLETED:
                    handler.ended(tx, payload, status, error)
                now = iso(self.clock.now())
                queue.change(tx, row, now, status=status, error_message=error, outputs=outputs or [])
        return _stand_still() if superseded else status

    # -- the loop --------------------------------------------------------------------------------------------

    def _feed(self) -> None:
        beaten = reconciled = time.monotonic()
        while not self._stopping.wait(DISPATCH_SECONDS):
            try:
                self._dispatch()
                late = time.monotonic() - beaten - self.settings.heartbeat_seconds
                if late >= 0:
                    self._beat()
                    beaten = time.monotonic()
                    if late < self.settings.worker_grace_seconds / 2:  # else others may have been held up as well
                        self._adopt()
                if time.monotonic() - reconciled >= RECONCILE_SECONDS:
                    reconciled = time.monotonic()
                    self._reconcile()
            except Exception:
                log.exception("the dispatch loop met an error and goes on")

    def _keep_up(self) -> None:
        """Do the upkeep now and then, in one worker of all: the one that is the oldest."""
        while not self._stopping.wait(UPKEEP_SECONDS):
            try:
                with self.db.read() as tx:
                    alive = workers.c.seen_at >= time.time() - self.settings.worker_grace_seconds
                    oldest = select(workers.c.id).where(alive).order_by(workers.c.started_at, workers.c.id)
                    chosen = tx.scalar(oldest.limit(1))
                if chosen == self.id:
                    self.upkeep()
            except Exception:
                log.exception("the upkeep met an error and will be tried again")

    def _dispatch(self) -> None:
        """Hand waiting tasks to the engine: oldest first, of each lock one at a time."""
        with self.db.read() as tx:
            waiting = _undispatched(tx)
        for row in waiting:
            if row.cancel_requested:
                payload = orjson.loads(row.payload)
                self._end(row.id, self.handlers[row.kind], payload, queue.CANCELED)
                continue
            with SetWorkflowID(row.id):  # the same id twice is one workflow, so a crash in between is harmless
                DBOS.enqueue_workflow(QUEUE, self._workflow, row.id)
            with self.db.write() as tx:
                now = iso(self.clock.now())
                tx.execute(update(tasks).where(tasks.c.pk == row.pk).values(dispatched_at=now))

    def _beat(self) -> None:
        with self.db.write() as tx:
            seen = time.time()
            if not tx.execute(update(workers).where(workers.c.id == self.id).values(seen_at=seen)).rowcount:
                tx.execute(
                    insert(workers).values(
                        id=self.id,
                        host=socket.gethostname(),
                        pid=os.getpid(),
                        started_at=iso(self.clock.now()),
                        seen_at=seen,
                    )
                )

    def _adopt(self) -> None:
        """Resume what silent workers left. One survivor wins each dead worker's row and so each job once."""
        for dead in self._silent():
            left = DBOS.list_workflows(status="PENDING", executor_id=dead)
            for workflow in left:
                log.warning("resuming job %s of the silent worker %s", workflow.workflow_id, dead)
                DBOS.resume_workflow(workflow.workflow_id)
            with self.db.write() as tx:
                tx.execute(delete(workers).where(workers.c.id == dead))

    def _silent(self) -> list[str]:
        with self.db.write() as tx:
            rows = tx.execute(select(workers).where(workers.c.id != self.id)).all()
            silent = [row.id for row in rows if self._is_silent(row)]
            alive = {row.id for row in rows} - set(silent)
            won = []
            for dead in silent:
                claim = (
                    update(workers)
                    .where(
                        workers.c.id == dead,
                        or_(workers.c.adopter.is_(None), workers.c.adopter.not_in(alive)),
                    )
                    .values(adopter=self.id)
                )
                if tx.execute(claim).rowcount:
                    won.append(dead)
        return won

    def _is_silent(self, row: Row[Any]) -> bool:
        """Whether a worker is dead: its process of this machine is gone, or it said nothing for the grace time.

        A process that runs may just be held up; but its number may also be another program's by now.
        """
        silence = time.time() - row.seen_at
        if row.host != socket.gethostname() or row.seen_at == 0:
            return bool(silence > self.settings.worker_grace_seconds)
        if row.pid == os.getpid() or _process_is_gone(row.pid):
            return True
        return bool(silence > self.settings.worker_grace_seconds * LIVE_PROCESS_GRACES)

    def _reconcile(self) -> None:
        """Bring tasks along whose workflow ended without them: given up by the engine, or lost with its file."""
        with self.db.read() as tx:
            handed = tx.execute(
                select(tasks).where(tasks.c.status.in_(queue.OPEN), tasks.c.dispatched_at.is_not(None))
            ).all()
        if not handed:
            return
        known = {w.workflow_id: w.status for w in DBOS.list_workflows(workflow_ids=[row.id for row in handed])}
        for row in handed:
            status = known.get(row.id)
            if status is None:
                with self.db.write() as tx:
                    tx.execute(update(tasks).where(tasks.c.pk == row.pk).values(dispatched_at=None))
            elif status in ("ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"):
                message = "the job ended its worker too often and was given up; the worker's log says more"
                payload = orjson.loads(row.payload)
                self._end(row.id, self.handlers[row.kind], payload, queue.FAILED, error=message, owned=False)


def _undispatched(tx: Connection) -> list[Any]:
    earlier = tasks.alias("earlier")
    blocked = (
        select(earlier.c.pk)
        .where(earlier.c.lock == tasks.c.lock, earlier.c.status.in_(queue.OPEN), earlier.c.pk < tasks.c.pk)
        .exists()
    )
    waiting = (
        select(tasks)
        .where(
            tasks.c.status == queue.PENDING,
            tasks.c.dispatched_at.is_(None),
            or_(tasks.c.lock.is_(None), ~blocked, tasks.c.cancel_requested),
        )
        .order_by(tasks.c.pk)
        .limit(100)
    )
    return list(tx.execute(waiting).all())


def _process_is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _dbos_step(name: str, do: Callable[[], Any]) -> Any:
    def guarded() -> Any:
        try:
            return do()
        except Superseded:
            return _stand_still()

    return DBOS.run_step({"name": name}, guarded)


def _stand_still() -> str:
    """Leave a job to the worker that has it now, without a word to the engine. Does not return."""
    log.warning("another worker has taken this job over; it is left to it")
    threading.Event().wait()
    return "superseded"


def _dbos_config(settings: Settings, executor_id: str) -> DBOSConfig:
    return {
        "name": "coterie",
        "system_database_url": settings.jobs_url,
        "executor_id": executor_id,
        "application_version": APPLICATION_VERSION,
        "log_level": "WARNING",
        "scheduler_polling_interval_sec": 3600.0,
    }
