"""Routes of runs: starting them, and reading what came of them."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Body, Query, Request, Response
from sqlalchemy import Row
from starlette.concurrency import run_in_threadpool

from coterie.api.bodies import StrictRoute
from coterie.api.context import Context, Creator, Reader, Services, Tenant
from coterie.api.errors import CONFLICT, ERRORS, UNAVAILABLE, json_response
from coterie.api.health import live_workers
from coterie.api.schemas import DocumentedAs, ListRequest
from coterie.clusters.queries import find_cluster
from coterie.documents.collections import find_collections
from coterie.jobs import queue
from coterie.kit.clock import iso
from coterie.kit.errors import BadRequest, CoterieError, Unavailable
from coterie.listing.answer import write_answer
from coterie.listing.syntax import parse_list
from coterie.runs import answers, service
from coterie.runs.artifacts import Artifacts
from coterie.runs.plan import of_request
from coterie.runs.schemas import (
    ArtifactsResponse,
    ClusterDataRequest,
    ClusterDataResponse,
    ClusterGroupsResponse,
    ExecuteByIdRequest,
    ExecuteClusterRequest,
    ExecuteClusterResponse,
    ExecutionResponse,
    ListExecutionsResponse,
    SuggestClustersRequest,
)
from coterie.runs.suggest import start_suggestion
from coterie.store.tables import tasks
from coterie.tasks.schemas import TaskResponse

router = APIRouter(prefix="/v1/clusters", tags=["Clusters"], route_class=StrictRoute, responses=ERRORS)

POLL_SECONDS = 0.1
WORKER_PATIENCE_SECONDS = 20.0
"""How long a synchronous run waits for any worker to show up."""

Queue = Annotated[bool, Query(alias="queue", description="Stand in line behind a run that is under way.")]


@router.post("/execute", response_model=ExecuteClusterResponse, responses=UNAVAILABLE)
async def execute_clustering(body: ExecuteClusterRequest, tenant: Creator, services: Context) -> Response:
    """Run a configuration now and answer with its groups. For long runs submit a job instead."""
    started = time.perf_counter()
    task = await run_in_threadpool(_submit, body, None, tenant, services, False)
    run = await _finished(services, tenant, task)
    answer = await run_in_threadpool(_answer, services, tenant, body, run, time.perf_counter() - started)
    return json_response(answer)


@router.post("/jobs/submit", response_model=TaskResponse, responses=CONFLICT)
def submit_clustering_job(
    body: ExecuteClusterRequest,
    tenant: Creator,
    services: Context,
    cluster_id: Annotated[str | None, Query(max_length=255)] = None,
    wait_in_line: Queue = False,
) -> Response:
    """Run a configuration as a job; with `cluster_id` its result becomes that definition's."""
    return json_response(_submit(body, cluster_id, tenant, services, wait_in_line))


@router.post("/suggest", response_model=TaskResponse)
def suggest_clusters(body: SuggestClustersRequest, tenant: Creator, services: Context) -> Response:
    """Find a definition as a job. The task's `outputs` then hold it, fit for `POST /v1/clusters`, and `additional_data`
    the table of `suggestions`, the best first."""
    with services.db.write() as tx:
        return json_response(start_suggestion(tx, tenant, body, iso(services.clock.now())))


@router.post("/{cluster_id}/execute", response_model=TaskResponse, responses=CONFLICT)
def execute_clustering_clusters(
    cluster_id: str,
    tenant: Creator,
    services: Context,
    body: ExecuteByIdRequest | None = None,
    wait_in_line: Queue = False,
) -> Response:
    """Run a stored definition as a job."""
    given = (body or ExecuteByIdRequest()).model_dump(mode="json", exclude_unset=True)
    changes = {key: value for key, value in given.items() if value is not None}
    with services.db.write() as tx:
        now = iso(services.clock.now())
        task = service.start_definition(tx, tenant, cluster_id, changes, now, wait=wait_in_line)
    return json_response(task)


@router.post("/{cluster_id}/data", response_model=ClusterDataResponse)
def stream_cluster_data(
    cluster_id: str, tenant: Reader, services: Context, body: ClusterDataRequest | None = None
) -> Response:
    """Groups and members of the newest completed run; a run's own id stands for its definition's."""
    name, run = _results(services, tenant, cluster_id)
    artifacts = _artifacts(services, tenant, run)
    return json_response(answers.data(name, cluster_id, artifacts, body or ClusterDataRequest()))


@router.get("/{cluster_id}/executions", response_model=ExecutionResponse)
def get_latest_execution(cluster_id: str, tenant: Reader, services: Context) -> Response:
    """The newest run of a definition, in whatever state."""
    with services.db.read() as tx:
        return Response(service.latest_run(tx, tenant, cluster_id), media_type="application/json")


@router.post("/{cluster_id}/executions/list", response_model=ListExecutionsResponse)
def list_executions(
    cluster_id: str,
    request: Request,
    tenant: Reader,
    services: Context,
    body: Annotated[Any, Body(), DocumentedAs(ListRequest)] = None,
    limit: int | None = None,
    offset: int | None = None,
) -> Response:
    """A definition's runs by the list language."""
    query = parse_list(body, profile=service.PROFILE, limit=limit, offset=offset)
    with services.db.read() as tx:
        listed = service.list_runs(tx, tenant, cluster_id, query)
    answer = write_answer(listed, query, request.url.path, service.PROFILE)
    return Response(answer, media_type="application/json")


