"""Reads of tasks."""

from sqlalchemy import Connection, bindparam, select

from coterie.api.context import Tenant
from coterie.kit.errors import NotFound
from coterie.listing.answer import Listed, run_list
from coterie.listing.sql import Source
from coterie.listing.tree import Listable, ListQuery
from coterie.store.tables import tasks

PROFILE = Listable("task_id", "task_id")
SOURCE = Source(
    tasks,
    tasks.c.pk,
    tasks.c.id,
    tasks.c.resource,
    tasks.c.namespace_id == bindparam("namespace_id"),
    {"created_at": tasks.c.created_at},
)


def get_task(tx: Connection, tenant: Tenant, task_id: str) -> str:
    """The task's JSON. Raises NotFound."""
    own = select(tasks.c.resource).where(tasks.c.namespace_id == tenant.namespace_id, tasks.c.id == task_id)
    resource: str | None = tx.scalar(own)
    if resource is None:
        raise NotFound(f"task '{task_id}' does not exist in this namespace")
    return resource


def list_tasks(tx: Connection, tenant: Tenant, query: ListQuery) -> Listed:
    """A page of the namespace's tasks."""
    return run_list(tx, query, SOURCE, {"namespace_id": tenant.namespace_id})
