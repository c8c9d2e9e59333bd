"""Routes of the console's pages. Each view has a path; all of them answer the one page that then draws it."""

from fastapi import APIRouter, Request, Response

from coterie.console import files
from coterie.kit.errors import NotFound

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

router = APIRouter(include_in_schema=False)


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
