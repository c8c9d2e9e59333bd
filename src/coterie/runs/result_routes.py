"""Routes that read what came of runs: groups, members, files."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Row

from coterie.api.bodies import StrictRoute
from coterie.api.context import Context, Reader, Services, Tenant
from coterie.api.errors import CONFLICT, ERRORS, json_response
from coterie.kit.clock import iso
from coterie.kit.errors import BadRequest
from coterie.runs import answers
from coterie.runs.artifacts import artifacts_of, still_there
from coterie.runs.exporting import MEDIA_TYPES, ExportContent, ExportFormat, export
from coterie.runs.links import make_link, open_link
from coterie.runs.queries import find_completed, find_results
from coterie.runs.result_schemas import (
    ArtifactsResponse,
    ClusterDataRequest,
    ClusterDataResponse,
    ClusterGroupsResponse,
    ExportLink,
    ExportRequest,
    TemporaryLink,
    VisualizationResponse,
)
from coterie.runs.visualization import DEFAULT_POINTS, MAX_POINTS, Wanted, dimensions_of, visualization

router = APIRouter(prefix="/v1/clusters", tags=["Clusters"], route_class=StrictRoute, responses=ERRORS)
links = APIRouter()

LINKED = "/v1/exports"
"""Where the service serves what is behind links."""


_FILE = {"schema": {"type": "string", "format": "binary"}}
_EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file",
        "model": ExportLink,
        "content": {media_type.partition(";")[0]: _FILE for media_type in MEDIA_TYPES.values()},
    }
}


def _wanted(
    max_points: Annotated[int, Query(ge=1, le=MAX_POINTS, description="Documents at most, noise included.")] = (
        DEFAULT_POINTS
    ),
    centroids_only: Annotated[bool, Query(description="Leave the documents out.")] = False,
    compact: Annotated[bool, Query(description="The documents as parallel lists.")] = False,
    seed: Annotated[int, Query(ge=0, lt=2**31, description="Of the sample: the same gives the same documents.")] = 0,
) -> Wanted:
    """Dependency: the request's parameters."""
    return Wanted(max_points, centroids_only, compact, seed)


Asked = Annotated[Wanted, Depends(_wanted)]


@router.post("/{cluster_id}/data", response_model=ClusterDataResponse)
def stream_cluster_data(
    cluster_id: str, tenant: Reader, services: Context, body: ClusterDataRequest | None = None
) -> Response:
    """Groups and members of the newest completed run; a run's own id stands for its definition's."""
    name, run = _results(services, tenant, cluster_id)
    artifacts = artifacts_of(services, tenant, run)
    with still_there(run.id):
        return json_response(answers.data(name, cluster_id, artifacts, body or ClusterDataRequest()))


@router.get("/{cluster_id}/groups", response_model=ClusterGroupsResponse)
def get_cluster_groups(cluster_id: str, tenant: Reader, services: Context) -> Response:
    """The groups of the newest completed run, largest first, without their vectors."""
    name, run = _results(services, tenant, cluster_id)
    with still_there(run.id):
        return json_response(answers.groups(name, run.id, artifacts_of(services, tenant, run)))


@router.get("/{cluster_id}/visualization", response_model=VisualizationResponse)
def get_cluster_visualization(
    cluster_id: str,
    tenant: Reader,
    services: Context,
    asked: Asked,
    run_id: Annotated[str | None, Query(max_length=255, description="A run instead of the newest completed.")] = None,
) -> Response:
    """The run's map: its groups, and a seeded sample of its documents."""
    if run_id is None:
        name, run = _results(services, tenant, cluster_id)
    else:
        with services.db.read() as tx:
            run = find_completed(tx, tenant, cluster_id, run_id)
        name = run.cluster_id
    with still_there(run.id):
        return json_response(visualization(name, run, artifacts_of(services, tenant, run), asked))


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
    drawn = dimensions_of(run)
    wanted = drawn if projection_method is None else int(projection_method[0])
    if wanted > drawn == 0:
        raise BadRequest("a grouping by attributes has no map: leave 'projection_method' out")
    if wanted > drawn:
        raise BadRequest(f"the run's map has {drawn} dimensions: set 'vis_n_components' to {wanted} and run it again")
    page = (offset, limit) if include_members else None
    axes = "xyz"[: max(wanted, 2)]
    files = artifacts_of(services, tenant, run)
    with still_there(run.id):
        return json_response(answers.artifacts(name, run.id, files, include_centroids, page, axes))


