"""What deploys the service: the image, the services of compose and the units of systemd, as far as they can be tried
without an engine for containers."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

import coterie
from conftest import wait_for_task
from coterie.config import Settings
from objectstore import ACCESS_KEY, SECRET_KEY, ObjectStore
from postgres import Postgres
from support import KMEANS, add_cluster, add_collection

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
UNITS = sorted((ROOT / "deploy").glob("*.service"))
SETTINGS = {f"COTERIE_{name.upper()}" for name in Settings.model_fields}
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
START_SECONDS = 60
POWERLESS = ["setpriv", "--no-new-privs", "--bounding-set=-all"] if os.getuid() == 0 else []
"""Root without capabilities may write no more than the owner: nothing that is read-only."""

COTERIE = [*POWERLESS, sys.executable, "-m", "coterie"]


def example() -> dict[str, str]:
    """The variables of `.env.example`."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def fill_in(text: str, values: dict[str, str]) -> str:
    """A value of compose with its variables replaced, as compose does it."""
    return VARIABLE.sub(lambda found: values.get(found[1]) or (found[3] if found[2] == "-" else ""), text)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_may_do_as_little_as_it_can(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].split(":")[0]) > 0
    assert re.fullmatch(r"[\w./-]+:(?!latest$)[\w.-]+", service["image"])
    assert service["restart"] == "no" or service["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_for_what_it_needs_by_a_condition_that_can_come_true(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        once = SERVICES[other]["restart"] == "no"
        assert how["condition"] == ("service_completed_successfully" if once else "service_healthy")


@pytest.mark.parametrize("name", SERVICES)
def test_variables_are_settings_and_secrets_come_from_the_environment_file(name: str) -> None:
    environment = SERVICES[name].get("environment", {})
    assert {each for each in environment if each.startswith("COTERIE_")} <= SETTINGS
    for variable, value in environment.items():
        assert {found[1] for found in VARIABLE.finditer(value)} <= set(example())
        if re.search("PASSWORD|SECRET|KEY|DATABASE_URL", variable):
            assert VARIABLE.search(value), variable
    assert not example()["POSTGRES_PASSWORD"]


def test_only_the_server_is_reached_from_without_and_the_stores_reach_nothing() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["server"]
    assert COMPOSE["networks"]["inner"]["internal"] is True
    assert [name for name in SERVICES if SERVICES[name]["networks"] == ["inner"]] == ["postgres", "store", "bucket"]


def test_the_image_is_of_this_version_and_names_no_registry() -> None:
    assert f'image.version="{coterie.__version__}"' in DOCKERFILE
    assert {SERVICES[name]["image"] for name in OURS} == {f"coterie:{coterie.__version__}"}
    assert "://" not in DOCKERFILE
    assert re.search(r"pip install .*-c /constraints\.txt", DOCKERFILE)
    assert f"USER {SERVICES['server']['user']}" in DOCKERFILE
    assert set(image_environment()) <= SETTINGS


def image_environment() -> dict[str, str]:
    """The settings that the image brings along."""
    return dict(re.findall(r"(COTERIE_\w+)=(\S+)", DOCKERFILE))


@pytest.mark.slow
def test_the_dockerfile_has_no_faults() -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("hadolint is not installed: `make check-all` does it")
    done = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_are_well_formed_and_hardened(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text()
    assert set(re.findall(r"COTERIE_[A-Z_]+", text)) <= SETTINGS
    lines = {"ProtectSystem=strict", "NoNewPrivileges=yes", "Restart=on-failure", "KillSignal=SIGTERM"}
    assert lines <= set(text.splitlines())
    assert "\nMemoryMax=" in text
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on this machine")
    here = tmp_path / unit.name.replace("@", "@1")
    here.write_text(text.replace("/opt/coterie/bin/coterie", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", here], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


class Machine:
    """Services of compose, run by hand: without capabilities, with their environment, on a source that is read-only."""

    def __init__(self, folder: Path, database_url: str, storage_url: str) -> None:
        self.source, self.data = folder / "source", folder / "data"
        shutil.copytree(
            Path(coterie.__file__).parent, self.source / "coterie", ignore=shutil.ignore_patterns("*.nbi", "*.nbc")
        )
        subprocess.run(["chmod", "-R", "a-w", self.source], check=True)
        self.data.mkdir(mode=0o700)
        self.port, self.metrics_port = _free_port(), _free_port()
        self.local = {
            "COTERIE_DATABASE_URL": database_url,
            "COTERIE_STORAGE_URL": storage_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "COTERIE_DATA_DIR": str(self.data),
            "COTERIE_HOST": "127.0.0.1",
            "COTERIE_METRICS_HOST": "127.0.0.1",
            "COTERIE_PORT": str(self.port),
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.log = folder / "log"

    def start(self, name: str) -> None:
        """The command of a service."""
        command = [*COTERIE, *SERVICES[name]["command"]]
        with self.log.open("a") as log:
            self.processes[name] = subprocess.Popen(
                command, env=self._environment(name), cwd="/tmp", stdout=log, stderr=log
            )

    def is_healthy(self, name: str) -> bool:
        """What the check of the service says."""
        program, *arguments = SERVICES[name]["healthcheck"]["test"][1:]
        assert program == "coterie"
        check = [*COTERIE, *arguments]
        done = subprocess.run(check, env=self._environment(name), cwd="/tmp", capture_output=True, check=False)
        return done.returncode == 0

    def wait(self, name: str) -> None:
        """Until a service is healthy."""
        deadline = time.monotonic() + START_SECONDS
        while not self.is_healthy(name):
            assert self.processes[name].poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(1)

    def stop(self, name: str) -> int:
        """End a service as the engine does; its exit status."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(30)

    def _environment(self, name: str) -> dict[str, str]:
        filled = {**example(), "POSTGRES_PASSWORD": "p", "AWS_SECRET_ACCESS_KEY": "s"}
        own = {key: fill_in(value, filled) for key, value in SERVICES[name]["environment"].items()}
        if "COTERIE_METRICS_PORT" in own:
            own["COTERIE_METRICS_PORT"] = str(self.metrics_port)
        python = {"PYTHONPATH": str(self.source), "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/tmp"}
        return {**image_environment(), **own, **self.local, **python, "PATH": os.environ["PATH"]}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def machine(postgres: Postgres, object_store: ObjectStore) -> Iterator[Machine]:
    url = postgres.create()
    folder = Path(tempfile.mkdtemp(prefix="coterie-deploy-"))
    made = Machine(folder, url, object_store.create())
    yield made
    for process in made.processes.values():
        process.kill()
        process.wait()
    postgres.drop(url)
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)
    shutil.rmtree(folder)


def test_the_services_start_are_found_healthy_and_end(machine: Machine) -> None:
    machine.start("server")
    machine.wait("server")
    assert not machine.is_healthy("worker")
    machine.start("worker")
    machine.wait("worker")
    assert "coterie_jobs_in_hand" in httpx.get(f"http://127.0.0.1:{machine.metrics_port}/metrics").text
    assert machine.stop("worker") == 0
    assert not machine.is_healthy("worker")
    assert machine.stop("server") == 0
    assert not machine.is_healthy("server")
    lines = [json.loads(line) for line in machine.log.read_text().splitlines()]
    assert any("bootstrap.key" in line["message"] for line in lines)


@pytest.mark.slow
def test_a_run_goes_through_where_only_the_data_folder_can_be_written(machine: Machine) -> None:
    machine.start("server")
    machine.wait("server")
    machine.start("worker")
    key = (machine.data / "bootstrap.key").read_text().strip()
    at, headers = f"http://127.0.0.1:{machine.port}", {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=at, headers=headers) as client:
        add_collection(client)
        add_cluster(client, "first", vector_config=KMEANS)
        started = client.post("/v1/clusters/first/execute").json()
        task = wait_for_task(client, started["task_id"], seconds=240)
    assert task["status"] == "COMPLETED", task
    assert any((machine.data / "compiled").iterdir())
    assert not list(machine.source.rglob("*.nbi"))
