"""A task as it goes on: its states one after the other, for server-sent events.

The records are looked at twice a second for each listener, in a thread; nothing is held between two looks. A stream
ends with its task, with the server, or after a while: a browser's `EventSource` then comes back by itself.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import orjson
from fastapi.sse import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from coterie.jobs import queue
from coterie.kit.clock import parse_iso
from coterie.kit.errors import TooManyRequests

LOOK_SECONDS = 0.5
STREAM_SECONDS = 600.0
"""How long a stream lasts at most: a key that was revoked meanwhile opens no other."""

RETRY_MILLISECONDS = 1_000
LISTENERS = 50
"""Streams that an organization may have open on one server."""

LEAST_DONE = 0.02
"""The share of a task from which on its rest is estimated."""


class Listeners:
    """How many streams each organization has open on this server."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    @contextmanager
    def listening(self, org_id: str) -> Iterator[None]:
        """Count one while the block lasts. Raises TooManyRequests."""
        if self._open[org_id] >= LISTENERS:
            raise TooManyRequests(f"{LISTENERS} event streams are open: close some, or ask for the task itself", 5)
        self._open[org_id] += 1
        try:
            yield
        finally:
            self._open[org_id] -= 1


async def follow(
    read: Callable[[], str | None], now: Callable[[], datetime], closing: Callable[[], bool]
) -> AsyncIterator[ServerSentEvent]:
    """The states of a task that `read` gives as JSON (None: it is gone), each once, until it has ended.

    The event is `progress`, and `end` for the last one. Nothing is sent for a state that the listener has seen.
    """
    shown = None
    ends = time.monotonic() + STREAM_SECONDS
    while time.monotonic() < ends and not closing():
        text = await run_in_threadpool(read)
        if text is None:
            return
        if text != shown:
            task, shown = with_estimate(orjson.loads(text), now()), text
            ended = task["status"] not in queue.OPEN
            data = orjson.dumps(task).decode()
            event = "end" if ended else "progress"
            yield ServerSentEvent(raw_data=data, event=event, id=task["updated_at"], retry=RETRY_MILLISECONDS)
            if ended:
                return
        await asyncio.sleep(LOOK_SECONDS)


def with_estimate(task: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The task with `estimated_seconds_left` in its `additional_data`: what is left takes as long, in proportion, as
    what is done since it was begun; null before there is enough to go by."""
    state = task["additional_data"]
    done, begun = state["progress"], state.get("started_at")
    left = None
    if task["status"] not in queue.OPEN:
        left = 0.0
    elif begun is not None and done >= LEAST_DONE:
        left = round((now - parse_iso(begun)).total_seconds() * (1 - done) / done, 1)
    return {**task, "additional_data": {**state, "estimated_seconds_left": left}}
