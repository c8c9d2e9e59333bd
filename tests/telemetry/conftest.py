"""A service that tells all that it can of itself, and one run that it carried out for a caller who traces."""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from conftest import LOG, Service, start_service, wait_for_task
from support import KMEANS, add_cluster, add_collection
from telemetry.collector import Collector, collecting

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
REQUEST = "find-me"


@dataclass
class Told:
    """A service, its collector, the task of the run, and where its worker answers Prometheus."""

    service: Service
    collector: Collector
    task: dict[str, Any]
    metrics_url: str

    def lines(self) -> list[dict[str, Any]]:
        """The log so far; every line of it is a JSON object."""
        return [json.loads(line) for line in (self.service.data_dir / LOG).read_text().splitlines()]


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="pip install 'coterie[otel]'")
    port = _free_port()
    with collecting() as collector:
        with pytest.MonkeyPatch.context() as environment:  # of this service alone
            for name, value in {
                "COTERIE_LOG_FORMAT": "json",
                "COTERIE_LOG_LEVEL": "DEBUG",
                "COTERIE_METRICS_PORT": str(port),
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
                "OTEL_BSP_SCHEDULE_DELAY": "200",
            }.items():
                environment.setenv(name, value)
            service = start_service(tmp_path_factory.mktemp("told"))
        try:
            with service.client() as client:
                task = _run(client)
            yield Told(service, collector, task, f"http://127.0.0.1:{port}/metrics")
        finally:
            service.stop()


def _run(client: httpx.Client) -> dict[str, Any]:
    add_collection(client)
    add_cluster(client, "told", vector_config=KMEANS)
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01", "X-Request-ID": REQUEST}
    started = client.post("/v1/clusters/told/execute", headers=headers)
    assert started.is_success, started.text
    task = wait_for_task(client, started.json()["task_id"])
    assert task["status"] == "COMPLETED", task
    return task


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
