"""Our OpenAPI document against the v1 clusters API (`v1_api.json`): names, types, requiredness, defaults, limits.

`v1_api.json` is written in the notation of `notation.py` and is never edited to fit: what this service does
otherwise, and why, stands in `DEVIATIONS`.
"""

import json
from pathlib import Path

import pytest

from contract.comparison import Differences, differences
from contract.notation import Document, reduce

V1: Document = json.loads(Path(__file__).with_name("v1_api.json").read_text())

RENAMED = {
    "HTTPValidationError": "ValidationErrorResponse",
    "ValidationError": "ValidationIssue",
    "Webhook-Input": "WebhookRequest",
}
"""The v1 API's schemas that have another name here: a 422 is an `ErrorResponse` with the v1 API's `detail`."""

_OPTIONAL = "the path says it, or the service makes one up"
_TYPED = "lists of namespaces speak the list language like every other"
_BOTH_SPELLINGS = "the reference may be an object or a string, and `vector_name` may stand for it"

DEVIATIONS: dict[str, str] = {
    "LogicalOperator closed": "a key besides AND, OR, NOT and case_sensitive is the equality shorthand",
    "HTTPValidationError.detail required": "a 422 always says what was wrong",
    "ListNamespacesRequest.filters type": _TYPED,
    "ListNamespacesRequest.sort type": _TYPED,
    "CreateNamespaceRequest.feature_extractors required": "later clients leave it out",
    "CreateNamespaceRequest.feature_extractors type": "later clients leave it out",
    "CreateNamespaceRequest.feature_extractors minItems": "later clients leave it out",
    "VectorBasedConfig.feature_extractor_name required": "in a request `feature_uri` may stand for it",
    "FeatureModel.vectors type": "dense vectors are lists of numbers, which the v1 API's schema does not say",
    "DenseVector missing": "dense vectors are lists of numbers, which the v1 API's schema does not say",
    "MultiDenseVector missing": "refused by name",
    "NamedDenseVectors missing": "an object of lists of numbers",
    "CreateCollectionRequest.source required": "documents may be added directly",
    "CreateCollectionRequest.source type": "documents may be added directly",
    "DocumentCreateRequest.collection_id required": _OPTIONAL,
    "DocumentCreateRequest.collection_id type": _OPTIONAL,
    "DocumentCreateRequest.object_id required": _OPTIONAL,
    "DocumentCreateRequest.object_id type": _OPTIONAL,
    "ClusteringConfig.dimensionality_reduction type": "principal components besides",
    "FeatureVectorRef.feature_address required": _BOTH_SPELLINGS,
    "FeatureVectorRef.feature_address type": _BOTH_SPELLINGS,
    "POST /v1/clusters/{cluster_id}/data request": "the body may be left out",
    "POST /v1/clusters/enrich 200": "`?async=true` answers the task",
    "GET /v1/clusters/{cluster_id}/artifacts 200": "the object's fields are documented",
}
"""Where this service differs on purpose, and why."""


@pytest.fixture
def table(openapi: Document) -> Document:
    return reduce(openapi)


@pytest.fixture
def found(table: Document) -> Differences:
    return differences(V1, table, RENAMED)


def test_the_v1_api_is_served_field_by_field(found: Differences) -> None:
    unexpected = [f"{where}: {what}" for where, what in sorted(found.items()) if where not in DEVIATIONS]
    assert not unexpected, "\n".join(unexpected)


def test_a_deviation_that_no_longer_deviates_is_removed(found: Differences) -> None:
    assert DEVIATIONS.keys() - found.keys() == set()


def test_the_table_holds_the_whole_api() -> None:
    assert len(V1["operations"]) == 50
    assert len({name.split(" ")[1] for name in V1["operations"]}) == 36
    assert differences(V1, V1, {}) == {}
