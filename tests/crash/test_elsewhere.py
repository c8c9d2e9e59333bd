"""Jobs whose worker is gone and whose files no other sees, or whose steps none knows: begun anew, and done once."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import insert, select, text
from starlette.testclient import TestClient

from conftest import SPREAD, place_of, wait_for_task
from coterie.app import create_app
from coterie.config import MIB, Settings
from coterie.store.tables import tasks, workers
from coterie.wiring import open_services
from crash.crew import Crew
from crash.killed_worker import VERSION
from crash.test_boundaries import check_ends, check_run
from crash.test_kill import until
from postgres import Postgres
from support import add_cluster, add_collection

ROWS = 1800
"""Of a metric that compares all pairs: more than the least memory that a worker may have."""


@pytest.fixture(scope="module")
def crew(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    made = Crew(tmp_path_factory.mktemp("crew"), place_of(SPREAD, request))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("other", "definition", "death"),
    [("scratch", "by vectors", "characterize 1 recorded"), ("version", "by text", "write 1 recorded")],
)
def test_a_run_is_begun_anew_by_a_worker_that_cannot_go_on_with_it(
    crew: Crew, tmp_path: Path, other: str, definition: str, death: str
) -> None:
    crew.then |= {"COTERIE_SCRATCH_DIR": str(tmp_path)} if other == "scratch" else {VERSION: "next"}
    task = crew.die([death], lambda: crew.do(f"/v1/clusters/{definition}/execute"))
    [row] = crew.rows(select(tasks).where(tasks.c.id == task["task_id"]))
    assert (row.attempt, row.recoveries) == (1, 1)
    check_ends(crew)
    check_run(crew, task["task_id"], task["additional_data"]["run_id"])
    assert crew.told() == {"cluster.execution.started": 1, "cluster.execution.completed": 1}
    begun = (crew.settings.data_dir / "passed").read_text().splitlines().count("members 1 begun")
    assert begun == (1 if other == "scratch" else 2)  # in the same folder, too, no step of another version is believed


@pytest.fixture
def worker_of(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(settings: Settings, memory: int) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "COTERIE_DATABASE_URL": settings.database_url or ""}
        command = [sys.executable, "-m", "coterie", "worker", "--data-dir", str(settings.data_dir)]
        own = {"COTERIE_MEMORY_MIB": str(memory), "COTERIE_SCRATCH_DIR": str(tmp_path / f"scratch-{memory}")}
        started.append(subprocess.Popen(command, env={**environment, **own}))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()


def test_a_run_goes_to_the_worker_that_has_the_memory_for_it(
    postgres: Postgres, tmp_path: Path, worker_of: Callable[..., subprocess.Popen[bytes]]
) -> None:
    settings = Settings(data_dir=tmp_path / "data", database_url=postgres.create())
    services, key = open_services(settings)
    with services.db.write() as tx:
        declared = {"id": "large", "memory": 4096 * MIB, "workspace": "", "seen_at": time.time() + 600}
        tx.execute(insert(workers).values(host="elsewhere", pid=1, started_at="", **declared))
    worker_of(settings, 512)

    def read(statement: object) -> list[tuple[object, ...]]:
        with services.db.read() as tx:
            return [tuple(row) for row in tx.execute(statement)]  # type: ignore[call-overload]

    config = {
        "feature_extractor_name": "bring_your_own",
        "clustering_method": "hdbscan",
        "hdbscan_parameters": {"min_cluster_size": 5, "metric": "manhattan"},
    }
    with TestClient(create_app(services), headers={"Authorization": f"Bearer {key}"}) as client:
        add_collection(client, vectors=np.random.default_rng(0).normal(size=(ROWS, 4)).astype(np.float32))
        cluster = add_cluster(client, vector_config=config)["cluster_id"]
        task = client.post(f"/v1/clusters/{cluster}/execute").json()["task_id"]
        state = select(tasks.c.attempt, tasks.c.owner, tasks.c.memory_needed > 512 * MIB)
        until(lambda: read(state) == [(1, None, True)], "the small worker to let go of it")
        large = worker_of(settings, 4096)
        ended = wait_for_task(client, task)
    assert ended["status"] == "COMPLETED", ended
    assert read(select(workers.c.pid).join(tasks, tasks.c.owner == workers.c.id)) == [(large.pid,)]
    services.db.close()


def test_a_worker_older_than_the_schema_refuses_to_start(postgres: Postgres, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", database_url=postgres.create())
    services, _ = open_services(settings)
    with services.db.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    services.db.close()
    command = [sys.executable, "-m", "coterie", "worker", "--data-dir", str(settings.data_dir)]
    environment = {**os.environ, "COTERIE_DATABASE_URL": settings.database_url or ""}
    ended = subprocess.run(command, env=environment, timeout=120, check=False, capture_output=True)
    assert (ended.returncode, b"start the newer version" in ended.stderr) == (1, True)
