"""The resource: made, read, replaced, deleted; what it refuses, and what it never shows."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.app import create_app
from webhooks.conftest import WEBHOOKS, Endpoint

Add = Callable[..., dict[str, Any]]
SLACK_URL = "https://hooks.slack.com/services/T0/B0/abcdefghijklmnop"


def hook(**fields: Any) -> dict[str, Any]:
    channel = {"channel": "webhook", "configs": {"url": "https://hooks.example/x"}}
    return {"webhook_name": "hook", "event_types": ["cluster.created"], "channels": [channel], **fields}


def to(channel: str = "webhook", **configs: Any) -> dict[str, Any]:
    url = {"webhook": {"url": "https://hooks.example/x"}, "slack": {"webhook_url": SLACK_URL}}.get(channel, {})
    return hook(channels=[{"channel": channel, "configs": {**url, **configs}}])


@pytest.fixture
def guarded(services: Services, app: FastAPI, auth: dict[str, str]) -> TestClient:
    """A client of the service as it is by default: without inner addresses, without email."""
    settings = services.settings.model_copy(update={"webhook_private_addresses": False})
    return TestClient(create_app(replace(services, settings=settings)), headers=auth, raise_server_exceptions=False)


def test_a_webhook_is_made_read_replaced_and_deleted(client: TestClient) -> None:
    made = client.post(WEBHOOKS, json=hook(event_types=["cluster.created", "cluster.created", "object.deleted"]))
    assert made.status_code == 201, made.text
    shown = {name: value for name, value in made.json().items() if name != "secret"}
    assert made.json()["secret"].startswith("whsec_")
    assert shown["event_types"] == ["cluster.created", "object.deleted"]
    assert shown["channels"][0]["configs"]["timeout"] == 10.0
    for identifier in (shown["webhook_id"], "hook", "hook/"):
        assert client.get(f"{WEBHOOKS}{identifier}").json() == shown
    assert client.get(WEBHOOKS).json() == client.get(WEBHOOKS.rstrip("/")).json() == [shown]
    assert client.put(f"{WEBHOOKS}hook", json=shown).status_code == 200
    changed = client.put(f"{WEBHOOKS}hook", json=hook(webhook_name="other", is_active=False)).json()
    assert (changed["webhook_id"], changed["is_active"]) == (shown["webhook_id"], False)
    assert client.get(f"{WEBHOOKS}hook").status_code == 404
    assert client.delete(f"{WEBHOOKS}other").status_code == 204
    assert client.delete(f"{WEBHOOKS}other").status_code == 404
    assert client.post(WEBHOOKS.rstrip("/"), json=hook()).status_code == 201


def test_names_are_unique_and_what_the_service_gives_is_its_own(client: TestClient) -> None:
    client.post(WEBHOOKS, json=hook())
    client.post(WEBHOOKS, json=hook(webhook_name="other"))
    assert client.post(WEBHOOKS, json=hook()).status_code == 409
    assert client.put(f"{WEBHOOKS}other", json=hook()).status_code == 409
    for name, value in [("webhook_id", "wh_mine"), ("created_at", "2020-01-01T00:00:00Z"), ("internal_id", "int_x")]:
        for answer in (
            client.post(WEBHOOKS, json=hook(webhook_name="third", **{name: value})),
            client.put(f"{WEBHOOKS}hook", json=hook(**{name: value})),
        ):
            assert (answer.status_code, name in answer.text) == (400, True)


def test_an_organization_has_so_many_webhooks_and_no_more(client: TestClient) -> None:
    for number in range(50):
        assert client.post(WEBHOOKS, json=hook(webhook_name=f"w{number}")).status_code == 201
    refused = client.post(WEBHOOKS, json=hook(webhook_name="one more"))
    assert (refused.status_code, "at most 50" in refused.text) == (400, True)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (hook(webhook_name="a/b"), 422, "webhook_name"),
        (hook(event_types=[]), 422, "event_types"),
        (hook(event_types=["cluster.burnt"]), 422, "event_types"),
        (hook(channels=[]), 422, "channels"),
        (hook(channels=hook()["channels"] * 6), 422, "channels"),
        (hook(retries=3), 422, "retries"),
        (hook(channels=[{**hook()["channels"][0], "number": 0}]), 422, "channels.0.number"),
        (to("sms", phone_numbers=["+1"]), 400, "sends no text messages"),
        (to("email", to_addresses=["a@example.org"]), 400, "COTERIE_SMTP_URL"),
        (to("email", to_addresses=["a@example.org\r\nBcc: b@example.org"]), 422, "to_addresses"),
        (to("slack", webhook_url="https://hooks.slack.com/…mnop"), 422, "send the whole of it"),
        (to("slack", blocks_template="{}"), 422, "blocks_template"),
        (to("slack", url="https://hooks.example/x"), 422, "configs.url"),
        (to(url="ftp://hooks.example/x"), 422, "configs.url"),
        (to(url="https://user:pass@hooks.example/x"), 422, "credentials"),
        (to(url="https:///x"), 422, "configs.url"),
        (to(url="http://0177.0.0.1/x"), 422, "configs.url"),
        (to(url="https://hooks.example/" + "x" * 2048), 422, "2048"),
        (to(url="https://hooks.example/ x"), 422, "configs.url"),
        (to(timeout=31), 422, "configs.timeout"),
        (to(timeout=0), 422, "configs.timeout"),
        (to(headers={"X-A": "a\r\nX-B: b"}), 422, "X-A"),
        (to(headers={"X A": "a"}), 422, "header"),
        (to(headers={"HOST": "inner"}), 422, "HOST"),
        (to(headers={"Coterie-Signature": "mine"}), 422, "Coterie-Signature"),
        (to(headers={"X-A": "a", "x-a": "b"}), 422, "twice"),
        (to(headers={"X-A": "…"}), 422, "masked"),
        (to(headers={f"X-{number}": "a" for number in range(21)}), 422, "configs.headers"),
        (to(payload_template={"a": "{{secret}}"}), 422, "no part of an event"),
        (to(payload_template={"a": "x" * 8192}), 422, "8192"),
        (to(payload_template={"a": "{{data}}" * 101}), 422, "at most 100"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(
    client: TestClient, body: dict[str, Any], status: int, words: str
) -> None:
    answer = client.post(WEBHOOKS, json=body)
    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert client.get(WEBHOOKS).json() == []


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "a.localhost", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]"),
        *("127.1", "2130706433", "0x7f000001", "0177.1", "0", "[64:ff9b::7f00:1]", "localhost.", "127.0.0.1."),
    ],
)
def test_an_inner_address_is_refused_in_every_spelling(guarded: TestClient, host: str) -> None:
    for body in (to(url=f"http://{host}:80/x"), to("slack", webhook_url=f"https://{host}/x")):
        answer = guarded.post(WEBHOOKS, json=body)
        assert (answer.status_code, "public addresses only" in answer.text) == (400, True), answer.text
    assert guarded.post(WEBHOOKS, json=to(url="http://93.184.216.34:8443/x")).status_code == 201


def test_secrets_are_shown_once_or_never(client: TestClient, add: Add, endpoint: Endpoint) -> None:
    channels = [
        {"channel": "webhook", "configs": {"url": endpoint.url, "headers": {"X-Token": "hush-hush"}}},
        {"channel": "slack", "configs": {"webhook_url": SLACK_URL}},
    ]
    made = add(channels=channels)
    secret = made["secret"]
    shown = [channel["configs"] for channel in made["channels"]]
    assert shown[0]["headers"] == {"X-Token": "…"}
    assert shown[1]["webhook_url"] == "https://hooks.slack.com/…mnop"
    ping = client.post(f"{WEBHOOKS}hook/test").json()["deliveries"][0]["delivery_id"]
    rotated = client.post(f"{WEBHOOKS}hook/secret").json()["secret"]
    assert rotated != secret
    body = {name: value for name, value in made.items() if name not in ("secret", "updated_at")}
    answers = [
        client.get(WEBHOOKS),
        client.get(f"{WEBHOOKS}hook"),
        client.put(f"{WEBHOOKS}hook", json=body),
        client.get(f"{WEBHOOKS}hook/deliveries/{ping}"),
        client.post(f"{WEBHOOKS}hook/deliveries/list"),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        for hidden in (secret, rotated, "hush-hush", "abcdefghijkl", "whsec_"):
            assert hidden not in answer.text


def test_a_masked_secret_stays_but_only_where_it_was(
    client: TestClient, add: Add, endpoint: Endpoint, send: Callable[[], int]
) -> None:
    made = add(headers={"X-Token": "hush-hush"})
    body = hook(channels=made["channels"])
    assert client.put(f"{WEBHOOKS}hook", json=body).status_code == 200
    client.post(f"{WEBHOOKS}hook/test")
    send()
    assert endpoint.sent[0].headers["X-Token"] == "hush-hush"
    (channel,) = made["channels"]
    for configs in ({"url": "http://evil.example/"}, {"headers": {"X-Other": "…"}}):
        moved = {**channel, "configs": {**channel["configs"], **configs}}
        answer = client.put(f"{WEBHOOKS}hook", json=hook(channels=[moved]))
        assert (answer.status_code, "masked" in answer.text) == (422, True)


def test_a_channel_keeps_its_number_and_no_number_is_given_twice(client: TestClient) -> None:
    def put(*channels: dict[str, Any]) -> list[tuple[int, str]]:
        answer = client.put(f"{WEBHOOKS}hook", json=hook(channels=list(channels)))
        assert answer.status_code == 200, answer.text
        return [(each["number"], each["configs"].get("url", "slack")[-1]) for each in answer.json()["channels"]]

    def at(name: str, number: int | None = None) -> dict[str, Any]:
        return {"channel": "webhook", "configs": {"url": f"https://hooks.example/{name}"}, "number": number}

    client.post(WEBHOOKS, json=hook(channels=[at("a"), at("b")]))
    assert put(at("b"), at("a")) == [(1, "b"), (0, "a")]
    assert put(at("c", 1)) == [(1, "c")]
    slack = {"channel": "slack", "configs": {"webhook_url": SLACK_URL}}
    assert put(at("a"), at("c"), slack) == [(2, "a"), (1, "c"), (3, "k")]
    shown = client.get(f"{WEBHOOKS}hook").json()["channels"][2]
    assert put({**shown, "number": None}) == [(3, "k")]
    assert client.put(f"{WEBHOOKS}hook", json=hook(channels=[at("a", 3)])).status_code == 422
