"""Routes that read what came of runs: groups, members, files."""

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Response
from sqlalchemy import Row

from coterie.api.bodies import StrictRoute
from coterie.api.context import Context, Reader, Services, Tenant
from coterie.api.errors import ERRORS, json_response
from coterie.kit.errors import BadRequest
from coterie.runs import answers
from coterie.runs.artifacts import artifacts_of
from coterie.runs.queries import find_results
from coterie.runs.result_schemas import (
    ArtifactsResponse,
    ClusterDataRequest,
    ClusterDataResponse,
    ClusterGroupsResponse,
)

router = APIRouter(prefix="/v1/clusters", tags=["Clusters"], route_class=StrictRoute, responses=ERRORS)


@router.post("/{cluster_id}/data", response_model=ClusterDataResponse)
def stream_cluster_data(
    cluster_id: str, tenant: Reader, services: Context, body: ClusterDataRequest | None = None
) -> Response:
    """Groups and members of the newest completed run; a run's own id stands for its definition's."""
    name, run = _results(services, tenant, cluster_id)
    artifacts = artifacts_of(services, tenant, run)
    return json_response(answers.data(name, cluster_id, artifacts, body or ClusterDataRequest()))


@router.get("/{cluster_id}/groups", response_model=ClusterGroupsResponse)
def get_cluster_groups(cluster_id: str, tenant: Reader, services: Context) -> Response:
    """The groups of the newest completed run, largest first, without their vectors."""
    name, run = _results(services, tenant, cluster_id)
    return json_response(answers.groups(name, run.id, artifacts_of(services, tenant, run)))


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
    found = answers.artifacts(name, run.id, artifacts_of(services, tenant, run), include_centroids, page, axes)
    return json_response(found)


def _results(services: Services, tenant: Tenant, identifier: str) -> tuple[str, Row[Any]]:
    with services.db.read() as tx:
        return find_results(tx, tenant, identifier)
