"""What a run takes besides the engine's own time, and a page of members beside reading their row group from Parquet.

`COTERIE_ROWS` vectors are run (100,000), and pages are read of `COTERIE_MEMBERS` members (1,000,000), whose files are
written as a run writes them, over those of a small run.
"""

import io
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.machine import Running, describe, service, spread
from benchmarks.vectors import planted
from coterie.client import Client
from coterie.engine import cluster
from coterie.engine.describe import describe as describe_groups
from coterie.engine.layout import layout
from coterie.engine.quality import quality
from coterie.engine.specs import HDBSCANParams
from coterie.runs.artifacts import MEMBERS, NOISE_ID, ROW_GROUP, write_table

ROWS = int(os.environ.get("COTERIE_ROWS", "100000"))
MANY = int(os.environ.get("COTERIE_MEMBERS", "1000000"))
ROUNDS = int(os.environ.get("COTERIE_ROUNDS", "3"))
PAGE, PAGES = 1_000, 50
SPEC = HDBSCANParams(min_cluster_size=10, min_samples=5)
STREAM = "application/vnd.apache.arrow.stream"
OVERHEAD, TIMES = 0.25, 3.0
"""The targets: the share of the engine's time that a run may take besides, and how many times a page may take."""


def main() -> None:
    """Print both, each round in turn, and how they stand to their targets."""
    print(f"## Runs\n\n{describe()}\n")
    with service() as running, Client(running.url, running.key, timeout=600) as client:
        _overhead(client)
        _pages(running, client)


