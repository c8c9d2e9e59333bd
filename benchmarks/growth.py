"""HDBSCAN over 10,000, 100,000 and 1,000,000 vectors of 512: time, peak memory beside the data, and the exponent of
growth; each in a process of its own, after a small run. Then what starting costs: a first run in a new process beside a
second one."""

import math
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.machine import describe
from benchmarks.vectors import planted

SIZES = (10_000, 100_000, 1_000_000)
CHILD = """
import sys, time
from pathlib import Path
import numpy as np
from coterie.engine.clustering import cluster
from coterie.engine.specs import HDBSCANParams
spec = HDBSCANParams(min_cluster_size=10, min_samples=5)
rows = np.load(sys.argv[1])
cluster(rows[:2000], spec)
begun = time.perf_counter()
found = cluster(rows, spec)
seconds = time.perf_counter() - begun
status = Path("/proc/self/status").read_text()  # getrusage's figure is that of the parent, if it was larger
peak = 1024 * int(status.split("VmHWM:")[1].split()[0])
print(seconds, peak / rows.nbytes, found.groups, (found.labels < 0).mean())
"""
FIRST = """
import time
begun = time.perf_counter()
import numpy as np
from coterie.engine.clustering import cluster
from coterie.engine.specs import HDBSCANParams
rows = np.random.default_rng(0).normal(size=(10_000, 512)).astype(np.float32)
made = time.perf_counter()
spec = HDBSCANParams(min_cluster_size=10, min_samples=5)
cluster(rows, spec)
first = time.perf_counter()
cluster(rows, spec)
again = time.perf_counter() - first
import_and_first = first - begun
print(import_and_first, again)
"""


def main() -> None:
    """Print a line a size, and the start."""
    print(describe())
    took: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            file = Path(folder) / "rows.npy"
            np.save(file, planted(size).vectors)
            seconds, peak, groups, noise = map(float, _run(CHILD, str(file)).split())
            took[size] = seconds
            memory = f"peak {peak:.2f} times the data"
            print(f"{size:,} x 512: {seconds:.2f} s, {memory}, {groups:.0f} groups, noise {noise:.2f}")
    for small, large in pairwise(SIZES):
        exponent = math.log(took[large] / took[small]) / math.log(large / small)
        print(f"from {small:,} to {large:,}: n to the power of {exponent:.2f}")
    first, again = map(float, _run(FIRST).split())
    print(f"new process, warm cache: import and first run of 10,000 {first:.2f} s, second run {again:.2f} s")


def _run(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
