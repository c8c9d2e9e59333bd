"""The rules of a write: definitions, and the summary that a run leaves on its definition."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, select, update

from coterie.api.context import Tenant
from coterie.clusters.methods import check_attributes, check_levels, check_names, names_of, params_of
from coterie.clusters.queries import INDEX, PROFILE, count_clusters, find_cluster
from coterie.clusters.schemas import ClusterType, CreateClusterRequest, PatchClusterRequest, VectorBasedConfig
from coterie.documents.collections import find_collections
from coterie.documents.queries import PROFILE as DOCUMENTS
from coterie.jobs import queue
from coterie.kit.clock import iso, parse_iso
from coterie.kit.errors import AlreadyExists, BadRequest, invalid
from coterie.kit.ids import ordered_id
from coterie.listing.field_index import erase_fields, paths_of, write_fields
from coterie.listing.fields import all_strings, rows_for, search_text
from coterie.listing.filters import parse_filters
from coterie.listing.terms import erase_terms, terms_of, write_terms
from coterie.listing.texts import Texts, erase_texts, write_texts
from coterie.store.db import Db
from coterie.store.dialects import upsert
from coterie.store.tables import cluster_counts, clusters, collections, runs, settings, tasks
from coterie.webhooks.events import emit

MAX_CLUSTERS = 2_000_000
OnWritten = Callable[[Connection, Tenant, Mapping[str, Any], str], None]
"""Called with the resource of a definition that was made or changed, and the time."""

INDEX_RULES = f"3, Unicode {unicodedata.unidata_version}"
"""What the field index is made by; another value in the store has it made anew."""

_INDEX_RULES = "field_index"
MAX_METADATA = 16_384
"""Bytes of a definition's own metadata, and of its filters, as JSON: all of it is indexed for filters."""


def create_cluster(
    tx: Connection, tenant: Tenant, request: CreateClusterRequest, now: str, on_written: OnWritten
) -> str:
    """A new definition, as JSON. Raises NotFound, AlreadyExists, BadRequest, Invalid."""
    found = find_collections(tx, tenant, request.collection_ids)
    config = _check_definition(request)
    if count_clusters(tx, tenant) >= MAX_CLUSTERS:
        raise BadRequest(f"a namespace has at most {MAX_CLUSTERS} definitions")
    now = _later_than_all(tx, tenant, now)
    identity = ordered_id("clust", now)
    name = request.cluster_name or identity
    _check_free(tx, tenant, name)
    resource = {
        "cluster_id": identity,
        "cluster_name": name,
        "cluster_type": request.cluster_type,
        "collection_ids": request.collection_ids,
        "input_collections": [row.id for row in found],
        **config,
        "llm_labeling": request.llm_labeling.model_dump(mode="json", exclude_unset=True) or {"enabled": False},
        "description": request.description,
        "metadata": _check_metadata(request.metadata),
        "auto_execute_on_batch": request.auto_execute_on_batch,
        "auto_execute_min_documents": request.auto_execute_min_documents,
        "auto_execute_cooldown_seconds": request.auto_execute_cooldown_seconds,
        **request.model_dump(mode="json", include={"enrich_source_collection", "source_enrichment_config"}),
        "filters": check_filters(request.filters),
        "retention": request.retention and request.retention.model_dump(exclude_unset=True),
        "namespace_id": tenant.namespace_id,
        "status": queue.PENDING,
        "task_id": None,
        "last_run_id": None,
        "last_executed_at": None,
        "num_clusters": None,
        "num_documents_clustered": None,
        "cluster_stats": None,
        "parquet_path": None,
        "members_key": None,
        "error": None,
        "llm_labeling_errors": None,
        "created_at": now,
        "updated_at": now,
    }
    _check_write_back(resource)
    columns = _columns(resource, "")
    new = insert(clusters).values(id=identity, namespace_id=tenant.namespace_id, created_at=now, **columns)
    pk = tx.execute(new.returning(clusters.c.pk)).scalar_one()
    _index(tx, [(pk, resource, "")])
    _count(tx, tenant.namespace_id, resource["status"], 1, 0)
    emit(tx, tenant.namespace_id, "cluster.created", {"cluster_id": identity, "cluster_name": name}, now)
    on_written(tx, tenant, resource, now)
    return str(columns["resource"])


