"""Routes of write-backs."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from coterie.api.bodies import StrictRoute
from coterie.api.context import Context, Reader, Services, Tenant, Updater
from coterie.api.errors import CONFLICT, ERRORS, UNAVAILABLE, json_response
from coterie.api.schemas import DocumentedAs, ListRequest
from coterie.enrichment import queries, service
from coterie.enrichment.schemas import (
    ApplyClusterEnrichmentRequest,
    ClusteringEnrichmentResponse,
    EnrichmentResponse,
    ListEnrichmentsResponse,
)
from coterie.jobs import queue
from coterie.kit.clock import iso
from coterie.kit.errors import BadRequest, CoterieError
from coterie.listing.answer import write_answer
from coterie.listing.syntax import parse_list
from coterie.tasks.schemas import TaskResponse
from coterie.tasks.waiting import until_ended

router = APIRouter(prefix="/v1/clusters", tags=["Clusters"], route_class=StrictRoute, responses=ERRORS)

AsTask = Annotated[bool, Query(alias="async", description="Do not wait: answer with the task.")]


@router.post("/enrich", response_model=ClusteringEnrichmentResponse | TaskResponse, responses=UNAVAILABLE)
async def apply_cluster_enrichment(
    body: ApplyClusterEnrichmentRequest, tenant: Updater, services: Context, as_task: AsTask = False
) -> Response:
    """Write the groups of runs into documents, and answer with the counts, or with the task where `async` is true."""
    task = await run_in_threadpool(_start, services, tenant, body)
    if as_task:
        return json_response(task)
    ended = await until_ended(services, task["task_id"])
    return json_response(await run_in_threadpool(_counts, services, tenant, ended))


@router.post("/enrichments/list", response_model=ListEnrichmentsResponse)
def list_enrichments(
    request: Request,
    tenant: Reader,
    services: Context,
    body: Annotated[Any, Body(), DocumentedAs(ListRequest)] = None,
    limit: int | None = None,
    offset: int | None = None,
) -> Response:
    """The namespace's write-backs by the list language."""
    query = parse_list(body, profile=queries.PROFILE, limit=limit, offset=offset)
    with services.db.read() as tx:
        listed = queries.list_enrichments(tx, tenant, query)
    return Response(write_answer(listed, query, request.url.path, queries.PROFILE), media_type="application/json")


@router.get("/enrichments/{enrichment_id}", response_model=EnrichmentResponse)
def get_enrichment(enrichment_id: str, tenant: Reader, services: Context) -> Response:
    """One write-back, with its counts so far."""
    with services.db.read() as tx:
        row = queries.find_enrichment(tx, tenant, enrichment_id)
    return Response(row.resource, media_type="application/json")


@router.post("/enrichments/{enrichment_id}/undo", response_model=TaskResponse, responses=CONFLICT)
def undo_enrichment(enrichment_id: str, tenant: Updater, services: Context) -> Response:
    """Take back what a write-back wrote, as a job, wherever a document still holds it."""
    with services.db.write() as tx:
        task = service.start_undo(tx, tenant, enrichment_id, iso(services.clock.now()))
    return json_response(task)


def _start(services: Services, tenant: Tenant, body: ApplyClusterEnrichmentRequest) -> dict[str, Any]:
    with services.db.write() as tx:
        return service.start_enrichment(tx, tenant, body, iso(services.clock.now()))


def _counts(services: Services, tenant: Tenant, task: dict[str, Any]) -> dict[str, Any]:
    """The answer of a write-back that has ended. Raises what it failed with."""
    enrichment_id = task["additional_data"]["enrichment_id"]
    if task["status"] != queue.COMPLETED:
        message = task["error_message"] or "the write-back was canceled"
        failure = CoterieError if message.startswith("internal error") else BadRequest
        raise failure(message, {"enrichment_id": enrichment_id, "task_id": task["task_id"]})
    with services.db.read() as tx:
        resource = orjson.loads(queries.find_enrichment(tx, tenant, enrichment_id).resource)
    return {name: resource[name] for name in ClusteringEnrichmentResponse.model_fields}
