"""A run over parts on a Ray cluster of one node or two, started and ended within the namespaces of this process:
`raylets.py FOLDER MODE …` leaves what was found in `found.json`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray

from coterie.compute.executor import Poll, StageError
from coterie.compute.local import LocalExecutor
from coterie.compute.ray import RayExecutor
from coterie.store import parts
from coterie.store.folder import FolderStorage
from coterie.store.vectors import VectorStore
from runs.passing import FILES, clouds, over_parts, plan_of, stored

ADDRESS = "127.0.0.1:6379"
RAY = str(Path(sys.executable).with_name("ray"))
ROWS, DIMENSIONS = 800, 16
SECOND = "second"


def main(folder: Path, modes: list[str]) -> None:
    parts.PART_BYTES = 4 * DIMENSIONS * 80
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    vectors = clouds(ROWS, DIMENSIONS)
    store = VectorStore(FolderStorage(folder / "vectors"))
    members = stored(store, vectors)
    plan = plan_of("hdbscan", params={"min_cluster_size": 10}, sample_size=300, max_noise_ratio=0.05)
    local, remote = LocalExecutor(), Remote(ADDRESS)
    found: dict[str, Any] = {"nodes": {}}
    nodes = 0
    for mode in modes:
        wanted = {"local": 0, "one": 1, "two": 2, "killed": 2}[mode]
        while nodes < wanted:
            start_node(nodes)
            nodes += 1
        remote.kills = mode == "killed"
        executor = remote if wanted else local
        found[mode] = over_parts(executor, plan, store, members, folder / mode, 300)
        for path in (folder / mode).glob("*.npy"):
            if path.stem not in FILES:
                path.unlink()
        found["nodes"][mode] = alive() if wanted else 0
    found["refusals"] = dict(refusals(remote, deaths="killed" in modes))
    local.close()
    remote.close()
    (folder / "found.json").write_text(json.dumps(found))
    os._exit(0)  # what is left of the cluster goes with the namespace


class Remote(RayExecutor):
    """Kills the second node with the first part that comes, if it is to."""

    kills = False

    def map(self, *arguments: Any) -> Iterator[Any]:
        for result in super().map(*arguments):
            if self.kills:
                self.kills = False
                os.kill(raylet(SECOND), signal.SIGKILL)
            yield result


def start_node(number: int) -> None:
    node = ["--head", "--port=6379", "--include-dashboard=false"] if number == 0 else [f"--address={ADDRESS}"]
    limits = ["--num-cpus=1", "--object-store-memory=100000000", "--disable-usage-stats"]
    command = [RAY, "start", *node, *limits, f"--node-name={SECOND if number else 'first'}"]
    subprocess.run(["timeout", "60", *command], check=True, stdout=subprocess.DEVNULL)


def raylet(name: str) -> int:
    """The process of a node."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        command = path.read_bytes().split(b"\0")
        if command[0].endswith(b"/raylet") and f"--node-name={name}".encode() in command:
            return int(path.parent.name)
    raise LookupError(name)


def alive() -> int:
    """The nodes that the cluster counts; one that was killed, after a moment no more."""
    running = sum(
        1 for path in Path("/proc").glob("[0-9]*/cmdline") if path.read_bytes().split(b"\0")[0].endswith(b"/raylet")
    )
    deadline = time.monotonic() + 30
    while (count := sum(node["Alive"] for node in ray.nodes())) != running and time.monotonic() < deadline:
        time.sleep(0.2)
    return int(count)


def refusals(executor: RayExecutor, *, deaths: bool) -> Iterator[tuple[str, str]]:
    """What comes of a stage that refuses, a poll that raises, and a process that dies whenever it is started."""

    def cancel(_share: float | None) -> None:
        raise InterruptedError

    def nothing(_share: float | None) -> None:
        """Goes on."""

    calls: list[tuple[str, dict[str, Any], Poll]] = [
        ("square", {"number": -1, "plus": 0}, nothing),
        ("wait_for_ever", {}, cancel),
    ]
    if deaths:
        calls.append(("die", {}, nothing))
    for name, part, poll in calls:
        try:
            list(executor.map(f"compute_stages:{name}", [part], {}, poll))
        except StageError as error:
            yield error.code, error.message.partition(":")[0]
        except InterruptedError as error:
            yield type(error).__name__, str(error)


if __name__ == "__main__":  # the child that computes imports this module too
    main(Path(sys.argv[1]), sys.argv[2:])
