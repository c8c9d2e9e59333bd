"""Routes of webhooks and their deliveries."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Request, Response

from coterie.api.bodies import StrictRoute
from coterie.api.context import AccountCreator, AccountDeleter, AccountReader, AccountUpdater, Context
from coterie.api.errors import CONFLICT, ERRORS, TOO_MANY, json_response
from coterie.api.schemas import DocumentedAs, ListRequest
from coterie.kit.clock import iso
from coterie.listing.answer import write_answer
from coterie.listing.syntax import parse_list
from coterie.webhooks import queries, service
from coterie.webhooks.schemas import (
    ListDeliveriesResponse,
    PingResponse,
    Webhook,
    WebhookDelivery,
    WebhookDeliveryDetail,
    WebhookRequest,
)

router = APIRouter(prefix="/v1/organizations/webhooks", tags=["Webhooks"], route_class=StrictRoute, responses=ERRORS)
DELIVERY = "/{identifier}/deliveries/{delivery_id}"


@router.post("/", response_model=Webhook, status_code=201, responses=CONFLICT)
@router.post("", response_model=Webhook, status_code=201, responses=CONFLICT, include_in_schema=False)
def create_webhook(body: WebhookRequest, account: AccountCreator, services: Context) -> Response:
    """A new webhook; this answer alone holds the secret that signs what is sent."""
    with services.db.write() as tx:
        made = service.create_webhook(tx, account, body, services.settings, iso(services.clock.now()))
    return json_response(made, 201)


@router.get("/", response_model=list[Webhook])
@router.get("", response_model=list[Webhook], include_in_schema=False)
def list_webhooks(account: AccountReader, services: Context) -> Response:
    """The organization's webhooks, newest first."""
    with services.db.read() as tx:
        return json_response(queries.list_webhooks(tx, account))


@router.get("/{identifier}", response_model=Webhook)
@router.get("/{identifier}/", response_model=Webhook, include_in_schema=False)
def get_webhook(identifier: str, account: AccountReader, services: Context) -> Response:
    """One webhook, by id or name."""
    with services.db.read() as tx:
        row = queries.find_webhook(tx, account, identifier)
    return Response(row.resource, media_type="application/json")


@router.put("/{identifier}", response_model=Webhook, responses=CONFLICT)
@router.put("/{identifier}/", response_model=Webhook, responses=CONFLICT, include_in_schema=False)
def update_webhook(identifier: str, body: WebhookRequest, account: AccountUpdater, services: Context) -> Response:
    """Replace a webhook. Secrets that come back masked stay; the one that signs stays in any case."""
    with services.db.write() as tx:
        now = iso(services.clock.now())
        changed = service.update_webhook(tx, account, identifier, body, services.settings, now)
    return json_response(changed)


@router.delete("/{identifier}", status_code=204)
@router.delete("/{identifier}/", status_code=204, include_in_schema=False)
def delete_webhook(identifier: str, account: AccountDeleter, services: Context) -> Response:
    """Delete a webhook with its deliveries; those that wait are not sent."""
    with services.db.write() as tx:
        service.delete_webhook(tx, account, identifier)
    return Response(status_code=204)


@router.post("/{identifier}/secret", response_model=Webhook)
def rotate_secret(identifier: str, account: AccountUpdater, services: Context) -> Response:
    """A new secret in place of the old one, at once; this answer alone holds it."""
    with services.db.write() as tx:
        return json_response(service.rotate_secret(tx, account, identifier, iso(services.clock.now())))


@router.post("/{identifier}/test", response_model=PingResponse, responses=TOO_MANY)
def test_webhook(identifier: str, account: AccountUpdater, services: Context) -> Response:
    """Send the event `ping` to every channel; the deliveries tell what came of it."""
    with services.db.write() as tx:
        deliveries = service.ping(tx, account, identifier, iso(services.clock.now()))
    return json_response({"deliveries": deliveries})


@router.post("/{identifier}/deliveries/list", response_model=ListDeliveriesResponse)
def list_deliveries(
    identifier: str,
    request: Request,
    account: AccountReader,
    services: Context,
    body: Annotated[Any, Body(), DocumentedAs(ListRequest)] = None,
    limit: int | None = None,
    offset: int | None = None,
) -> Response:
    """The webhook's deliveries by the list language."""
    query = parse_list(body, profile=queries.PROFILE, limit=limit, offset=offset)
    with services.db.read() as tx:
        listed = queries.list_deliveries(tx, account, identifier, query)
    return Response(write_answer(listed, query, request.url.path, queries.PROFILE), media_type="application/json")


@router.get(DELIVERY, response_model=WebhookDeliveryDetail)
def get_delivery(identifier: str, delivery_id: str, account: AccountReader, services: Context) -> Response:
    """One delivery, with its event and a log of the attempts."""
    with services.db.read() as tx:
        row = queries.find_delivery(tx, account, identifier, delivery_id)
    return json_response({**orjson.loads(row.resource), "event": orjson.Fragment(row.event)})


@router.post(DELIVERY + "/replay", response_model=WebhookDelivery, responses=CONFLICT | TOO_MANY)
def replay_delivery(identifier: str, delivery_id: str, account: AccountUpdater, services: Context) -> Response:
    """Send a delivery's event again: a new delivery, whose event has the same id."""
    with services.db.write() as tx:
        return json_response(service.replay(tx, account, identifier, delivery_id, iso(services.clock.now())))
