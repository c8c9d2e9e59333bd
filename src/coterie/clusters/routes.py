"""Routes of cluster definitions."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response

from coterie.api.bodies import StrictRoute
from coterie.api.context import Context, Creator, Deleter, Reader, Updater
from coterie.api.errors import CONFLICT, ERRORS
from coterie.api.schemas import DocumentedAs
from coterie.clusters import queries, service
from coterie.clusters.schemas import (
    ClusterModel,
    CreateClusterRequest,
    ListClustersRequest,
    ListClustersResponse,
    PatchClusterRequest,
)
from coterie.kit.clock import iso
from coterie.listing.answer import write_answer
from coterie.listing.syntax import parse_list

router = APIRouter(prefix="/v1/clusters", tags=["Clusters"], route_class=StrictRoute, responses=ERRORS)


@router.post("", response_model=ClusterModel, responses=CONFLICT)
def create_cluster(body: CreateClusterRequest, tenant: Creator, services: Context) -> Response:
    """A new definition. Its vectors may come later: they are looked for when it runs."""
    with services.db.write() as tx:
        made = service.create_cluster(tx, tenant, body, iso(services.clock.now()))
    return Response(made, media_type="application/json")


@router.post("/list", response_model=ListClustersResponse)
def list_clusters(
    request: Request,
    tenant: Reader,
    services: Context,
    body: Annotated[Any, Body(), DocumentedAs(ListClustersRequest)] = None,
    limit: int | None = None,
    offset: int | None = None,
) -> Response:
    """The namespace's definitions by the list language."""
    query = parse_list(body, profile=queries.PROFILE, limit=limit, offset=offset)
    with services.db.read() as tx:
        listed, stats = queries.list_clusters(tx, tenant, query)
    return Response(write_answer(listed, query, request.url.path, stats=stats), media_type="application/json")


@router.get("/{cluster_identifier}", response_model=ClusterModel)
def get_cluster(cluster_identifier: str, tenant: Reader, services: Context) -> Response:
    """One definition, by id or name."""
    with services.db.read() as tx:
        row = queries.find_cluster(tx, tenant, cluster_identifier)
    return Response(row.resource, media_type="application/json")


@router.patch("/{cluster_identifier}", response_model=ClusterModel, responses=CONFLICT)
def patch_cluster(cluster_identifier: str, body: PatchClusterRequest, tenant: Updater, services: Context) -> Response:
    """Change a definition's name, description, metadata or labeling."""
    with services.db.write() as tx:
        changed = service.patch_cluster(tx, tenant, cluster_identifier, body, iso(services.clock.now()))
    return Response(changed, media_type="application/json")


@router.delete("/{cluster_id}", status_code=204)
def delete_cluster(cluster_id: str, tenant: Deleter, services: Context) -> Response:
    """Delete a definition with its runs and their files; a run that is under way ends."""
    with services.db.write() as tx:
        gone = service.delete_cluster(tx, tenant, cluster_id)
    for run_id in gone:
        services.blobs.drop(f"{tenant.internal_id}/{tenant.namespace_id}/engine_cluster_build/{run_id}")
    return Response(status_code=204)
