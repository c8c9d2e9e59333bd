"""Routes of the console: its pages, and the session of a browser.

Each view has a path; all of them answer the one page that then draws it. What it shows, it asks the public API for.
"""

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from coterie.api.bodies import StrictRoute
from coterie.api.context import AuthorizationHeader, Context, identify
from coterie.api.errors import json_response
from coterie.api.schemas import RequestModel
from coterie.console import cookie, files, sessions
from coterie.console.reference import reference
from coterie.kit.clock import iso
from coterie.kit.errors import Forbidden, NotFound, Unauthorized

VIEWS = ("clusters", "data", "automation")
PAGES = ("/", "/sign-in", *(f"/{view}{rest}" for view in VIEWS for rest in ("", "/{rest:path}")))

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Accept-Encoding",
}
"""Of every file: nothing is loaded from elsewhere, no script stands in a page, no one frames it."""

FOREVER = "public, max-age=31536000, immutable"

router = APIRouter(include_in_schema=False, route_class=StrictRoute)


class SignInRequest(RequestModel):
    token: str = Field(min_length=1, max_length=200)


def from_own_pages(request: Request) -> None:
    """Dependency: the request comes from the console's own pages, none that another made a browser send."""
    if cookie.COMPANION not in request.headers:
        raise Forbidden(f"a session is for the console's pages, which send the header '{cookie.COMPANION}'")


own_pages = [Depends(from_own_pages)]


async def show_page(request: Request) -> Response:
    """The page, for whoever takes HTML: a client that lost its `/v1` is told that nothing is here."""
    if "text/html" not in request.headers.get("accept", ""):
        raise NotFound(f"nothing is at {request.url.path} for a client that takes no HTML; the API is below /v1")
    return _send(request, files.INDEX, "no-cache")


for _path in PAGES:
    router.add_api_route(_path, show_page, methods=["GET", "HEAD"], response_class=Response)


@router.api_route("/assets/{name:path}", methods=["GET", "HEAD"])
async def show_asset(name: str, request: Request) -> Response:
    """A part of the build. Its name holds a hash of its content, so that it is asked for once."""
    return _send(request, f"assets/{name}", FOREVER)


@router.api_route("/favicon.svg", methods=["GET", "HEAD"])
async def show_icon(request: Request) -> Response:
    """The icon."""
    return _send(request, "favicon.svg", "no-cache")


@router.api_route("/reference.css", methods=["GET", "HEAD"])
async def show_style(request: Request) -> Response:
    """How the page of the API looks."""
    return _send(request, "reference.css", "no-cache")


@router.api_route("/docs", methods=["GET", "HEAD"])
def show_reference(request: Request) -> Response:
    """The API to read."""
    return Response(reference(request.app.openapi()), media_type="text/html; charset=utf-8", headers=HEADERS)


@router.get("/session", dependencies=own_pages)
def show_session(services: Context, authorization: AuthorizationHeader = None) -> Response:
    """Whether the browser has a session, and until when."""
    with services.db.read() as tx:
        try:
            account, _ = identify(tx.execute, authorization, "", iso(services.clock.now()))
        except Unauthorized:
            return json_response({"signed_in": False, "expires_at": None})
    return json_response({"signed_in": True, "expires_at": account.expires_at})


@router.post("/session", dependencies=own_pages)
def sign_in(body: SignInRequest, request: Request, services: Context) -> Response:
    """Exchange the token of a one-time link for a session."""
    with services.db.write() as tx:
        key, ends = sessions.exchange(tx, body.token, services.clock.now())
    answer = json_response({"signed_in": True, "expires_at": ends})
    cookie.set_cookie(request, answer, key)
    return answer


@router.delete("/session", dependencies=own_pages)
def sign_out(request: Request, services: Context) -> Response:
    """End the browser's session, on the server too."""
    key = request.cookies.get(cookie.name_of(request))
    if key is not None:
        with services.db.write() as tx:
            sessions.end(tx, key)
    answer = Response(status_code=204)
    answer.delete_cookie(cookie.name_of(request), httponly=True, samesite="strict")
    return answer


def _send(request: Request, name: str, caching: str) -> Response:
    page = files.find(name)
    if page is None:
        raise NotFound(f"'{name}' is no part of the console; reload the page if the server was updated")
    headers = {**HEADERS, "ETag": page.etag, "Cache-Control": caching}
    if request.headers.get("if-none-match") == page.etag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(page.packed, media_type=page.kind, headers={**headers, "Content-Encoding": "gzip"})
    return Response(page.plain, media_type=page.kind, headers=headers)
