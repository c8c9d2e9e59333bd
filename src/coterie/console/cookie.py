"""The cookie of a session, and how it counts as a key.

A browser sends cookies by itself, whoever's page asked. So the cookie counts only beside a header that the console's
own pages add, and that a page of another origin cannot make a browser send without this server's consent (CORS), which
it never gives. `SameSite=Strict` would not do alone: other ports of the same host are the same site.
"""

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from coterie.console.sessions import SESSION_LASTS

COOKIE = "coterie_session"
COMPANION = "x-coterie-console"


class CookieKey:
    """ASGI middleware: a request with the companion header, and no key of its own, is asked with the cookie's."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (key := key_of(HTTPConnection(scope))) is not None:
            scope = {**scope, "headers": [*scope["headers"], (b"authorization", f"Bearer {key}".encode())]}
        await self.app(scope, receive, send)


def key_of(request: HTTPConnection) -> str | None:
    """The session's key, if the request comes from the console's own pages and brings no other."""
    headers = request.headers
    if COMPANION not in headers or "authorization" in headers:
        return None
    return request.cookies.get(COOKIE)


def set_cookie(response: Response, key: str, secure: bool) -> None:
    """Give the browser a session's key, which no script can read; over https, never without."""
    age = int(SESSION_LASTS.total_seconds())
    response.set_cookie(COOKIE, key, max_age=age, httponly=True, samesite="strict", secure=secure)
