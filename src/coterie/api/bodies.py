"""Bodies: strict JSON, and a limit on the size of every one.

Stricter than the standard library: NaN, Infinity, numbers past a double's range, lone surrogates, NUL and nesting
beyond MAX_DEPTH are refused where the body is read, so that nothing behind has to think of them.
"""

import json
import re
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coterie.kit.errors import TooLarge, invalid

Refusal = Callable[[int], ASGIApp]
"""Makes the answer to a body over the limit of so many bytes."""

STREAMED = re.compile(r"/v1/collections/[^/]+/documents/(import|batch)")
"""What is posted here is read by the route itself, once it knows the key, and bounded there."""

MAX_DEPTH = 200
"""Levels of nesting. What is stored gets a few more around it, and the serializer ends at 254."""


def parse_json(body: bytes) -> Any:
    """The value of a JSON body. Raises json.JSONDecodeError, for NUL in a text and too deep a nesting too."""
    value = orjson.loads(body)
    if b"\\u0000" in body and has_nul(value):
        place = body.index(b"\\u0000")
        raise json.JSONDecodeError("text must not contain NUL (U+0000)", body.decode(), place)
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and is_too_deep(value):
        raise json.JSONDecodeError(f"values are nested more than {MAX_DEPTH} levels deep", body.decode(), 0)
    return value


def is_too_deep(value: Any) -> bool:
    """Whether arrays and objects stand in each other more than MAX_DEPTH levels deep."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        level = [
            item
            for container in level
            for item in (container.values() if isinstance(container, dict) else container)
            if isinstance(item, dict | list)
        ]
    return bool(level)


def has_nul(value: Any) -> bool:
    """Whether any text in the value, or any key, holds U+0000."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if "\x00" in item:
                return True
        elif isinstance(item, dict):
            stack += item.keys()
            stack += item.values()
        elif isinstance(item, list):
            stack += item
    return False


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


async def read_json(request: Request, limit: int) -> Any:
    """The JSON of a body on a STREAMED route. Raises TooLarge, Invalid, ClientDisconnect."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooLarge(too_large(limit))
        chunks.append(chunk)
    try:
        return parse_json(b"".join(chunks))
    except json.JSONDecodeError as error:
        raise invalid(("body", error.pos), f"the body is not valid JSON: {error.msg}", "json_invalid") from error


def too_large(limit: int) -> str:
    """What a caller is told of a body that is over its route's limit."""
    return f"the body is larger than this route's limit of {limit} bytes"


class BodyLimit:
    """ASGI middleware: a body over the limit is answered with 413 before anything reads it."""

    def __init__(self, app: ASGIApp, limit: int, refuse: Refusal) -> None:
        self.app = app
        self.limit = limit
        self.refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"] == "POST" and STREAMED.fullmatch(scope["path"])):
            await self.app(scope, receive, send)
            return
        try:
            body = None if _announced(scope) > self.limit else await _read_body(receive, self.limit)
        except ClientDisconnect:
            return  # no one waits for an answer, and half a body must not be taken for a whole one
        if body is None:
            await self.refuse(self.limit)(scope, receive, send)
            return
        await self.app(scope, _replay(body, receive), send)


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


async def _read_body(receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None as soon as it is longer than `limit`. Raises ClientDisconnect."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
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
