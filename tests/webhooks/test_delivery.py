"""The way of a delivery: signed, tried again by the clock, claimed once, logged, replayed."""

import importlib.util
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.kit.clock import ManualClock, iso
from coterie.store.tables import namespaces, webhook_deliveries
from coterie.webhooks import delivery
from coterie.webhooks.delivery import LEASE, Outcome, claim_due, delay_after, find_due, prune_deliveries, record
from coterie.webhooks.events import emit
from coterie.webhooks.sender import THREADS, Sender
from webhooks.conftest import WEBHOOKS, Endpoint

Add = Callable[..., dict[str, Any]]
Deliveries = Callable[..., list[dict[str, Any]]]
Send = Callable[[], int]
PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"
DELAYS = [30, 120, 480, 1920, 7680, 30720, 43200]


def tell(services: Services, type: str = "cluster.created", **data: Any) -> None:
    with services.db.write() as tx:
        namespace = tx.scalars(select(namespaces.c.id)).one()
        emit(tx, namespace, type, data, iso(services.clock.now()))


@pytest.fixture
def snippet(tmp_path: Path) -> ModuleType:
    """The module that the documentation gives its readers."""
    code = PAGE.read_text().split("```python\n")[1].split("```")[0]
    file = tmp_path / "snippet.py"
    file.write_text(code)
    spec = importlib.util.spec_from_file_location("snippet", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_event_is_sent_signed_as_the_documentation_verifies_it(
    services: Services, clock: ManualClock, add: Add, endpoint: Endpoint, send: Send, snippet: ModuleType
) -> None:
    clock.advance(datetime.now(UTC) - clock.now())
    secret = add(headers={"X-Token": "t"})["secret"]
    tell(services, cluster_id="clust_1", cluster_name="ä")
    assert send() == 1
    (sent,) = endpoint.sent
    assert sent.event["data"] == {"cluster_id": "clust_1", "cluster_name": "ä"}
    assert (sent.headers["Coterie-Event"], sent.headers["X-Token"]) == ("cluster.created", "t")
    assert sent.headers["Content-Type"] == "application/json"
    signature = sent.headers["Coterie-Signature"]
    assert snippet.verify(secret, signature, sent.body)
    assert not snippet.verify(secret, signature, sent.body + b" ")
    assert not snippet.verify("whsec_other", signature, sent.body)
    old = signature.replace(f"t={int(clock.now().timestamp())}", "t=1")
    assert not snippet.verify(secret, old, sent.body)


def test_the_page_s_first_request_is_taken(client: TestClient) -> None:
    body = PAGE.read_text().split("-d '")[1].split("'")[0]
    made = client.post(WEBHOOKS, content=body, headers={"Content-Type": "application/json"})
    assert (made.status_code, len(made.json()["channels"])) == (201, 2)


def test_a_rotated_secret_signs_what_waits(
    client: TestClient, services: Services, clock: ManualClock, add: Add, endpoint: Endpoint, send: Send,
    snippet: ModuleType
) -> None:  # fmt: skip
    clock.advance(datetime.now(UTC) - clock.now())
    add()
    tell(services)
    secret = client.post(f"{WEBHOOKS}hook/secret").json()["secret"]
    send()
    assert snippet.verify(secret, endpoint.sent[0].headers["Coterie-Signature"], endpoint.sent[0].body)


def test_it_is_tried_again_later_and_later_and_then_has_failed(
    client: TestClient, services: Services, clock: ManualClock, add: Add, endpoint: Endpoint, send: Send,
    deliveries: Deliveries
) -> None:  # fmt: skip
    add()
    tell(services)
    endpoint.script += [(500, {}, b"no " * 1000)] * 8
    for attempt, delay in enumerate(DELAYS, 1):
        assert send() == 1
        (shown,) = deliveries()
        assert (shown["status"], shown["attempts"], len(shown["log"])) == ("pending", attempt, attempt)
        assert shown["next_attempt_at"] == iso(clock.now() + timedelta(seconds=delay))
        clock.advance(timedelta(seconds=delay - 1))
        assert send() == 0
        clock.advance(timedelta(seconds=1))
    assert send() == 1
    (shown,) = deliveries()
    assert (shown["status"], shown["attempts"], shown["next_attempt_at"]) == ("failed", 8, None)
    assert shown["log"][0] == {
        "attempt": 1,
        "started_at": "2026-03-01T12:00:00.000000Z",
        "duration_ms": 0,
        "status_code": 500,
        "error": "answered 500",
        "response_excerpt": ("no " * 1000)[:1024],
    }
    clock.advance(timedelta(days=7))
    assert send() == 0
    assert len({(sent.body, sent.headers["Coterie-Delivery"]) for sent in endpoint.sent}) == 1
    detail = client.get(f"{WEBHOOKS}hook/deliveries/{shown['delivery_id']}").json()
    assert detail == {**shown, "event": endpoint.sent[0].event}


def test_what_is_delivered_is_not_sent_again(
    services: Services, clock: ManualClock, add: Add, endpoint: Endpoint, send: Send, deliveries: Deliveries
) -> None:
    add()
    tell(services)
    endpoint.script += [(503, {"Retry-After": "600"}, b""), (204, {}, b"")]
    send()
    assert deliveries()[0]["next_attempt_at"] == iso(clock.now() + timedelta(seconds=600))
    clock.advance(timedelta(seconds=600))
    send()
    (shown,) = deliveries()
    assert (shown["status"], [each["status_code"] for each in shown["log"]]) == ("delivered", [503, 204])
    clock.advance(timedelta(days=1))
    assert (send(), len(endpoint.sent)) == (0, 2)


def test_a_delay_has_jitter_and_bounds() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert [round(delay_after(1, None, now, jitter)) for jitter in (0, 0.5, 1)] == [24, 30, 36]
    assert [round(delay_after(attempt, None, now, 0.5)) for attempt in range(1, 8)] == DELAYS
    assert timedelta(hours=20) < timedelta(seconds=sum(DELAYS)) < timedelta(hours=28)
    for text, seconds in [
        ("60", 60),
        ("1", 30),
        ("9" * 400, 43200),
        ("Sun, 01 Mar 2026 00:05:00 GMT", 300),
        ("Sat, 28 Feb 2026 00:05:00 GMT", 30),
        ("soon", 30),
        ("-5", 30),
        ("", 30),
    ]:
        assert delay_after(1, text, now, 0.5) == seconds, text


def test_an_endpoint_that_is_not_there_is_told_in_the_log(
    services: Services, add: Add, start_endpoint: Callable[[], Endpoint], send: Send, deliveries: Deliveries
) -> None:
    add(url="http://127.0.0.1:1/x")
    tell(services)
    send()
    (entry,) = deliveries()[0]["log"]
    assert entry["status_code"] is None
    assert "ConnectError" in entry["error"]


def test_two_claimers_never_get_the_same_and_a_dead_one_s_claim_runs_out(
    services: Services, clock: ManualClock, add: Add, deliveries: Deliveries
) -> None:
    add()
    for _ in range(3):
        tell(services)
    with services.db.write() as tx:
        first = claim_due(tx, clock.now(), 1)
    with services.db.write() as tx:
        second = claim_due(tx, clock.now(), 5)
    assert {each.pk for each in first}.isdisjoint(each.pk for each in second)
    assert (len(first), len(second)) == (1, 1)  # two attempts at a channel at a time
    clock.advance(LEASE - timedelta(seconds=1))
    with services.db.write() as tx:
        assert claim_due(tx, clock.now(), 5) == []
    clock.advance(timedelta(seconds=1))
    with services.db.write() as tx:
        again = claim_due(tx, clock.now(), 5)
        record(tx, first[0], Outcome(True, 200), clock.now(), clock.now(), 0.5)  # comes too late
    late = next(each for each in again if each.pk == first[0].pk)
    assert late.attempt == 2
    shown = next(each for each in deliveries() if each["delivery_id"] == late.id)
    assert (shown["status"], shown["attempts"]) == ("sending", 2)
    assert [each["error"] for each in shown["log"]] == ["the worker ended before an answer came"]
    with services.db.write() as tx:
        record(tx, late, Outcome(True, 200), clock.now(), clock.now(), 0.5)
    shown = next(each for each in deliveries() if each["delivery_id"] == late.id)
    assert (shown["status"], len(shown["log"])) == ("delivered", 2)


def test_a_claim_of_the_last_attempt_that_runs_out_has_failed(
    services: Services, clock: ManualClock, add: Add, deliveries: Deliveries
) -> None:
    add()
    tell(services)
    with services.db.write() as tx:
        tx.execute(update(webhook_deliveries).values(attempts=7))
        assert claim_due(tx, clock.now(), 1)[0].attempt == 8
    clock.advance(LEASE)
    with services.db.write() as tx:
        assert claim_due(tx, clock.now(), 1) == []
        assert find_due(tx, iso(clock.now()), 1) == []
    assert deliveries()[0]["status"] == "failed"


def test_a_busy_channel_does_not_hold_up_others(services: Services, clock: ManualClock, add: Add) -> None:
    add("busy")
    for _ in range(20):
        tell(services)
    add("other")
    clock.advance(timedelta(seconds=1))
    tell(services)
    with services.db.write() as tx:
        claims = claim_due(tx, clock.now(), THREADS)
    assert len(claims) == 3
    assert len({each.signing for each in claims}) == 2


def test_a_delivery_is_replayed_as_the_same_event(
    client: TestClient, services: Services, add: Add, endpoint: Endpoint, send: Send, deliveries: Deliveries
) -> None:
    add()
    tell(services, cluster_id="clust_1")
    (waiting,) = deliveries()
    path = f"{WEBHOOKS}hook/deliveries/{waiting['delivery_id']}/replay"
    assert client.post(path).status_code == 409
    send()
    again = client.post(path)
    assert again.status_code == 200, again.text
    assert again.json()["delivery_id"] != waiting["delivery_id"]
    assert send() == 1
    first, second = endpoint.sent
    assert first.body == second.body
    assert second.headers["Coterie-Delivery"] == again.json()["delivery_id"]
    assert [each["status"] for each in deliveries()] == ["delivered", "delivered"]
    assert client.post(f"{WEBHOOKS}hook/deliveries/dlv_x/replay").status_code == 404
    add("other")
    other = f"{WEBHOOKS}other/deliveries/{waiting['delivery_id']}"
    assert (client.get(other).status_code, client.post(f"{other}/replay").status_code) == (404, 404)


def test_a_channel_that_was_removed_ends_its_deliveries(
    client: TestClient, services: Services, add: Add, endpoint: Endpoint, send: Send, deliveries: Deliveries
) -> None:
    made = add()
    tell(services)
    slack = {"channel": "slack", "configs": {"webhook_url": endpoint.url}}
    body = {"webhook_name": "hook", "event_types": made["event_types"], "channels": [slack]}
    assert client.put(f"{WEBHOOKS}hook", json=body).status_code == 200
    send()
    (shown,) = deliveries()
    assert (shown["status"], "removed" in shown["log"][0]["error"], endpoint.sent) == ("failed", True, [])
    assert client.post(f"{WEBHOOKS}hook/deliveries/{shown['delivery_id']}/replay").status_code == 409


def test_a_test_goes_to_every_channel_of_an_inactive_webhook_too(
    client: TestClient, services: Services, add: Add, endpoint: Endpoint, send: Send
) -> None:
    made = add()
    body = {"webhook_name": "hook", "event_types": made["event_types"], "channels": made["channels"] * 2}
    body["channels"] = [{**channel, "number": None} for channel in body["channels"]]
    assert client.put(f"{WEBHOOKS}hook", json={**body, "is_active": False}).status_code == 200
    tell(services)
    answer = client.post(f"{WEBHOOKS}hook/test")
    assert [each["event_type"] for each in answer.json()["deliveries"]] == ["ping", "ping"]
    send()
    assert endpoint.types() == ["ping", "ping"]


def test_tests_and_replays_have_an_end(client: TestClient, add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coterie.webhooks.service.MAX_WAITING", 2)
    add()
    answers = [client.post(f"{WEBHOOKS}hook/test").status_code for _ in range(3)]
    assert answers == [200, 200, 429]


def test_a_payload_template_takes_the_event_s_place(
    services: Services, add: Add, endpoint: Endpoint, send: Send
) -> None:
    template = {
        "kind": "{{event_type}}",
        "text": "Cluster {{ data.cluster_name }} of {{data.missing}}!",
        "all": "{{data}}",
        "list": [1, None, "{{data.count}}"],
    }
    add(payload_template=template)
    tell(services, cluster_name='"<x>', count=3)
    send()
    assert endpoint.sent[0].event == {
        "kind": "cluster.created",
        "text": 'Cluster "<x> of !',
        "all": {"cluster_name": '"<x>', "count": 3},
        "list": [1, None, 3],
    }


def test_a_template_that_becomes_too_long_fails_at_once(
    services: Services, add: Add, endpoint: Endpoint, send: Send, deliveries: Deliveries
) -> None:
    add(payload_template={"a": ["{{data}}"] * 100})
    tell(services, text="x" * 10_000)
    send()
    (shown,) = deliveries()
    assert (shown["status"], "longer than" in shown["log"][0]["error"], endpoint.sent) == ("failed", True, [])


def test_ended_deliveries_are_pruned_by_age_and_by_number(
    services: Services, clock: ManualClock, add: Add, send: Send, deliveries: Deliveries,
    monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(delivery, "PRUNE_ROWS", 2)
    monkeypatch.setattr(delivery, "MAX_KEPT", 3)
    add()
    for _ in range(5):
        tell(services)
    send()
    clock.advance(timedelta(days=31))
    for number in range(6):
        clock.advance(timedelta(seconds=1))
        tell(services, number=number)
    send()
    clock.advance(timedelta(seconds=1))
    tell(services)
    prune_deliveries(services)
    left = deliveries()
    assert [each["status"] for each in left] == ["delivered"] * 3 + ["pending"]
    assert left[0]["created_at"] == iso(clock.now() - timedelta(seconds=3))


def test_a_deleted_webhook_s_deliveries_are_not_sent(
    client: TestClient, services: Services, add: Add, endpoint: Endpoint, send: Send
) -> None:
    add()
    tell(services)
    client.delete(f"{WEBHOOKS}hook")
    assert (send(), endpoint.sent) == (0, [])


def test_deliveries_are_listed_by_the_list_language(
    client: TestClient, services: Services, add: Add, send: Send
) -> None:
    add("hook", "cluster.created", "cluster.deleted")
    tell(services)
    send()
    tell(services, "cluster.deleted")
    path = f"{WEBHOOKS}hook/deliveries/list"
    for body, types in [
        ({"filters": {"status": "delivered"}}, ["cluster.created"]),
        ({"filters": {"event_type": "cluster.deleted", "attempts": 0}}, ["cluster.deleted"]),
        ({"search": "deleted"}, ["cluster.deleted"]),
    ]:
        found = client.post(path, json=body).json()
        assert [each["event_type"] for each in found["results"]] == types, body
    assert client.post(path, params={"limit": 1}).json()["pagination"]["total"] == 2


def test_no_secret_comes_into_the_log(
    services: Services, add: Add, endpoint: Endpoint, send: Send, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    slack = {"channel": "slack", "configs": {"webhook_url": f"{endpoint.url}/slack-path-hush"}}
    own = {"channel": "webhook", "configs": {"url": endpoint.url, "headers": {"X-Token": "header-hush"}}}
    secret = add(channels=[slack, own])["secret"]
    endpoint.script += [(500, {}, b"")] * 2
    tell(services)
    assert send() == 2
    assert "answered 500" in caplog.text
    for hidden in ("hush", secret):
        assert hidden not in caplog.text


def test_an_error_of_ours_is_an_attempt_like_any_other(services: Services, add: Add, deliveries: Deliveries) -> None:
    class Broken:
        def post(self, *_: Any) -> Any:
            raise RuntimeError("inner words")

    add()
    tell(services)
    sender = Sender(services, Broken())  # type: ignore[arg-type]
    for each in sender.look():
        each.result()
    sender.stop()
    (shown,) = deliveries()
    assert shown["status"] == "pending"
    assert shown["log"][0]["error"] == "internal error (RuntimeError)"


def test_the_thread_sends_what_comes(services: Services, add: Add, endpoint: Endpoint) -> None:
    add()
    sender = Sender(services)
    sender.start()
    tell(services, cluster_id="clust_1")
    endpoint.wait_for(1)
    sender.stop()
    assert orjson.loads(endpoint.sent[0].body)["data"] == {"cluster_id": "clust_1"}
