"""The official Python client of the v1 API against a running service: it raises no validation error of its own.

Its generated classes check every answer against the models of a later version of the API (required fields, strict
types, closed enums, patterns of ids); the hand-written wrapper `Mixpeek` checks nothing and is used where it calls
other routes. The client takes seconds to import, so only the process that runs these tests imports it.
"""

import importlib
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from coterie.client import Client
from support import add_collection

VECTORS = [[0.0, 0.1], [0.1, 0.0], [0.1, 0.1], [5.0, 5.1], [5.1, 5.0], [5.1, 5.1]]


@pytest.fixture(scope="module")
def official() -> ModuleType:
    return importlib.import_module("mixpeek")


@pytest.fixture(scope="module")
def generated(official: ModuleType, service: Any) -> Any:
    """The generated classes' connection, in a namespace of its own."""
    connection = official.ApiClient(official.Configuration(host=service.url, access_token=service.key))
    name = f"official-{uuid4().hex[:12]}"
    request = official.CreateNamespaceRequest(namespace_name=name)
    namespace = official.NamespacesApi(connection).create_namespace(request)
    assert namespace.namespace_name == name
    connection.configuration.api_key["NamespaceHeader"] = namespace.namespace_id
    return connection


@pytest.fixture(scope="module")
def collection_id(official: ModuleType, generated: Any) -> str:
    """A collection of six documents with vectors."""
    request = official.CreateCollectionRequest.from_dict(
        {
            "collection_name": "dots",
            "source": {"type": "bucket", "bucket_ids": ["bkt_1"]},
            "feature_extractor": {"feature_extractor_name": "bring_your_own", "version": "v1"},
        }
    )
    collection = official.CollectionsApi(generated).create_collection(request)
    assert collection.feature_extractor.feature_extractor_name == "bring_your_own"
    for vector in VECTORS:
        _add_document(official, generated, collection.collection_id, vector)
    identifier: str = collection.collection_id
    return identifier


def _add_document(official: ModuleType, generated: Any, collection_id: str, vector: list[float]) -> str:
    feature = {
        "feature_extractor_id": "bring_your_own",
        "payload": {},
        "vectors": {"bring_your_own": vector},
    }
    document = {
        "collection_id": collection_id,
        "object_id": "obj_1",
        "metadata": {"colour": "red" if vector[0] < 1 else "blue"},
        "features": [feature],
    }
    request = official.DocumentCreateRequest.from_dict(document)
    created = official.CollectionDocumentsApi(generated).create_document(collection_id, request)
    assert created.collection_id == collection_id
    identifier: str = created.document_id
    return identifier


@pytest.fixture(scope="module")
def cluster(official: ModuleType, generated: Any, collection_id: str) -> Any:
    """A k-means definition, with every default that the client sends unasked."""
    config = official.VectorBasedConfigInput(
        feature_extractor_name="bring_your_own",
        clustering_method="kmeans",
        kmeans_parameters=official.KmeansParameters(official.KMeansParams(n_clusters=2)),
    )
    request = official.CreateClusterRequest(
        collection_ids=[collection_id],
        cluster_name="two dots",
        vector_config=config,
        llm_labeling=official.LLMLabelingInput(enabled=False),
    )
    return official.ClustersApi(generated).create_cluster(request)


@pytest.fixture
def wrapper(official: ModuleType, generated: Any, service: Any) -> Iterator[Any]:
    namespace = generated.configuration.api_key["NamespaceHeader"]
    client = official.Mixpeek(service.key, namespace=namespace, base_url=f"{service.url}/v1")
    yield client
    client._http.clear()


def test_namespaces(official: ModuleType, generated: Any) -> None:
    namespaces = official.NamespacesApi(generated)
    namespace = namespaces.get_namespace(generated.configuration.api_key["NamespaceHeader"])
    assert namespaces.get_namespace(namespace.namespace_name) == namespace
    everything = namespaces.list_namespaces(list_namespaces_request=official.ListNamespacesRequest(limit=1000))
    assert namespace in everything.results
    assert everything.total_count == everything.pagination.total
    assert namespace in namespaces.list_namespaces_get(limit=1000).results


