"""Traces: one of a run over all its processes, and none of anything where they are not wanted."""

import subprocess
import sys

import pytest

from coterie.kit import telemetry, tracing
from coterie.kit.telemetry import NotInstalled, Telemetry
from telemetry.conftest import CALLER, REQUEST, TRACE, Told

EXECUTE = "POST /v1/clusters/{cluster_id}/execute"
JOB = "job cluster.run"
STAGES = ("fit", "recognize", "characterize")


def test_a_run_is_one_trace_from_the_caller_to_the_stages(told: Told) -> None:
    wanted = {EXECUTE, JOB, "step publish", *(f"{what} {name}" for name in STAGES for what in ("step", "stage"))}
    told.collector.wait(lambda: wanted <= set(told.collector.of(TRACE)))
    spans = told.collector.of(TRACE)
    assert spans[EXECUTE].parent == CALLER
    assert spans[JOB].parent == spans[EXECUTE].id
    assert spans["step publish"].parent == spans[JOB].id
    for name in STAGES:
        assert spans[f"step {name}"].parent == spans[JOB].id
        assert spans[f"stage {name}"].parent == spans[f"step {name}"].id
    services = {spans[name].service for name in (EXECUTE, JOB, "stage fit")}
    assert services == {"coterie-server", "coterie-worker", "coterie-stage"}
    assert not any(span.failed for span in spans.values())
    assert spans[EXECUTE].attributes["coterie.request_id"] == REQUEST
    assert spans[JOB].attributes["coterie.task_id"] == told.task["task_id"]


def test_names_of_spans_hold_no_ids_and_probes_have_none(told: Told) -> None:
    told.collector.wait(lambda: len(told.collector.spans) > 10)
    names = {span.name for span in told.collector.spans}
    assert not any(told.task["task_id"] in name or "clust_" in name for name in names)
    assert not names & {"GET /readyz", "GET /healthz", "GET /metrics"}


def test_without_a_collector_nothing_is_loaded() -> None:
    code = (
        "import sys; from coterie.kit import telemetry; telemetry.start(telemetry.Telemetry('INFO', 'text'), 'server');"
        "print(any(name.startswith('opentelemetry') for name in sys.modules), telemetry.origin())"
    )
    environment = {"PATH": "", "PYTHONPATH": ":".join(sys.path)}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert found.stdout.strip() == "False {}"


def test_a_span_that_goes_nowhere_takes_what_it_is_told() -> None:
    with tracing.span("work") as span:
        span.rename("other")
        span.tell("key", "value")
        span.fail("reason")
        assert tracing.traceparent() is None
    tracing.stop()


def test_traces_that_are_asked_for_need_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "NEEDED", "no_such.package")
    with pytest.raises(NotInstalled, match=r"coterie\[otel\]"):
        telemetry._is_traced(True)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    assert not telemetry._is_traced(None)
    assert not telemetry._is_traced(False)
    assert Telemetry("INFO", "text").tracing is None
