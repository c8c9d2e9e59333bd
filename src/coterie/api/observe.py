"""Request ids, the access log, the span and the metrics of each request, in one ASGI layer around the app."""

import logging
import re
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coterie.kit import logs, tracing
from coterie.kit.tracing import Span

log = logging.getLogger("coterie.access")

_WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_UNTRACED = ("/healthz", "/readyz", "/metrics")
"""What is asked every few seconds, by machines."""

_NO_SPAN = nullcontext(Span())


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
        self.oldest_waiting = Gauge(
            "coterie_oldest_waiting_task_seconds",
            "Age of the oldest task that no worker has begun; 0 if there is none.",
            registry=self.registry,
        )
        self.workers = Gauge("coterie_live_workers", "Workers heard of lately.", registry=self.registry)
        ProcessCollector(registry=self.registry)


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
        status = 0
        started = time.perf_counter()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = identity
            await send(message)

        with logs.carrying({"request_id": identity}), _span_of(scope, identity) as span:
            try:
                await self.app(scope, receive, observed)
            except Exception as error:
                if status:
                    raise  # the answer is under way and can only be cut off
                await self.on_error(error)(scope, receive, observed)
            finally:
                self._count(scope, status, time.perf_counter() - started, span)

    def _count(self, scope: Scope, status: int, seconds: float, span: Span) -> None:
        route = getattr(scope.get("route"), "path", "(none)")  # the template: never ids, so few series
        method = scope["method"]
        self.metrics.requests.labels(method, route, str(status)).inc()
        self.metrics.seconds.labels(method, route).observe(seconds)
        _tell(span, method, route, status)
        log.debug("%s %s %d %.1f ms", method, scope["path"], status, seconds * 1000)


def _given_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _WELL_FORMED.fullmatch(value):
            return str(value.decode())
    return None


def _span_of(scope: Scope, identity: str) -> AbstractContextManager[Span]:
    """The span of a request, within the caller's if it sent a `traceparent`; its route is not known yet."""
    if not tracing.is_on() or scope["path"] in _UNTRACED:
        return _NO_SPAN
    parent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None)
    return tracing.span(scope["method"], kind="server", parent=parent, attributes={"coterie.request_id": identity})


def _tell(span: Span, method: str, route: str, status: int) -> None:
    span.rename(f"{method} {route}")
    span.tell("http.request.method", method)
    span.tell("http.route", route)
    span.tell("http.response.status_code", status)
    if status >= 500 or not status:
        span.fail(f"status {status}" if status else "cut off")
