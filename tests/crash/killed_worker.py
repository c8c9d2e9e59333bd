"""A worker that dies when it is told to: the service's own, with a look at its plan of deaths at every boundary.

A boundary is named by what it belongs to and how far that is: `fit 1 begun`, `fit 1 done` (nothing is recorded yet),
`fit 1 recorded`; `fire written` is within the transaction, before its commit. The file DEATHS names those to die at,
one a line; the first goes when it is reached, so that the next worker gets past it. PASSED lists all that were reached.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dbos import DBOS

from coterie import wiring
from coterie.config import Settings
from coterie.jobs import worker
from coterie.kit.telemetry import Telemetry, start
from coterie.triggers import firing

DEATHS, PASSED = "deaths", "passed"
VERSION = "KILLED_WORKER_VERSION"
"""The variable that says of which version of the steps the worker is, if it is of another one."""


def main() -> None:
    """Run the worker that the environment's settings describe, until its parent is gone."""
    settings = Settings()
    start(Telemetry(settings.log_level, settings.log_format), "worker")
    reach = _reaching(settings.data_dir)
    _mark_steps(reach)
    _mark_hands(reach)
    _mark_firings(reach)
    worker.APPLICATION_VERSION = os.environ.get(VERSION, worker.APPLICATION_VERSION)
    wiring._prepare = lambda _executor: None  # most stories need no engine
    wiring.run_worker(settings, os.getppid())


def _reaching(folder: Path) -> Callable[[str], None]:
    deaths, passed = folder / DEATHS, folder / PASSED

    def reach(boundary: str) -> None:
        with passed.open("a") as log:
            log.write(f"{boundary}\n")
        planned = deaths.read_text().splitlines() if deaths.exists() else []
        if planned[:1] == [boundary]:
            deaths.write_text("\n".join(planned[1:]))
            os.kill(os.getpid(), signal.SIGKILL)

    return reach


def _mark_steps(reach: Callable[[str], None]) -> None:
    run_step = worker._dbos_step
    begun: Counter[tuple[str | None, str]] = Counter()

    def step(name: str, do: Callable[[], Any]) -> Any:
        begun[DBOS.workflow_id, name] += 1
        boundary = f"{name} {begun[DBOS.workflow_id, name]}"

        def body() -> Any:
            result = do()
            reach(f"{boundary} done")
            return result

        reach(f"{boundary} begun")
        result = run_step(name, body)
        reach(f"{boundary} recorded")
        return result

    worker._dbos_step = step


def _mark_hands(reach: Callable[[str], None]) -> None:
    """An attempt is handed to the engine, and taken by the one who does it."""

    def around(name: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def marked(*arguments: Any) -> Any:
            reach(f"{name} begun")
            result = do(*arguments)
            reach(f"{name} done")
            return result

        return marked

    DBOS.start_workflow = staticmethod(around("hand", DBOS.start_workflow))
    worker.Worker._begin = around("take", worker.Worker._begin)


def _mark_firings(reach: Callable[[str], None]) -> None:
    fire, change, settle, note = firing._fire, firing._change, firing._settle, firing._note
    within: list[str] = []
    """Whose transaction is open, or was and has just been committed."""

    def marked_fire(*arguments: Any) -> bool:
        reach("fire begun")
        within[:] = ["fire"]
        fired = fire(*arguments)
        within.clear()
        reach("fire committed")
        return fired

    def marked_change(*arguments: Any) -> None:
        change(*arguments)
        if within == ["fire"]:
            reach("fire written")

    def marked_note(*arguments: Any) -> None:
        within[:] = ["settle"]
        reach("settle begun")
        note(*arguments)
        reach("settle written")

    def marked_settle(*arguments: Any) -> None:
        settle(*arguments)
        if within:
            within.clear()
            reach("settle committed")

    firing._fire, firing._change, firing._settle, firing._note = marked_fire, marked_change, marked_settle, marked_note
