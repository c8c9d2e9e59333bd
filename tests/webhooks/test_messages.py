"""Slack and email: what is said, how it is escaped, and to whom it goes."""

import email
import email.policy
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import orjson
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.app import create_app
from coterie.kit.clock import ManualClock
from coterie.webhooks.events import PING, WebhookEventType
from coterie.webhooks.messages import LINES, line_of
from coterie.webhooks.sender import Sender
from webhooks.conftest import WEBHOOKS, Endpoint
from webhooks.test_delivery import tell

Add = Callable[..., dict[str, Any]]
EVIL = "<!channel> & <https://evil.example|x>"


def test_every_type_has_a_line() -> None:
    assert set(LINES) == {PING, *WebhookEventType}
    for type in LINES:
        data = {"cluster_name": "a\nb", "run_id": "run_1", "num_points": None}
        line = line_of({"event_type": type, "data": data})
        assert "\n" not in line
    assert line_of({"event_type": "cluster.created", "data": {"cluster_name": "a\nb"}}) == "Cluster a b was created"
    assert line_of({"event_type": "cluster.created", "data": {}}) == "Cluster – was created"
    assert len(line_of({"event_type": "cluster.created", "data": {"cluster_name": "x" * 5000}})) == 1000


def test_slack_gets_a_line_and_blocks_in_which_nothing_is_a_mention(
    services: Services, add: Add, endpoint: Endpoint, send: Callable[[], int]
) -> None:
    block = {"type": "section", "text": {"type": "mrkdwn", "text": "*{{data.cluster_name}}* {{data.count}}"}}
    configs = {
        "webhook_url": endpoint.url,
        "channel": "#clusters",
        "username": "coterie",
        "icon_emoji": ":robot_face:",
        "blocks_template": orjson.dumps([block]).decode(),
    }
    add(channels=[{"channel": "slack", "configs": configs}])
    tell(services, cluster_name=EVIL, count=2)
    send()
    escaped = "&lt;!channel&gt; &amp; &lt;https://evil.example|x&gt;"
    assert endpoint.sent[0].event == {
        "text": f"Cluster {escaped} was created",
        "channel": "#clusters",
        "username": "coterie",
        "icon_emoji": ":robot_face:",
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": f"*{escaped}* 2"}}],
    }
    assert "Coterie-Signature" not in endpoint.sent[0].headers


