"""Routes of triggers."""

from typing import Any

from fastapi import APIRouter, Response

from coterie.api.bodies import StrictRoute
from coterie.api.context import Context, Creator, Deleter, Reader, Updater
from coterie.api.errors import CONFLICT, ERRORS, json_response
from coterie.kit.clock import iso
from coterie.triggers import queries, service
from coterie.triggers.schemas import (
    CreateTriggerRequest,
    ListTriggersRequest,
    ListTriggersResponse,
    PreviewTriggerRequest,
    PreviewTriggerResponse,
    TriggerHistoryRequest,
    TriggerHistoryResponse,
    TriggerModel,
    UpdateTriggerRequest,
)

router = APIRouter(prefix="/v1/clusters/triggers", tags=["Cluster Triggers"], route_class=StrictRoute, responses=ERRORS)


@router.post("", response_model=TriggerModel, status_code=201)
def create_trigger(body: CreateTriggerRequest, tenant: Creator, services: Context) -> Response:
    """Have a definition, or a configuration of the request's own, run by itself."""
    with services.db.write() as tx:
        made = service.create_trigger(tx, tenant, body, iso(services.clock.now()))
    return json_response(made, 201)


@router.post("/list", response_model=ListTriggersResponse)
def list_triggers(body: ListTriggersRequest, tenant: Reader, services: Context) -> Response:
    """The namespace's triggers, newest first unless sorted by another field; deleted ones are `disabled`."""
    with services.db.read() as tx:
        found, total = queries.list_triggers(tx, tenant, body)
    return json_response({"results": found, **_page("triggers", found, total, body)})


@router.post("/preview", response_model=PreviewTriggerResponse)
def preview_trigger(body: PreviewTriggerRequest, tenant: Reader, services: Context) -> Response:
    """Check a schedule, and tell its next times; nothing is made."""
    return json_response(service.preview_trigger(body, services.clock.now()))


@router.get("/{trigger_id}", response_model=TriggerModel)
def get_trigger(trigger_id: str, tenant: Reader, services: Context) -> Response:
    """One trigger."""
    with services.db.read() as tx:
        return json_response(queries.show(tx, queries.find_trigger(tx, tenant, trigger_id)))


@router.patch("/{trigger_id}", response_model=TriggerModel, responses=CONFLICT)
def update_trigger(trigger_id: str, body: UpdateTriggerRequest, tenant: Updater, services: Context) -> Response:
    """Change a trigger's schedule, description or status."""
    with services.db.write() as tx:
        return json_response(service.patch_trigger(tx, tenant, trigger_id, body, iso(services.clock.now())))


@router.delete("/{trigger_id}", status_code=204, responses=CONFLICT)
def delete_trigger(trigger_id: str, tenant: Deleter, services: Context) -> Response:
    """Disable a trigger. It can be looked at, and resumed, as long as the namespace has fewer than 1,000."""
    with services.db.write() as tx:
        service.delete_trigger(tx, tenant, trigger_id, iso(services.clock.now()))
    return Response(status_code=204)


@router.post("/{trigger_id}/pause", response_model=TriggerModel, responses=CONFLICT)
def pause_trigger(trigger_id: str, tenant: Updater, services: Context) -> Response:
    """Let a trigger rest; a run that it started goes on."""
    with services.db.write() as tx:
        return json_response(service.pause_trigger(tx, tenant, trigger_id, iso(services.clock.now())))


@router.post("/{trigger_id}/resume", response_model=TriggerModel)
def resume_trigger(trigger_id: str, tenant: Updater, services: Context) -> Response:
    """Make a trigger active: times and events count from now, failures from none."""
    with services.db.write() as tx:
        return json_response(service.resume_trigger(tx, tenant, trigger_id, iso(services.clock.now())))


@router.post("/{trigger_id}/history", response_model=TriggerHistoryResponse)
def get_trigger_history(trigger_id: str, body: TriggerHistoryRequest, tenant: Reader, services: Context) -> Response:
    """A trigger's last 1,000 firings, newest first."""
    with services.db.read() as tx:
        found, total = queries.list_firings(tx, tenant, trigger_id, body)
    return json_response({"trigger_id": trigger_id, **_page("executions", found, total, body)})


def _page(
    name: str, found: list[Any], total: int, asked: ListTriggersRequest | TriggerHistoryRequest
) -> dict[str, Any]:
    return {name: found, "total": total, "offset": asked.offset, "limit": asked.limit}
