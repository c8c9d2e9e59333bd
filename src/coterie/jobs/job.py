"""A job as its handler sees it: named steps, progress, and the places where it can be stopped."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import orjson
from sqlalchemy import Connection, Row, select, update

from coterie.compute.executor import Executor, Poll
from coterie.jobs import queue
from coterie.kit import metrics, tracing
from coterie.kit.clock import Clock, iso
from coterie.store.db import Db
from coterie.store.tables import tasks

log = logging.getLogger("coterie.jobs")

T = TypeVar("T")
TakeAway = Callable[[], None]
RunStep = Callable[[str, Callable[[], Any]], Any]
"""Runs a named step once: after a crash, a step that had ended gives its recorded result."""


class Canceled(Exception):
    """Someone asked for the end of this job."""


class Superseded(Exception):
    """Another worker has this job now: this one was silent for so long that it counted as dead."""


class JobFailed(Exception):
    """The job cannot succeed; the message says why and what to do, and is shown to the user."""


class TooLittleMemory(JobFailed):
    """The job cannot succeed here; it can where one of a worker's jobs may take `needed` bytes."""

    def __init__(self, message: str, needed: int = 0) -> None:
        super().__init__(message)  # alone: an engine that keeps the error makes it anew of its arguments
        self.needed = needed


class Handler(Protocol):
    """What a kind of job does. Both parts may run more than once and must then do no more than once."""

    def run(self, job: "Job", payload: Mapping[str, Any]) -> list[Any]:
        """Do it; the task's outputs. Raises JobFailed, Canceled."""
        ...

    def ended(self, tx: Connection, payload: Mapping[str, Any], status: str, error: str | None) -> TakeAway | None:
        """Bring the job's resources along when it failed or was canceled, in the transaction that ends the task; what
        is to be called after that, which may take its time, to take away what the job left elsewhere."""
        ...


def _lasting(tx: Connection) -> None:
    """Nothing that the job is about can go."""


@dataclass(frozen=True)
class Job:
    """One task in the hands of a worker, or in nobody's. `about` raises JobFailed when what the job is about is there
    no more."""

    task_id: str
    owner: str | None
    db: Db
    clock: Clock
    executor: Executor
    run_step: RunStep
    about: Callable[[Connection], None] = field(default=_lasting)
    kind: str = field(default="")
    attempt: int = 0

    def step(self, name: str, do: Callable[[], T], *, share: float) -> T:
        """Do a step, `share` (0..1) of the whole being done when it begins. Its result must be plain and small.

        Raises what `check` does, also where the step failed because something was taken away under it.
        """
        self.check()
        self.report(name, share)
        try:
            with tracing.span(f"step {name}"):
                result: T = self.run_step(name, do)
        except Exception:
            self.check()
            raise
        return result

    def compute(
        self, name: str, stage: str, arguments: Mapping[str, Any], *, begin: float, end: float
    ) -> Callable[[], Any]:
        """A step's body that runs a stage in the executor, reporting between the shares `begin` and `end`."""

        def run() -> Any:
            with metrics.stage_seconds.labels(stage.rpartition(":")[2], self.kind).time():
                return self.executor.run(stage, arguments, self.polling(name, begin, end))

        return run

    def polling(self, name: str, begin: float, end: float) -> Poll:
        """What the executor is to call while it runs a stage between these shares."""

        def poll(done: float | None) -> None:
            self.check()
            if done is not None:
                self.report(name, begin + (end - begin) * min(max(done, 0.0), 1.0))

        return poll

    def check(self) -> None:
        """Raise Canceled if someone asked for the end or the task is gone, Superseded if another worker has it,
        JobFailed if what the job is about is gone."""
        with self.db.read() as tx:
            row = tx.execute(select(tasks).where(tasks.c.id == self.task_id)).first()
            self._require_held(row)
            if row is None or row.cancel_requested or row.status not in queue.OPEN:
                raise Canceled
            self.about(tx)

    def holds(self, row: Row[Any]) -> bool:
        """Whether the task is still in this job's hands."""
        return bool(row.owner == self.owner and row.attempt == self.attempt)

    def _require_held(self, row: Row[Any] | None) -> None:
        if row is not None and not self.holds(row):
            raise Superseded

    def report(self, stage: str, share: float) -> None:
        """Show where the job is. Written only when it moved by a hundredth or to another stage."""
        with self.db.read() as tx:
            row = tx.execute(select(tasks).where(tasks.c.id == self.task_id)).first()
        if row is None or not _moved(row.resource, stage, share):
            return
        shown = {"stage": stage, "progress": round(share, 4)}
        with self.db.write() as tx:
            row = tx.execute(select(tasks).where(tasks.c.id == self.task_id)).first()
            if row is not None and row.status in queue.OPEN and self.holds(row):
                queue.change(tx, row, iso(self.clock.now()), additional_data=shown)

    def show(self, tx: Connection, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Bring what the task shows along within the caller's transaction; `change` is given its `additional_data`.

        Raises Superseded if another worker has it, Canceled if the task is gone or has ended.
        """
        row = tx.execute(select(tasks).where(tasks.c.id == self.task_id)).first()
        self._require_held(row)
        if row is None or row.status not in queue.OPEN:
            raise Canceled
        shown = change(orjson.loads(row.resource)["additional_data"])
        queue.change(tx, row, iso(self.clock.now()), additional_data=shown)

    def remember(self, tx: Connection, payload: Mapping[str, Any]) -> None:
        """Have the job be told this instead, should it be begun anew. Raises Superseded if another worker has it."""
        self._require_held(tx.execute(select(tasks).where(tasks.c.id == self.task_id)).first())
        told = orjson.dumps(payload).decode()
        tx.execute(update(tasks).where(tasks.c.id == self.task_id).values(payload=told))

    def complete(self, tx: Connection, outputs: list[Any], **shown: Any) -> bool:
        """End the task as completed within the caller's transaction; False if it had already ended.

        Raises Superseded if another worker has it.
        """
        row = tx.execute(select(tasks).where(tasks.c.id == self.task_id)).first()
        self._require_held(row)
        if row is None or row.status not in queue.OPEN:
            return False
        done = {"stage": "done", "progress": 1.0, **shown}
        now = iso(self.clock.now())
        queue.change(tx, row, now, status=queue.COMPLETED, outputs=outputs, additional_data=done)
        return True


def _moved(resource: str, stage: str, share: float) -> bool:
    shown = orjson.loads(resource)["additional_data"]
    return bool(shown["stage"] != stage or share - shown["progress"] >= 0.01)
