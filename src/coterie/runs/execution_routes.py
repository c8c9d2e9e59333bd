"""Routes of executions: the runs of a definition as a resource."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Query, Request, Response

from coterie.api.bodies import StrictRoute
from coterie.api.context import Context, Deleter, Reader, Services, Tenant, Updater
from coterie.api.errors import CONFLICT, ERRORS, json_response
from coterie.api.schemas import DocumentedAs, ListRequest
from coterie.listing.answer import write_answer
from coterie.listing.syntax import parse_list
from coterie.runs import answers, queries, retention, service
from coterie.runs.artifacts import artifact_prefix, artifacts_of, still_there
from coterie.runs.result_schemas import (
    ExecutionResponse,
    ListExecutionsResponse,
    RenameRunRequest,
    RenameRunResponse,
)

router = APIRouter(prefix="/v1/clusters", tags=["Clusters"], route_class=StrictRoute, responses=ERRORS)

WithVectors = Annotated[bool, Query(alias="include_vectors", description="The groups with their centroids' vectors.")]


@router.get("/{cluster_id}/executions", response_model=ExecutionResponse)
def get_latest_execution(cluster_id: str, tenant: Reader, services: Context, vectors: WithVectors = False) -> Response:
    """The newest run of a definition, in whatever state."""
    with services.db.read() as tx:
        found = queries.latest_run(tx, tenant, cluster_id)
    return _shown(services, tenant, found, vectors)


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
    query = parse_list(body, profile=queries.PROFILE, limit=limit, offset=offset)
    with services.db.read() as tx:
        listed = queries.list_runs(tx, tenant, cluster_id, query)
    answer = write_answer(listed, query, request.url.path, queries.PROFILE)
    return Response(answer, media_type="application/json")


@router.get("/{cluster_id}/executions/{run_id}", response_model=ExecutionResponse)
def get_execution(
    cluster_id: str, run_id: str, tenant: Reader, services: Context, vectors: WithVectors = False
) -> Response:
    """One run of a definition, in whatever state."""
    with services.db.read() as tx:
        found = queries.find_run(tx, tenant, cluster_id, run_id).resource
    return _shown(services, tenant, found, vectors)


@router.delete("/{cluster_id}/executions/{run_id}", status_code=204, responses=CONFLICT)
def delete_execution(cluster_id: str, run_id: str, tenant: Deleter, services: Context) -> Response:
    """Delete a run that has ended, with its files. If it was the newest result, the definition shows the one before."""
    with services.db.write() as tx:
        retention.delete_run(tx, services, tenant, cluster_id, run_id)
    services.blobs.drop(artifact_prefix(tenant.internal_id, tenant.namespace_id, run_id))
    return Response(status_code=204)


@router.post("/{cluster_id}/executions/{run_id}/cancel", response_model=ExecutionResponse, responses=CONFLICT)
def cancel_execution(cluster_id: str, run_id: str, tenant: Updater, services: Context) -> Response:
    """Ask for the end of a run; a worker ends it at its next check, within a second. Its state until then is shown."""
    with services.db.write() as tx:
        return json_response(service.cancel_run(tx, tenant, cluster_id, run_id))


@router.patch("/{cluster_id}/executions/{run_id}/name", response_model=RenameRunResponse)
def name_execution(
    cluster_id: str, run_id: str, body: RenameRunRequest, tenant: Updater, services: Context
) -> Response:
    """Give a run a name, or take it away with an empty one. Retention leaves a run that has a name alone."""
    with services.db.write() as tx:
        return json_response(service.name_run(tx, tenant, cluster_id, run_id, body.run_name))


def _shown(services: Services, tenant: Tenant, resource: str, vectors: bool) -> Response:
    run = orjson.loads(resource)
    with still_there(run["run_id"]):
        artifacts = artifacts_of(services, tenant, run)
        return json_response(answers.of_execution(run, artifacts, vectors=vectors))
