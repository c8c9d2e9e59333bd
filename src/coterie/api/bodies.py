"""Bodies: strict JSON, and a limit on the size of every one.

Stricter than the standard library: NaN, Infinity, numbers past a double's range, lone surrogates, NUL and nesting
beyond 1,024 levels are refused where the body is read, so that nothing behind has to think of them.
"""

import json
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Refusal = Callable[[int], ASGIApp]
"""Makes the answer to a body over the limit of so many bytes."""

UNBOUNDED_SUFFIX = "/documents/import"
"""Routes that read their body as a stream and bound their memory themselves."""

BATCH_SUFFIX = "/documents/batch"


def parse_json(body: bytes) -> Any:
    """The value of a JSON body. Raises json.JSONDecodeError, for a NUL inside a string too."""
    value = orjson.loads(body)
    if b"\\u0000" in body and _has_nul(value):
        place = body.index(b"\\u0000")
        raise json.JSONDecodeError("text must not contain NUL (U+0000)", body.decode(), place)
    return value


def _has_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any("\x00" in key or _has_nul(item) for key, item in value.items())
    if isinstance(value, list):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\x00" in value


class StrictRequest(Request):
    """A request whose JSON is read by `parse_json`."""

    async def json(self) -> Any:
        return parse_json(await self.body())


class StrictRoute(APIRoute):
    """A route that reads strict JSON; every router of the service uses it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict


class BodyLimit:
    """ASGI middleware: a body over its route's limit is answered with 413 before anything reads it."""

    def __init__(self, app: ASGIApp, json_limit: int, batch_limit: int, refuse: Refusal) -> None:
        self.app = app
        self.json_limit = json_limit
        self.batch_limit = batch_limit
        self.refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].endswith(UNBOUNDED_SUFFIX):
            await self.app(scope, receive, send)
            return
        limit = self.batch_limit if scope["path"].endswith(BATCH_SUFFIX) else self.json_limit
        body = None if _announced(scope) > limit else await _read_body(receive, limit)
        if body is None:
            await self.refuse(limit)(scope, receive, send)
            return
        await self.app(scope, _replay(body, receive), send)


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


async def _read_body(receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None as soon as it is longer than `limit`."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once and then what the client does (such as going away)."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
