"""Deliveries on their way: claimed for an attempt, tried again later and later, and in the end delivered or failed.

A claim lasts as long as its lease. Who has it is told by the number of the attempt, which every claim raises: an
outcome that comes after the lease has run out and another has claimed finds another number, and is dropped.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, and_, delete, func, select, update

from coterie.api.context import Services
from coterie.kit.clock import iso
from coterie.store.tables import webhook_deliveries, webhooks
from coterie.webhooks.events import DELIVERED, FAILED, PENDING, SENDING

MAX_ATTEMPTS = 8
FIRST_DELAY = 30.0
GROWTH = 4
MAX_DELAY = 12 * 3600.0
"""Seconds between two attempts: from FIRST_DELAY on, each time GROWTH times as many, up to MAX_DELAY. Eight attempts
take about a day."""

JITTER = 0.2
"""The share by which a delay is longer or shorter at random, so that what failed together does not come together."""

LEASE = timedelta(seconds=180)
"""Longer than any attempt takes: the limit of an exchange, and a name that is slow to resolve."""

PER_CHANNEL = 2
"""Attempts at one channel at a time, over all workers: a slow endpoint does not hold up the others."""

KEPT = timedelta(days=30)
MAX_KEPT = 10_000
"""How long, and how many of each webhook, deliveries are kept that have ended."""

PRUNE_ROWS = 1_000


@dataclass(frozen=True)
class Claim:
    """An attempt that is to be made. Without a channel: it was removed from the webhook meanwhile."""

    pk: int
    id: str
    attempt: int
    event: bytes
    channel: Mapping[str, Any] | None
    signing: str


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt; a `final` one that failed is not tried again."""

    delivered: bool
    status: int | None = None
    error: str | None = None
    excerpt: str | None = None
    retry_after: str | None = None
    final: bool = False


def find_due(tx: Connection, now: str, count: int) -> list[int]:
    """The keys of deliveries whose time has come, the first of each channel first."""
    deliveries = webhook_deliveries.c
    channel = (deliveries.webhook_id, deliveries.channel)
    place = func.row_number().over(partition_by=channel, order_by=(deliveries.next_at, deliveries.pk))
    due = (
        select(deliveries.pk, *channel, deliveries.next_at, place.label("place"))
        .where(deliveries.status.in_((PENDING, SENDING)), deliveries.next_at <= now)
        .subquery()
    )
    busy = (
        select(*channel, func.count().label("claims"))
        .where(deliveries.status == SENDING, deliveries.next_at > now)
        .group_by(*channel)
        .subquery()
    )
    same = and_(busy.c.webhook_id == due.c.webhook_id, busy.c.channel == due.c.channel)
    chosen = (
        select(due.c.pk)
        .select_from(due.outerjoin(busy, same))
        .where(due.c.place + func.coalesce(busy.c.claims, 0) <= PER_CHANNEL)
        .order_by(due.c.place, due.c.next_at, due.c.pk)
        .limit(count)
    )
    return list(tx.scalars(chosen))


def claim_due(tx: Connection, now: datetime, count: int) -> list[Claim]:
    """Claim up to `count` deliveries for an attempt each, within a write transaction."""
    pks = find_due(tx, iso(now), count)
    rows = tx.execute(
        select(webhook_deliveries, webhooks.c.secret)
        .join(webhooks, webhooks.c.id == webhook_deliveries.c.webhook_id)
        .where(webhook_deliveries.c.pk.in_(pks))
    )
    by_pk = {row.pk: row for row in rows}
    claims = (_claim(tx, by_pk[pk], now) for pk in pks)
    return [claim for claim in claims if claim is not None]


