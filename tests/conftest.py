"""Fixtures that every room's tests share: an app on a fresh data folder, a client with its key, a real service."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import NullPool, create_engine
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.app import create_app
from coterie.config import Settings
from coterie.store.db import Db
from coterie.store.schema import migrate
from coterie.wiring import open_services
from postgres import NoPostgres, Postgres, start_postgres

START_SECONDS = 60


def pytest_configure() -> None:
    """One seed for all processes of a run."""
    os.environ.setdefault("COTERIE_SEED", str(random.randrange(2**32)))


def pytest_report_header() -> str:
    return f"property tests: COTERIE_SEED={os.environ['COTERIE_SEED']}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for the tests of one process."""
    try:
        with start_postgres() as running:
            yield running
    except NoPostgres as error:
        pytest.skip(str(error))


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Of a fresh service, on each store."""
    common = Settings(data_dir=tmp_path / "data", port=0, worker_grace_seconds=5, heartbeat_seconds=0.5)
    if request.param == "sqlite":
        yield common
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.create(_migrated(server))
    yield common.model_copy(update={"database_url": url})
    server.drop(url)


@cache
def _migrated(server: Postgres) -> str:
    """A database to copy: what every start would do to an empty one."""
    url = server.create()
    db = Db(url)
    migrate(db)
    db.close()
    return url


@pytest.fixture
def opened(settings: Settings) -> Iterator[tuple[Services, str]]:
    services, key = open_services(settings)
    assert key is not None
    yield services, key
    services.db.close()


@pytest.fixture
def services(opened: tuple[Services, str]) -> Services:
    return opened[0]


@pytest.fixture
def auth(opened: tuple[Services, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {opened[1]}"}


@pytest.fixture
def app(services: Services) -> FastAPI:
    return create_app(services)


@pytest.fixture
def client(app: FastAPI, auth: dict[str, str]) -> Iterator[TestClient]:
    with TestClient(app, headers=auth, raise_server_exceptions=False) as test_client:
        yield test_client


LOG = "service.log"


@dataclass
class Service:
    """A running `coterie serve` with its worker."""

    url: str
    key: str
    data_dir: Path
    process: subprocess.Popen[bytes]
    database_url: str | None = None

    def query(self, statement: str) -> list[tuple[object, ...]]:
        """What the records say."""
        engine = create_engine(self.database_url or f"sqlite:///{self.data_dir / 'coterie.db'}", poolclass=NullPool)
        with engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(statement)]

    def client(self, **headers: str) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.key}", **headers}, timeout=120)

    def log(self) -> str:
        """The end of what the server and its workers said, for a test that fails."""
        return (self.data_dir / LOG).read_text()[-5000:]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal the server; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)


def start_service(data_dir: Path, *options: str, database_url: str | None = None) -> Service:
    """`coterie serve` on a free port, once it answers."""
    environment = {**os.environ, "COTERIE_WORKER_GRACE_SECONDS": "5", "COTERIE_HEARTBEAT_SECONDS": "0.5"}
    if database_url is not None:
        environment["COTERIE_DATABASE_URL"] = database_url
    command = [sys.executable, "-m", "coterie", "serve", "--port", "0", "--data-dir", str(data_dir), *options]
    (data_dir / "server.json").unlink(missing_ok=True)
    with (data_dir / LOG).open("a") as log:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=log)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode}")
        url = _announced(data_dir)
        if url is not None and _answers(url):
            return Service(url, (data_dir / "bootstrap.key").read_text().strip(), data_dir, process, database_url)
        time.sleep(0.05)
    process.kill()
    raise RuntimeError("the server did not answer in time")


def _announced(data_dir: Path) -> str | None:
    try:
        return str(httpx.Response(200, content=(data_dir / "server.json").read_bytes()).json()["url"])
    except (OSError, ValueError, KeyError):
        return None


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service of each store for the tests that only need a running one."""
    url = request.getfixturevalue("postgres").create() if request.param == "postgresql" else None
    running = start_service(tmp_path_factory.mktemp("service"), database_url=url)
    yield running
    assert running.stop() == 0


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """Where the services of `run_service` keep their records: None for SQLite, in their data folder."""
    return request.getfixturevalue("postgres").create() if request.param == "postgresql" else None


@pytest.fixture
def run_service(tmp_path: Path, database_url: str | None) -> Iterator[Callable[..., Service]]:
    """Starts services that a test may kill; whatever is left is killed after it."""
    running: list[Service] = []

    def start(*options: str, data_dir: Path | None = None) -> Service:
        folder = data_dir or tmp_path / "data"
        folder.mkdir(parents=True, exist_ok=True)
        running.append(start_service(folder, *options, database_url=database_url))
        return running[-1]

    yield start
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait(10)


def wait_for_task(client: httpx.Client, task_id: str, seconds: float = 120) -> dict[str, object]:
    """The task once it has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        task: dict[str, object] = client.get(f"/v1/tasks/{task_id}").json()
        if task["status"] not in ("PENDING", "PROCESSING"):
            return task
        time.sleep(0.05)
    raise AssertionError(f"task {task_id} did not end: {task}")
