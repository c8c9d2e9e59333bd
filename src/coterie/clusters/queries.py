"""Reads of cluster definitions."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, or_, select

from coterie.api.context import Tenant
from coterie.kit.errors import NotFound
from coterie.listing.answer import Listed, run_list
from coterie.listing.field_index import FieldIndex
from coterie.listing.sql import Source, plain_page
from coterie.listing.tree import Listable, ListQuery
from coterie.store.db import InlineReads, fetch_kept
from coterie.store.tables import cluster_counts, cluster_fields, cluster_texts, clusters

PROFILE = Listable("cluster_name", "cluster_id", frozenset({"created_at", "updated_at", "last_executed_at"}))
INDEX = FieldIndex(
    cluster_fields,
    "namespace_id",
    complete=True,
    texts=cluster_texts,
    untexted=PROFILE.timestamps | {"namespace_id", "parquet_path", "members_key"},
)
_TOTAL = select(func.coalesce(func.sum(cluster_counts.c.definitions), 0)).where(
    cluster_counts.c.namespace_id == bindparam("namespace_id")
)
SOURCE = Source(
    clusters,
    clusters.c.pk,
    clusters.c.id,
    clusters.c.created_at,
    clusters.c.resource,
    clusters.c.namespace_id == bindparam("namespace_id"),
    cluster_texts.c.search,
    INDEX,
    _TOTAL,
)
_NEWEST = plain_page(SOURCE).with_only_columns(clusters.c.resource)
_COUNTS = select(cluster_counts.c.status, cluster_counts.c.definitions, cluster_counts.c.documents).where(
    cluster_counts.c.namespace_id == bindparam("namespace_id"), cluster_counts.c.definitions > 0
)


def find_cluster(tx: Connection, tenant: Tenant, identifier: str) -> Row[Any]:
    """The tenant's definition by id, else by name. Raises NotFound."""
    own = (
        select(clusters)
        .where(
            clusters.c.namespace_id == tenant.namespace_id,
            or_(clusters.c.id == identifier, clusters.c.name == identifier),
        )
        .order_by((clusters.c.id == identifier).desc())
    )
    row = tx.execute(own.limit(1)).first()
    if row is None:
        raise NotFound(f"cluster '{identifier}' does not exist in this namespace")
    return row


def count_clusters(tx: Connection, tenant: Tenant) -> int:
    """How many definitions the namespace has."""
    total: int = fetch_kept(tx, _TOTAL, {"namespace_id": tenant.namespace_id})[0][0]
    return total


def list_clusters(tx: Connection, tenant: Tenant, query: ListQuery) -> tuple[Listed, dict[str, Any]]:
    """A page of the namespace's definitions, and the `stats` over all of them, from one snapshot."""
    own = {"namespace_id": tenant.namespace_id}
    return run_list(tx, query, SOURCE, own), _stats(fetch_kept(tx, _COUNTS, own))


def list_newest(reads: InlineReads, tenant: Tenant, query: ListQuery) -> tuple[Listed, dict[str, Any]]:
    """As `list_clusters` within a snapshot of `reads`, for a query that asks for everything, newest first."""
    own = {"namespace_id": tenant.namespace_id}
    stats = _stats(reads.execute(_COUNTS, own))
    page = [row[0] for row in reads.execute(_NEWEST, {**own, "limit": query.limit, "offset": query.offset})]
    return Listed(page, stats["total_clusters"]), stats


def _stats(rows: Sequence[Any]) -> dict[str, Any]:
    total = sum(row[1] for row in rows)
    documents = sum(row[2] for row in rows)
    return {
        "total_clusters": total,
        "total_documents": documents,
        "avg_documents_per_cluster": documents / total if total else 0.0,
        "clusters_by_status": {row[0]: row[1] for row in rows},
    }
