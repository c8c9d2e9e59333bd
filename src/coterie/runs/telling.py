"""What webhooks are told of a run."""

import orjson
from sqlalchemy import Connection, select

from coterie.store.tables import clusters, runs
from coterie.webhooks.events import emit

TOLD = ("run_id", "cluster_id", "task_id", "status", "algorithm", "num_clusters", "num_points", "error_message")


def tell_run(tx: Connection, run_id: str, type: str, now: str) -> None:
    """Emit an event of a run that says how it stands, and what its definition is called (null without one)."""
    found = (
        select(runs.c.namespace_id, runs.c.resource, clusters.c.name)
        .outerjoin(clusters, clusters.c.id == runs.c.cluster_id)
        .where(runs.c.id == run_id)
    )
    row = tx.execute(found).one()
    resource = orjson.loads(row.resource)
    emit(tx, row.namespace_id, type, {**{name: resource[name] for name in TOLD}, "cluster_name": row.name}, now)
