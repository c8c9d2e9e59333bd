"""Routes to look at a run by: its map as a stream to draw from, and the members behind points of it."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Row

from coterie.api.bodies import StrictRoute
from coterie.api.context import Context, Reader, Services, Tenant
from coterie.api.errors import ERRORS, json_response
from coterie.documents.reading import ARROW
from coterie.kit.errors import NotFound
from coterie.runs import answers
from coterie.runs.artifacts import artifacts_of, still_there
from coterie.runs.drawing import read_map
from coterie.runs.queries import find_completed, find_results
from coterie.runs.result_schemas import RunMembersRequest, RunMembersResponse
from coterie.runs.visualization import axes_of

router = APIRouter(prefix="/v1/clusters", tags=["Clusters"], route_class=StrictRoute, responses=ERRORS)

_MAP: dict[int | str, dict[str, Any]] = {
    200: {"description": "The stream", "content": {ARROW[0]: {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "The map is the one that `If-None-Match` names"},
}
Known = Annotated[str | None, Header(alias="If-None-Match", max_length=1_000)]


@router.get("/{cluster_id}/map", response_class=Response, responses=_MAP)
def get_cluster_map(
    cluster_id: str, request: Request, tenant: Reader, services: Context, known: Known = None
) -> Response:
    """The map of the newest completed run, as below `executions`; a run's own id stands for its definition's."""
    with services.db.read() as tx:
        _, run = find_results(tx, tenant, cluster_id)
    return _map(services, tenant, run, request, known)


@router.get("/{cluster_id}/executions/{run_id}/map", response_class=Response, responses=_MAP)
def get_execution_map(
    cluster_id: str, run_id: str, request: Request, tenant: Reader, services: Context, known: Known = None
) -> Response:
    """Where a completed run's documents stand and in which group each is, as an Arrow IPC stream to draw while it
    arrives: every batch is a fair sample of the whole. Groups are those that the run found, under their ids."""
    with services.db.read() as tx:
        run = find_completed(tx, tenant, cluster_id, run_id)
    return _map(services, tenant, run, request, known)


@router.post("/{cluster_id}/executions/{run_id}/members", response_model=RunMembersResponse)
def get_execution_members(
    cluster_id: str, run_id: str, body: RunMembersRequest, tenant: Reader, services: Context
) -> Response:
    """Some members of a completed run by their numbers, such as those of points of its map."""
    with services.db.read() as tx:
        run = find_completed(tx, tenant, cluster_id, run_id)
    with still_there(run.id):
        found = answers.numbered(artifacts_of(services, tenant, run), body.numbers)
    return json_response({"cluster_id": run.cluster_id, "run_id": run.id, "members": found})


def _map(services: Services, tenant: Tenant, run: Row[Any], request: Request, known: str | None) -> Response:
    axes_of(run)
    artifacts = artifacts_of(services, tenant, run)
    with still_there(run.id):
        manifest = artifacts.manifest
    # A run's map never changes. It may be deleted and keys may be withdrawn, so it is asked for each time.
    headers = {
        "ETag": f'"{manifest["run_id"]}"',
        "Cache-Control": "private, no-cache",
        "Vary": "Accept-Encoding, Authorization, Cookie, X-Namespace",
    }
    if known is not None and headers["ETag"] in known:
        return Response(status_code=304, headers=headers)
    compressed = "gzip" in request.headers.get("accept-encoding", "")
    if compressed:
        headers["Content-Encoding"] = "gzip"
    try:
        chunks = read_map(artifacts.blobs.open(artifacts.map_key), compressed)
    except FileNotFoundError as error:
        raise NotFound(f"run '{run.id}' has no stream of its map, for it was made before there were any") from error
    return StreamingResponse(chunks, media_type=ARROW[0], headers=headers)