def patch_cluster(
    tx: Connection, tenant: Tenant, identifier: str, request: PatchClusterRequest, now: str, on_written: OnWritten
) -> str:
    """Change what `PatchClusterRequest` holds; the definition as JSON. Raises NotFound, AlreadyExists, BadRequest,
    Invalid."""
    row = find_cluster(tx, tenant, identifier)
    given = request.model_dump(mode="json", exclude_unset=True, exclude={"name", "llm_labeling", "filters"})
    if request.name is not None:
        if request.cluster_name not in (None, request.name):
            raise BadRequest("'name' and 'cluster_name' say the same thing; send one of them")
        given["cluster_name"] = request.name
    if given.get("cluster_name") is None:
        given.pop("cluster_name", None)
    elif given["cluster_name"] != row.name:
        _check_free(tx, tenant, given["cluster_name"])
    if request.llm_labeling is not None:
        given["llm_labeling"] = request.llm_labeling.model_dump(mode="json", exclude_unset=True)
    _check_metadata(given.get("metadata"))
    if "filters" in request.model_fields_set:
        given["filters"] = check_filters(request.filters)
    _check_write_back({**orjson.loads(row.resource), **given})
    for name in ("auto_execute_on_batch", "auto_execute_cooldown_seconds", "enrich_source_collection"):
        if given.get(name) is None:
            given.pop(name, None)
    named = {"cluster_id": row.id, "cluster_name": given.get("cluster_name", row.name)}
    emit(tx, tenant.namespace_id, "cluster.updated", {**named, "changed": sorted(given)}, now)
    changed = change_cluster(tx, row.pk, given, now)
    on_written(tx, tenant, orjson.loads(changed), now)
    return changed


def change_cluster(
    tx: Connection, pk: int, changes: Mapping[str, Any], now: str, *, run_text: str | None = None
) -> str:
    """Bring a definition's resource, its columns and its field index along together; it as JSON."""
    row = tx.execute(select(clusters).where(clusters.c.pk == pk)).one()
    resource = {**orjson.loads(row.resource), **changes, "updated_at": now}
    columns = _columns(resource, row.run_text if run_text is None else run_text)
    tx.execute(update(clusters).where(clusters.c.pk == pk).values(**columns))
    _index(tx, [(pk, resource, columns["run_text"])])
    if (row.status, row.num_documents) != (columns["status"], columns["num_documents"]):
        _count(tx, row.namespace_id, row.status, -1, -row.num_documents)
        _count(tx, row.namespace_id, columns["status"], 1, columns["num_documents"])
    return str(columns["resource"])


def delete_cluster(tx: Connection, tenant: Tenant, identifier: str, now: str) -> list[str]:
    """Delete a definition with its runs and end its jobs; the ids of its runs, whose files are to go too."""
    row = find_cluster(tx, tenant, identifier)
    run_ids = list(tx.scalars(select(runs.c.id).where(runs.c.cluster_id == row.id)).all())
    queue.request_cancel(tx, tasks.c.lock == row.id, tasks.c.namespace_id == tenant.namespace_id)
    erase_fields(tx, INDEX.fields, [row.pk])
    erase_texts(tx, tenant.namespace_id, [row.pk])
    erase_terms(tx, [row.pk])
    tx.execute(delete(clusters).where(clusters.c.pk == row.pk))
    _count(tx, tenant.namespace_id, row.status, -1, -row.num_documents)
    emit(tx, tenant.namespace_id, "cluster.deleted", {"cluster_id": row.id, "cluster_name": row.name}, now)
    return run_ids


