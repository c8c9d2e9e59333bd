"""The rules of webhooks: making, changing, testing and replaying.

What signs, and what the channels keep to themselves, is in the `secret` column alone; `resource` holds what is shown.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, delete, func, insert, select, update

from coterie.api.context import Account
from coterie.config import Settings
from coterie.kit.clock import parse_iso
from coterie.kit.errors import AlreadyExists, BadRequest, Conflict, TooManyRequests
from coterie.kit.ids import new_id
from coterie.store.tables import webhooks
from coterie.webhooks.channels import keep_channels, show_channel
from coterie.webhooks.events import PENDING, PING, SENDING, enqueue, new_event
from coterie.webhooks.queries import count_waiting, find_delivery, find_webhook
from coterie.webhooks.schemas import WebhookRequest
from coterie.webhooks.secrecy import new_secret

MAX_WEBHOOKS = 50
"""Of one organization."""

MAX_WAITING = 1_000
"""Deliveries that may wait when one more is asked for by hand."""

_GIVEN = ("webhook_id", "internal_id", "created_at", "updated_at")
"""Fields of a request that are the service's to give."""


def create_webhook(
    tx: Connection, account: Account, request: WebhookRequest, settings: Settings, now: str
) -> dict[str, Any]:
    """A new webhook, with its secret, which is not shown again. Raises AlreadyExists, BadRequest, Invalid."""
    _check_given(request, {"internal_id": account.internal_id})
    count = select(func.count()).select_from(webhooks).where(webhooks.c.org_id == account.org_id)
    if (tx.scalar(count) or 0) >= MAX_WEBHOOKS:
        raise BadRequest(f"an organization has at most {MAX_WEBHOOKS} webhooks; delete one")
    _check_free(tx, account, request.webhook_name)
    channels, numbers = keep_channels(request.channels, [], settings)
    secret = {"signing": new_secret(), "channels": channels, "numbers": numbers}
    resource = _resource(request, secret, new_id("wh"), now, now)
    columns = _columns(resource, secret)
    tx.execute(insert(webhooks).values(id=resource["webhook_id"], org_id=account.org_id, created_at=now, **columns))
    return {**resource, "secret": secret["signing"]}


def update_webhook(
    tx: Connection, account: Account, identifier: str, request: WebhookRequest, settings: Settings, now: str
) -> dict[str, Any]:
    """Put another webhook in one's place; its secret stays. Raises NotFound, AlreadyExists, BadRequest, Invalid."""
    row = find_webhook(tx, account, identifier)
    shown, secret = orjson.loads(row.resource), orjson.loads(row.secret)
    times = {name: parse_iso(shown[name]) for name in ("created_at", "updated_at")}
    _check_given(request, {**times, "webhook_id": row.id, "internal_id": account.internal_id})
    if request.webhook_name != row.name:
        _check_free(tx, account, request.webhook_name)
    channels, numbers = keep_channels(request.channels, secret["channels"], settings, secret["numbers"])
    secret.update(channels=channels, numbers=numbers)
    resource = _resource(request, secret, row.id, row.created_at, now)
    tx.execute(update(webhooks).where(webhooks.c.pk == row.pk).values(**_columns(resource, secret)))
    return resource


def rotate_secret(tx: Connection, account: Account, identifier: str, now: str) -> dict[str, Any]:
    """Give a webhook a new secret, with which all that is sent from now on is signed; it is shown this once."""
    row = find_webhook(tx, account, identifier)
    secret = {**orjson.loads(row.secret), "signing": new_secret()}
    resource = {**orjson.loads(row.resource), "updated_at": now}
    tx.execute(update(webhooks).where(webhooks.c.pk == row.pk).values(**_columns(resource, secret)))
    return {**resource, "secret": secret["signing"]}


def delete_webhook(tx: Connection, account: Account, identifier: str) -> None:
    """Delete a webhook with its deliveries, those that wait too. Raises NotFound."""
    tx.execute(delete(webhooks).where(webhooks.c.pk == find_webhook(tx, account, identifier).pk))


def ping(tx: Connection, account: Account, identifier: str, now: str) -> list[dict[str, Any]]:
    """Send a test to every channel, whether the webhook is active or not. Raises NotFound, TooManyRequests."""
    row = find_webhook(tx, account, identifier)
    _check_waiting(tx, row.id)
    event = new_event(PING, {"webhook_id": row.id, "webhook_name": row.name}, now, None)
    return enqueue(tx, row.id, orjson.loads(row.secret)["channels"], event, now)


def replay(tx: Connection, account: Account, identifier: str, delivery_id: str, now: str) -> dict[str, Any]:
    """Send a delivery's event again, as a delivery of its own. Raises NotFound, Conflict, TooManyRequests."""
    row = find_delivery(tx, account, identifier, delivery_id)
    if row.status in (PENDING, SENDING):
        raise Conflict("this delivery has not ended yet; wait until it is delivered or failed")
    _check_waiting(tx, row.webhook_id)
    channels = orjson.loads(find_webhook(tx, account, row.webhook_id).secret)["channels"]
    same = [channel for channel in channels if channel["number"] == row.channel]
    if not same:
        raise Conflict("the channel of this delivery was removed from the webhook")
    return enqueue(tx, row.webhook_id, same, orjson.loads(row.event), now)[0]


def _resource(
    request: WebhookRequest, secret: Mapping[str, Any], webhook_id: str, created_at: str, now: str
) -> dict[str, Any]:
    return {
        "webhook_id": webhook_id,
        "webhook_name": request.webhook_name,
        "event_types": list(dict.fromkeys(request.event_types)),
        "channels": [show_channel(channel) for channel in secret["channels"]],
        "is_active": request.is_active,
        "created_at": created_at,
        "updated_at": now,
    }


def _columns(resource: Mapping[str, Any], secret: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": resource["webhook_name"],
        "active": resource["is_active"],
        "resource": orjson.dumps(resource).decode(),
        "secret": orjson.dumps(secret).decode(),
    }


def _check_given(request: WebhookRequest, known: Mapping[str, Any]) -> None:
    for name in _GIVEN:
        if name in request.model_fields_set and getattr(request, name) not in (None, known.get(name)):
            raise BadRequest(f"'{name}' is given by the service: leave it out, or send it back as it is shown now")


def _check_free(tx: Connection, account: Account, name: str) -> None:
    taken = select(webhooks.c.id).where(webhooks.c.org_id == account.org_id, webhooks.c.name == name)
    if tx.scalar(taken) is not None:
        raise AlreadyExists(f"webhook '{name}' already exists")


def _check_waiting(tx: Connection, webhook_id: str) -> None:
    if count_waiting(tx, webhook_id, MAX_WAITING) >= MAX_WAITING:
        raise TooManyRequests(f"{MAX_WAITING} deliveries of this webhook wait already; try again later", 60)