@router.get("/{cluster_id}/executions/{run_id}/groups", response_model=ClusterGroupsResponse)
def get_execution_groups(cluster_id: str, run_id: str, tenant: Reader, services: Context) -> Response:
    """The groups of a completed run, largest first, without their vectors."""
    with services.db.read() as tx:
        run = find_completed(tx, tenant, cluster_id, run_id)
    with still_there(run.id):
        return json_response(answers.groups(run.cluster_id, run.id, artifacts_of(services, tenant, run)))


@router.get("/{cluster_id}/executions/{run_id}/visualization", response_model=VisualizationResponse)
def get_execution_visualization(
    cluster_id: str, run_id: str, tenant: Reader, services: Context, asked: Asked
) -> Response:
    """The map of a completed run: its groups, and a seeded sample of its documents."""
    with services.db.read() as tx:
        run = find_completed(tx, tenant, cluster_id, run_id)
    with still_there(run.id):
        return json_response(visualization(run.cluster_id, run, artifacts_of(services, tenant, run), asked))


@router.get("/{cluster_id}/executions/{run_id}/export", response_class=Response, responses=_EXPORTED)
def export_execution(
    cluster_id: str,
    run_id: str,
    request: Request,
    tenant: Reader,
    services: Context,
    format: ExportFormat = ExportFormat.PARQUET,
    content: Annotated[ExportContent, Query(description="A row a document, or a row a group.")] = ExportContent.MEMBERS,
    cluster_label: Annotated[str | None, Query(max_length=1_000, description="One group, by id or label.")] = None,
    download: Annotated[bool, Query(description="The file itself, even to a client that takes JSON only.")] = False,
) -> Response:
    """A completed run's members or groups as a file.

    In CSV, texts that a spreadsheet would take for a formula begin with an apostrophe. A client that takes JSON only
    (`Accept: application/json`) is told where a file that is no text is.
    """
    with services.db.read() as tx:
        run = find_completed(tx, tenant, cluster_id, run_id)
    with still_there(run.id):
        chunks = export(artifacts_of(services, tenant, run), content, format, cluster_label)
    filename = f"{run.id}-{content}.{format}"
    if not download and format is not ExportFormat.CSV and request.headers.get("accept") == "application/json":
        url = str(request.url.include_query_params(format=format.value, download="true"))
        link = ExportLink(cluster_id=run.cluster_id, run_id=run.id, format=format, filename=filename, download_url=url)
        return json_response(link.model_dump())
    disposition = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return StreamingResponse(chunks, media_type=MEDIA_TYPES[format], headers=disposition)


@router.post("/{cluster_id}/executions/{run_id}/export", response_model=TemporaryLink, responses=CONFLICT)
def link_export(
    cluster_id: str,
    run_id: str,
    request: Request,
    tenant: Reader,
    services: Context,
    body: ExportRequest | None = None,
) -> Response:
    """The same file behind a link that opens without a key, for an hour or as long as is asked for.

    On an object store the link is the store's own, and the service is not in the file's way.
    """
    asked = body or ExportRequest()
    with services.db.read() as tx:
        run = find_completed(tx, tenant, cluster_id, run_id)
    filename = f"{run.id}-{asked.content}.{asked.format}"
    address = str(request.base_url).rstrip("/") + LINKED
    with still_there(run.id):
        chunks = export(artifacts_of(services, tenant, run), asked.content, asked.format, asked.cluster_label)
        url, expires = make_link(services, tenant, chunks, filename, asked.expires_in_seconds, address)
    link = TemporaryLink(
        cluster_id=run.cluster_id,
        run_id=run.id,
        format=asked.format,
        filename=filename,
        download_url=url,
        expires_at=iso(datetime.fromtimestamp(expires, UTC)),
    )
    return json_response(link.model_dump())


@links.get(LINKED + "/{internal_id}/{namespace_id}/{expires}/{secret}/{filename}", include_in_schema=False)
def download(
    internal_id: str, namespace_id: str, expires: int, secret: str, filename: str, services: Context
) -> Response:
    """A file behind a link, to whoever has it."""
    chunks, size = open_link(services.blobs, internal_id, namespace_id, expires, secret, filename)
    headers = {"Content-Length": str(size), "Content-Disposition": "attachment", "Cache-Control": "private, no-store"}
    return StreamingResponse(chunks, media_type="application/octet-stream", headers=headers)


def _results(services: Services, tenant: Tenant, identifier: str) -> tuple[str, Row[Any]]:
    with services.db.read() as tx:
        return find_results(tx, tenant, identifier)
