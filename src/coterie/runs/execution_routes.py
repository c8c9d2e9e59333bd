"""Routes of executions: the runs of a definition as a resource."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response

from coterie.api.bodies import StrictRoute
from coterie.api.context import Context, Reader
from coterie.api.errors import ERRORS
from coterie.api.schemas import DocumentedAs, ListRequest
from coterie.listing.answer import write_answer
from coterie.listing.syntax import parse_list
from coterie.runs import queries
from coterie.runs.result_schemas import ExecutionResponse, ListExecutionsResponse

router = APIRouter(prefix="/v1/clusters", tags=["Clusters"], route_class=StrictRoute, responses=ERRORS)


@router.get("/{cluster_id}/executions", response_model=ExecutionResponse)
def get_latest_execution(cluster_id: str, tenant: Reader, services: Context) -> Response:
    """The newest run of a definition, in whatever state."""
    with services.db.read() as tx:
        return Response(queries.latest_run(tx, tenant, cluster_id), media_type="application/json")


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
