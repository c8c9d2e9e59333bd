"""Every route against our own OpenAPI document: no 500, no undocumented status, answers of the documented shape.

Three runs an operation: requests that fit the document, requests that do not, and requests about things that exist,
for a generated name hardly ever does. The third leaves out what deletes and what waits for a worker.
A run is a hundredth of COTERIE_EXAMPLES requests, for one costs a hundred times an example of a property. Hypothesis
derives them from the operation: they are the same each time.
"""

import os
import re
from functools import partial
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from coterie.api.context import Services
from support import add_enrichment

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = max(1, int(os.environ.get("COTERIE_EXAMPLES", "800")) // 100)
BOUNDED = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
ROOMS = ["organizations", "namespaces", "collections", "tasks", "clusters"]
WAITS_FOR_A_WORKER = {"/v1/clusters/execute", "/v1/clusters/enrich"}

BINARY = ("application/vnd.apache.parquet", "application/vnd.apache.arrow.stream", "application/x-ndjson")

Things = dict[str, str]
"""Path parameters to the identifiers of things that exist."""


@pytest.fixture
def things(client: Any, services: Services, auth: dict[str, str]) -> Things:
    """One of each thing that a path can name."""

    def made(path: str, key: str, body: dict[str, Any]) -> str:
        answer = client.post(f"/v1/{path}", json=body, headers=auth)
        assert answer.is_success, answer.text
        identifier: str = answer.json()[key]
        return identifier

    extractors = [{"feature_extractor_name": "bring_your_own", "version": "v1"}]
    namespace = made("namespaces", "namespace_id", {"namespace_name": "spare", "feature_extractors": extractors})
    collection = made("collections", "collection_id", {"collection_name": "things"})
    document = {"metadata": {"title": "one"}, "vectors": {"bring_your_own": [0.5, 1.0]}}
    document_id = made(f"collections/{collection}/documents", "document_id", document)
    definition = {
        "collection_ids": [collection],
        "vector_config": {"feature_extractor_name": "bring_your_own", "clustering_method": "kmeans"},
    }
    cluster = made("clusters", "cluster_id", definition)
    hourly = {"trigger_type": "interval", "schedule_config": {"interval_seconds": 3600}, "cluster_id": cluster}
    task = client.post(f"/v1/clusters/{cluster}/execute", headers=auth).json()
    organization = client.get("/v1/organizations", headers=auth).json()
    channel = {"channel": "webhook", "configs": {"url": "https://hooks.example/x", "headers": {"X-Token": "t"}}}
    hook = {"webhook_name": "all", "event_types": ["cluster.created"], "channels": [channel]}
    webhook = made("organizations/webhooks/", "webhook_id", hook)
    ping = client.post(f"/v1/organizations/webhooks/{webhook}/test", headers=auth).json()["deliveries"][0]
    return {
        "namespace_identifier": namespace,
        "collection_identifier": collection,
        "document_id": document_id,
        "cluster_id": cluster,
        "cluster_identifier": cluster,
        "trigger_id": made("clusters/triggers", "trigger_id", hourly),
        "enrichment_id": add_enrichment(client, services, cluster, collection),
        "task_id": task["task_id"],
        "run_id": task["additional_data"]["run_id"],
        "user_email": organization["users"][0]["email"],
        "feature_extractor_id": "bring_your_own_v1",
        "identifier": webhook,
        "delivery_id": ping["delivery_id"],
    }


@schemathesis.serializer(*BINARY)
def _as_it_is(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    """The bytes of an import's body."""
    return bytes(value) if isinstance(value, bytes | bytearray) else str(value).encode("utf-8", "replace")


@pytest.fixture
def api(app: Any) -> BaseSchema:
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    schema.config.analysis.constants.enabled = False
    return schema


@pytest.mark.parametrize("room", [*ROOMS, "the rest"])
def test_every_answer_is_documented(
    room: str,
    api: BaseSchema,
    things: Things,
    auth: dict[str, str],
    subtests: pytest.Subtests,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("coterie.tasks.events.STREAM_SECONDS", 0.1)  # no one ends the task that is followed
    for result in api.get_all_operations():
        operation = result.ok()
        if _room(operation.path) != room:
            continue
        for requests, cases in _runs(operation, things).items():
            with subtests.test(operation=operation.label, requests=requests):
                _send(cases, auth)


def _send(cases: SearchStrategy[Case], auth: dict[str, str]) -> None:
    @BOUNDED
    @given(cases)
    def answer_is_documented(case: Case) -> None:
        case.call_and_validate(headers=auth, checks=CHECKS)

    answer_is_documented()


def _room(path: str) -> str:
    found = [room for room in ROOMS if path.startswith(f"/v1/{room}")]
    return found[0] if found else "the rest"


def _runs(operation: APIOperation, things: Things) -> dict[str, SearchStrategy[Case]]:
    runs = {"fitting": operation.as_strategy(GenerationMode.POSITIVE)}
    if operation.body or operation.query:
        runs["unfit"] = operation.as_strategy(GenerationMode.NEGATIVE)
    if operation.method != "delete" and operation.path not in WAITS_FOR_A_WORKER:
        runs["existing"] = _about(operation, things)
    return runs


def _about(operation: APIOperation, things: Things) -> SearchStrategy[Case]:
    """Requests that name things that exist, in the path and as a body's collections."""
    named = {name: things[name] for name in re.findall(r"{(\w+)}", operation.path) if name in things}
    cases = operation.as_strategy(path_parameters=named, headers={"X-Namespace": "default"})
    return cases.map(partial(_with_collections, collection=things["collection_identifier"]))


def _with_collections(case: Case, collection: str) -> Case:
    if isinstance(case.body, dict) and "collection_ids" in case.body:
        case.body["collection_ids"] = [collection]
    return case
