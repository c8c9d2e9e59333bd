"""Reads of write-backs."""

from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from coterie.api.context import Tenant
from coterie.kit.errors import NotFound
from coterie.listing.answer import Listed, run_list
from coterie.listing.sql import Source
from coterie.listing.tree import Listable, ListQuery
from coterie.store.tables import enrichments

PROFILE = Listable("enrichment_id", "enrichment_id", frozenset({"created_at", "completed_at"}))
SOURCE = Source(
    enrichments,
    enrichments.c.pk,
    enrichments.c.id,
    enrichments.c.created_at,
    enrichments.c.resource,
    enrichments.c.namespace_id == bindparam("namespace_id"),
)


def find_enrichment(tx: Connection, tenant: Tenant, enrichment_id: str) -> Row[Any]:
    """The tenant's write-back. Raises NotFound."""
    own = select(enrichments).where(
        enrichments.c.namespace_id == tenant.namespace_id, enrichments.c.id == enrichment_id
    )
    row = tx.execute(own).first()
    if row is None:
        raise NotFound(f"enrichment '{enrichment_id}' does not exist in this namespace")
    return row


def list_enrichments(tx: Connection, tenant: Tenant, query: ListQuery) -> Listed:
    """A page of the namespace's write-backs."""
    return run_list(tx, query, SOURCE, {"namespace_id": tenant.namespace_id})