@router.get("/{cluster_id}/groups", response_model=ClusterGroupsResponse)
def get_cluster_groups(cluster_id: str, tenant: Reader, services: Context) -> Response:
    """The groups of the newest completed run, largest first, without their vectors."""
    name, run = _results(services, tenant, cluster_id)
    return json_response(answers.groups(name, run.id, _artifacts(services, tenant, run)))


@router.get("/{cluster_id}/artifacts", response_model=ArtifactsResponse)
def get_cluster_artifacts(
    cluster_id: str,
    tenant: Reader,
    services: Context,
    include_centroids: bool = True,
    include_members: bool = False,
    limit: Annotated[int, Query(ge=1, le=100_000)] = 1_000,
    offset: Annotated[int, Query(ge=0, le=2**62)] = 0,
    projection_method: Literal["2d", "3d"] | None = None,
) -> Response:
    """The files of the newest completed run, and what is in them."""
    name, run = _results(services, tenant, cluster_id)
    plan = orjson.loads(run.plan)
    drawn = 0 if plan["attributes"] else plan.get("vis_n_components", 2)
    wanted = drawn if projection_method is None else int(projection_method[0])
    if wanted > drawn == 0:
        raise BadRequest("a grouping by attributes has no map: leave 'projection_method' out")
    if wanted > drawn:
        raise BadRequest(f"the run's map has {drawn} dimensions: set 'vis_n_components' to {wanted} and run it again")
    page = (offset, limit) if include_members else None
    axes = "xyz"[: max(wanted, 2)]
    found = answers.artifacts(name, run.id, _artifacts(services, tenant, run), include_centroids, page, axes)
    return json_response(found)


def _submit(
    body: ExecuteClusterRequest, cluster_id: str | None, tenant: Tenant, services: Services, wait: bool
) -> dict[str, Any]:
    now = iso(services.clock.now())
    with services.db.write() as tx:
        found = find_collections(tx, tenant, body.collection_ids)
        cluster = None if cluster_id is None else find_cluster(tx, tenant, cluster_id)
        plan = of_request(body, [row.id for row in found])
        if cluster is not None:
            labeling = orjson.loads(cluster.resource)["llm_labeling"]
            plan = replace(plan, llm_labeling=plan.llm_labeling or labeling)
        return service.start_run(tx, tenant, plan, now, cluster=cluster, wait=wait)


async def _finished(services: Services, tenant: Tenant, task: Mapping[str, Any]) -> Row[Any]:
    """Wait for a run without holding a thread. Raises what it failed with, or Unavailable when it takes too long."""
    run_id, task_id = task["additional_data"]["run_id"], task["task_id"]
    begun = time.monotonic()
    while True:
        run = await run_in_threadpool(_read_run, services, tenant, run_id)
        if run.status not in queue.OPEN:
            return _succeeded(run)
        waited = time.monotonic() - begun
        lonely = waited > WORKER_PATIENCE_SECONDS and run.status == queue.PENDING
        if lonely and not await run_in_threadpool(live_workers, services):
            await run_in_threadpool(_cancel, services, task_id)
            raise Unavailable("no worker is running: start `coterie worker`", 5, {"task_id": task_id})
        if waited > services.settings.execute_timeout_seconds:
            raise Unavailable(
                f"the run takes longer than a request may wait; it goes on as task '{task_id}'",
                30,
                {"task_id": task_id, "retryable": False},
            )
        await asyncio.sleep(POLL_SECONDS)


def _read_run(services: Services, tenant: Tenant, run_id: str) -> Row[Any]:
    with services.db.read() as tx:
        return service.get_run(tx, tenant, run_id)


def _cancel(services: Services, task_id: str) -> None:
    with services.db.write() as tx:
        queue.request_cancel(tx, tasks.c.id == task_id)


def _succeeded(run: Row[Any]) -> Row[Any]:
    if run.status == queue.COMPLETED:
        return run
    message = orjson.loads(run.resource)["error_message"] or "the run was canceled"
    if message.startswith("internal error"):
        raise CoterieError(message)
    raise BadRequest(message, {"run_id": run.id})


def _answer(
    services: Services, tenant: Tenant, body: ExecuteClusterRequest, run: Row[Any], seconds: float
) -> dict[str, Any]:
    artifacts = _artifacts(services, tenant, run)
    kept = body.store_results or body.save_artifacts
    answer = answers.execution(run, artifacts, seconds, members=body.include_members, kept=kept)
    if not body.store_results:
        with services.db.write() as tx:
            service.delete_run(tx, tenant, run.id)
    if not kept:
        services.blobs.drop(service.artifact_prefix(tenant.internal_id, tenant.namespace_id, run.id))
    return answer


def _results(services: Services, tenant: Tenant, identifier: str) -> tuple[str, Row[Any]]:
    with services.db.read() as tx:
        return service.find_results(tx, tenant, identifier)


def _artifacts(services: Services, tenant: Tenant, run: Row[Any]) -> Artifacts:
    prefix = service.artifact_prefix(tenant.internal_id, tenant.namespace_id, run.id)
    return Artifacts(services.blobs, prefix)
