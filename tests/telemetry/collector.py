"""A collector of traces: takes OTLP over HTTP on a loopback port and keeps the spans."""

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Received:
    """A span as it came in."""

    name: str
    service: str
    trace: str
    id: str
    parent: str
    failed: bool
    attributes: dict[str, str]


class Collector:
    """What was received so far."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.spans: list[Received] = []

    def of(self, trace: str) -> dict[str, Received]:
        """The spans of one trace, by name."""
        return {span.name: span for span in list(self.spans) if span.trace == trace}

    def wait(self, enough: Callable[[], bool], seconds: float = 20) -> None:
        """Until there is enough. Raises AssertionError."""
        deadline = time.monotonic() + seconds
        while not enough():
            assert time.monotonic() < deadline, [(span.service, span.name) for span in self.spans]
            time.sleep(0.05)


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that takes spans until the end of the context."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415
        ExportTraceServiceRequest,
    )

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            for resource in ExportTraceServiceRequest.FromString(plain).resource_spans:
                service = next(each.value.string_value for each in resource.resource.attributes if each.key == NAME)
                for scope in resource.scope_spans:
                    collector.spans.extend(_read(span, service) for span in scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()


NAME = "service.name"


def _read(span: object, service: str) -> Received:
    return Received(
        name=span.name,  # type: ignore[attr-defined]
        service=service,
        trace=span.trace_id.hex(),  # type: ignore[attr-defined]
        id=span.span_id.hex(),  # type: ignore[attr-defined]
        parent=span.parent_span_id.hex(),  # type: ignore[attr-defined]
        failed=span.status.code == 2,  # type: ignore[attr-defined]
        attributes={each.key: each.value.string_value for each in span.attributes},  # type: ignore[attr-defined]
    )
