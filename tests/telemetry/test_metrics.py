"""Metrics of the server and its worker, and what says which there are: the page, the dashboard and the alerts."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families as families
from starlette.testclient import TestClient

from coterie.api.observe import Metrics
from coterie.config import Settings
from coterie.kit import metrics
from telemetry.conftest import Told

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
NAME = re.compile(r"\b(?:coterie|process)_[a-z_]+")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def samples(registry: CollectorRegistry) -> set[str]:
    """The names that a registry exports, as PromQL and the page write them."""
    return {each.name + suffix for each in registry.collect() for suffix in SUFFIXES[each.type]}


def exported() -> set[str]:
    return samples(Metrics().registry) | samples(metrics.WORKER)


def documented() -> set[str]:
    """The names in the page's tables; a histogram's stands for all that it exports."""
    rows = re.findall(r"^\| `([a-z_]+)` \| (\w+) \|", (ROOT / "docs/observability.md").read_text(), re.MULTILINE)
    return {name + suffix for name, kind in rows for suffix in (SUFFIXES[kind] if kind == "histogram" else ("",))}


def expressions(tree: Any) -> list[str]:
    """The PromQL of a dashboard or of rules."""
    if isinstance(tree, list):
        return [found for each in tree for found in expressions(each)]
    if not isinstance(tree, dict):
        return []
    own = [tree["expr"]] if isinstance(tree.get("expr"), str) else []
    return own + [found for each in tree.values() for found in expressions(each)]


def test_a_worker_counts_what_it_does(told: Told) -> None:
    shown = httpx.get(told.metrics_url).text
    values = {(each.name, *sorted(each.labels.items())): each.value for one in families(shown) for each in one.samples}
    ended = ("coterie_jobs_ended_total", ("kind", "cluster.run"), ("status", "COMPLETED"))
    assert values[ended] == 1
    assert values["coterie_job_seconds_count", ("kind", "cluster.run")] == 1
    assert values["coterie_stage_seconds_count", ("kind", "cluster.run"), ("stage", "fit")] == 1
    assert values["coterie_stage_peak_memory_bytes_sum", ("stage", "fit")] > 2**24
    assert values["coterie_vectors_read_total",] == 60
    assert values["coterie_jobs_in_hand",] == 0


def test_the_server_tells_how_long_the_oldest_task_has_waited(client: TestClient, app: FastAPI) -> None:
    assert "coterie_oldest_waiting_task_seconds 0.0" in client.get("/metrics").text
    made = client.post("/v1/namespaces", json={"namespace_name": "gone", "feature_extractors": []})
    client.delete(f"/v1/namespaces/{made.json()['namespace_id']}")
    shown = client.get("/metrics").text
    assert 'coterie_open_tasks{status="PENDING"} 1.0' in shown
    age = re.search(r"^coterie_oldest_waiting_task_seconds (\S+)$", shown, re.MULTILINE)
    assert age is not None
    assert 0 < float(age[1]) < 60


def test_a_worker_whose_port_is_taken_says_so_and_goes_on(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    metrics.serve("127.0.0.1", int(told.metrics_url.split(":")[2].split("/")[0]))
    assert "COTERIE_METRICS_PORT" in caplog.text


def test_the_page_lists_exactly_the_metrics_that_there_are() -> None:
    assert documented() == exported()


def test_the_page_names_every_setting_of_its_kind() -> None:
    page = (ROOT / "docs/observability.md").read_text()
    ours = [name for name in Settings.model_fields if name.split("_")[0] in ("log", "metrics", "tracing")]
    assert [name for name in ours if f"`COTERIE_{name.upper()}`" not in page] == []


@pytest.mark.parametrize("name", ["grafana/coterie.json", "alerts.yml"])
def test_queries_name_metrics_that_there_are(name: str) -> None:
    text = (DEPLOY / name).read_text()
    found = expressions(json.loads(text) if name.endswith("json") else yaml.safe_load(text))
    assert found
    named = {metric for expression in found for metric in NAME.findall(expression)}
    assert named <= exported()


def test_the_dashboard_has_its_rows_and_no_panel_without_a_query() -> None:
    board = json.loads((DEPLOY / "grafana/coterie.json").read_text())
    rows = [panel["title"] for panel in board["panels"] if panel["type"] == "row"]
    assert rows == ["Requests", "Queue", "Runs", "Stages", "Memory", "Workers"]
    others = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert all(expressions(panel) for panel in others)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_prometheus_is_told_of_servers_workers_and_rules() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    assert {job["job_name"] for job in config["scrape_configs"]} == {"coterie-server", "coterie-worker"}
    assert config["rule_files"] == ["alerts.yml"]
