"""A real PostgreSQL for tests: started on a loopback port, as a user that is not root, gone at the end."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

INSTALLED = Path("/usr/lib/postgresql")
FAST = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=400 -c shared_buffers=256MB"
_numbers = count()


class NoPostgres(RuntimeError):
    """There is no server program on this machine; the message says what to do."""


class Postgres:
    """A running server."""

    def __init__(self, port: int) -> None:
        self.port = port

    def url(self, database: str) -> str:
        """The URL of a database, as the settings take it."""
        return f"postgresql+psycopg://coterie@127.0.0.1:{self.port}/{database}"

    def create(self, template: str | None = None) -> str:
        """The URL of a new database: an empty one, or a copy of the one of that URL."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        copied = "template0" if template is None else template.rpartition("/")[2]
        self._do(f"CREATE DATABASE {name} TEMPLATE {copied} STRATEGY file_copy")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected."""
        self._do(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def _do(self, statement: str) -> None:
        with psycopg.connect(f"postgresql://coterie@127.0.0.1:{self.port}/postgres", autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]


@contextmanager
def start_postgres(options: str = FAST) -> Iterator[Postgres]:
    """A server on a folder of its own. Raises NoPostgres."""
    programs = sorted(INSTALLED.glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    found = programs[-1] if programs else Path(shutil.which("pg_ctl") or "")
    if not found.is_file():
        raise NoPostgres("no PostgreSQL server on this machine: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="coterie-pg-"))
    port = _free_port()
    _run(
        folder,
        found.parent / "initdb",
        "-D",
        folder / "data",
        "-A",
        "trust",
        "-U",
        "coterie",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
    )
    serve = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 {options}"
    control = (found, "-D", folder / "data", "-w")
    _run(folder, *control, "-o", serve, "-l", folder / "log", "start")
    try:
        yield Postgres(port)
    finally:
        _run(folder, *control, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, *command: Path | str) -> None:
    """As this user, or as one with a home of his own if this is root, whom the server refuses."""
    user = None
    if os.getuid() == 0:
        user = next(name for name in ("postgres", "nobody") if _exists(name))
        shutil.chown(folder, user)
    done = subprocess.run([*map(str, command)], user=user, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr[-500:]}{done.stdout[-500:]}")


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
