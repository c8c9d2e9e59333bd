"""Parts as tasks of a Ray cluster; what needs one process runs in the worker's own child.

Coterie is installed on every node, in the same versions as in the worker: a task says which it has, and is refused
where they differ. A task has one processor and one thread. Where a node dies, its tasks are done again elsewhere.
"""

import logging
import socket
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import coterie
from coterie.compute.executor import Poll, StageError
from coterie.compute.local import POLL_SECONDS, LocalExecutor
from coterie.compute.stage import call_for_part
from coterie.engine import threads
from coterie.kit import telemetry
from coterie.kit.telemetry import Telemetry

log = logging.getLogger("coterie.compute")

RETRIES = 5
"""So many times a part is done again whose node or process died."""

AHEAD = 2
"""Parts under way for each processor of the cluster: one is computed, one waits for it."""

KNOCK_SECONDS = 5.0
"""So long a cluster may take to answer."""

LIBRARIES = ("numpy", "scipy", "scikit-learn", "numba", "onnxruntime", "pylance", "ray")
"""What a result depends on, beside Coterie itself."""


class RayExecutor:
    """Stages in a child of this process, and those over parts on the cluster at an address (`auto`, or host:port)."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._local = LocalExecutor()
        self._lock = threading.Lock()

    def run(self, stage: str, arguments: Mapping[str, Any], poll: Poll) -> Any:
        return self._local.run(stage, arguments, poll)

    def map(
        self, stage: str, parts: Sequence[Mapping[str, Any]], arguments: Mapping[str, Any], poll: Poll
    ) -> Iterator[Any]:
        """A task a part; a few more are under way than there are processors."""
        ray = self._connected()
        do = ray.remote(num_cpus=1, max_retries=RETRIES)(do_part)
        most = max(1, AHEAD * int(ray.cluster_resources().get("CPU", 1)))
        common = ray.put(dict(arguments))
        told = Told(versions(), telemetry.current(), telemetry.origin())
        waiting: deque[Any] = deque()
        try:
            for done in range(len(parts)):
                while len(waiting) < min(most, len(parts) - done):
                    waiting.append(do.remote(told, stage, dict(parts[done + len(waiting)]), common))
                yield self._result(ray, waiting[0], poll, done / len(parts))
                waiting.popleft()
        finally:
            for task in waiting:
                ray.cancel(task, force=True)

    def close(self) -> None:
        """Kill every child. The cluster drops this process's tasks when it ends."""
        self._local.close()

    def _connected(self) -> Any:
        """Ray, connected to the cluster. Raises StageError."""
        try:
            import ray  # noqa: PLC0415  # an extra, and only a worker's that is told of a cluster
        except ImportError as error:
            message = "COTERIE_RAY_ADDRESS is set and Ray is not installed: pip install 'coterie[ray]'"
            raise StageError("no_ray", message) from error
        with self._lock:
            if not ray.is_initialized():
                try:
                    _knock(self._address)
                    ray.init(address=self._address, log_to_driver=False, logging_level=logging.ERROR)
                except (OSError, RuntimeError, ValueError) as error:
                    raise StageError(
                        "no_cluster",
                        f"the Ray cluster '{self._address}' cannot be reached ({type(error).__name__}): the worker's "
                        "machine must be a node of it (ray start), and COTERIE_RAY_ADDRESS its address",
                    ) from error
        return ray

    def _result(self, ray: Any, task: Any, poll: Poll, share: float) -> Any:
        while not ray.wait([task], timeout=POLL_SECONDS)[0]:
            poll(share)
        try:
            error, result = ray.get(task)
        except ray.exceptions.RayError as failure:
            log.warning("a task of the Ray cluster failed: %s", failure)
            message = (
                f"a part could not be computed on the Ray cluster ({type(failure).__name__}): Coterie must be "
                "installed on its nodes, and they need memory for a part; the worker's log says more"
            )
            raise StageError("cluster", message) from failure
        if error is not None:
            raise StageError(*error)
        return result


class Told(NamedTuple):
    """What a task is told besides its part: the versions that it is to have, how to log and trace, and what it goes on
    from."""

    versions: Mapping[str, str]
    telemetry: Telemetry | None
    origin: Mapping[str, str]


def do_part(
    told: Told, stage: str, part: Mapping[str, Any], arguments: Mapping[str, Any]
) -> tuple[tuple[str, str] | None, Any]:
    """The task: what went wrong with a part, and its result."""
    expected = told.versions
    differing = [f"{name} {here}, not {expected[name]}" for name, here in versions().items() if here != expected[name]]
    if differing:
        message = f"a node of the Ray cluster has {', '.join(differing)}: install on it what the worker has"
        return ("versions", message), None
    threads.bound(1)
    if told.telemetry is not None and telemetry.current() is None:
        telemetry.start(told.telemetry, "part")
    with telemetry.continued(told.origin, f"part {stage.rpartition(':')[2]}") as span:
        try:
            return None, call_for_part(stage, part, arguments)
        except StageError as error:
            span.fail(error.code)
            return (error.code, error.message), None


def _knock(address: str) -> None:
    """Raise OSError if nobody listens at host:port: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()


@cache
def versions() -> dict[str, str]:
    """Of Coterie and what results depend on, here."""
    return {"coterie": coterie.__version__, **{name: _installed(name) for name in LIBRARIES}}


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
