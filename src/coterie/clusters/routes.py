"""Routes of cluster definitions."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from starlette.concurrency import run_in_threadpool

from coterie.api.bodies import StrictRoute
from coterie.api.context import HEADERS, Context, Creator, Deleter, InlineReader, Reader, Services, Tenant, Updater
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
from coterie.listing.answer import Listed, write_answer
from coterie.listing.syntax import parse_list
from coterie.listing.tree import ListQuery

INLINE_OFFSET = 1_000
"""A plain list up to this offset reads so few index entries that it is answered on the event loop."""

router = APIRouter(prefix="/v1/clusters", tags=["Clusters"], route_class=StrictRoute, responses=ERRORS)


@router.post("", response_model=ClusterModel, responses=CONFLICT)
def create_cluster(body: CreateClusterRequest, tenant: Creator, services: Context) -> Response:
    """A new definition. Its vectors may come later: they are looked for when it runs."""
    with services.db.write() as tx:
        now = iso(services.clock.now())
        made = service.create_cluster(tx, tenant, body, now, services.on_definition_written)
    return Response(made, media_type="application/json")


@router.post("/list", response_model=ListClustersResponse, openapi_extra=HEADERS)
async def list_clusters(
    request: Request,
    tenant: InlineReader,
    body: Annotated[Any, Body(), DocumentedAs(ListClustersRequest)] = None,
    limit: int | None = None,
    offset: int | None = None,
) -> Response:
    """The namespace's definitions by the list language."""
    services: Services = request.app.state.services
    query = parse_list(body, profile=queries.PROFILE, limit=limit, offset=offset)
    inline = services.db.inline
    if inline is not None and query.is_plain and query.offset <= INLINE_OFFSET:
        with inline.snapshot():
            listed, stats = queries.list_newest(inline, tenant, query)
    else:
        listed, stats = await run_in_threadpool(_list, services, tenant, query)
    answer = write_answer(listed, query, request.url.path, queries.PROFILE, stats=stats)
    return Response(answer, media_type="application/json")


def _list(services: Services, tenant: Tenant, query: ListQuery) -> tuple[Listed, dict[str, Any]]:
    with services.db.read() as tx:
        return queries.list_clusters(tx, tenant, query)


@router.get("/{cluster_identifier}", response_model=ClusterModel)
def get_cluster(cluster_identifier: str, tenant: Reader, services: Context) -> Response:
    """One definition, by id or name."""
    with services.db.read() as tx:
        row = queries.find_cluster(tx, tenant, cluster_identifier)
    return Response(row.resource, media_type="application/json")


@router.patch("/{cluster_identifier}", response_model=ClusterModel, responses=CONFLICT)
def patch_cluster(cluster_identifier: str, body: PatchClusterRequest, tenant: Updater, services: Context) -> Response:
    """Change a definition's name, description, metadata, labeling, filters, retention, write-back or automatic runs."""
    with services.db.write() as tx:
        now = iso(services.clock.now())
        changed = service.patch_cluster(tx, tenant, cluster_identifier, body, now, services.on_definition_written)
    return Response(changed, media_type="application/json")


@router.delete("/{cluster_id}", status_code=204)
def delete_cluster(cluster_id: str, tenant: Deleter, services: Context) -> Response:
    """Delete a definition with its runs and their files; a run that is under way ends."""
    with services.db.write() as tx:
        gone = service.delete_cluster(tx, tenant, cluster_id, iso(services.clock.now()))
    for run_id in gone:
        services.blobs.drop(f"{tenant.internal_id}/{tenant.namespace_id}/engine_cluster_build/{run_id}")
    return Response(status_code=204)
