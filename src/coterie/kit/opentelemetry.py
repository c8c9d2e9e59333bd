"""Spans of OpenTelemetry, sent by OTLP over HTTP. Imported by `kit.tracing` alone, and only where traces are wanted."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span as Traced
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import coterie
from coterie.kit.tracing import Kind, Span

STOP_SECONDS = 3.0
"""How long the end of a process may wait for a collector that does not answer."""

_KINDS = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "consumer": SpanKind.CONSUMER}
_propagator = TraceContextTextMapPropagator()


class OpenTelemetry:
    """The tracer of a process; `service` is its name where the standard variables give none."""

    def __init__(self, service: str) -> None:
        own = Resource({"service.name": service, "service.version": coterie.__version__})
        self._provider = TracerProvider(resource=own.merge(OTELResourceDetector().detect()))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("coterie", coterie.__version__)

    @contextmanager
    def span(self, name: str, kind: Kind, parent: str | None, attributes: Mapping[str, str]) -> Iterator[Span]:
        context = None if parent is None else _propagator.extract({"traceparent": parent}, Context())
        with self._tracer.start_as_current_span(
            name,
            context,
            _KINDS[kind],
            attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as traced:
            span = _TracedSpan(traced)
            try:
                yield span
            except Exception as error:
                span.fail(type(error).__name__)
                raise

    def traceparent(self) -> str | None:
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return carrier.get("traceparent")

    def stop(self) -> None:
        stopping = threading.Thread(target=self._provider.shutdown, daemon=True)
        stopping.start()
        stopping.join(STOP_SECONDS)


class _TracedSpan(Span):
    def __init__(self, traced: Traced) -> None:
        self._traced = traced

    def rename(self, name: str) -> None:
        self._traced.update_name(name)

    def tell(self, name: str, value: str | int) -> None:
        self._traced.set_attribute(name, value)

    def fail(self, reason: str) -> None:
        self._traced.set_status(Status(StatusCode.ERROR, reason))
