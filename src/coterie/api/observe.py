"""Request ids, the access log and Prometheus metrics, in one ASGI layer around the app."""

import logging
import re
import secrets
import time
from collections.abc import Callable
from contextvars import ContextVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("coterie.access")

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""The id of the request that is being answered; every line of the log carries it."""

_WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class Metrics:
    """The numbers of one server process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "coterie_http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "coterie_http_request_seconds",
            "Time to answer.",
            ["method", "route"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
            registry=self.registry,
        )
        self.open_tasks = Gauge(
            "coterie_open_tasks", "Tasks that are waiting or running.", ["status"], registry=self.registry
        )
        self.workers = Gauge("coterie_live_workers", "Workers heard of lately.", registry=self.registry)


class Observe:
    """ASGI middleware: gives each request an id (the caller's own `X-Request-ID` if well formed) and counts it."""

    def __init__(self, app: ASGIApp, metrics: Metrics, on_error: Callable[[Exception], ASGIApp]) -> None:
        """`on_error` makes the answer to what no handler took, while the request's id is still known."""
        self.app = app
        self.metrics = metrics
        self.on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        identity = _given_id(scope) or secrets.token_hex(8)
        token = request_id.set(identity)
        status = 0
        started = time.perf_counter()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = identity
            await send(message)

        try:
            await self.app(scope, receive, observed)
        except Exception as error:
            if status:
                raise  # the answer is under way and can only be cut off
            await self.on_error(error)(scope, receive, observed)
        finally:
            self._count(scope, status, time.perf_counter() - started)
            request_id.reset(token)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "(none)")  # the template: never ids, so few series
        method = scope["method"]
        self.metrics.requests.labels(method, route, str(status)).inc()
        self.metrics.seconds.labels(method, route).observe(seconds)
        log.debug("%s %s %d %.1f ms", method, scope["path"], status, seconds * 1000)


def _given_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _WELL_FORMED.fullmatch(value):
            return str(value.decode())
    return None


class RequestIdFilter(logging.Filter):
    """Adds `request_id` to every log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


def configure_logging(level: str) -> None:
    """One line a record on standard error: time, level, logger, request id, message."""
    handler = logging.StreamHandler()
    handler.addFilter(RequestIdFilter())
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("alembic", "uvicorn.error", "httpx", "dbos"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))
