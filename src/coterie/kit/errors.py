"""The errors a caller of the service can meet.

    CoterieError
    |- BadRequest 400          a request that is well formed but cannot be honoured
    |- Unauthorized 401        no key, or one that is unknown, revoked or expired
    |- Forbidden 403           a key without the permission that the route needs
    |- NotFound 404            no such thing *for this tenant* (another tenant's thing is not found either)
    |- AlreadyExists 409       a name that is taken
    |- Conflict 409            the thing's present state forbids it
    |- TooLarge 413            a body over its limit
    |- Invalid 422             a request that is not well formed; carries one `Issue` per fault
    |- TooManyRequests 429     with the seconds to wait
    `- Unavailable 503         a part of the service is not there now; with the seconds to wait

`api.errors` renders them, and nothing else does. Messages are shown to callers: they say what to do and
hold no SQL, no path of the server and nothing of another tenant.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Issue(NamedTuple):
    """One fault of a request: where (`("body", "filters", "AND", 0)`), what, and a stable kind."""

    loc: tuple[str | int, ...]
    msg: str
    type: str


class CoterieError(Exception):
    """Base of all: an HTTP status, the `error.type` of the response, a message and optional details."""

    status = 500
    type = "InternalServerError"

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = dict(details) if details else None


class BadRequest(CoterieError):
    """The request cannot be honoured; the message names the parameter and what would work."""

    status = 400
    type = "BadRequestError"


class Unauthorized(CoterieError):
    """No valid API key came with the request."""

    status = 401
    type = "UnauthorizedError"


class Forbidden(CoterieError):
    """The key is valid and lacks a permission."""

    status = 403
    type = "ForbiddenError"


class NotFound(CoterieError):
    """Nothing of that name or id exists for this tenant."""

    status = 404
    type = "NotFoundError"


class AlreadyExists(CoterieError):
    """The name is taken within its namespace."""

    status = 409
    type = "AlreadyExistsError"


class Conflict(CoterieError):
    """The resource's present state forbids the request."""

    status = 409
    type = "ConflictError"


class TooLarge(CoterieError):
    """The body is over the limit of its route."""

    status = 413
    type = "PayloadTooLargeError"


class Invalid(CoterieError):
    """The request is not well formed. `issues` holds every fault that was found, at least one."""

    status = 422
    type = "ValidationError"

    def __init__(self, issues: Sequence[Issue]) -> None:
        first = issues[0]
        where = ".".join(str(part) for part in first.loc)
        more = f" (and {len(issues) - 1} more)" if len(issues) > 1 else ""
        super().__init__(f"{where}: {first.msg}{more}")
        self.issues = tuple(issues)


class TooManyRequests(CoterieError):
    """The caller is over a limit and may come back after `retry_after` seconds."""

    status = 429
    type = "TooManyRequestsError"

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message, {"retry_after_seconds": retry_after})
        self.retry_after = retry_after


class Unavailable(CoterieError):
    """A part of the service does not answer now; try again after `retry_after` seconds."""

    status = 503
    type = "ServiceUnavailableError"

    def __init__(self, message: str, retry_after: float, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, {**(details or {}), "retry_after_seconds": retry_after})
        self.retry_after = retry_after


def invalid(loc: Sequence[str | int], msg: str, type: str = "value_error") -> Invalid:
    """An `Invalid` with a single fault."""
    return Invalid([Issue(tuple(loc), msg, type)])


class CannotStart(RuntimeError):
    """A process cannot begin its work; the message is for whoever started it, and says what to do."""
