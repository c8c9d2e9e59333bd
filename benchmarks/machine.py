"""What the figures were measured on, and what several benchmarks share."""

import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import httpx
import orjson


@dataclass(frozen=True)
class Running:
    """A server process that answers."""

    url: str
    key: str
    process: subprocess.Popen[bytes]
    folder: Path


def describe() -> str:
    """Processor, cores, Python and the versions that matter."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    names = ("fastapi", "uvicorn", "sqlalchemy", "pylance", "pyarrow", "numpy", "scikit-learn")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}; {versions}"


@contextmanager
def service(*options: str, database_url: str | None = None) -> Iterator[Running]:
    """`coterie serve` on a fresh folder, with one worker unless the options say otherwise."""
    environment = {**os.environ, **({} if database_url is None else {"COTERIE_DATABASE_URL": database_url})}
    folder = Path(tempfile.mkdtemp(prefix="coterie-bench-"))
    command = [sys.executable, "-m", "coterie", "serve", "--port", "0", "--data-dir", str(folder), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    try:
        url = wait_until_ready(folder)
        yield Running(url, (folder / "bootstrap.key").read_text().strip(), process, folder)
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_ready(folder: Path, pause: float = 0.02) -> str:
    """The URL of the service on a folder, once it answers."""
    for _ in range(int(60 / pause)):
        try:
            url = str(orjson.loads((folder / "server.json").read_bytes())["url"])
            if httpx.get(f"{url}/healthz").status_code == 200:
                return url
        except (OSError, ValueError, httpx.TransportError):
            time.sleep(pause)
    raise RuntimeError("the service did not start")


def memory_mib(pid: int, field: str) -> float:
    """A figure of /proc/PID/status in MiB: `VmRSS` now, `VmHWM` at most so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"{field} is not known")


def spread(values: list[float], digits: int = 2) -> str:
    """Median, and the smallest and largest in brackets."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"
