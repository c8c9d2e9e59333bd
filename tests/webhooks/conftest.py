"""An endpoint that answers by a script, and a service whose webhooks may go to it, by a clock that stands still."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.config import Settings
from coterie.kit.clock import ManualClock
from coterie.webhooks.sender import Sender

WEBHOOKS = "/v1/organizations/webhooks/"
Headers = dict[str, str]


@dataclass
class Sent:
    """A request that came."""

    path: str
    headers: Headers
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.body)
        return found


@dataclass
class Endpoint:
    """A local server: it notes what comes and answers by `script`, then with 200."""

    script: list[tuple[int, Headers, bytes]] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def types(self) -> list[str]:
        return [each.event["event_type"] for each in self.sent]

    def wait_for(self, number: int, seconds: float = 60) -> None:
        with self.came:
            assert self.came.wait_for(lambda: len(self.sent) >= number, seconds), self.types()

    def receive(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        with self.came:
            self.sent.append(Sent(handler.path, dict(handler.headers), body))
            status, headers, answer = self.script.pop(0) if self.script else (200, {}, b"ok")
            self.came.notify_all()
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(answer)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(answer)


@pytest.fixture
def start_endpoint() -> Iterator[Callable[..., Endpoint]]:
    """Starts endpoints; `wrap` is given the server before it begins."""
    servers: list[ThreadingHTTPServer] = []

    def start(wrap: Callable[[ThreadingHTTPServer], None] = lambda server: None) -> Endpoint:
        endpoint = Endpoint()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                endpoint.receive(self)

            def log_message(self, *_: Any) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client may hang up
        wrap(server)
        endpoint.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return endpoint

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def endpoint(start_endpoint: Callable[[], Endpoint]) -> Endpoint:
    return start_endpoint()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhook_private_addresses": True})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))


@pytest.fixture
def services(opened: tuple[Services, str], clock: ManualClock) -> Services:
    return replace(opened[0], clock=clock)


@pytest.fixture
def sender(services: Services) -> Iterator[Sender]:
    made = Sender(services, jitter=lambda: 0.5)
    yield made
    made.stop()


@pytest.fixture
def send(sender: Sender) -> Callable[[], int]:
    """Sends all that is due; how much that was."""

    def all_due() -> int:
        number = 0
        while begun := sender.look():
            wait(begun)
            number += len(begun)
        return number

    return all_due


@pytest.fixture
def add(client: TestClient, endpoint: Endpoint) -> Callable[..., dict[str, Any]]:
    """Makes webhooks, to the endpoint unless told otherwise."""

    def make(
        name: str = "hook", *events: str, channels: list[dict[str, Any]] | None = None, **configs: Any
    ) -> dict[str, Any]:
        body = {
            "webhook_name": name,
            "event_types": events or ["cluster.created"],
            "channels": channels or [{"channel": "webhook", "configs": {"url": endpoint.url, **configs}}],
        }
        made = client.post(WEBHOOKS, json=body)
        assert made.status_code == 201, made.text
        shown: dict[str, Any] = made.json()
        return shown

    return make


@pytest.fixture
def deliveries(client: TestClient) -> Callable[..., list[dict[str, Any]]]:
    """A webhook's deliveries, oldest first."""

    def listed(name: str = "hook") -> list[dict[str, Any]]:
        answer = client.post(f"{WEBHOOKS}{name}/deliveries/list", json={"sort": {"field": "created_at"}})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["results"]
        return found

    return listed
