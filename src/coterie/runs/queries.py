"""Reads of runs."""

from typing import Any

import orjson
from sqlalchemy import Connection, Row, bindparam, select

from coterie.api.context import Tenant
from coterie.clusters.queries import find_cluster
from coterie.jobs import queue
from coterie.kit.errors import BadRequest, NotFound
from coterie.listing.answer import Listed, run_list
from coterie.listing.sql import Source
from coterie.listing.tree import NEWEST_FIRST, Listable, ListQuery
from coterie.store.tables import runs

PROFILE = Listable("run_id", "run_id", frozenset({"created_at", "completed_at"}))
SOURCE = Source(
    runs,
    runs.c.pk,
    runs.c.id,
    runs.c.created_at,
    runs.c.resource,
    (runs.c.namespace_id == bindparam("namespace_id")) & (runs.c.cluster_id == bindparam("cluster_id")),
)


def find_results(tx: Connection, tenant: Tenant, identifier: str) -> tuple[str, Row[Any]]:
    """The newest completed run of a definition, by the definition's id or name or by the run's own id.

    With it what the answer calls itself: the definition's id, or the run's where it has none. Raises NotFound.
    """
    done = select(runs).where(runs.c.namespace_id == tenant.namespace_id, runs.c.status == queue.COMPLETED)
    if identifier.startswith("run_"):
        run = tx.execute(done.where(runs.c.id == identifier)).first()
        if run is not None:
            return run.cluster_id or run.id, run
    cluster = find_cluster(tx, tenant, identifier)
    newest = done.where(runs.c.cluster_id == cluster.id).order_by(runs.c.created_at.desc(), runs.c.pk.desc())
    run = tx.execute(newest.limit(1)).first()
    if run is None:
        raise NotFound(f"cluster '{identifier}' has no completed run yet; POST /v1/clusters/{cluster.id}/execute")
    return cluster.id, run


def find_source(tx: Connection, tenant: Tenant, identifier: str) -> Row[Any]:
    """A completed run by vectors, by its id or as the newest of a definition. Raises NotFound, BadRequest."""
    _, run = find_results(tx, tenant, identifier)
    if orjson.loads(run.plan)["attributes"]:
        raise BadRequest(f"'{identifier}' is a grouping by attributes, whose groups have no centroids")
    return run


def list_runs(tx: Connection, tenant: Tenant, identifier: str, query: ListQuery) -> Listed:
    """A page of a definition's runs, in whatever state. Raises NotFound."""
    cluster = find_cluster(tx, tenant, identifier)
    return run_list(tx, query, SOURCE, {"namespace_id": tenant.namespace_id, "cluster_id": cluster.id})


def latest_run(tx: Connection, tenant: Tenant, identifier: str) -> str:
    """The newest run of a definition, as JSON. Raises NotFound."""
    newest = list_runs(tx, tenant, identifier, ListQuery(None, NEWEST_FIRST, (), 1, 0)).results
    if not newest:
        raise NotFound(f"cluster '{identifier}' has no run yet; POST /v1/clusters/{identifier}/execute")
    return newest[0]


def find_run(tx: Connection, tenant: Tenant, identifier: str, run_id: str) -> Row[Any]:
    """A run of a definition, in whatever state. Raises NotFound."""
    cluster = find_cluster(tx, tenant, identifier)
    row = tx.execute(select(runs).where(runs.c.cluster_id == cluster.id, runs.c.id == run_id)).first()
    if row is None:
        raise NotFound(f"run '{run_id}' does not exist among those of cluster '{identifier}'")
    return row


def find_completed(tx: Connection, tenant: Tenant, identifier: str, run_id: str) -> Row[Any]:
    """A run of a definition that has results. Raises NotFound."""
    run = find_run(tx, tenant, identifier, run_id)
    if run.status != queue.COMPLETED:
        raise NotFound(f"run '{run_id}' has no results: it is {run.status.lower()}")
    return run


def run_before(tx: Connection, run: Row[Any]) -> Row[Any] | None:
    """The newest run of the same definition that has completed."""
    if run.cluster_id is None:
        return None
    done = select(runs).where(runs.c.cluster_id == run.cluster_id, runs.c.status == queue.COMPLETED)
    return tx.execute(done.order_by(runs.c.created_at.desc(), runs.c.pk.desc()).limit(1)).first()


def get_run(tx: Connection, tenant: Tenant, run_id: str) -> Row[Any]:
    """A run by its id, in whatever state. Raises NotFound."""
    own = select(runs).where(runs.c.namespace_id == tenant.namespace_id, runs.c.id == run_id)
    row = tx.execute(own).first()
    if row is None:
        raise NotFound(f"run '{run_id}' does not exist in this namespace")
    return row
