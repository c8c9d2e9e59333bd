"""What a process tells of itself, and how that is carried on: from a request to its task, its worker and its stages.

An origin is a small mapping of strings: the ids of the log and a W3C `traceparent`. It can be kept with a task and sent
to another process, of this machine or not, which goes on from it.
"""

import importlib.util
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from coterie.kit import logs, tracing
from coterie.kit.logs import LogFormat
from coterie.kit.tracing import Kind, Span

log = logging.getLogger("coterie.telemetry")

NEEDED = "opentelemetry.exporter.otlp.proto.http"
INSTALL = "pip install 'coterie[otel]'"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class NotInstalled(RuntimeError):
    """Traces were asked for by name, and the packages are not there."""


@dataclass(frozen=True)
class Telemetry:
    """How a process logs, and whether it traces (None: if the standard variables name a collector)."""

    log_level: str
    log_format: LogFormat
    tracing: bool | None = None


_current: Telemetry | None = None


def start(telemetry: Telemetry, role: str) -> None:
    """Set this process up; `role` is its part: server, worker, stage. Raises NotInstalled."""
    global _current
    logs.configure(telemetry.log_level, telemetry.log_format)
    traced = _is_traced(telemetry.tracing)
    _current = replace(telemetry, tracing=traced)
    if traced:
        tracing.start(f"coterie-{role}")


def current() -> Telemetry | None:
    """What `start` was told, for the processes that this one starts."""
    return _current


def stop() -> None:
    """Send what was not sent yet: a process that ends by `os._exit` calls it before."""
    tracing.stop()


def origin() -> dict[str, str]:
    """What leads to whatever is begun now."""
    parent = tracing.traceparent()
    return logs.known_ids() if parent is None else {**logs.known_ids(), "traceparent": parent}


@contextmanager
def continued(
    origin: Mapping[str, str], name: str, kind: Kind = "internal", ids: Mapping[str, str | None] | None = None
) -> Iterator[Span]:
    """Go on from an origin: lines carry its ids and `ids`, and the span `name`, which tells `ids`, is part of its."""
    own = {key: value for key, value in (ids or {}).items() if value is not None}
    carried = {key: value for key, value in origin.items() if key != "traceparent"}
    attributes = {f"coterie.{key}": value for key, value in own.items()}
    parent = origin.get("traceparent")
    with (
        logs.carrying({**carried, **own}),
        tracing.span(name, kind=kind, parent=parent, attributes=attributes) as span,
    ):
        yield span


def _is_traced(wanted: bool | None) -> bool:
    asked = any(os.environ.get(name) for name in _ENDPOINTS) if wanted is None else wanted
    if not asked or _is_installed():
        return asked
    if wanted:
        raise NotInstalled(f"COTERIE_TRACING needs OpenTelemetry: {INSTALL}")
    log.warning("a collector of traces is named, but OpenTelemetry is not installed, so there are none: %s", INSTALL)
    return False


def _is_installed() -> bool:
    try:
        return importlib.util.find_spec(NEEDED) is not None
    except ModuleNotFoundError:  # one of the packages around it
        return False
