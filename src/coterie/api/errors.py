"""The one place where errors become responses.

`{"success": false, "status": …, "error": {"message", "type", "details"}}`; a 422 also has FastAPI's `detail` list.
`details.request_id` names the line in the server's log. What is not a `CoterieError` is logged whole and shown as
"internal error": no SQL, path or stack trace leaves the service.
"""

import logging
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError, TimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from coterie.api.bodies import too_large
from coterie.api.schemas import ErrorResponse, ValidationErrorResponse
from coterie.kit import logs
from coterie.kit.errors import BadRequest, CoterieError, Invalid, Issue, TooLarge, Unavailable
from coterie.store.dialects import is_timeout
from coterie.store.storage import StorageFailed

log = logging.getLogger("coterie.api")

_TYPES = {
    400: "BadRequestError",
    401: "UnauthorizedError",
    403: "ForbiddenError",
    404: "NotFoundError",
    405: "MethodNotAllowedError",
    413: "PayloadTooLargeError",
    415: "UnsupportedMediaTypeError",
}

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorResponse, "description": "Bad Request"},
    401: {"model": ErrorResponse, "description": "Unauthorized"},
    403: {"model": ErrorResponse, "description": "Forbidden"},
    404: {"model": ErrorResponse, "description": "Not Found"},
    413: {"model": ErrorResponse, "description": "Payload Too Large"},
    422: {"model": ValidationErrorResponse, "description": "Validation Error"},
    500: {"model": ErrorResponse, "description": "Internal Server Error"},
}
"""What every route may answer besides its success."""

CONFLICT: dict[int | str, dict[str, Any]] = {409: {"model": ErrorResponse, "description": "Conflict"}}
TOO_MANY: dict[int | str, dict[str, Any]] = {429: {"model": ErrorResponse, "description": "Too Many Requests"}}
UNAVAILABLE: dict[int | str, dict[str, Any]] = {503: {"model": ErrorResponse, "description": "Service Unavailable"}}


def as_json(responses: Mapping[int | str, Mapping[str, Any]]) -> dict[int | str, dict[str, Any]]:
    """The same, for a route whose success is no JSON: the framework would document its errors as what that is."""
    return {
        status: {
            "description": each["description"],
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{each['model'].__name__}"}}},
        }
        for status, each in responses.items()
    }


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response of JSON; `orjson.Fragment` passes through as stored."""
    return Response(orjson.dumps(value), status, headers, "application/json")


def render(error: CoterieError) -> Response:
    """The response of an error."""
    details = {**(error.details or {}), "request_id": logs.known_ids().get("request_id", "-")}
    body: dict[str, Any] = {
        "success": False,
        "status": error.status,
        "error": {"message": _clean(error.message), "type": error.type, "details": details},
    }
    if isinstance(error, Invalid):
        body["detail"] = [
            {"loc": list(issue.loc), "msg": _clean(issue.msg), "type": issue.type} for issue in error.issues
        ]
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, round(retry_after)))
    return json_response(body, error.status, headers)


def refuse_body(limit: int) -> ASGIApp:
    """The answer to a body over its limit; the connection is closed, for its rest will not be read."""
    response = render(TooLarge(too_large(limit)))
    response.headers["Connection"] = "close"
    return response


def install(app: FastAPI) -> None:
    """Give the app its error handlers."""
    app.add_exception_handler(CoterieError, _known)
    app.add_exception_handler(RequestValidationError, _not_well_formed)
    app.add_exception_handler(HTTPException, _from_framework)
    app.add_exception_handler(OperationalError, _store_unavailable)
    app.add_exception_handler(TimeoutError, _store_unavailable)
    app.add_exception_handler(StorageFailed, _storage_unavailable)


def _known(_request: Request, error: Exception) -> Response:
    assert isinstance(error, CoterieError)
    return render(error)


def _not_well_formed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return render(Invalid([_issue(fault) for fault in error.errors()]))


def _issue(fault: Mapping[str, Any]) -> Issue:
    message = fault["msg"]
    if fault["type"] == "json_invalid":
        message = f"the body is not valid JSON: {fault['ctx']['error']}"
    return Issue(tuple(fault["loc"]), message, fault["type"])


def _from_framework(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = CoterieError(str(error.detail))
    known.status = error.status_code
    known.type = _TYPES.get(error.status_code, "HTTPError")
    response = render(known)
    response.headers.update(error.headers or {})
    return response


def _store_unavailable(_request: Request, error: Exception) -> Response:
    """The store ran over the time limit of a read, is locked by another process for too long, or is not there."""
    if isinstance(error, OperationalError) and is_timeout(error):
        return render(BadRequest("this takes the store longer than its time limit: ask for less at a time"))
    log.error("the store did not do its part", exc_info=error)
    return render(Unavailable("the store of records is busy or does not answer; nothing was changed, try again", 2))


def _storage_unavailable(_request: Request, error: Exception) -> Response:
    log.error("the storage did not do its part", exc_info=error)
    return render(Unavailable("the storage of vectors and artifacts does not answer; try again", 2))


def render_unknown(error: Exception) -> Response:
    """The answer to an error that no one expected: logged whole, shown without anything of it."""
    log.error("unexpected error", exc_info=error)
    return render(CoterieError("internal error; the server's log has the details under this request id"))


def _clean(text: str) -> str:
    """Text that is safe in JSON: what came percent-encoded in a path may hold lone surrogates."""
    return text.encode("utf-8", "replace").decode()
