"""Reads of webhooks and their deliveries."""

from typing import Any

import orjson
from sqlalchemy import Connection, Row, bindparam, func, or_, select

from coterie.api.context import Account
from coterie.kit.errors import NotFound
from coterie.listing.answer import Listed, run_list
from coterie.listing.sql import Source
from coterie.listing.tree import Listable, ListQuery
from coterie.store.tables import webhook_deliveries, webhooks
from coterie.webhooks.events import PENDING, SENDING

PROFILE = Listable("delivery_id", "delivery_id", frozenset({"created_at", "updated_at", "next_attempt_at"}))
SOURCE = Source(
    webhook_deliveries,
    webhook_deliveries.c.pk,
    webhook_deliveries.c.id,
    webhook_deliveries.c.created_at,
    webhook_deliveries.c.resource,
    webhook_deliveries.c.webhook_id == bindparam("webhook_id"),
)


def find_webhook(tx: Connection, account: Account, identifier: str) -> Row[Any]:
    """The account's webhook by id, else by name. Raises NotFound."""
    own = (
        select(webhooks)
        .where(webhooks.c.org_id == account.org_id, or_(webhooks.c.id == identifier, webhooks.c.name == identifier))
        .order_by((webhooks.c.id == identifier).desc())
    )
    row = tx.execute(own.limit(1)).first()
    if row is None:
        raise NotFound(f"webhook '{identifier}' does not exist in this organization")
    return row


def list_webhooks(tx: Connection, account: Account) -> list[orjson.Fragment]:
    """All of the account's webhooks, newest first."""
    own = select(webhooks.c.resource).where(webhooks.c.org_id == account.org_id)
    return [orjson.Fragment(text) for text in tx.scalars(own.order_by(webhooks.c.pk.desc()))]


def find_delivery(tx: Connection, account: Account, identifier: str, delivery_id: str) -> Row[Any]:
    """A delivery of the account's webhook. Raises NotFound."""
    webhook = find_webhook(tx, account, identifier)
    own = select(webhook_deliveries).where(webhook_deliveries.c.webhook_id == webhook.id)
    row = tx.execute(own.where(webhook_deliveries.c.id == delivery_id)).first()
    if row is None:
        raise NotFound(f"delivery '{delivery_id}' does not exist for this webhook")
    return row


def list_deliveries(tx: Connection, account: Account, identifier: str, query: ListQuery) -> Listed:
    """A page of the webhook's deliveries. Raises NotFound."""
    return run_list(tx, query, SOURCE, {"webhook_id": find_webhook(tx, account, identifier).id})


def count_waiting(tx: Connection, webhook_id: str, up_to: int) -> int:
    """How many deliveries are still to be sent, counted as far as `up_to`."""
    waiting = select(webhook_deliveries.c.pk).where(
        webhook_deliveries.c.webhook_id == webhook_id, webhook_deliveries.c.status.in_((PENDING, SENDING))
    )
    return tx.scalar(select(func.count()).select_from(waiting.limit(up_to).subquery())) or 0
