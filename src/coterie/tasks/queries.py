"""Reads of tasks."""

import orjson
from sqlalchemy import Connection, bindparam, select

from coterie.api.context import Account, Tenant
from coterie.jobs import queue
from coterie.kit.errors import Conflict, NotFound
from coterie.listing.answer import Listed, run_list
from coterie.listing.sql import Source
from coterie.listing.tree import Listable, ListQuery
from coterie.store.tables import tasks

PROFILE = Listable("task_id", "task_id")
_OF_NAMESPACE = tasks.c.namespace_id == bindparam("namespace_id")
_OF_ORGANIZATION = tasks.c.org_id == bindparam("org_id")
_ROWS = (tasks, tasks.c.pk, tasks.c.id, tasks.c.created_at, tasks.c.resource)
NAMESPACE_SOURCE = Source(*_ROWS, _OF_NAMESPACE)
ORGANIZATION_SOURCE = Source(*_ROWS, _OF_ORGANIZATION)


def get_task(tx: Connection, account: Account, task_id: str) -> str:
    """The task's JSON; a tenant sees its namespace's, an account all of its organization. Raises NotFound."""
    source, own = _scope(account)
    resource: str | None = tx.scalar(select(tasks.c.resource).where(source.tenant, tasks.c.id == task_id), own)
    if resource is None:
        raise NotFound(f"task '{task_id}' does not exist")
    return resource


def check_cancelable(resource: str) -> None:
    """Raise Conflict for a task that must be seen through: half a deletion would leave what no one can reach."""
    shown = orjson.loads(resource)
    if shown["task_type"] == "api_namespaces_delete" and shown["status"] in queue.OPEN:
        raise Conflict("the deletion of a namespace cannot be canceled: the namespace is gone already")


def list_tasks(tx: Connection, account: Account, query: ListQuery) -> Listed:
    """A page of the tasks that the account or tenant sees."""
    return run_list(tx, query, *_scope(account))


def _scope(account: Account) -> tuple[Source, dict[str, str]]:
    if isinstance(account, Tenant):
        return NAMESPACE_SOURCE, {"namespace_id": account.namespace_id}
    return ORGANIZATION_SOURCE, {"org_id": account.org_id}
