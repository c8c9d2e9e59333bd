"""The Python client: what it sends again, and what it raises."""

from collections.abc import Callable

import httpx
import pytest

from coterie.client import ApiError, Client, TaskFailed

Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler, slept: list[float] | None = None) -> Client:
    waits = [] if slept is None else slept
    return Client("http://x", "sk_1", "ns", transport=httpx.MockTransport(handler), sleep=waits.append)


def error(status: int, **details: object) -> httpx.Response:
    body = {"error": {"message": "no", "type": "T", "details": details}}
    return httpx.Response(status, json=body, headers={"X-Request-ID": "r1"})


def test_it_sends_key_and_namespace() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer sk_1"
        assert request.headers["X-Namespace"] == "ns"
        return httpx.Response(200, json={"ok": True})

    with client(handler) as connection:
        assert connection.get_cluster("c") == {"ok": True}


@pytest.mark.parametrize("status", [429, 503])
def test_it_comes_back_when_told_to(status: int) -> None:
    answers = iter([error(status, retry_after_seconds=3), error(status), httpx.Response(200, json={})])
    slept: list[float] = []
    with client(lambda _: next(answers), slept) as connection:
        connection.groups("c")
    assert slept == [3.0, 1.0]


def test_it_gives_up_in_the_end_and_where_it_is_told_to() -> None:
    slept: list[float] = []
    with client(lambda _: error(503), slept) as connection, pytest.raises(ApiError):
        connection.groups("c")
    assert len(slept) == 5
    with client(lambda _: error(503, retryable=False), slept) as connection, pytest.raises(ApiError):
        connection.groups("c")
    assert len(slept) == 5


def test_an_error_tells_all_it_knows() -> None:
    with client(lambda _: error(404, a=1)) as connection, pytest.raises(ApiError, match="404 T: no") as raised:
        connection.get_task("t")
    assert (raised.value.status, raised.value.details, raised.value.request_id) == (404, {"a": 1}, "r1")
    with client(lambda _: httpx.Response(502, text="<html>")) as connection, pytest.raises(ApiError, match="<html>"):
        connection.get_task("t")


def test_waiting_for_a_task_ends_with_it() -> None:
    told = b"".join(
        f'event: progress\ndata: {{"status": "{state}"}}\n\n'.encode() for state in ("PENDING", "COMPLETED")
    )
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=told) if request.url.path.endswith("/events") else done

    done = httpx.Response(200, json={"status": "COMPLETED"})
    with client(handler) as connection:
        assert connection.wait("t", lambda task: seen.append(task["status"]))["status"] == "COMPLETED"
    assert seen == ["PENDING", "COMPLETED"]
    failed = httpx.Response(200, json={"status": "FAILED", "error_message": "why"})
    with client(lambda _: failed) as connection, pytest.raises(TaskFailed, match="why"):
        connection.wait("t")


def test_a_task_is_asked_for_where_its_stream_is_not_to_be_had() -> None:
    states = iter(["PENDING", "PROCESSING", "COMPLETED"])
    streams = iter([error(503), error(429)])
    slept: list[float] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/events"):
            return httpx.Response(200, json={"status": next(states)})
        try:
            return next(streams)
        except StopIteration:
            raise httpx.ReadError("cut off") from None

    with client(handler, slept) as connection:
        assert connection.wait("t", poll_seconds=7)["status"] == "COMPLETED"
    assert slept == [7, 7]
    with client(lambda _: error(404)) as connection, pytest.raises(ApiError, match="404"):
        connection.wait("t")
