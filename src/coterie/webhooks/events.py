"""What happens, written down for those who asked to be told, in the transaction that makes it so.

An event is sent if and only if its change was committed: `emit` adds rows to the outbox, a worker sends them.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import Connection, insert, select

from coterie.kit.ids import new_id
from coterie.store.tables import namespaces, webhook_deliveries, webhooks

PENDING, SENDING, DELIVERED, FAILED = "pending", "sending", "delivered", "failed"
PING = "ping"
"""The event of a test: no one subscribes to it, it is sent on demand."""

MAX_IDS = 100
"""Ids that the event of many things names; its `count` says how many there were."""


class WebhookEventType(StrEnum):
    """What a webhook can ask for. Coterie has no taxonomies, so their event does not happen."""

    OBJECT_CREATED = "object.created"
    OBJECT_UPDATED = "object.updated"
    OBJECT_DELETED = "object.deleted"
    COLLECTION_CREATED = "collection.created"
    COLLECTION_UPDATED = "collection.updated"
    COLLECTION_DELETED = "collection.deleted"
    CLUSTER_CREATED = "cluster.created"
    CLUSTER_UPDATED = "cluster.updated"
    CLUSTER_DELETED = "cluster.deleted"
    CLUSTER_EXECUTION_STARTED = "cluster.execution.started"
    CLUSTER_EXECUTION_COMPLETED = "cluster.execution.completed"
    CLUSTER_EXECUTION_FAILED = "cluster.execution.failed"
    TRIGGER_CREATED = "trigger.created"
    TRIGGER_UPDATED = "trigger.updated"
    TRIGGER_DELETED = "trigger.deleted"
    TRIGGER_PAUSED = "trigger.paused"
    TRIGGER_RESUMED = "trigger.resumed"
    TRIGGER_FIRED = "trigger.fired"
    TRIGGER_EXECUTION_COMPLETED = "trigger.execution.completed"
    TRIGGER_EXECUTION_FAILED = "trigger.execution.failed"
    TAXONOMY_CREATED = "taxonomy.created"


def emit(tx: Connection, namespace_id: str, type: str, data: Mapping[str, Any], now: str) -> None:
    """Tell the active webhooks of the namespace's organization that ask for this type. Raises ValueError for a type
    that there is not.
    """
    kind = WebhookEventType(type)
    active = (
        select(webhooks.c.id, webhooks.c.resource, webhooks.c.secret)
        .join(namespaces, namespaces.c.org_id == webhooks.c.org_id)
        .where(namespaces.c.id == namespace_id, webhooks.c.active)
        .order_by(webhooks.c.pk)
    )
    asking = [row for row in tx.execute(active) if kind in orjson.loads(row.resource)["event_types"]]
    if not asking:
        return
    event = new_event(kind, data, now, namespace_id)
    for row in asking:
        enqueue(tx, row.id, orjson.loads(row.secret)["channels"], event, now)


def emit_many(
    tx: Connection, namespace_id: str, type: str, ids: Sequence[str], data: Mapping[str, Any], now: str
) -> None:
    """One event for all that was changed at once, naming MAX_IDS of it; none where nothing was."""
    if ids:
        emit(tx, namespace_id, type, {**data, "count": len(ids), "object_ids": list(ids[:MAX_IDS])}, now)


def new_event(type: str, data: Mapping[str, Any], now: str, namespace_id: str | None) -> dict[str, Any]:
    """An event as it is sent. Its id is the same for all who are told of it, and in every attempt."""
    return {
        "event_id": new_id("evt"),
        "event_type": str(type),
        "created_at": now,
        "namespace_id": namespace_id,
        "data": dict(data),
    }


def enqueue(
    tx: Connection, webhook_id: str, channels: Sequence[Mapping[str, Any]], event: Mapping[str, Any], now: str
) -> list[dict[str, Any]]:
    """Put an event into the outbox, once for each of the channels; the deliveries as the API shows them."""
    shown = [_delivery(webhook_id, channel, event, now) for channel in channels]
    text = orjson.dumps(event).decode()
    rows = [
        {
            "id": each["delivery_id"],
            "webhook_id": webhook_id,
            "channel": each["channel"],
            "event": text,
            "status": PENDING,
            "attempts": 0,
            "next_at": now,
            "resource": orjson.dumps(each).decode(),
            "created_at": now,
        }
        for each in shown
    ]
    tx.execute(insert(webhook_deliveries), rows)
    return shown


def _delivery(webhook_id: str, channel: Mapping[str, Any], event: Mapping[str, Any], now: str) -> dict[str, Any]:
    return {
        "delivery_id": new_id("dlv"),
        "webhook_id": webhook_id,
        "channel": channel["number"],
        "channel_type": channel["channel"],
        "event_id": event["event_id"],
        "event_type": event["event_type"],
        "namespace_id": event["namespace_id"],
        "status": PENDING,
        "attempts": 0,
        "next_attempt_at": now,
        "log": [],
        "created_at": now,
        "updated_at": now,
    }