def test_a_namespace_of_vectors_is_renamed_and_deleted(official: ModuleType, generated: Any) -> None:
    namespaces = official.NamespacesApi(generated)
    name = f"spare-{uuid4().hex[:12]}"
    extractors = [official.BaseFeatureExtractorModelInput(feature_extractor_name="bring_your_own", version="v1")]
    indexes = [official.PayloadIndexConfigInput(field_name="colour", type="keyword")]
    request = official.CreateNamespaceRequest(
        namespace_name=name, feature_extractors=extractors, payload_indexes=indexes
    )
    created = namespaces.create_namespace(request)
    assert [index.field_name for index in created.payload_indexes] == ["colour"]
    renamed = namespaces.update_namespace(name, official.UpdateNamespaceRequest(namespace_name=f"{name}-2"))
    assert (renamed.namespace_id, renamed.namespace_name) == (created.namespace_id, f"{name}-2")
    namespaces.delete_namespace(created.namespace_id)
    with pytest.raises(official.exceptions.NotFoundException):
        namespaces.get_namespace(created.namespace_id)


def test_collections(official: ModuleType, generated: Any, collection_id: str) -> None:
    collections = official.CollectionsApi(generated)
    collection = collections.get_collection("dots")
    assert (collection.collection_id, collection.document_count) == (collection_id, len(VECTORS))
    request = official.ListCollectionsRequest.from_dict({"filters": {"collection_name": "dots"}})
    assert collections.list_collections(list_collections_request=request).results == [collection]
    changed = collections.update_collection(collection_id, {"description": "six of them"})
    assert changed.description == "six of them"
    features = collections.describe_collection_features(collection_id).features
    assert [feature.vector_index.dimensions for feature in features] == [2]


def test_documents(official: ModuleType, generated: Any, collection_id: str) -> None:
    documents = official.CollectionDocumentsApi(generated)
    condition = {"field": "metadata.colour", "operator": "eq", "value": "BLUE"}
    request = official.ListDocumentsRequest.from_dict({"filters": {"AND": [condition]}})
    listed = documents.list_documents(collection_id, list_documents_request=request)
    assert [document.additional_properties["metadata"]["colour"] for document in listed.results] == ["blue"] * 3
    first = documents.list_documents(collection_id, limit=2)
    assert (len(first.results), first.pagination.total, first.pagination.total_pages) == (2, 6, 3)


def test_a_document_is_read_changed_and_deleted(official: ModuleType, generated: Any, collection_id: str) -> None:
    documents = official.CollectionDocumentsApi(generated)
    document_id = _add_document(official, generated, collection_id, [0.5, 0.25])
    found = documents.get_document(collection_id, document_id, return_vectors=True)
    assert found.additional_properties["vectors"] == {"bring_your_own": [0.5, 0.25]}
    changed = documents.update_document(collection_id, document_id, {"metadata": {"colour": "green"}})
    assert changed.additional_properties["metadata"] == {"colour": "green"}
    assert documents.delete_document(collection_id, document_id).success
    with pytest.raises(official.exceptions.NotFoundException):
        documents.get_document(collection_id, document_id)


def test_clusters(official: ModuleType, generated: Any, collection_id: str, cluster: Any) -> None:
    clusters = official.ClustersApi(generated)
    assert (cluster.cluster_name, cluster.input_collections) == ("two dots", [collection_id])
    assert clusters.get_cluster(cluster.cluster_id) == clusters.get_cluster("two dots") == cluster
    condition = {"field": "cluster_name", "operator": "starts_with", "value": "TWO"}
    request = official.ListClustersRequest.from_dict(
        {"filters": {"AND": [condition]}, "sort": {"field": "created_at", "direction": "desc"}, "limit": 5}
    )
    listed = clusters.list_clusters(list_clusters_request=request)
    assert ([found.cluster_id for found in listed.results], listed.total_count) == ([cluster.cluster_id], 1)
    assert listed.stats.total_clusters == 1
    assert clusters.list_clusters(limit=1, offset=1).results == []
    patch = official.PatchClusterRequest(description="by their place", metadata={"team": "dots"})
    changed = clusters.patch_cluster(cluster.cluster_id, patch)
    assert (changed.description, changed.metadata) == ("by their place", {"team": "dots"})
    assert changed.vector_config.kmeans_parameters.actual_instance.n_clusters == 2


