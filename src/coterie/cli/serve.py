"""`coterie serve` and `coterie worker`."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coterie.cli.keys import sign_in_link
from coterie.cli.options import DEFAULT_DATA_DIR, DataDir, fail
from coterie.kit import telemetry
from coterie.kit.telemetry import Telemetry

if TYPE_CHECKING:
    from coterie.config import Settings

log = logging.getLogger("coterie.server")

RESTART_SECONDS = (0.5, 30.0)
"""How long to wait before a worker that ended is started again: at first, and at most."""

STOP_SECONDS = 20


def serve(
    host: Annotated[str, typer.Option(envvar="COTERIE_HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="COTERIE_PORT", min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8000,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    workers: Annotated[
        int, typer.Option(envvar="COTERIE_WORKERS", min=0, max=64, help="Worker processes beside the server.")
    ] = 1,
) -> None:
    """Run the service: the API in this process, workers beside it."""
    import uvicorn  # noqa: PLC0415

    from coterie.app import create_app  # noqa: PLC0415
    from coterie.config import Settings  # noqa: PLC0415
    from coterie.kit.errors import CannotStart  # noqa: PLC0415
    from coterie.wiring import open_services  # noqa: PLC0415

    settings = Settings(host=host, port=port, data_dir=data_dir, workers=workers)
    _observe(settings, "server")
    listener, url = _listen(host, port)
    try:
        services, key = open_services(settings, settings.statement_seconds)
    except CannotStart as error:
        fail(str(error))
    crew = Crew(workers, data_dir, settings.metrics_port)
    # Until uvicorn listens to signals, and when it raises the one that ended it once more, they end this function.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    address = data_dir / "server.json"
    first = not _another_runs(address)
    if first:
        address.write_text(json.dumps({"url": url, "pid": os.getpid()}))
    try:
        if settings.log_format == "json":  # such a log is kept, and no place for what opens the service
            log.info("Coterie is at %s%s", url, "" if key is None else f"; its first key is in {settings.key_path}")
        else:
            _announce(url, sign_in_link(services, url), key, settings.key_path)
        crew.start()
        app = create_app(services, closing=lambda: server.should_exit)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=10))
        server.run(sockets=[listener])
    finally:
        crew.stop()
        if first:
            address.unlink(missing_ok=True)
        services.db.close()
        telemetry.stop()


def worker(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    parent_pid: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run one more worker on a data folder. It takes jobs until it is stopped, and its own end loses none."""
    from coterie.config import Settings  # noqa: PLC0415
    from coterie.kit import metrics  # noqa: PLC0415
    from coterie.kit.errors import CannotStart  # noqa: PLC0415
    from coterie.wiring import run_worker  # noqa: PLC0415

    settings = Settings(data_dir=data_dir)
    _observe(settings, "worker")
    if settings.metrics_port is not None:
        metrics.serve(settings.metrics_host, settings.metrics_port)
    try:
        run_worker(settings, parent_pid)
    except CannotStart as error:
        fail(str(error))


class Crew:
    """The worker processes beside a server: one that ends is started again, a little later each time."""

    def __init__(self, size: int, data_dir: Path, metrics_port: int | None = None) -> None:
        self._metrics_port = metrics_port
        self._stopping = threading.Event()
        self._command = [sys.executable, "-m", "coterie", "worker", "--data-dir", str(data_dir)]
        self._command += ["--parent-pid", str(os.getpid())]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._keepers = [threading.Thread(target=self._keep, args=(number,), daemon=True) for number in range(size)]

    def start(self) -> None:
        """Start them all."""
        for keeper in self._keepers:
            keeper.start()

    def stop(self) -> None:
        """End them all, and wait for it."""
        self._stopping.set()
        for process in list(self._processes.values()):
            process.terminate()
        for process in list(self._processes.values()):
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()

    def _keep(self, number: int) -> None:
        pause, most = RESTART_SECONDS
        while not self._stopping.is_set():
            begun = time.monotonic()
            process = subprocess.Popen(self._command, env=self._environment(number))
            self._processes[number] = process
            if self._stopping.is_set():
                process.terminate()
            process.wait()
            if time.monotonic() - begun > most:
                pause = RESTART_SECONDS[0]
            self._stopping.wait(pause)
            pause = min(pause * 2, most)

    def _environment(self, number: int) -> dict[str, str]:
        """Of one worker: each has a port of its own for its metrics."""
        if not self._metrics_port:
            return dict(os.environ)
        return {**os.environ, "COTERIE_METRICS_PORT": str(self._metrics_port + number)}


def _observe(settings: "Settings", role: str) -> None:
    """Have this process log and trace as the settings say."""
    told = Telemetry(settings.log_level, settings.log_format, settings.tracing)
    try:
        telemetry.start(told, role)
    except telemetry.NotInstalled as error:
        fail(str(error))


def _listen(host: str, port: int) -> tuple[socket.socket, str]:
    """A bound socket and the URL that reaches it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        fail(f"cannot listen on {host}:{port} ({error.strerror}): choose another --port, or 0 for a free one")
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return listener, f"http://{shown}:{listener.getsockname()[1]}"


def _another_runs(address: Path) -> bool:
    """Whether the service that a folder names is alive: commands go on finding that one."""
    try:
        pid = int(json.loads(address.read_text())["pid"])
        os.kill(pid, 0)
    except (OSError, ValueError, KeyError):
        return False
    return pid != os.getpid()  # in a container every start may have the same number


def _announce(url: str, link: str, key: str | None, key_path: Path) -> None:
    typer.echo(f"Coterie is at {url} (API page: {url}/docs)")
    typer.echo(f"Sign a browser in, once and within 15 minutes: {link}")
    if key is not None:
        typer.echo(f"First start. This API key is shown once; it is also in {key_path}:\n{key}")
    sys.stdout.flush()
