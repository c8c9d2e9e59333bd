"""The worker's side of a job: DBOS runs each attempt at a task as one durable workflow, step by step.

A worker with a free slot takes one task (`jobs.claims`) and starts its workflow in its own process; it beats its heart,
and lets go of what workers had that fell silent. What was tried of DBOS shapes this: a workflow is started where it is
called, but resumed by whoever reads the queue that it is put into, so each worker has an id and a queue of its own; two
processes with one id would run a job twice; its application version is pinned, and what another version began, or what
was begun over another scratch folder, is begun anew as another workflow.

A worker stops as if it crashed, but says goodbye: its jobs are left to others, none is marked failed.

Who has a task is written on it. A worker that was taken for dead, and is not, finds another's name there and stands
still: what it would record of a step would be read as the step's result.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import orjson
from dbos import DBOS, DBOSConfig, SetWorkflowID
from sqlalchemy import Row, delete, select, update

from coterie.compute.executor import Executor, StageError
from coterie.compute.memory import usable
from coterie.config import Settings
from coterie.engine.memory import mib
from coterie.jobs import alive, claims, queue
from coterie.jobs.job import Canceled, Handler, Job, JobFailed, Superseded, TakeAway, TooLittleMemory
from coterie.jobs.observed import observed
from coterie.jobs.scratch import identity_of
from coterie.kit.clock import Clock, iso
from coterie.kit.errors import CoterieError
from coterie.kit.ids import new_id
from coterie.store.db import Db
from coterie.store.storage import StorageFailed
from coterie.store.tables import tasks, workers

log = logging.getLogger("coterie.jobs")

WORKFLOW = "coterie.job"
APPLICATION_VERSION = "2"
"""Changes only when the steps of a job change so that a half-done one of the old kind cannot go on: it begins anew."""

DISPATCH_SECONDS = 0.1
RESUME_SECONDS = 0.5
RECONCILE_SECONDS = 5.0
UPKEEP_SECONDS = 300.0
MAX_RECOVERIES = 20
"""A job that took down its worker so often is failed rather than tried again."""

GIVEN_UP = "the job ended its worker too often and was given up; the worker's log says more"


def _nothing() -> None:
    """There is nothing to tidy."""


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
        tidy: Callable[[], None] = _nothing,
    ) -> None:
        """`upkeep` is done now and then by one worker of all, `tidy` by each."""
        self.id = new_id("worker")
        self.settings = settings
        self.db = db
        self.clock = clock
        self.executor = executor
        self.handlers = handlers
        self.upkeep = upkeep
        self.tidy = tidy
        self._workflow: Any = None
        self._stopping = threading.Event()
        self._look = threading.Event()  # there may be another task to take
        self._loop = threading.Thread(target=self._feed, name="coterie-dispatch", daemon=True)
        self._keeper = threading.Thread(target=self._keep_up, name="coterie-upkeep", daemon=True)

    def start(self) -> None:
        """Launch the engine and begin to take tasks."""
        DBOS(config=_dbos_config(self.settings, self.id))
        self._workflow = DBOS.workflow(name=WORKFLOW)(lambda *task: self.see_through(*task))
        DBOS.listen_queues([self.id])
        DBOS.launch()
        self._beat()
        self._loop.start()
        self._keeper.start()

    def stop(self) -> None:
        """Stop taking tasks and say goodbye. The process must exit next: jobs in hand are for others to resume."""
        self._stopping.set()
        self._look.set()
        self.executor.close()
        self._loop.join(5)
        with self.db.write() as tx:
            claims.leave(tx, self.id)
            tx.execute(update(workers).where(workers.c.id == self.id).values(seen_at=0.0))

    # -- one job ---------------------------------------------------------------------------------------------

    def see_through(self, task_id: str, attempt: int = 0) -> str:
        """The workflow: run the task's handler and end the task, whatever comes. The state it ended in."""
        with self.db.read() as tx:
            row = tx.execute(select(tasks).where(tasks.c.id == task_id)).first()
        if row is None or row.status not in queue.OPEN:
            return "gone"
        try:
            payload = orjson.loads(row.payload)
            job = replace(self._job(row.id, self.id, attempt), kind=row.kind)
            with observed(row, payload) as ended:
                return ended(self._do(job, self.handlers[row.kind], payload))
        except Superseded:
            return _stand_still()
        finally:
            self._look.set()

    def _do(self, job: Job, handler: Handler, payload: Mapping[str, Any]) -> str:
        end = partial(self._end, job, handler, payload)
        try:
            self._begin(job)
            return end(queue.COMPLETED, outputs=handler.run(job, payload))
        except Superseded:
            raise
        except Canceled:
            return end(queue.CANCELED)
        except TooLittleMemory as error:
            return self._move(job, error.needed) or end(queue.FAILED, error=self._without_room(error))
        except (JobFailed, CoterieError, StageError) as error:
            return end(queue.FAILED, error=str(error))
        except StorageFailed:
            log.exception("job %s failed for its storage", job.task_id)
            return end(queue.FAILED, error="the storage of vectors and artifacts did not answer: start it again")
        except Exception as error:
            log.exception("job %s failed", job.task_id)
            message = f"internal error ({type(error).__name__}); the worker's log has the details"
            return end(queue.FAILED, error=message)

    def _job(self, task_id: str, owner: str | None, attempt: int) -> Job:
        return Job(task_id, owner, self.db, self.clock, self.executor, _dbos_step, attempt=attempt)

    def _begin(self, job: Job) -> None:
        """Show that the job is under way. Raises Superseded."""
        with self.db.write() as tx:
            row = tx.execute(select(tasks).where(tasks.c.id == job.task_id)).first()
            if row is not None and row.status in queue.OPEN:
                if row.owner not in (None, job.owner) or row.attempt != job.attempt:
                    raise Superseded
                tx.execute(update(tasks).where(tasks.c.pk == row.pk).values(owner=job.owner))
                now = iso(self.clock.now())
                begun = orjson.loads(row.resource)["additional_data"].get("started_at", now)
                queue.change(tx, row, now, status=queue.PROCESSING, additional_data={"started_at": begun})

    def _end(
        self,
        job: Job,
        handler: Handler,
        payload: Mapping[str, Any],
        status: str,
        *,
        error: str | None = None,
        outputs: list[Any] | None = None,
    ) -> str:
        """End a job's task, if it has not ended; the state that it was to end in. Raises Superseded."""
        take_away = None
        with self.db.write() as tx:
            row = tx.execute(select(tasks).where(tasks.c.id == job.task_id)).first()
            if row is None:  # its namespace is gone: what the job made meanwhile must go too
                take_away = handler.ended(tx, payload, queue.CANCELED, None)
            elif not job.holds(row):
                raise Superseded
            elif row.status in queue.OPEN:
                if status != queue.COMPLETED:
                    take_away = handler.ended(tx, payload, status, error)
                now = iso(self.clock.now())
                queue.change(tx, row, now, status=status, error_message=error, outputs=outputs or [])
        if take_away is not None:
            tidy = partial(_take_away, take_away, job.task_id)
            if threading.current_thread() is self._loop:  # which says that this worker lives, and must not wait
                threading.Thread(target=tidy, name="coterie-tidy", daemon=True).start()
            else:
                tidy()
        return status

    def _move(self, job: Job, needed: int) -> str | None:
        """Leave the job to a worker that has the memory for it; None if there is none."""
        with self.db.write() as tx:
            row = tx.execute(select(tasks).where(tasks.c.id == job.task_id)).first()
            if row is None or not job.holds(row) or not claims.move(tx, row, needed):
                return None
        log.info("job %s takes up to %s and is left to a larger worker", job.task_id, mib(needed))
        return "moved"

    def _without_room(self, error: TooLittleMemory) -> str:
        """What to say of a job that no worker has the memory for."""
        with self.db.read() as tx:
            largest = claims.largest_memory(tx) or 0
        if largest <= usable(self.settings):
            return str(error)
        return f"{error}; a job of the largest worker may use {mib(largest)}"

    # -- the loop --------------------------------------------------------------------------------------------

    def _feed(self) -> None:
        beaten = reconciled = time.monotonic()
        while not self._stopping.is_set():
            try:
                late = time.monotonic() - beaten - self.settings.heartbeat_seconds
                if late >= 0:
                    self._beat()
                    beaten = time.monotonic()
                    if late < self.settings.worker_grace_seconds / 2:  # else others may have been held up as well
                        self._adopt()
                self._dispatch()
                if time.monotonic() - reconciled >= RECONCILE_SECONDS:
                    reconciled = time.monotonic()
                    self._reconcile()
            except Exception:
                log.exception("the dispatch loop met an error and goes on")
            self._look.wait(DISPATCH_SECONDS)
            self._look.clear()

    def _keep_up(self) -> None:
        """Do the upkeep now and then, in one worker of all: the one that is the oldest. Each tidies its own folder."""
        while not self._stopping.wait(UPKEEP_SECONDS):
            try:
                self.tidy()
                with self.db.read() as tx:
                    heard = workers.c.seen_at >= time.time() - self.settings.worker_grace_seconds
                    oldest = select(workers.c.id).where(heard).order_by(workers.c.started_at, workers.c.id)
                    chosen = tx.scalar(oldest.limit(1))
                if chosen == self.id:
                    self.upkeep()
            except Exception:
                log.exception("the upkeep met an error and will be tried again")

    def _dispatch(self) -> None:
        """End what nobody wants any more, and take a task if there is a slot for it."""
        with self.db.read() as tx:
            unwanted = claims.unwanted(tx, self.handlers)
        for row in unwanted:
            self._end_without(row, queue.CANCELED)
        if (claimed := self._claim()) is not None:
            self._look.set()
            self._start(claimed)

    def _claim(self) -> Row[Any] | None:
        """Take the next task. Looked for without the store's lock first: most of the time there is none."""
        with self.db.read() as tx:
            if claims.find(tx, self._claimant) is None:
                return None
        with self.db.write() as tx:
            return claims.claim(tx, self._claimant, iso(self.clock.now()))

    @cached_property
    def _claimant(self) -> claims.Claimant:
        return claims.Claimant(
            id=self.id,
            kinds=self.handlers.keys(),
            workspace=f"{APPLICATION_VERSION}.{identity_of(self.settings.scratch_dir)}",
            memory=usable(self.settings),
            slots=self.settings.job_concurrency,
            organization_jobs=self.settings.organization_jobs,
        )

    def _start(self, row: Row[Any]) -> None:
        """Start the workflow of a task's attempt in this process, or go on with it if it was begun."""
        if row.recoveries >= MAX_RECOVERIES:
            self._end_without(row, queue.FAILED, GIVEN_UP)
            return
        if row.attempt:
            DBOS.cancel_workflow(_workflow_id(row, row.attempt - 1))
        if DBOS.get_workflow_status(_workflow_id(row)) is None:
            with SetWorkflowID(_workflow_id(row)):
                DBOS.start_workflow(self._workflow, row.id, row.attempt)
        else:
            log.warning("going on with job %s, which another worker left", row.id)
            DBOS.register_queue(self.id, polling_interval_sec=RESUME_SECONDS)  # who took this one for dead closed it
            DBOS.resume_workflow(_workflow_id(row), queue_name=self.id)

    def _end_without(self, row: Row[Any], status: str, error: str | None = None) -> None:
        """End a task whose workflow does not, unless someone else has taken it meanwhile."""
        DBOS.cancel_workflow(_workflow_id(row))
        job = self._job(row.id, row.owner, row.attempt)
        with suppress(Superseded):
            self._end(job, self.handlers[row.kind], orjson.loads(row.payload), status, error=error)

    def _beat(self) -> None:
        """Say that this worker lives, and what it can take."""
        with self.db.write() as tx:
            alive.beat(tx, self.id, self._claimant.workspace, self._claimant.memory, iso(self.clock.now()))

    def _adopt(self) -> None:
        """Let go of what silent workers had, for those who can go on with it."""
        with self.db.read() as tx:
            silent = alive.silent(tx, self.id, self.settings.worker_grace_seconds)
            if not silent and not claims.is_bereft(tx):
                return
        with self.db.write() as tx:
            silent = alive.silent(tx, self.id, self.settings.worker_grace_seconds)
            tx.execute(delete(workers).where(workers.c.id.in_(silent)))
            left = claims.recover(tx)
        log.warning("%d workers are gone and left %d jobs to others", len(silent), left)
        for dead in silent:
            self._close_books(dead)

    def _close_books(self, dead: str) -> None:
        """Tell the engine that a worker is gone, and of what it had that nobody is to go on with."""
        DBOS.delete_queue(dead)
        left = {_task_id(each.workflow_id): each for each in DBOS.list_workflows(status="PENDING", executor_id=dead)}
        with self.db.read() as tx:
            unfinished = set(tx.scalars(select(tasks.c.id).where(tasks.c.id.in_(left), tasks.c.status.in_(queue.OPEN))))
        for task_id, workflow in left.items():
            if task_id not in unfinished:
                DBOS.cancel_workflow(workflow.workflow_id)

    def _reconcile(self) -> None:
        """Bring tasks along whose workflow ended without them: given up by the engine, or lost with its file."""
        with self.db.read() as tx:
            held = claims.in_hand(tx, self.id)
        for row in held:
            workflow = DBOS.get_workflow_status(_workflow_id(row))
            if workflow is None or (workflow.status == "PENDING" and workflow.executor_id != self.id):
                self._start(row)  # what came between taking it and that has passed
            elif workflow.status not in ("PENDING", "ENQUEUED"):
                self._end_without(row, queue.FAILED, GIVEN_UP)


def _take_away(take_away: TakeAway, task_id: str) -> None:
    try:
        take_away()
    except OSError:  # the upkeep finds what is left
        log.warning("what job %s left could not be taken away", task_id, exc_info=True)


def _workflow_id(row: Row[Any], attempt: int | None = None) -> str:
    """Under which the engine knows an attempt at a task: the last one, unless another is meant."""
    return f"{row.id}.{row.attempt if attempt is None else attempt}"


def _task_id(workflow_id: str) -> str:
    return workflow_id.rpartition(".")[0]


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