ATTRIBUTES = {"cluster_type": "attribute", "attribute_config": {"attributes": ["colour"]}}
DENSITY = {
    "vector_config": {
        "feature_uri": "mixpeek://bring_your_own@v1/bring_your_own",
        "clustering_method": "hdbscan",
        "hdbscan_parameters": {"min_cluster_size": 2},
    }
}


@pytest.mark.parametrize("definition", [ATTRIBUTES, DENSITY], ids=["attribute", "hdbscan"])
def test_a_definition_without_a_name(
    official: ModuleType, generated: Any, collection_id: str, definition: dict[str, Any]
) -> None:
    clusters = official.ClustersApi(generated)
    request = official.CreateClusterRequest.from_dict({"collection_ids": [collection_id], **definition})
    created = clusters.create_cluster(request)
    assert clusters.get_cluster(created.cluster_name).cluster_id == created.cluster_id
    clusters.delete_cluster(created.cluster_id)
    with pytest.raises(official.exceptions.NotFoundException) as refused:
        clusters.get_cluster(created.cluster_id)
    assert refused.value.data.error.type == "NotFoundError"


def test_a_run_and_its_task(official: ModuleType, generated: Any, cluster: Any, service: Any) -> None:
    clusters, tasks = official.ClustersApi(generated), official.TasksApi(generated)
    started = clusters.execute_clustering_clusters(
        cluster.cluster_id, execute_cluster_by_id_request=official.ExecuteClusterByIdRequest()
    )
    namespace = generated.configuration.api_key["NamespaceHeader"]
    with Client(service.url, service.key, namespace) as ours:
        ours.wait(started.task_id)
    task = tasks.get_task(started.task_id)
    assert (task.status, task.task_type) == ("COMPLETED", "engine_cluster_build")
    assert started.task_id in [found.task_id for found in tasks.list_tasks(limit=1000).results]
    groups = clusters.get_cluster_groups(cluster.cluster_id)
    assert groups.total_groups == 2
    assert groups.total_documents == sum(group.member_count for group in groups.groups)
    assert clusters.get_cluster(cluster.cluster_id).num_clusters == 2
    assert tasks.kill_task(started.task_id).success


def test_triggers(official: ModuleType, generated: Any, cluster: Any) -> None:
    triggers = official.ClusterTriggersApi(generated)
    request = official.SharedClustersTriggersModelsCreateTriggerRequest.from_dict(
        {
            "cluster_id": cluster.cluster_id,
            "trigger_type": "cron",
            "schedule_config": {"cron_expression": "0 6 * * *", "timezone": "Europe/Berlin"},
        }
    )
    assert triggers.create_trigger_clusters(request) is None  # the v1 API answers 201; this client reads a 200 only
    listed = triggers.list_triggers_clusters(official.SharedClustersTriggersModelsListTriggersRequest())
    (made,) = listed.results
    assert (made.status, made.cluster_id, made.execution_count) == ("active", cluster.cluster_id, 0)
    assert triggers.get_trigger_clusters(made.trigger_id).next_scheduled_at == made.next_scheduled_at
    wanted = official.SharedClustersTriggersModelsListTriggersRequest(cluster_id=cluster.cluster_id)
    assert [found.trigger_id for found in triggers.list_triggers_clusters(wanted).results] == [made.trigger_id]
    assert triggers.pause_trigger_clusters(made.trigger_id).status == "paused"
    assert triggers.resume_trigger_clusters(made.trigger_id).status == "active"
    change = official.SharedClustersTriggersModelsUpdateTriggerRequest(schedule_config={"timezone": "UTC"})
    assert triggers.update_trigger_clusters(made.trigger_id, change).schedule_config["cron_expression"] == "0 6 * * *"
    history = triggers.get_trigger_history_clusters(made.trigger_id, official.TriggerHistoryRequest())
    assert (history.executions, history.total) == ([], 0)
    triggers.delete_trigger_clusters(made.trigger_id)
    assert triggers.get_trigger_clusters(made.trigger_id).status == "disabled"


