"""Jobs a second through PostgreSQL, of jobs that do nothing, beside empty workflows of DBOS, which the workers run on.

Counted from when every process has done some, to the last: the start of a process is not in it. DBOS is asked twice:
with as many workflows at a time as a worker does jobs, and without a limit, which no worker with a memory can afford.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
from dbos import DBOS, DBOSClient, DBOSConfig
from sqlalchemy import insert
from tests.postgres import Postgres, start_postgres

from benchmarks.machine import describe
from coterie.compute.local import LocalExecutor
from coterie.config import Settings
from coterie.jobs import queue
from coterie.jobs.worker import Worker
from coterie.kit.clock import SystemClock
from coterie.store.db import Db
from coterie.store.schema import migrate
from coterie.store.tables import organizations

JOBS = 300
AT_A_TIME = 4
WARM = 0.1
"""The share of the jobs that is done before the clock starts."""

NOW = "2026-01-01T00:00:00.000000Z"
DONE = {
    "coterie": "SELECT count(*) FROM tasks WHERE status = 'COMPLETED'",
    "dbos": "SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'",
}


def main() -> None:
    print(f"## Jobs that do nothing, {JOBS:,} of them on PostgreSQL\n\n{describe()}\n")
    print("| jobs a second | 1 process | 2 processes |\n|---|---:|---:|")
    with start_postgres("") as server:
        for name, kind, limit in (
            (f"Coterie, {AT_A_TIME} at a time", "coterie", AT_A_TIME),
            (f"DBOS, {AT_A_TIME} at a time", "dbos", AT_A_TIME),
            ("DBOS without a limit", "dbos", 0),
        ):
            rates = [rate(server, kind, limit, processes) for processes in (1, 2)]
            print(f"| {name} | {rates[0]:.0f} | {rates[1]:.0f} |", flush=True)


def rate(server: Postgres, kind: str, limit: int, processes: int) -> float:
    """Jobs a second of so many worker processes."""
    url = server.create()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="coterie-bench-"))
        FILL[kind](url)
        for _ in range(processes):
            command = [sys.executable, "-m", "benchmarks.jobs", kind, url, folder, str(limit)]
            process = subprocess.Popen(command)
            stack.callback(process.wait)
            stack.callback(process.kill)
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            begun, before = wait_for(connection, DONE[kind], int(JOBS * WARM))
            ended, after = wait_for(connection, DONE[kind], JOBS)
    server.drop(url)
    return (after - before) / (ended - begun)


def wait_for(connection: psycopg.Connection[Any], count: str, least: int) -> tuple[float, int]:
    """The time at which so many are done, and how many there were."""
    while True:
        [(done,)] = connection.execute(count).fetchall()  # type: ignore[call-overload]
        if done >= least:
            return time.perf_counter(), done
        time.sleep(0.02)


def fill_coterie(url: str) -> None:
    db = Db(url)
    migrate(db)
    with db.write() as tx:
        tx.execute(insert(organizations).values(id="o", internal_id="o", name="o", metadata="{}", created_at=NOW))
        for _ in range(JOBS):
            queue.submit(tx, queue.NewTask("o", "ns", "nothing", "engine_cluster_build", {}), NOW)
    db.close()


def fill_dbos(url: str) -> None:
    open_dbos(url)  # makes the tables
    DBOS.destroy()
    client = DBOSClient(system_database_url=url)
    for number in range(JOBS):
        client.enqueue({"queue_name": "nothing", "workflow_name": "nothing"}, number)
    client.destroy()


FILL: dict[str, Callable[[str], None]] = {"coterie": fill_coterie, "dbos": fill_dbos}


class Nothing:
    """The handler of a job that does nothing."""

    def run(self, _job: Any, _payload: Any) -> list[Any]:
        return []

    def ended(self, *_: Any) -> None:
        """Nothing was made."""


def open_dbos(url: str) -> None:
    config: DBOSConfig = {"name": "bench", "system_database_url": url, "log_level": "WARNING"}
    DBOS(config={**config, "application_version": "1"})
    DBOS.launch()


def work(kind: str, url: str, folder: str, limit: int) -> None:
    """A worker process, until it is killed."""
    if kind == "coterie":
        settings = Settings(data_dir=Path(folder), database_url=url, job_concurrency=limit)
        settings.scratch_dir.mkdir(exist_ok=True)
        Worker(settings, Db(url), SystemClock(), LocalExecutor(), {"nothing": Nothing()}, lambda: None).start()
    else:
        DBOS.workflow(name="nothing")(lambda number: number)
        open_dbos(url)
        DBOS.register_queue("nothing", worker_concurrency=limit or None, polling_interval_sec=0.1)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    work(*sys.argv[1:4], int(sys.argv[4]))  # type: ignore[misc]