def follow_rename(tx: Connection, collection_id: str) -> None:
    """Let the definitions that use a collection be found by its new name."""
    owner = tx.scalar(select(collections.c.namespace_id).where(collections.c.id == collection_id)) or ""
    path = paths_of(tx, owner, ["input_collections"]).get("input_collections")
    if path is None:
        return
    using = select(INDEX.fields.c.row_id).where(
        INDEX.fields.c.path_id == path.id, INDEX.fields.c.folded == collection_id
    )
    rows = tx.execute(select(clusters).where(clusters.c.pk.in_(using))).all()
    write_texts(tx, owner, [_texts(tx, row.pk, orjson.loads(row.resource), row.run_text) for row in rows])


def reindex(db: Db) -> None:
    """Write the field index anew where it was made by other rules: an earlier version's, or another Unicode's.

    Text is folded by Python's tables, which change with Python; an index of other tables would find other rows.
    """
    with db.read() as tx:
        present = tx.scalar(select(settings.c.value).where(settings.c.name == _INDEX_RULES))
    if present == INDEX_RULES:
        return
    last: int | None = 0
    while last is not None:
        with db.write() as tx:
            rows = tx.execute(select(clusters).where(clusters.c.pk > last).order_by(clusters.c.pk).limit(500)).all()
            _index(tx, [(row.pk, orjson.loads(row.resource), row.run_text) for row in rows])
            last = rows[-1].pk if rows else None
    with db.write() as tx:
        made = upsert(tx.dialect, settings).values(name=_INDEX_RULES, value=INDEX_RULES)
        tx.execute(made.on_conflict_do_update(index_elements=["name"], set_={"value": made.excluded.value}))


def vector_names_of(config: VectorBasedConfig) -> list[str]:
    """The names that a definition's vectors may have. Raises Invalid."""
    loc = ("body", "vector_config")
    if config.feature_uri is not None:
        return names_of(config.feature_uri, (*loc, "feature_uri"))
    return check_names([config.feature_extractor_name], (*loc, "feature_extractor_name"))


def _count(tx: Connection, namespace_id: str, status: str, definitions: int, documents: int) -> None:
    """Keep the namespace's counts beside its definitions, in the same transaction."""
    new = upsert(tx.dialect, cluster_counts).values(
        namespace_id=namespace_id, status=status, definitions=definitions, documents=documents
    )
    tx.execute(
        new.on_conflict_do_update(
            index_elements=["namespace_id", "status"],
            set_={
                "definitions": cluster_counts.c.definitions + new.excluded.definitions,
                "documents": cluster_counts.c.documents + new.excluded.documents,
            },
        )
    )


def _check_definition(request: CreateClusterRequest) -> dict[str, Any]:
    """The definition's two configs as they are stored: what was given, and nothing else."""
    vector, attribute = request.vector_config, request.attribute_config
    wanted = "vector_config" if request.cluster_type is ClusterType.VECTOR else "attribute_config"
    other = "attribute_config" if wanted == "vector_config" else "vector_config"
    if getattr(request, wanted) is None:
        raise invalid(("body", wanted), f"a {request.cluster_type} cluster needs '{wanted}'", "missing")
    if getattr(request, other) is not None:
        raise BadRequest(f"'{other}' has no meaning for a {request.cluster_type} cluster; leave it out")
    stored: dict[str, Any] = {"vector_config": None, "attribute_config": None}
    if vector is not None:
        params_of(vector, ("body", "vector_config"))
        check_levels(vector.hierarchical, vector.max_hierarchy_depth, vector.groups_per_level)
        names = vector_names_of(vector)
        stored["vector_config"] = vector.model_dump(mode="json", exclude_unset=True)
        stored["vector_config"].setdefault("feature_extractor_name", names[-1])
    if attribute is not None:
        check_attributes(attribute)
        stored["attribute_config"] = attribute.model_dump(mode="json")
    return stored