def test_runs_are_listed_shown_exported_and_named(
    official: ModuleType, generated: Any, collection_id: str, service: Any
) -> None:
    clusters, runs = official.ClustersApi(generated), official.ClusterExecutionsApi(generated)
    coloured = {"AND": [{"field": "metadata.colour", "operator": "eq", "value": "red"}]}
    request = official.CreateClusterRequest.from_dict(
        {"collection_ids": [collection_id], "cluster_name": "red dots", "filters": coloured, **DENSITY}
    )
    cluster = clusters.create_cluster(request)
    assert cluster.filters["AND"][0]["field"] == "metadata.colour"
    asked = official.ExecuteClusterByIdRequest(sample_size=3)
    started = clusters.execute_clustering_clusters(cluster.cluster_id, execute_cluster_by_id_request=asked)
    run_id = started.additional_data["run_id"]
    first = runs.get_cluster_execution_by_run(cluster.cluster_id, run_id)
    assert first.status in ("pending", "processing", "completed")
    namespace = generated.configuration.api_key["NamespaceHeader"]
    with Client(service.url, service.key, namespace) as ours:
        ours.wait(started.task_id)
    run = runs.get_cluster_execution_by_run(cluster.cluster_id, run_id, include_vectors=True)
    assert (run.status, run.mode, run.num_points, run.source_documents) == ("completed", "full", 3, 3)
    assert sum(group.num_members for group in run.centroids) == run.vectors_clustered
    assert all(len(group.centroid_vector) == 2 for group in run.centroids)
    assert runs.get_cluster_execution(cluster.cluster_id).run_id == run_id
    condition = {"field": "status", "operator": "eq", "value": "completed"}
    listing = official.ListClusterExecutionsRequest.from_dict({"filters": {"AND": [condition]}})
    listed = runs.list_cluster_executions(
        cluster.cluster_id, limit=5, offset=0, list_cluster_executions_request=listing
    )
    assert ([each.run_id for each in listed.results], listed.total_count) == ([run_id], 1)
    assert clusters.get_cluster_groups(cluster.cluster_id).run_id == run_id
    named = runs.patch_execution_run_name_clusters(
        cluster.cluster_id, run_id, official.PatchExecutionRunNameRequest(run_name="red ones")
    )
    assert named.run_name == runs.get_cluster_execution_by_run(cluster.cluster_id, run_id).run_name == "red ones"
    text = runs.export_cluster_execution_id_run(cluster.cluster_id, run_id, format="csv")
    assert len(text.splitlines()) == 4
    link = runs.export_cluster_execution_id_run(cluster.cluster_id, run_id)
    assert link["download_url"].startswith(service.url)
    drawn = clusters.get_cluster_visualization(cluster.cluster_id, max_points=2, run_id=run_id)
    assert len(drawn["members"]) == 2
    with pytest.raises(official.exceptions.ApiException) as refused:
        runs.cancel_execution_clusters_id_run(cluster.cluster_id, run_id)
    assert refused.value.status == 409


def test_groups_are_renamed_and_later_documents_join_them(official: ModuleType, generated: Any, service: Any) -> None:
    clusters, runs = official.ClustersApi(generated), official.ClusterExecutionsApi(generated)
    namespace = generated.configuration.api_key["NamespaceHeader"]
    with service.client(**{"X-Namespace": namespace}) as ours:
        add_collection(ours, "few dots")
    request = official.CreateClusterRequest.from_dict({"collection_ids": ["few dots"], **DENSITY})
    identifier = clusters.create_cluster(request).cluster_id
    labels = {}
    for mode in ("full", "assign", "full"):
        asked = official.ExecuteClusterByIdRequest(mode=mode)
        started = clusters.execute_clustering_clusters(identifier, execute_cluster_by_id_request=asked)
        with Client(service.url, service.key, namespace) as waiting:
            assert waiting.wait(started.task_id)["status"] == "COMPLETED"
        run = runs.get_cluster_execution(identifier)
        assert (run.mode, [group.cluster_id for group in run.centroids]) == (mode, ["cl_0", "cl_1", "cl_2"])
        assert {group.cluster_id: group.label for group in run.centroids}.items() >= labels.items()
        labels = {"cl_1": f"named after {mode}"}
        renaming = official.PatchExecutionLabelsRequest(labels=labels)
        renamed = runs.patch_execution_labels_clusters_id_run(identifier, run.run_id, renaming)
        assert renamed.label_overrides == labels
    clusters.delete_cluster(identifier)
    official.CollectionsApi(generated).delete_collection("few dots")


