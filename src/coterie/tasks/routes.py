"""Routes of tasks: get, list, cancel. Without `X-Namespace` they see the tasks of all the organization's namespaces."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from coterie.api.bodies import StrictRoute
from coterie.api.context import Context, TaskDeleter, TaskReader
from coterie.api.errors import ERRORS, TOO_MANY, as_json, json_response
from coterie.api.schemas import DocumentedAs, GenericDeleteResponse, ListRequest
from coterie.jobs import queue
from coterie.kit.errors import NotFound
from coterie.listing.answer import write_answer
from coterie.listing.syntax import parse_list
from coterie.store.tables import tasks
from coterie.tasks import queries
from coterie.tasks.events import Listeners, follow
from coterie.tasks.schemas import ListTasksResponse, TaskResponse

router = APIRouter(prefix="/v1/tasks", tags=["Tasks"], route_class=StrictRoute, responses=ERRORS)


@router.get("/", response_model=ListTasksResponse)
@router.get("", response_model=ListTasksResponse, include_in_schema=False)
def list_active_tasks(
    request: Request,
    account: TaskReader,
    services: Context,
    page: Annotated[int | None, Query()] = 1,
    page_size: Annotated[int, Query()] = 10,
) -> Response:
    """The namespace's tasks, newest first."""
    with services.db.read() as tx:
        query = parse_list({"page": page, "page_size": page_size}, profile=queries.PROFILE)
        listed = queries.list_tasks(tx, account, query)
        return Response(write_answer(listed, query, request.url.path, queries.PROFILE), media_type="application/json")


@router.post("/list", response_model=ListTasksResponse)
def list_tasks(
    request: Request,
    account: TaskReader,
    services: Context,
    body: Annotated[Any, Body(), DocumentedAs(ListRequest)] = None,
    limit: int | None = None,
    offset: int | None = None,
) -> Response:
    """The namespace's tasks by the list language."""
    with services.db.read() as tx:
        query = parse_list(body, profile=queries.PROFILE, limit=limit, offset=offset)
        listed = queries.list_tasks(tx, account, query)
        return Response(write_answer(listed, query, request.url.path, queries.PROFILE), media_type="application/json")


@router.get("/{task_id}", response_model=TaskResponse)
def get_task(task_id: str, account: TaskReader, services: Context) -> Response:
    """One task, with its progress."""
    with services.db.read() as tx:
        return Response(queries.get_task(tx, account, task_id), media_type="application/json")


def listening(task_id: str, account: TaskReader, services: Context, request: Request) -> Iterator[None]:
    """Dependency: the task is there, and its account may open one more stream, which counts until it has been sent."""
    with services.db.read() as tx:
        queries.get_task(tx, account, task_id)
    listeners: Listeners = request.app.state.listeners
    with listeners.listening(account.org_id):
        yield


@router.get(
    "/{task_id}/events",
    response_class=EventSourceResponse,
    responses=as_json({**ERRORS, **TOO_MANY}),
    dependencies=[Depends(listening)],
)
async def follow_task(
    task_id: str, account: TaskReader, services: Context, request: Request
) -> AsyncIterator[ServerSentEvent]:
    """The task as it goes on, as server-sent events: `progress` at each change, `end` when it has ended. The data is
    the task, with `estimated_seconds_left` in its `additional_data`."""

    def read() -> str | None:
        try:
            with services.db.read() as tx:
                return queries.get_task(tx, account, task_id)
        except NotFound:
            return None

    async for event in follow(read, services.clock.now, request.app.state.closing):
        yield event


@router.delete("/{task_id}", response_model=GenericDeleteResponse)
def kill_task(task_id: str, account: TaskDeleter, services: Context) -> Response:
    """Cancel a task. One that has ended stays as it ended; one that runs ends at its next check, within a second."""
    with services.db.write() as tx:
        queries.check_cancelable(queries.get_task(tx, account, task_id))
        asked = queue.request_cancel(tx, tasks.c.id == task_id)
        message = "The task will be canceled" if asked else "The task had already ended"
        return json_response({"message": message, "success": True})