@dataclass
class Mailbox:
    """What a mail server took."""

    port: int = 0
    refused: set[str] = field(default_factory=set)
    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    messages: list[EmailMessage] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A mail server that speaks as much SMTP as a delivery needs, and no TLS."""
    box = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 here")
            while line := self.rfile.readline().decode().strip():
                box.commands.append(line)
                verb = line.partition(" ")[0].upper()
                if verb == "MAIL":
                    box.sender = line.partition("<")[2].partition(">")[0]
                    self.say("250 ok")
                elif verb == "RCPT":
                    address = line.partition("<")[2].partition(">")[0]
                    if address in box.refused:
                        self.say("550 no such user")
                        continue
                    box.recipients.append(address)
                    self.say("250 ok")
                elif verb == "DATA":
                    self.say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    text = b"".join(each.removeprefix(b".") for each in lines)
                    message = email.message_from_bytes(text, policy=email.policy.default)
                    assert isinstance(message, EmailMessage)
                    box.messages.append(message)
                    self.say("250 taken")
                elif verb == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 ok")

        def say(self, text: str) -> None:
            self.wfile.write(text.encode() + b"\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        box.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield box
        server.shutdown()


@pytest.fixture
def mailing(services: Services, mailbox: Mailbox) -> Services:
    settings = {"smtp_url": f"smtp://127.0.0.1:{mailbox.port}", "smtp_from": "Coterie <coterie@example.org>"}
    return replace(services, settings=services.settings.model_copy(update=settings))


@pytest.fixture
def app(mailing: Services) -> FastAPI:
    return create_app(mailing)


@pytest.fixture
def sender(mailing: Services) -> Iterator[Sender]:
    made = Sender(mailing, jitter=lambda: 0.5)
    yield made
    made.stop()


def mail(**configs: Any) -> list[dict[str, Any]]:
    return [{"channel": "email", "configs": {"to_addresses": ["ada@example.org"], **configs}}]


def test_an_email_goes_to_all_and_shows_none_of_the_hidden(
    services: Services, add: Add, mailbox: Mailbox, send: Callable[[], int]
) -> None:
    add(channels=mail(cc_addresses=["bob@example.org"], bcc_addresses=["eve@example.org"]))
    tell(services, cluster_name="<b>Ümlaut</b>")
    send()
    (message,) = mailbox.messages
    assert mailbox.sender == "coterie@example.org"
    assert mailbox.recipients == ["ada@example.org", "bob@example.org", "eve@example.org"]
    assert (message["To"], message["Cc"], message["Bcc"]) == ("ada@example.org", "bob@example.org", None)
    assert message["From"] == "Coterie <coterie@example.org>"
    assert message["Subject"] == "[Coterie] Cluster <b>Ümlaut</b> was created"
    assert message["Date"] == "Sun, 01 Mar 2026 12:00:00 +0000"
    assert "eve@example.org" not in message.as_string()
    assert message.get_content_type() == "text/html"
    assert "&lt;b&gt;Ümlaut&lt;/b&gt;" in message.get_content()


@pytest.mark.parametrize(
    ("kind", "type", "template", "words"),
    [
        ("plain_text", "text/plain", None, "Cluster a<b was created"),
        ("markdown", "text/markdown", "**{{data.cluster_name}}**", "**a<b**"),
        ("html", "text/html", "<b>{{data.cluster_name}}</b>", "<b>a&lt;b</b>"),
        ("json", "application/json", None, '"event_type": "cluster.created"'),
        ("json", "application/json", '{"n": "{{data.quoted}}"}', '{"n": "say \\"x\\""}'),
    ],
)
def test_a_body_is_of_its_type_and_escaped_for_it(
    services: Services, add: Add, mailbox: Mailbox, send: Callable[[], int], kind: str, type: str,
    template: str | None, words: str
) -> None:  # fmt: skip
    add(channels=mail(content_type=kind, body_template=template))
    tell(services, cluster_name="a<b", quoted='say "x"')
    send()
    (message,) = mailbox.messages
    content = message.get_content()
    assert message.get_content_type() == type
    assert words in (content.decode() if isinstance(content, bytes) else content)


def test_no_name_makes_a_header(services: Services, add: Add, mailbox: Mailbox, send: Callable[[], int]) -> None:
    add(channels=mail(subject_template="New: {{data.cluster_name}}"))
    tell(services, cluster_name="x\r\nBcc: eve@example.org\r\n\r\nhello")
    send()
    (message,) = mailbox.messages
    assert (message["Bcc"], mailbox.recipients) == (None, ["ada@example.org"])
    assert message["Subject"] == "New: x Bcc: eve@example.org hello"


def test_who_is_refused_is_named_and_the_others_get_it_once(
    services: Services, clock: ManualClock, add: Add, mailbox: Mailbox, send: Callable[[], int],
    deliveries: Callable[..., Any]
) -> None:  # fmt: skip
    mailbox.refused.add("bob@example.org")
    add(channels=mail(cc_addresses=["bob@example.org"]))
    tell(services)
    send()
    (shown,) = deliveries()
    assert (shown["status"], shown["log"][0]["error"]) == ("delivered", "refused for bob@example.org")
    mailbox.refused.add("ada@example.org")
    clock.advance(timedelta(seconds=1))
    tell(services)
    send()
    shown = deliveries()[-1]
    assert (shown["status"], "SMTPRecipientsRefused" in shown["log"][0]["error"]) == ("pending", True)


@pytest.mark.parametrize("url", ["smtp://user:hush@127.0.0.1:{port}", "smtps://127.0.0.1:{port}", "smtp://127.0.0.1:1"])
def test_a_password_is_not_sent_in_the_clear_and_no_answer_is_an_attempt(
    services: Services, mailing: Services, add: Add, mailbox: Mailbox, deliveries: Callable[..., Any], url: str
) -> None:
    add(channels=mail())
    tell(services)
    settings = mailing.settings.model_copy(update={"smtp_url": url.format(port=mailbox.port)})
    sender = Sender(replace(mailing, settings=settings))
    for each in sender.look():
        each.result()
    sender.stop()
    (shown,) = deliveries()
    assert (shown["status"], shown["attempts"], mailbox.messages) == ("pending", 1, [])
    assert "hush" not in str((shown, mailbox.commands))
    assert not [line for line in mailbox.commands if line.upper().startswith("AUTH")]


def test_without_a_mail_server_the_delivery_says_so(
    client: TestClient, services: Services, add: Add, deliveries: Callable[..., Any]
) -> None:
    add(channels=mail())
    client.post(f"{WEBHOOKS}hook/test")
    sender = Sender(services)
    for each in sender.look():
        each.result()
    sender.stop()
    assert "COTERIE_SMTP_URL" in deliveries()[0]["log"][0]["error"]
