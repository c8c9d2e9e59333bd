"""Server start to first answer beside the bare imports, and the memory of idle processes."""

import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import describe, memory_mib, service, spread, wait_until_ready

ROUNDS = 5
IMPORTS = "import fastapi, sqlalchemy, pyarrow"
HEAVY = ("numba", "scipy", "sklearn", "lance", "dbos", "alembic")


def main() -> None:
    print(f"## Start and memory\n\n{describe()}\n")
    folder = Path(tempfile.mkdtemp(prefix="coterie-bench-"))
    start(folder)  # makes the data folder
    imports: list[float] = []
    starts: list[float] = []
    for _ in range(ROUNDS):
        imports.append(seconds([sys.executable, "-c", IMPORTS]))
        starts.append(start(folder))
    shutil.rmtree(folder)
    ratios = [s / i for s, i in zip(starts, imports, strict=True)]
    print("| | seconds |\n|---|---|")
    print(f"| `python -c '{IMPORTS}'` | {spread(imports)} |\n| server start to first answer | {spread(starts)} |")
    print(f"\nRatio: {spread(ratios)}\n")
    print(f"Loaded by the server of {', '.join(HEAVY)}: {', '.join(loaded()) or 'none'}\n")
    with service() as running:
        data = Path(running.process.args[running.process.args.index("--data-dir") + 1])
        worker = wait_for_worker(data)
        time.sleep(2)
        server_mib, worker_mib = memory_mib(running.process.pid, "VmRSS"), memory_mib(worker, "VmRSS")
    print(f"Idle memory: server {server_mib:.0f} MiB, worker {worker_mib:.0f} MiB")


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - started


def start(folder: Path) -> float:
    """Seconds from the start of the process to its first answer."""
    (folder / "server.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "coterie", "serve", "--port", "0", "--workers", "0", "--data-dir", str(folder)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_until_ready(folder, 0.005)
    taken = time.perf_counter() - started
    process.terminate()
    process.wait()
    return taken


def loaded() -> list[str]:
    code = f"import sys; import coterie.app, coterie.wiring, uvicorn; print([m for m in {HEAVY!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return [str(name) for name in json.loads(found.replace("'", '"'))]


def wait_for_worker(folder: Path) -> int:
    while True:
        with sqlite3.connect(folder / "coterie.db") as db:
            row = db.execute("SELECT pid FROM workers").fetchone()
        if row is not None:
            return int(row[0])
        time.sleep(0.1)


if __name__ == "__main__":
    main()