def _overhead(client: Client) -> None:
    rows = planted(ROWS).vectors
    client.create_collection("vectors")
    client.import_stream("vectors", iter([_stream(rows)]), STREAM)
    config = {
        "feature_extractor_name": "bring_your_own",
        "clustering_method": "hdbscan",
        "hdbscan_parameters": {"min_cluster_size": SPEC.min_cluster_size, "min_samples": SPEC.min_samples},
    }
    client.create_cluster({"cluster_name": "groups", "collection_ids": ["vectors"], "vector_config": config})
    small = rows[:2_000]
    _engine(small)
    client.wait(client.run_cluster("groups", sample_size=2_000)["task_id"])  # has both compiled and loaded
    own: list[float] = []
    measured: list[float] = []
    runs: list[float] = []
    stages: dict[str, float] = {}
    for _ in range(ROUNDS):
        seconds, labels = _engine(rows)
        own.append(seconds)
        begun = time.perf_counter()
        quality(rows, labels, cosine=False, density=True, seed=0)
        measured.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        task = client.run_cluster("groups")["task_id"]
        stages = _stages(client, task)
        client.wait(task)
        runs.append(time.perf_counter() - begun)
    shares = [run / engine - 1 for run, engine in zip(runs, own, strict=True)]
    rest = [run / (engine + more) - 1 for run, engine, more in zip(runs, own, measured, strict=True)]
    print(f"{ROWS:,} x {rows.shape[1]} by HDBSCAN, {ROUNDS} rounds in turn\n\n| | seconds |\n|---|---|")
    for what, taken in (("cluster, describe, layout", own), ("measures of quality", measured)):
        print(f"| engine: {what} | {spread(taken)} |")
    print(f"| run, from request to completed | {spread(runs)} |\n")
    print(f"Overhead: {spread(rest)} of the engine's time (target: below {OVERHEAD})")
    print(f"If the measures of quality, which the engine's door does not take, count as overhead: {spread(shares)}")
    print("Stages of the last run: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in stages.items()))


def _engine(rows: Any) -> tuple[float, Any]:
    """Seconds, and the labels."""
    begun = time.perf_counter()
    labels = cluster(rows, SPEC).labels
    describe_groups(rows, labels)
    layout(rows, 2, seed=0)
    return time.perf_counter() - begun, labels


def _stages(client: Client, task_id: str) -> dict[str, float]:
    """Seconds from the first sight of each stage to that of the next, as the task's events tell."""
    seen: dict[str, float] = {}
    for task in client.watch(task_id):
        seen.setdefault(task["additional_data"]["stage"], time.perf_counter())
    ends = [*list(seen.values())[1:], time.perf_counter()]
    return {name: end - begun for (name, begun), end in zip(seen.items(), ends, strict=True)}


def _pages(running: Running, client: Client) -> None:
    random = np.random.default_rng(0)
    client.create_collection("few")
    client.import_stream("few", iter([_stream(random.normal(size=(100, 8)).astype(np.float32))]), STREAM)
    config = {"feature_extractor_name": "bring_your_own", "clustering_method": "kmeans"}
    client.create_cluster({"cluster_name": "many", "collection_ids": ["few"], "vector_config": config})
    client.wait(client.run_cluster("many")["task_id"])
    members = _enlarge(running, client.get_cluster("many")["members_key"])
    through, straight = [], []
    headers = {"Authorization": f"Bearer {running.key}", "Content-Type": "application/json"}
    with closing(HTTPConnection(running.url.removeprefix("http://"))) as http:  # of a client the least that there is
        for number in range(PAGES + 5):
            group = int(random.integers(MANY // ROW_GROUP))
            body = {
                "include_members": True,
                "include_centroids": False,
                "limit": PAGE,
                "offset": group * ROW_GROUP + int(random.integers(ROW_GROUP - PAGE)),
            }
            begun = time.perf_counter()
            http.request("POST", "/v1/clusters/many/data", orjson.dumps(body), headers)
            answer = http.getresponse().read()
            seconds = time.perf_counter() - begun
            if len(orjson.loads(answer).get("members", ())) != PAGE:
                raise RuntimeError(answer[:500].decode())
            begun = time.perf_counter()
            with pq.ParquetFile(members) as file:
                file.read_row_group(group)
            if number >= 5:  # the first ones warm both up
                through.append(1000 * seconds)
                straight.append(1000 * (time.perf_counter() - begun))
    ratios = [data / parquet for data, parquet in zip(through, straight, strict=True)]
    print(f"\nA page of {PAGE:,} of {MANY:,} members, {PAGES} at random\n\n| | milliseconds |\n|---|---|")
    print(f"| the row group of {ROW_GROUP:,}, straight from Parquet | {spread(straight)} |")
    print(f"| `/data` | {spread(through)} |\n\nTimes: {spread(ratios)} (target: at most {TIMES:g})")


def _enlarge(running: Running, key: str) -> Path:
    """Write many members over those of a run; where they are."""
    arguments = [str(argument) for argument in running.process.args]  # type: ignore[union-attr]
    members = Path(arguments[arguments.index("--data-dir") + 1]) / "artifacts" / key
    manifest = members.with_name("manifest.json")
    found = orjson.loads(manifest.read_bytes())
    groups = [name for name in found["members"] if name != NOISE_ID]
    size = MANY // len(groups)
    write_table(str(members), MEMBERS, _blocks(groups, size))
    spans = {name: [number * size, size] for number, name in enumerate(groups)}
    total = size * len(groups)
    found.update(members={**spans, NOISE_ID: [total, MANY - total]}, total_members=MANY)
    manifest.write_bytes(orjson.dumps(found))
    return members


def _blocks(groups: Sequence[str], size: int) -> Iterator[Mapping[str, Sequence[Any]]]:
    random = np.random.default_rng(0)
    for start in range(0, MANY, ROW_GROUP):
        numbers = range(start, min(start + ROW_GROUP, MANY))
        count = len(numbers)
        yield {
            "point_id": [f"document-{number}" for number in numbers],
            "collection_id": ["col_0123456789abcdefghij"] * count,
            "cluster_id": [groups[number // size] if number // size < len(groups) else NOISE_ID for number in numbers],
            "distance_to_centroid": random.random(count, np.float32),
            "probability": random.random(count, np.float32),
            "x": random.random(count, np.float32),
            "y": random.random(count, np.float32),
            "z": [None] * count,
            "payload": [
                orjson.dumps({"title": f"title of number {number}", "team": number % 17, "price": number / 7}).decode()
                for number in numbers
            ],
            "origin": ["fitted"] * count,
        }


def _stream(rows: Any) -> bytes:
    """Vectors as an Arrow stream, each with an id and a text."""
    flat = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
    numbers = range(len(rows))
    table = pa.table(
        {
            "document_id": [f"doc-{number}" for number in numbers],
            "vector": flat,
            "title": [f"title of the document number {number}" for number in numbers],
        }
    )
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=10_000)
    return sink.getvalue()


if __name__ == "__main__":
    main()
