"""What an object store costs against a folder of the same machine: vectors appended, scanned, read by key, compacted; a
run's members read by the page. The store is SeaweedFS on loopback: there is no network, but its work takes the same
cores."""

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.machine import describe
from coterie.runs.artifacts import ROW_GROUP
from coterie.store.storage import Storage, open_storage
from coterie.store.vectors import Space, VectorStore

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

ROWS, DIMENSIONS = 200_000, 384
BATCH, SMALL = 10_000, 100
POINTS = 100
MEMBERS = 1_000_000
PAGE = 1_000
ROUNDS = 7
SPACE = Space("ns", "col", "v")


def main() -> None:
    """Print seconds of both, and the ratio."""
    from objectstore import start_object_store

    print("## Storage\n")
    print(describe(), "\n")
    folder = Path(tempfile.mkdtemp(prefix="coterie-bench-"))
    try:
        with start_object_store() as store:
            local = _measure(open_storage(folder / "data"), folder)
            remote = _measure(open_storage(store.create()), folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{ROWS:,} x {DIMENSIONS} vectors; a run of {MEMBERS:,} members\n")
    print("| what | folder, s | object store, s | ratio |\n|---|---:|---:|---:|")
    for what, seconds in local.items():
        print(f"| {what} | {seconds:.4f} | {remote[what]:.4f} | {remote[what] / seconds:.1f} |")


def _measure(storage: Storage, folder: Path) -> dict[str, float]:
    dice = np.random.default_rng(0)
    vectors = VectorStore(storage.below("vectors"))
    block = dice.normal(size=(BATCH, DIMENSIONS)).astype(np.float32)
    found: dict[str, float] = {}

    def append(first: int, rows: int) -> None:
        vectors.append(SPACE, np.arange(first, first + rows), block[:rows])

    append(0, SMALL)
    starts = iter(range(SMALL, ROWS, SMALL))
    found[f"append {SMALL:,}"] = _median(lambda: append(next(starts), SMALL), 40)
    begun = time.perf_counter()
    for start in range(ROWS, 2 * ROWS, BATCH):
        append(start, BATCH)
    found[f"append {ROWS:,} by {BATCH:,}"] = time.perf_counter() - begun
    keys = np.arange(ROWS, 2 * ROWS)
    out = np.empty((ROWS, DIMENSIONS), np.float32)
    found["scan all to an array"] = _median(lambda: vectors.read(SPACE, keys, out))
    found[f"read {POINTS} by key"] = _median(
        lambda: vectors.read(SPACE, ROWS + dice.choice(ROWS, POINTS, replace=False))
    )
    begun = time.perf_counter()
    vectors.compact()
    found["compact"] = time.perf_counter() - begun
    found["scan all to an array, compacted"] = _median(lambda: vectors.read(SPACE, keys, out))
    found[f"read {POINTS} by key, compacted"] = _median(
        lambda: vectors.read(SPACE, ROWS + dice.choice(ROWS, POINTS, replace=False))
    )
    table = pa.table(
        {
            "point_id": [f"document-{number}" for number in range(MEMBERS)],
            "distance": dice.random(MEMBERS, np.float32),
            "payload": [f'{{"text": "of document {number}"}}' for number in range(MEMBERS)],
        }
    )
    blobs = storage.below("artifacts")

    pq.write_table(table, folder / "members.parquet", compression="zstd", row_group_size=ROW_GROUP)
    begun = time.perf_counter()
    blobs.publish("run/members.parquet", folder / "members.parquet")
    found["publish a run's members"] = time.perf_counter() - begun

    def page() -> None:
        with blobs.open("run/members.parquet") as file:
            pq.ParquetFile(file, pre_buffer=True).read_row_group(int(dice.integers(MEMBERS // ROW_GROUP)))[:PAGE]

    found[f"a page of {PAGE:,} members"] = _median(page)
    return found


def _median(do: Callable[[], object], rounds: int = ROUNDS) -> float:
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        do()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)
