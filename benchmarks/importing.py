"""Bulk import over HTTP beside writing the same Arrow table straight to Lance and its payload straight to SQLite."""

import io
import sqlite3
import tempfile
import time
from pathlib import Path

import httpx
import lance
import numpy as np
import orjson
import pyarrow as pa

from benchmarks.machine import describe, memory_mib, service, spread

ROWS, DIMENSIONS, BATCH = 100_000, 384, 10_000
ROUNDS = 3


def main() -> None:
    print(f"## Bulk import\n\n{describe()}\n")
    table = make_table()
    body = to_stream(table)
    direct: list[float] = []
    imported: list[float] = []
    with service("--workers", "0") as running:
        idle = memory_mib(running.process.pid, "VmRSS")
        for number in range(ROUNDS):
            direct.append(straight(table))
            imported.append(over_http(running.url, running.key, f"round {number}", body))
        peak = memory_mib(running.process.pid, "VmHWM")
    ratios = [d / i for d, i in zip(direct, imported, strict=True)]
    print(f"{ROWS:,} documents x {DIMENSIONS} floats with a payload of four fields, {ROUNDS} rounds in turn\n")
    print("| | seconds | documents/s |\n|---|---|---|")
    for name, seconds in (("straight to Lance and SQLite", direct), ("import over HTTP (Arrow)", imported)):
        print(f"| {name} | {spread(seconds)} | {spread([ROWS / s for s in seconds], 0)} |")
    print(f"\nSpeed of the import against writing straight: {spread(ratios)}")
    print(f"Server memory: {idle:.0f} MiB before, {peak:.0f} MiB at most")


def make_table() -> pa.Table:
    random = np.random.default_rng(0)
    flat = random.normal(size=ROWS * DIMENSIONS).astype(np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(flat), DIMENSIONS)
    return pa.table(
        {
            "document_id": [f"doc-{number}" for number in range(ROWS)],
            "vector": vectors,
            "title": [f"title of the document number {number}" for number in range(ROWS)],
            "team": [f"team {number % 17}" for number in range(ROWS)],
            "price": random.uniform(0, 100, ROWS),
            "stock": random.integers(0, 1000, ROWS),
        }
    )


def to_stream(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=BATCH)
    return sink.getvalue()


def straight(table: pa.Table) -> float:
    """Seconds to write the vectors to Lance and the payloads, as JSON by id, to SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        for batch in table.to_batches(BATCH):
            ids_and_vectors = pa.Table.from_batches([batch.select(["document_id", "vector"])])
            lance.write_dataset(
                ids_and_vectors, f"{folder}/vectors.lance", mode="append" if batch_exists(folder) else "create"
            )
        with sqlite3.connect(f"{folder}/payload.db") as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("CREATE TABLE documents (id TEXT PRIMARY KEY, payload TEXT)")
            for batch in table.to_batches(BATCH):
                rows = batch.drop_columns(["vector"]).to_pylist()
                db.executemany(
                    "INSERT INTO documents VALUES (?, ?)",
                    [(row.pop("document_id"), orjson.dumps(row).decode()) for row in rows],
                )
                db.commit()
        return time.perf_counter() - started


def batch_exists(folder: str) -> bool:
    return Path(folder, "vectors.lance").exists()


def over_http(url: str, key: str, name: str, body: bytes) -> float:
    """Seconds for the import, from the first byte sent to the answer."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=None) as client:
        collection = client.post("/v1/collections", json={"collection_name": name}).json()["collection_id"]
        started = time.perf_counter()
        answer = client.post(
            f"/v1/collections/{collection}/documents/import",
            content=body,
            headers={"Content-Type": "application/vnd.apache.arrow.stream"},
        )
        seconds = time.perf_counter() - started
        if answer.json()["imported"] != ROWS:
            raise RuntimeError(answer.text)
        return seconds


if __name__ == "__main__":
    main()
