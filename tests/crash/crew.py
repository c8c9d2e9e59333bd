"""A service in the test's own process, and a worker beside it that dies where a test says; then another follows."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
from dbos import DBOSClient
from sqlalchemy import func, select
from starlette.testclient import TestClient

from conftest import Place
from coterie.app import create_app
from coterie.config import Settings
from coterie.jobs import queue
from coterie.kit.clock import iso
from coterie.store.tables import tasks, trigger_firings, triggers, webhook_deliveries
from coterie.wiring import open_services
from crash.killed_worker import DEATHS, PASSED
from support import KMEANS, add_cluster, add_collection

HERE = Path(__file__).parent
LOG = "worker.log"
SECONDS = 180
BY_TEXT = {"cluster_type": "attribute", "attribute_config": {"attributes": ["text"]}, "vector_config": None}
TOLD = ("cluster.execution.", "trigger.fired", "trigger.execution.")


class Crew:
    """Sixty documents, two definitions of three groups each, a webhook for what happens, and one worker at a time."""

    def __init__(self, folder: Path, place: Place) -> None:
        self.settings = Settings(
            data_dir=folder / "data", heartbeat_seconds=0.2, webhook_private_addresses=True, **place._asdict()
        )
        self.place = place
        self.services, key = open_services(self.settings)
        headers = {"Authorization": f"Bearer {key}"}
        self.client = TestClient(create_app(self.services), headers=headers).__enter__()
        self.collection = add_collection(self.client)
        self.by_text = add_cluster(self.client, "by text", **BY_TEXT)["cluster_id"]
        self.by_vectors = add_cluster(self.client, "by vectors", vector_config=KMEANS)["cluster_id"]
        self._webhook()
        self.then: dict[str, str] = {}
        """What the environment of a worker that follows a dead one says beside."""
        self.process = self._start()
        self.engine: DBOSClient | None = None
        self.told_before: Counter[str] = Counter()
        self.do("/v1/clusters/by text/execute")
        self.wait()

    def close(self) -> None:
        """End the worker and give everything back."""
        self.process.kill()
        self.process.wait()
        if self.engine is not None:
            self.engine.destroy()
        self.client.__exit__(None, None, None)
        self.services.db.close()

    def do(self, path: str, body: Any = None, **params: Any) -> dict[str, Any]:
        """What a request that must succeed is answered."""
        answer = self.client.post(path, json=body, params=params)
        assert answer.is_success, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    def wait(self) -> None:
        """Until nothing is left to do."""
        self._until(self.is_idle)

    def die(self, boundaries: Sequence[str], start: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Start something, let the worker die at the first of the boundaries, and the next at the second if it comes
        by it; what `start` gave, once nothing is left to do."""
        if self.process.poll() is not None:
            self.process = self._start()
        (self.settings.data_dir / PASSED).unlink(missing_ok=True)
        planned = self.settings.data_dir / "planned"
        planned.write_text("\n".join(boundaries))
        planned.replace(self.settings.data_dir / DEATHS)
        self.told_before = self._told()
        started = start()
        deaths = 0

        def is_over() -> bool:
            nonlocal deaths
            if self.process.poll() is None:
                return deaths > 0 and self.is_idle()
            assert self.process.returncode == -signal.SIGKILL, "the worker ended by itself"
            deaths += 1
            self.process = self._start(**self.then)
            return False

        self._until(is_over)
        (self.settings.data_dir / DEATHS).unlink()
        return started

    def is_idle(self) -> bool:
        """Whether no task is open, no trigger due, no firing unsettled, and the job engine has nothing left either."""
        now = iso(self.services.clock.now())
        waiting = (
            select(tasks.c.pk).where(tasks.c.status.in_(queue.OPEN)),
            select(trigger_firings.c.pk).where(trigger_firings.c.task_id > ""),
            select(triggers.c.pk).where(triggers.c.status == "active", triggers.c.next_at <= now),
        )
        with self.services.db.read() as tx:
            if any(tx.scalar(each.limit(1)) is not None for each in waiting):
                return False
        self.engine = self.engine or DBOSClient(system_database_url=self.settings.jobs_url)
        return not self.engine.list_workflows(status=["PENDING", "ENQUEUED"], load_input=False)

    def told(self) -> dict[str, int]:
        """How often webhooks were told of what, of runs and firings, since the last worker was to die."""
        return dict(self._told() - self.told_before)

    def passed(self) -> set[str]:
        """The boundaries that were reached since."""
        return set((self.settings.data_dir / PASSED).read_text().splitlines())

    def log(self) -> str:
        """The end of what the workers said."""
        return (self.settings.data_dir / LOG).read_text()[-3000:]

    def rows(self, statement: Any) -> list[Any]:
        """What the records say."""
        with self.services.db.read() as tx:
            return list(tx.execute(statement).all())

    def count(self, table: Any, *conditions: Any) -> int:
        """How many records there are."""
        return int(self.rows(select(func.count()).select_from(table).where(*conditions))[0][0])

    def _told(self) -> Counter[str]:
        events = self.rows(select(webhook_deliveries.c.event))
        types = (orjson.loads(row.event)["event_type"] for row in events)
        return Counter(type for type in types if type.startswith(TOLD))

    def _webhook(self) -> None:
        types = ["cluster.execution.started", "cluster.execution.completed", "cluster.execution.failed"]
        types += ["trigger.fired", "trigger.execution.completed", "trigger.execution.failed"]
        channel = {"channel": "webhook", "configs": {"url": "http://127.0.0.1:9/"}}
        self.do("/v1/organizations/webhooks/", {"webhook_name": "hook", "event_types": types, "channels": [channel]})

    def _start(self, **beside: str) -> subprocess.Popen[bytes]:
        own = self.settings
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "COTERIE_DATA_DIR": str(own.data_dir),
            "COTERIE_HEARTBEAT_SECONDS": str(own.heartbeat_seconds),
            "COTERIE_WEBHOOK_PRIVATE_ADDRESSES": "true",
            **self.place.environment,
            **beside,
        }
        # By `-c`: the children that it spawns would import a script once more.
        command = [sys.executable, "-c", "import killed_worker; killed_worker.main()"]
        with (own.data_dir / LOG).open("a") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def _until(self, found: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not found():
            left = [row.resource for row in self.rows(select(tasks.c.resource).where(tasks.c.status.in_(queue.OPEN)))]
            assert time.monotonic() < deadline, f"not over after {SECONDS} s; open: {left}"
            time.sleep(0.05)
