"""Traces: pieces of work, timed, with what they are part of. Off, and nothing is loaded, unless `start` says otherwise.

Spans tell names, ids, statuses and kinds of errors; contents of documents and messages of errors they do not.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

Kind = Literal["internal", "server", "consumer"]


class Span:
    """What is told of a piece of work while it goes on; this one tells nobody."""

    def rename(self, name: str) -> None:
        """Give it a name that was not known when it began."""

    def tell(self, name: str, value: str | int) -> None:
        """Add an attribute."""

    def fail(self, reason: str) -> None:
        """Mark it as failed."""


class Tracer(Protocol):
    """Where spans go."""

    def span(
        self, name: str, kind: Kind, parent: str | None, attributes: Mapping[str, str]
    ) -> AbstractContextManager[Span]:
        """A span that lasts as long as the context, within `parent` (a W3C traceparent) or the span around it."""
        ...

    def traceparent(self) -> str | None:
        """The W3C traceparent of the span that is open."""
        ...

    def stop(self) -> None:
        """Send what was not sent yet."""
        ...


class NoTracer:
    """Sends nothing."""

    _nothing = nullcontext(Span())

    def span(
        self, name: str, kind: Kind, parent: str | None, attributes: Mapping[str, str]
    ) -> AbstractContextManager[Span]:
        return self._nothing

    def traceparent(self) -> str | None:
        return None

    def stop(self) -> None:
        return None


_tracer: Tracer = NoTracer()


def start(service: str) -> None:
    """Trace this process from now on, as OpenTelemetry's standard variables say. Its packages must be installed."""
    global _tracer
    from coterie.kit.opentelemetry import OpenTelemetry  # noqa: PLC0415

    _tracer = OpenTelemetry(service)


def is_on() -> bool:
    """Whether spans go anywhere, for those who would prepare much for one."""
    return not isinstance(_tracer, NoTracer)


def stop() -> None:
    """Send what was not sent yet, and trace no more."""
    global _tracer
    stopped, _tracer = _tracer, NoTracer()
    stopped.stop()


def span(
    name: str, *, kind: Kind = "internal", parent: str | None = None, attributes: Mapping[str, str] | None = None
) -> AbstractContextManager[Span]:
    """A piece of work: part of `parent` (a W3C traceparent), else of the one around it, else a trace of its own."""
    return _tracer.span(name, kind, parent, attributes or {})


def traceparent() -> str | None:
    """The open span as another process continues it: a W3C traceparent."""
    return _tracer.traceparent()


def trace_id() -> str | None:
    """The id of the trace that the open span is part of."""
    parent = _tracer.traceparent()
    return None if parent is None else parent.split("-")[1]
