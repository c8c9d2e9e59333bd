"""Where a POST may go, and where it goes: every inner address, redirects, rebinding, slow and endless answers."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from coterie.kit.addresses import is_inner
from coterie.kit.transport import EXCERPT, Transport, Unreachable
from webhooks.conftest import Endpoint

PUBLIC = "93.184.216.34"
INNER = [
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
    *("100.64.0.1", "100.127.255.254", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
    *("192.88.99.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:93.184.216.34", "::127.0.0.1", "64:ff9b::a00:1", "64:ff9b::5db8:d822"),
    *("64:ff9b:1::1", "2002:7f00:1::1", "2001::1", "100::1", "3fff::1", "5f00::1", "2606:4700::1%eth0"),
]


@pytest.mark.parametrize("address", INNER)
def test_an_inner_address_is_known(address: str) -> None:
    assert is_inner(address)


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "100.63.255.255", "100.128.0.1", "2606:4700::1111"])
def test_a_public_address_is_none(address: str) -> None:
    assert not is_inner(address)


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The addresses that are connected to; none answers."""
    seen: list[tuple[str, int]] = []

    def dial(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        seen.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", dial)
    return seen


@pytest.mark.parametrize("found", [*([address] for address in INNER), [PUBLIC, "10.0.0.1"], ["10.0.0.1", PUBLIC]])
def test_a_name_that_leads_inside_is_not_followed(found: list[str], dialled: list[Any]) -> None:
    transport = Transport(False, lambda host, port: found)
    with pytest.raises(Unreachable, match="not public") as refused:
        transport.post("http://hooks.example/x", {}, b"{}", 5)
    assert dialled == []
    assert not any(address in str(refused.value) for address in found)


def test_a_name_is_resolved_once_and_the_checked_address_is_dialled(dialled: list[Any]) -> None:
    answers: Iterator[list[str]] = iter([[PUBLIC], ["127.0.0.1"]])
    transport = Transport(False, lambda host, port: next(answers))
    with pytest.raises(Unreachable):
        transport.post("http://hooks.example:8080/x", {}, b"{}", 5)
    assert dialled == [(PUBLIC, 8080)]
    with pytest.raises(Unreachable, match="not public"):
        transport.post("http://hooks.example:8080/x", {}, b"{}", 5)
    assert dialled == [(PUBLIC, 8080)]


def test_every_address_of_a_name_is_tried(dialled: list[Any]) -> None:
    transport = Transport(False, lambda host, port: ["2606:4700::1111", PUBLIC])
    with pytest.raises(Unreachable):
        transport.post("https://hooks.example/x", {}, b"{}", 5)
    assert dialled == [("2606:4700::1111", 443), (PUBLIC, 443)]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://127.1/", "http://2130706433/", "http://localhost/"])
def test_literal_addresses_take_the_same_way(url: str, dialled: list[Any]) -> None:
    with pytest.raises(Unreachable, match="not public"):
        Transport(False).post(url, {}, b"{}", 5)
    assert dialled == []


def test_a_name_that_is_none_is_told() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror

    for resolve in (unknown, lambda host, port: []):
        with pytest.raises(Unreachable, match="name"):
            Transport(False, resolve).post("http://hooks.example/", {}, b"{}", 5)


def test_a_redirect_is_an_answer(endpoint: Endpoint) -> None:
    endpoint.script.append((302, {"Location": endpoint.url + "/next"}, b"there"))
    answer = Transport(True).post(endpoint.url, {"X-A": "a"}, b"{}", 5)
    assert (answer.status, answer.excerpt, len(endpoint.sent)) == (302, "there", 1)
    assert endpoint.sent[0].headers["Host"] == f"127.0.0.1:{endpoint.port}"


def test_proxies_of_the_environment_are_not_used(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert Transport(True).post(endpoint.url, {}, b"{}", 5).status == 200


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that says what it likes; what it meets when the other side has gone does not matter."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            with suppress(OSError):
                talk(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        thread.join(10)
        listener.close()


def test_an_answer_that_comes_drop_by_drop_has_one_deadline() -> None:
    gone = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for number in range(10_000):
            if gone.wait(0.02):
                return
            connection.sendall(b"X-%d: drip\r\n" % number)

    with raw_server(drip) as url:
        with pytest.raises(Unreachable, match=r"within 0\.3 seconds"):
            Transport(True).post(url, {}, b"{}", 0.3)
        gone.set()


def test_an_endless_body_is_read_as_far_as_the_excerpt() -> None:
    def pour(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x00\xff")
        while True:
            connection.sendall(b"x" * 65536)

    with raw_server(pour) as url:
        answer = Transport(True).post(url, {}, b"{}", 10)
    assert answer.status == 200
    assert len(answer.excerpt) == EXCERPT
    assert "\x00" not in answer.excerpt


@pytest.mark.parametrize("said", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000])
def test_what_is_no_answer_is_told(said: bytes) -> None:
    with raw_server(lambda connection: connection.sendall(said)) as url, pytest.raises(Unreachable):
        Transport(True).post(url, {}, b"{}", 5)


def test_tls_goes_by_the_name_though_the_address_is_dialled(
    start_endpoint: Callable[..., Endpoint], tmp_path: Path
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=hooks.example"]
    command += ["-addext", "subjectAltName=DNS:hooks.example", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    names: list[str] = []

    def wrap(server: ThreadingHTTPServer) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.sni_callback = lambda _socket, name, _context: names.append(name)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)

    endpoint = start_endpoint(wrap)
    trusted = ssl.create_default_context(cafile=certificate)
    transport = Transport(True, lambda host, port: ["127.0.0.1"], trusted)
    answer = transport.post(f"https://hooks.example:{endpoint.port}/x", {}, b"{}", 10)
    assert (answer.status, names) == (200, ["hooks.example"])
    assert endpoint.sent[0].headers["Host"] == f"hooks.example:{endpoint.port}"
    with pytest.raises(Unreachable, match=r"(?i)certificate"):
        transport.post(f"https://other.example:{endpoint.port}/x", {}, b"{}", 10)
    assert len(endpoint.sent) == 1