def record(tx: Connection, claim: Claim, outcome: Outcome, begun: datetime, now: datetime, jitter: float) -> None:
    """Write an attempt's outcome, unless the claim was lost; `jitter` is from 0 to 1."""
    own = select(webhook_deliveries).where(
        webhook_deliveries.c.pk == claim.pk,
        webhook_deliveries.c.status == SENDING,
        webhook_deliveries.c.attempts == claim.attempt,
    )
    row = tx.execute(own).first()
    if row is None:
        return
    entry = {
        "attempt": claim.attempt,
        "started_at": iso(begun),
        "duration_ms": round((now - begun) / timedelta(milliseconds=1)),
        "status_code": outcome.status,
        "error": outcome.error,
        "response_excerpt": outcome.excerpt,
    }
    if outcome.delivered:
        _change(tx, row, now, DELIVERED, None, entry)
    elif outcome.final or claim.attempt >= MAX_ATTEMPTS:
        _change(tx, row, now, FAILED, None, entry)
    else:
        delay = delay_after(claim.attempt, outcome.retry_after, now, jitter)
        _change(tx, row, now, PENDING, now + timedelta(seconds=delay), entry)


def delay_after(attempt: int, retry_after: str | None, now: datetime, jitter: float) -> float:
    """The seconds to wait after a failed attempt, no fewer than the endpoint asks for, as far as MAX_DELAY."""
    grown = min(FIRST_DELAY * math.pow(GROWTH, attempt - 1), MAX_DELAY) * (1 + JITTER * (2 * jitter - 1))
    return max(grown, min(_advised(retry_after, now), MAX_DELAY))


def prune_deliveries(services: Services) -> None:
    """Delete deliveries that ended long ago, and of each webhook those beyond its newest MAX_KEPT."""
    before = iso(services.clock.now() - KEPT)
    with services.db.read() as tx:
        everyone = tx.scalars(select(webhooks.c.id)).all()
    for webhook_id in everyone:
        ended = (webhook_deliveries.c.webhook_id == webhook_id) & webhook_deliveries.c.status.in_((DELIVERED, FAILED))
        newest = select(webhook_deliveries.c.pk).where(ended).order_by(webhook_deliveries.c.created_at.desc())
        _prune(services, select(webhook_deliveries.c.pk).where(ended, webhook_deliveries.c.created_at < before))
        _prune(services, newest.offset(MAX_KEPT))


def _prune(services: Services, going: Any) -> None:
    deleted = PRUNE_ROWS
    while deleted == PRUNE_ROWS:
        with services.db.write() as tx:
            pks = tx.scalars(going.limit(PRUNE_ROWS)).all()
            deleted = tx.execute(delete(webhook_deliveries).where(webhook_deliveries.c.pk.in_(pks))).rowcount


def _claim(tx: Connection, row: Row[Any], now: datetime) -> Claim | None:
    """Claim a delivery; None where its last attempt was cut off, which ends it."""
    entry = None
    if row.status == SENDING:
        begun = orjson.loads(row.resource)["updated_at"]
        entry = {"attempt": row.attempts, "started_at": begun, "error": "the worker ended before an answer came"}
        if row.attempts >= MAX_ATTEMPTS:
            _change(tx, row, now, FAILED, None, entry)
            return None
    attempt = row.attempts + 1
    _change(tx, row, now, SENDING, now + LEASE, entry, attempt)
    secret = orjson.loads(row.secret)
    channel = next((each for each in secret["channels"] if each["number"] == row.channel), None)
    return Claim(row.pk, row.id, attempt, row.event.encode(), channel, secret["signing"])


def _change(
    tx: Connection,
    row: Row[Any],
    now: datetime,
    status: str,
    next_at: datetime | None,
    entry: Mapping[str, Any] | None,
    attempts: int | None = None,
) -> None:
    """Bring a delivery's columns and its resource along together."""
    resource = orjson.loads(row.resource)
    resource.update(
        status=status,
        attempts=row.attempts if attempts is None else attempts,
        next_attempt_at=iso(next_at) if next_at is not None and status == PENDING else None,
        log=resource["log"] if entry is None else [*resource["log"], dict(entry)],
        updated_at=iso(now),
    )
    tx.execute(
        update(webhook_deliveries)
        .where(webhook_deliveries.c.pk == row.pk)
        .values(
            status=status,
            attempts=resource["attempts"],
            next_at=None if next_at is None else iso(next_at),
            resource=orjson.dumps(resource).decode(),
        )
    )


def _advised(retry_after: str | None, now: datetime) -> float:
    """The seconds that a header `Retry-After` asks to wait, as a number or a date; 0 where it asks for nothing."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    parse: Callable[[str], datetime] = parsedate_to_datetime
    try:
        return max(0.0, (parse(text) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0
