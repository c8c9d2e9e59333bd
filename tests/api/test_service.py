"""What the service shows of itself: health, metrics, request ids, unexpected errors, its settings and start."""

import subprocess
import sys
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.config import Settings
from coterie.wiring import open_services

HEAVY = ("numba", "scipy", "sklearn", "lance", "dbos", "onnxruntime", "tokenizers", "PIL")


def test_health_names_what_is_missing(client: TestClient) -> None:
    assert client.get("/v1/health").json()["status"] == "OK"
    deep = client.get("/v1/health", params={"deep": True}).json()
    assert deep["status"] == "DEGRADED"
    assert "coterie worker" in deep["errors"]["celery"]
    assert client.get("/healthz").json() == {"status": "OK"}
    assert client.get("/readyz").status_code == 200
    assert client.get("/docs").status_code == 200


def test_readiness_fails_with_the_records(client: TestClient, services: Services) -> None:
    with services.db.write() as tx:
        tx.execute(text("DROP TABLE tasks"))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert client.get("/v1/health").json()["status"] == "DEGRADED"


def test_metrics_count_requests_by_route_template(client: TestClient) -> None:
    client.get("/v1/collections/some-id")
    shown = client.get("/metrics").text
    line = 'coterie_http_requests_total{method="GET",route="/v1/collections/{collection_identifier}",status="404"} 1.0'
    assert line in shown
    assert "some-id" not in shown
    assert 'coterie_open_tasks{status="PENDING"} 0.0' in shown


def test_a_request_s_id_is_the_caller_s_own_if_it_is_well_formed(client: TestClient) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": "abc-1"}).headers["X-Request-ID"] == "abc-1"
    assert client.get("/healthz", headers={"X-Request-ID": "a b\t"}).headers["X-Request-ID"] != "a b\t"


def test_an_unexpected_error_is_logged_and_shows_nothing_of_itself(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("secret path /etc/x")

    monkeypatch.setattr("coterie.tasks.queries.get_task", broken)
    answer = client.get("/v1/tasks/t", headers={"X-Request-ID": "find-me"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["error"]["details"]["request_id"] == "find-me"
    assert answer.headers["X-Request-ID"] == "find-me"
    assert "secret path" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("DELETE", "/v1/clusters/list/x", 404), ("PUT", "/v1/clusters", 405)],
)
def test_what_is_not_there_has_the_same_shape(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["success"] is False
    assert answer.json()["error"]["type"].endswith("Error")


def test_the_document_of_the_api_wants_a_key(app: FastAPI) -> None:
    document = app.openapi()
    assert document["security"] == [{"key": []}]
    assert document["openapi"].startswith("3.1")


def test_the_server_loads_nothing_heavy() -> None:
    code = f"import sys, coterie.app, coterie.wiring; print([m for m in {HEAVY!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_second_start_makes_no_second_key(settings: Settings, services: Services) -> None:
    again, key = open_services(settings)
    assert key is None
    again.db.close()
