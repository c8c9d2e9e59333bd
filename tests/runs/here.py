"""Runs within the process of a test: a worker without its job engine, and stages without a child."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import pytest
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.compute.stage import call_for_part
from coterie.jobs.worker import Worker
from coterie.runs.run import ClusterRun
from coterie.tenancy.namespaces import DELETE_JOB, NamespaceDeletion

Hook = Callable[[str, Callable[[], Any]], Any]


class Inline:
    """An executor that runs a stage where it is called."""

    def run(self, stage: str, arguments: Mapping[str, Any], poll: Callable[[float | None], None]) -> Any:
        poll(None)
        module, _, name = stage.partition(":")
        result = getattr(import_module(module), name)(lambda share: poll(share), **arguments)
        poll(None)
        return result

    def map(
        self,
        stage: str,
        parts: Sequence[Mapping[str, Any]],
        arguments: Mapping[str, Any],
        poll: Callable[[float | None], None],
    ) -> Iterator[Any]:
        for part in parts:
            poll(None)
            yield call_for_part(stage, part, arguments)

    def close(self) -> None:
        """Nothing runs."""


def worker_of(services: Services) -> Worker:
    handlers = {
        "cluster.run": ClusterRun(services),
        DELETE_JOB: NamespaceDeletion(services.vectors, services.blobs),
    }
    return Worker(services.settings, services.db, services.clock, Inline(), handlers, lambda: None)  # type: ignore[arg-type]


def run_here(
    client: TestClient,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    cluster: str,
    hook: Hook = lambda name, do: do(),
    **changes: Any,
) -> str:
    """Start a run and see it through, each step within `hook`; the run's id."""
    started = client.post(f"/v1/clusters/{cluster}/execute", json=changes)
    assert started.status_code == 200, started.text
    monkeypatch.setattr("coterie.jobs.worker._dbos_step", hook)
    worker_of(services).see_through(started.json()["task_id"])
    identity: str = started.json()["additional_data"]["run_id"]
    return identity
