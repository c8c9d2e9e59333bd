"""Routes that start runs."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Response
from sqlalchemy import Row
from starlette.concurrency import run_in_threadpool

from coterie.api.bodies import StrictRoute
from coterie.api.context import Context, Creator, Services, Tenant
from coterie.api.errors import CONFLICT, ERRORS, UNAVAILABLE, json_response
from coterie.clusters.queries import find_cluster
from coterie.documents.collections import find_collections
from coterie.jobs import queue
from coterie.kit.clock import iso
from coterie.kit.errors import BadRequest, CoterieError
from coterie.runs import answers, service
from coterie.runs.artifacts import artifact_prefix, artifacts_of, keep
from coterie.runs.plan import of_request
from coterie.runs.queries import get_run
from coterie.runs.result_schemas import ExecuteClusterResponse
from coterie.runs.schemas import ExecuteByIdRequest, ExecuteClusterRequest, SuggestClustersRequest
from coterie.runs.suggest import start_suggestion
from coterie.tasks.schemas import TaskResponse
from coterie.tasks.waiting import until_ended

router = APIRouter(prefix="/v1/clusters", tags=["Clusters"], route_class=StrictRoute, responses=ERRORS)

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
    asked = body or ExecuteByIdRequest()
    given = asked.model_dump(mode="json", exclude_unset=True, exclude={"filters"})
    changes = {key: value for key, value in {**given, "filters": asked.filters}.items() if value is not None}
    with services.db.write() as tx:
        now = iso(services.clock.now())
        task = service.start_definition(tx, tenant, cluster_id, changes, now, wait=wait_in_line)
    return json_response(task)


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
    """The run of a task once it has ended. Raises what it failed with, or Unavailable when it takes too long."""
    await until_ended(services, task["task_id"])
    run_id = task["additional_data"]["run_id"]
    return _succeeded(await run_in_threadpool(_read_run, services, tenant, run_id))


def _read_run(services: Services, tenant: Tenant, run_id: str) -> Row[Any]:
    with services.db.read() as tx:
        return get_run(tx, tenant, run_id)


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
    artifacts = artifacts_of(services, tenant, run)
    prefix = artifact_prefix(tenant.internal_id, tenant.namespace_id, run.id)
    kept = body.store_results or body.save_artifacts
    answer = answers.execution(run, artifacts, seconds, members=body.include_members, kept=kept)
    if not body.store_results:
        if kept:
            keep(services.blobs, prefix)
        with services.db.write() as tx:
            service.forget_run(tx, tenant, run.id)
    if not kept:
        services.blobs.drop(prefix)
    return answer
