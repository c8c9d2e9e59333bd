"""Requests to where strangers say, that cannot be turned against the operator's own network.

A name is resolved once, all its addresses are checked, and the connection goes to a checked one: a name that leads
elsewhere a moment later (DNS rebinding) leads nowhere. TLS and the header `Host` still go by the name. Redirects are
not followed, proxies of the environment not used, answers not decoded, and one deadline holds for the whole exchange,
however slowly its bytes come.

It is built on httpcore, the part of httpx that connects: httpx itself has no such deadline, and writes URLs to the log.
"""

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from coterie.kit.addresses import is_inner

EXCERPT = 1024
"""Bytes of an answer that are read; nothing is done with the rest."""

MAX_ADDRESSES = 8
Resolve = Callable[[str, int], Sequence[str]]
_ERRORS = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol)


class Unreachable(Exception):
    """No answer came, or none that is of use; the message says why, and is shown to who named the URL."""


@dataclass(frozen=True)
class Answer:
    """A status, the header `Retry-After` and the beginning of the body."""

    status: int
    retry_after: str | None
    excerpt: str


def resolve_name(host: str, port: int) -> list[str]:
    """The addresses of a name, in the order in which they should be tried. Raises OSError, UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class Transport:
    """Sends requests; safe to share between threads."""

    def __init__(
        self, private_addresses: bool, resolve: Resolve = resolve_name, tls: ssl.SSLContext | None = None
    ) -> None:
        """`private_addresses` allows every address."""
        self._private_addresses = private_addresses
        self._resolve = resolve
        self._tls = tls or httpx.create_ssl_context()

    def post(self, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Answer:
        """Send a body and read the beginning of the answer. Raises Unreachable."""
        with self._exchange("POST", url, headers, body, seconds) as response:
            return Answer(response.status, _header(response.headers, b"retry-after"), _excerpt(response))

    def get(self, url: str, seconds: float, limit: int) -> bytes:
        """The whole of what is there, of at most `limit` bytes. Raises Unreachable, also for a status but 200."""
        with self._exchange("GET", url, {}, None, seconds) as response:
            if response.status != 200:
                raise Unreachable(f"the answer was {response.status}; 200 is wanted, and redirects are not followed")
            read = bytearray()
            for chunk in response.iter_stream():
                read += chunk
                if len(read) > limit:
                    raise Unreachable(f"the answer is longer than {limit} bytes")
        return bytes(read)

    @contextlib.contextmanager
    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Iterator[httpcore.Response]:
        """A request, and its answer as it comes; what fails on the way is Unreachable."""
        parsed = httpx.URL(url)
        target = httpcore.URL(scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path)
        sent: list[tuple[bytes | str, bytes | str]] = [("Host", parsed.netloc), ("Accept-Encoding", "identity")]
        sent += headers.items()
        backend = _Backend(self._private_addresses, self._resolve, time.monotonic() + seconds)
        try:
            with (
                httpcore.ConnectionPool(ssl_context=self._tls, network_backend=backend) as pool,
                pool.stream(method, target, headers=sent, content=body) as response,
            ):
                yield response
        except httpcore.TimeoutException as error:
            raise Unreachable(f"no answer within {seconds:g} seconds") from error
        except _ERRORS as error:
            raise Unreachable(f"{type(error).__name__}: {error}"[:300]) from error


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), None)


def _excerpt(response: httpcore.Response) -> str:
    """The beginning of a body; the status counts, whatever becomes of the rest."""
    read = b""
    with contextlib.suppress(httpcore.TimeoutException, *_ERRORS):
        for chunk in response.iter_stream():
            read += chunk
            if len(read) >= EXCERPT:
                break
    return read[:EXCERPT].decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")


class _Backend(httpcore.NetworkBackend):
    """Connects to checked addresses, until a deadline."""

    def __init__(self, private_addresses: bool, resolve: Resolve, deadline: float) -> None:
        self._private_addresses = private_addresses
        self._resolve = resolve
        self._deadline = deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in self._addresses(host, port):
            try:
                stream = self._inner.connect_tcp(address, port, _left(self._deadline), socket_options=socket_options)
                return _Stream(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            found = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the name is not known") from error
        if not self._private_addresses and any(map(is_inner, found)):
            raise httpcore.ConnectError("the name leads to an address that is not public, which is not allowed here")
        return found[:MAX_ADDRESSES]


class _Stream(httpcore.NetworkStream):
    """A connection whose every read and write has what is left until the deadline."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(self._deadline)), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(deadline: float) -> float:
    """The seconds until a deadline. Raises httpcore.ReadTimeout after it."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time is over")
    return left