def test_a_run_is_canceled(official: ModuleType, generated: Any, service: Any) -> None:
    clusters, runs = official.ClustersApi(generated), official.ClusterExecutionsApi(generated)
    namespace = generated.configuration.api_key["NamespaceHeader"]
    with service.client(**{"X-Namespace": namespace}) as ours:
        rows = np.random.default_rng(0).normal(size=(20_000, 32)).astype(np.float32)
        add_collection(ours, "many dots", rows)
    request = official.CreateClusterRequest.from_dict({"collection_ids": ["many dots"], **DENSITY})
    identifier = clusters.create_cluster(request).cluster_id
    run_id = clusters.execute_clustering_clusters(identifier).additional_data["run_id"]
    assert runs.cancel_execution_clusters_id_run(identifier, run_id)["run_id"] == run_id
    deadline = time.monotonic() + 60
    while runs.get_cluster_execution_by_run(identifier, run_id).status in ("pending", "processing"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert runs.get_cluster_execution_by_run(identifier, run_id).status == "canceled"
    clusters.delete_cluster(identifier)
    official.CollectionsApi(generated).delete_collection("many dots")


def test_a_wrong_key_is_an_error_it_knows(official: ModuleType, service: Any) -> None:
    connection = official.ApiClient(official.Configuration(host=service.url, access_token="sk_wrong"))
    with pytest.raises(official.exceptions.UnauthorizedException) as refused:
        official.ClustersApi(connection).list_clusters()
    assert (refused.value.data.status, refused.value.data.error.type) == (401, "UnauthorizedError")


@pytest.mark.parametrize(("prefix", "total"), [("two", 1), ("TWO", 0)])
def test_case_sensitive_holds_of_conditions_that_the_client_marks_otherwise(
    official: ModuleType, generated: Any, cluster: Any, prefix: str, total: int
) -> None:
    """The client sends `case_sensitive: false` inside every condition, whatever its user asked for around it."""
    condition = {"field": "cluster_name", "operator": "starts_with", "value": prefix}
    request = official.ListClustersRequest.from_dict({"filters": {"AND": [condition], "case_sensitive": True}})
    assert request.to_dict()["filters"]["AND"] == [{**condition, "case_sensitive": False}]
    assert official.ClustersApi(generated).list_clusters(list_clusters_request=request).total_count == total


def test_a_malformed_filter_is_an_error_it_knows(official: ModuleType, generated: Any) -> None:
    condition = {"field": "created_at", "operator": "gt", "value": "no time"}
    request = official.ListClustersRequest.from_dict({"filters": {"AND": [condition]}})
    with pytest.raises(official.exceptions.UnprocessableEntityException) as refused:
        official.ClustersApi(generated).list_clusters(list_clusters_request=request)
    assert refused.value.data.error.type == "ValidationError"


def test_the_wrapper(wrapper: Any, collection_id: str) -> None:
    assert wrapper.namespace in [namespace.namespace_id for namespace in wrapper.namespaces.list().results]
    assert wrapper.namespaces.get(wrapper.namespace).namespace_id == wrapper.namespace
    created = wrapper.collections.create(name="by the wrapper")
    assert wrapper.collections.get(created.collection_id) == created
    names = {collection.collection_name for collection in wrapper.collections.list().results}
    assert names == {"dots", "by the wrapper"}
    assert wrapper.collections.update(created.collection_id, metadata={"a": 1}).metadata == {"a": 1}
    wrapper.collections.delete(created.collection_id)
    documents = wrapper.documents.list(collection_id, page_size=1)
    assert len(documents.results) == 1
    document_id = documents.results[0].document_id
    assert wrapper.documents.get(collection_id, document_id).document_id == document_id
    assert wrapper.tasks.list(search="nothing has this").results == []
    spare = wrapper.namespaces.create(name=f"wrapped-{uuid4().hex[:12]}")
    wrapper.namespaces.delete(spare.namespace_id)
