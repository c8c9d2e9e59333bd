"""The cookie of a session, and how it counts as a key.

A browser sends cookies by itself, whoever's page asked. So the cookie counts only beside a header that the console's
own pages add, and that a page of another origin cannot make a browser send without this server's consent (CORS), which
it never gives. `SameSite=Strict` would not do alone: other ports of the same host are the same site.
"""

from functools import partial

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coterie.console.sessions import SESSION_LASTS

COMPANION = "x-coterie-console"


class CookieKey:
    """ASGI middleware: a request with the companion header, and no key of its own, is asked with the cookie's."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (key := key_of(HTTPConnection(scope))) is not None:
            scope = {**scope, "headers": [*scope["headers"], (b"authorization", f"Bearer {key}".encode())]}
            await self.app(scope, receive, partial(_send_private, send))
        else:
            await self.app(scope, receive, send)


async def _send_private(send: Send, message: Message) -> None:
    """Send what a session was answered: shared caches keep nothing that came with a key, but know no cookies."""
    if message["type"] == "http.response.start":
        MutableHeaders(scope=message).setdefault("cache-control", "private, no-store")
    await send(message)


def key_of(request: HTTPConnection) -> str | None:
    """The session's key, if the request comes from the console's own pages and brings no other."""
    headers = request.headers
    if COMPANION not in headers or "authorization" in headers:
        return None
    return request.cookies.get(name_of(request))


def name_of(request: HTTPConnection) -> str:
    """The cookie's name. It holds the port, which cookies do not go by: two services on one machine have two."""
    return f"coterie_session_{request.url.port or 'default'}"


def set_cookie(request: HTTPConnection, response: Response, key: str) -> None:
    """Give the browser a session's key, which no script can read; over https, never without."""
    age = int(SESSION_LASTS.total_seconds())
    secure = request.url.scheme == "https"
    response.set_cookie(name_of(request), key, max_age=age, httponly=True, samesite="strict", secure=secure)
