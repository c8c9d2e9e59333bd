"""A language model's server that answers as a test says: rightly, wrongly, slowly, or not at all."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]


@dataclass
class Answered:
    """A response: a body with its status and headers, sent whole, cut after some bytes, or late."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    drip_seconds: float = 0.0


Script = Callable[[int, Json], Answered]
"""From the number of a request and its body to what is answered."""


def said(content: str | None, tokens: int = 50, finish: str = "stop") -> Answered:
    """A chat completion."""
    message = {"role": "assistant", "content": content}
    choices = [{"index": 0, "message": message, "finish_reason": finish}]
    usage = {"total_tokens": tokens, "prompt_tokens": tokens, "completion_tokens": 0}
    return Answered(json.dumps({"id": "x", "object": "chat.completion", "choices": choices, "usage": usage}).encode())


def named(label: str, **more: Any) -> Answered:
    """A chat completion with a label as asked for."""
    return said(json.dumps({"label": label, "summary": "All about it.", "keywords": ["one", "two"], **more}))


def refused(status: int, message: str = "no", **headers: str) -> Answered:
    """An error as OpenAI writes them."""
    return Answered(json.dumps({"error": {"message": message, "type": "x"}}).encode(), status, headers)


@dataclass
class Server:
    """What it was asked, the bodies in their order, and where it is."""

    url: str
    asked: list[Json] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def prompts(self) -> list[str]:
        return [body["messages"][1]["content"] for body in self.asked]


@contextmanager
def serving(script: Script) -> Iterator[Server]:
    """A server on a free port of this machine."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(server.asked)
                server.asked.append(body)
                server.headers.append({name.lower(): value for name, value in self.headers.items()})
                server.paths.append(self.path)
            self._send(script(number, body))

        def _send(self, answer: Answered) -> None:
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            try:
                if answer.drip_seconds:
                    for at in range(len(answer.body)):
                        self.wfile.write(answer.body[at : at + 1])
                        self.wfile.flush()
                        time.sleep(answer.drip_seconds)
                else:
                    self.wfile.write(answer.body[: answer.cut_at])
            except OSError:
                pass  # the client hung up, as it should
            if answer.cut_at is not None:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    server = Server(f"http://127.0.0.1:{listening.server_port}/v1")
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
