"""A pass over the parts of COTERIE_ROWS (10,000,000) vectors of 384, each to the nearest of 1,000 centroids: in the
worker's child with one processor and with all, and on Ray with one node and two of one processor each; and over a
tenth of the parts, for how the time grows.

The vectors are made in streams and go to a temporary folder, 15 GB of them. The cluster is in namespaces of its own
(unshare, as root), and ends with them.
"""

import hashlib
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.machine import describe, memory_mib
from coterie.compute.executor import Executor
from coterie.compute.local import LocalExecutor
from coterie.compute.ray import RayExecutor
from coterie.runs.part_stages import Space
from coterie.store.parts import Part, Snapshot, divide

ROWS = int(os.environ.get("COTERIE_ROWS", "10000000"))
DIMENSIONS, GROUPS, NODES = 384, 1_000, 2
BLOCK = 65_536
NAMESPACES = ["unshare", "--net", "--pid", "--fork", "--mount-proc"]
ADDRESS = "127.0.0.1:6379"
RAY = str(Path(sys.executable).with_name("ray"))
SPACE: Space = {"normalize": False, "whitening": None, "reduction": None, "cosine": False}


def main() -> None:
    """Print a line a way, and the exponents."""
    if subprocess.run([*NAMESPACES, "true"], check=False, stderr=subprocess.DEVNULL).returncode:
        print("without passes: they need namespaces of their own (unshare, as root)")
        return
    print(describe(), f"{ROWS:,} x {DIMENSIONS}, {GROUPS:,} centroids", flush=True)
    with tempfile.TemporaryDirectory(prefix="passes-") as folder:
        environment = {**os.environ, "RAY_TMPDIR": folder, "RAY_USAGE_STATS_ENABLED": "0"}
        command = [*NAMESPACES, sys.executable, "-m", __name__, folder]
        subprocess.run(command, env=environment, check=True)


def measure(folder: Path) -> None:
    """All of it, within the namespaces."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    centroids = np.random.default_rng(0).normal(size=(GROUPS, DIMENSIONS)).astype(np.float32)
    begun = time.perf_counter()
    parts = divide(write(folder / "vectors.lance", centroids), DIMENSIONS)
    print(f"written in {time.perf_counter() - begun:.0f} s; {len(parts)} parts of {parts[0].rows:,} rows", flush=True)
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})
    base = report("in process, 1 processor", LocalExecutor(), parts, centroids)
    os.sched_setaffinity(0, processors)
    report(f"in process, {len(processors)} processors", LocalExecutor(), parts, centroids, base)
    for nodes in range(1, NODES + 1):
        start_node(nodes)
        report(f"Ray, {nodes} x 1 processor", RayExecutor(ADDRESS), parts, centroids, base)


def write(path: Path, centroids: Any) -> Snapshot:
    """Rows around the centroids, a block at a time."""
    import lance

    dice = np.random.default_rng(1)
    schema = pa.schema([("key", pa.int64()), ("vector", pa.list_(pa.float32(), DIMENSIONS))])

    def blocks() -> Any:
        for start in range(0, ROWS, BLOCK):
            count = min(BLOCK, ROWS - start)
            rows = dice.standard_normal((count, DIMENSIONS), np.float32)
            rows += centroids[dice.integers(GROUPS, size=count)]
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), DIMENSIONS)
            yield pa.record_batch([pa.array(np.arange(start, start + count)), vectors], schema=schema)

    made = lance.write_dataset(blocks(), str(path), schema=schema)
    rows = [(fragment.fragment_id, fragment.count_rows()) for fragment in made.get_fragments()]
    return Snapshot(str(path), made.version, {}, rows)


def report(name: str, executor: Executor, parts: list[Part], centroids: Any, base: float | None = None) -> float:
    """The seconds of a pass over all parts, after one over a tenth of them, which warms up, and another."""
    tenth = parts[: max(2 * NODES, len(parts) // 10)]
    go(executor, tenth, centroids)
    few, _ = go(executor, tenth, centroids)
    seconds, digest = go(executor, parts, centroids)
    peaks = ", ".join(f"{peak:,.0f}" for peak in peaks_mib())
    rows = sum(part.rows for part in parts)
    exponent = math.log(seconds / few) / math.log(rows / sum(part.rows for part in tenth))
    print(
        f"{name}: {seconds:.1f} s, {rows / seconds:,.0f} rows/s, {(base or seconds) / seconds:.2f} times as fast, "
        f"exponent {exponent:.2f}, at most {peaks} MiB a process; labels {digest}",
        flush=True,
    )
    executor.close()
    return seconds


def go(executor: Executor, parts: list[Part], centroids: Any) -> tuple[float, str]:
    """The seconds of a pass, and what tells its labels from others."""
    found = hashlib.blake2b(digest_size=4)
    arguments = {"space": SPACE, "rule": {"centroids": centroids}, "mapped": False}
    given = [{"part": part, "chosen": None} for part in parts]
    begun = time.perf_counter()
    for labels, _ in executor.map("coterie.runs.part_stages:assign", given, arguments, lambda share: None):
        found.update(labels.tobytes())
    return time.perf_counter() - begun, found.hexdigest()


def peaks_mib() -> list[float]:
    """The largest memory so far of each process that computes parts."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        command = (path / "cmdline").read_bytes()
        if b"multiprocessing.spawn" in command or command.startswith((b"ray::do_part", b"ray::IDLE")):
            found.append(memory_mib(int(path.name), "VmHWM"))
    return found


def start_node(number: int) -> None:
    """The cluster's first node, or another."""
    node = ["--head", "--port=6379", "--include-dashboard=false"] if number == 1 else [f"--address={ADDRESS}"]
    limits = ["--num-cpus=1", "--object-store-memory=500000000", "--disable-usage-stats"]
    subprocess.run(["timeout", "60", RAY, "start", *node, *limits], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    measure(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # the cluster goes with the namespace
