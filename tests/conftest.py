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
from typing import NamedTuple

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
from coterie.store.storage import Storage, open_storage
from coterie.wiring import open_services
from objectstore import NoObjectStore, ObjectStore, files_of, start_object_store
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


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """An object store for the tests of one process."""
    try:
        with start_object_store() as running:
            yield running
    except NoObjectStore as error:
        pytest.skip(str(error))


class Place(NamedTuple):
    """Where a service keeps its records, vectors and artifacts; None is in its data folder."""

    database_url: str | None = None
    storage_url: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        said = {"COTERIE_DATABASE_URL": self.database_url, "COTERIE_STORAGE_URL": self.storage_url}
        return {name: value for name, value in said.items() if value is not None}


HERE = Place()
EMBEDDED, SPREAD = "sqlite", "postgresql"
PLACES = [EMBEDDED, SPREAD]
"""SQLite with files in a folder, and PostgreSQL with an object store."""


def place_of(kind: str, request: pytest.FixtureRequest, database: Callable[[Postgres], str] = Postgres.create) -> Place:
    """A fresh place of a kind."""
    if kind == EMBEDDED:
        return HERE
    server, store = request.getfixturevalue("postgres"), request.getfixturevalue("object_store")
    return Place(database(server), store.create())


@pytest.fixture(params=PLACES)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Of a fresh service, on each store."""
    common = Settings(data_dir=tmp_path / "data", port=0, worker_grace_seconds=5, heartbeat_seconds=0.5)
    place = place_of(request.param, request, lambda server: server.create(_migrated(server)))
    yield common.model_copy(update=place._asdict())
    if place.database_url is not None:
        request.getfixturevalue("postgres").drop(place.database_url)


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
    place: Place = HERE

    @property
    def artifacts(self) -> Storage:
        """The files of runs."""
        return open_storage(self.place.storage_url or self.data_dir).below("artifacts")

    def files(self, part: str = "") -> list[str]:
        """The keys of the artifacts that have `part` in them."""
        return files_of(self.artifacts, part)

    def query(self, statement: str) -> list[tuple[object, ...]]:
        """What the records say."""
        engine = create_engine(
            self.place.database_url or f"sqlite:///{self.data_dir / 'coterie.db'}", poolclass=NullPool
        )
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


def start_service(data_dir: Path, *options: str, place: Place = HERE) -> Service:
    """`coterie serve` on a free port, once it answers."""
    quick = {"COTERIE_WORKER_GRACE_SECONDS": "5", "COTERIE_HEARTBEAT_SECONDS": "0.5"}
    environment = {**os.environ, **quick, **place.environment}
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
            return Service(url, (data_dir / "bootstrap.key").read_text().strip(), data_dir, process, place)
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


@pytest.fixture(scope="session", params=PLACES)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service of each store for the tests that only need a running one."""
    running = start_service(tmp_path_factory.mktemp("service"), place=place_of(request.param, request))
    yield running
    assert running.stop() == 0


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Place:
    """Where the services of `run_service` keep what they have."""
    return place_of(request.param, request)


@pytest.fixture
def run_service(tmp_path: Path, place: Place) -> Iterator[Callable[..., Service]]:
    """Starts services that a test may kill; whatever is left is killed after it."""
    running: list[Service] = []

    def start(*options: str, data_dir: Path | None = None) -> Service:
        folder = data_dir or tmp_path / "data"
        folder.mkdir(parents=True, exist_ok=True)
        running.append(start_service(folder, *options, place=place))
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