def check_filters(filters: Any) -> dict[str, Any] | None:
    """Filters of a run's documents as they came, null where they ask for nothing. Raises Invalid."""
    loc = ("body", "filters")
    if parse_filters(filters, DOCUMENTS, False, loc) is None:
        return None
    if len(orjson.dumps(filters)) > MAX_METADATA:
        raise invalid(loc, f"filters are at most {MAX_METADATA} bytes of JSON")
    kept: dict[str, Any] = filters
    return kept


def _check_metadata(metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    if metadata is not None and len(orjson.dumps(metadata)) > MAX_METADATA:
        raise invalid(("body", "metadata"), f"metadata is at most {MAX_METADATA} bytes of JSON")
    return metadata


def _check_write_back(resource: Mapping[str, Any]) -> None:
    if resource.get("source_enrichment_config") is not None and not resource.get("enrich_source_collection"):
        raise BadRequest("'source_enrichment_config' has no meaning without 'enrich_source_collection': true")


def _check_free(tx: Connection, tenant: Tenant, name: str) -> None:
    taken = select(clusters.c.id).where(clusters.c.namespace_id == tenant.namespace_id, clusters.c.name == name)
    if tx.scalar(taken) is not None:
        raise AlreadyExists(f"cluster '{name}' already exists in this namespace")


def _columns(resource: Mapping[str, Any], run_text: str) -> dict[str, Any]:
    return {
        "name": resource["cluster_name"],
        "resource": orjson.dumps(resource).decode(),
        "run_text": run_text,
        "status": resource["status"],
        "last_run_id": resource["last_run_id"],
        "num_documents": resource["num_documents_clustered"] or 0,
    }


def _collection_names(tx: Connection, resource: Mapping[str, Any]) -> Sequence[str]:
    """What the definition's collections are called, now and when it was made."""
    named = select(collections.c.name).where(collections.c.id.in_(resource["input_collections"]))
    return [*tx.scalars(named), *resource["collection_ids"]]


def _search_parts(resource: Mapping[str, Any]) -> Sequence[str | None]:
    config = resource["vector_config"] or {}
    return [
        resource["cluster_name"],
        resource["cluster_id"],
        resource["description"],
        config.get("feature_extractor_name"),
        config.get("clustering_method"),
        *resource["input_collections"],
    ]


def _index(tx: Connection, definitions: Sequence[tuple[int, dict[str, Any], str]]) -> None:
    """Write what definitions are found by: for each its key, its resource and its run's text."""
    of_namespace: dict[str, list[tuple[int, dict[str, Any], str]]] = {}
    for definition in definitions:
        of_namespace.setdefault(definition[1]["namespace_id"], []).append(definition)
    for namespace_id, own in of_namespace.items():
        rows_of = [(pk, list(rows_for(row, PROFILE))) for pk, row, _ in own]
        known = write_fields(tx, INDEX.fields, namespace_id, rows_of)
        path_ids = {path: each.id for path, each in known.items() if path not in INDEX.untexted}
        write_terms(tx, [(pk, terms_of(rows, path_ids)) for pk, rows in rows_of])
        write_texts(tx, namespace_id, [_texts(tx, *definition) for definition in own])


def _texts(tx: Connection, pk: int, resource: dict[str, Any], run_text: str) -> Texts:
    search = search_text([*_search_parts(resource), *_collection_names(tx, resource), run_text])
    return Texts(pk, search, f"{search}\n{all_strings(resource, INDEX.untexted)}")


def _later_than_all(tx: Connection, tenant: Tenant, now: str) -> str:
    """Now, or a microsecond after the namespace's newest definition if a clock went back: rows keep their order."""
    own = select(clusters.c.created_at).where(clusters.c.namespace_id == tenant.namespace_id)
    newest = tx.scalar(own.order_by(clusters.c.created_at.desc()).limit(1))
    return now if newest is None or now > newest else iso(parse_iso(newest) + timedelta(microseconds=1))
