"""An event for people to read: a line, a Slack message, an email."""

import html
from collections.abc import Callable, Mapping
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any

import orjson

from coterie.webhooks.events import PING, WebhookEventType
from coterie.webhooks.templates import render_json, render_text

Event = Mapping[str, Any]

LINES: dict[str, str] = {
    PING: "Test of the webhook {webhook_name}: it works",
    WebhookEventType.OBJECT_CREATED: "Collection {collection_name}: {count} documents added",
    WebhookEventType.OBJECT_UPDATED: "Collection {collection_name}: {count} documents updated",
    WebhookEventType.OBJECT_DELETED: "Collection {collection_name}: {count} documents deleted",
    WebhookEventType.COLLECTION_CREATED: "Collection {collection_name} was created",
    WebhookEventType.COLLECTION_UPDATED: "Collection {collection_name} was changed",
    WebhookEventType.COLLECTION_DELETED: "Collection {collection_name} was deleted",
    WebhookEventType.CLUSTER_CREATED: "Cluster {cluster_name} was created",
    WebhookEventType.CLUSTER_UPDATED: "Cluster {cluster_name} was changed",
    WebhookEventType.CLUSTER_DELETED: "Cluster {cluster_name} was deleted",
    WebhookEventType.CLUSTER_EXECUTION_STARTED: "Cluster {cluster_name}: run {run_id} has started",
    WebhookEventType.CLUSTER_EXECUTION_COMPLETED: "Cluster {cluster_name}: run {run_id} has completed, "
    "{num_clusters} groups of {num_points} documents",
    WebhookEventType.CLUSTER_EXECUTION_FAILED: "Cluster {cluster_name}: run {run_id} {status}: {error_message}",
    WebhookEventType.TRIGGER_CREATED: "Trigger {trigger_id} was created",
    WebhookEventType.TRIGGER_UPDATED: "Trigger {trigger_id} was changed",
    WebhookEventType.TRIGGER_DELETED: "Trigger {trigger_id} was deleted",
    WebhookEventType.TRIGGER_PAUSED: "Trigger {trigger_id} was paused",
    WebhookEventType.TRIGGER_RESUMED: "Trigger {trigger_id} was resumed",
    WebhookEventType.TRIGGER_FIRED: "Trigger {trigger_id} has fired",
    WebhookEventType.TRIGGER_EXECUTION_COMPLETED: "Trigger {trigger_id}: what it started has completed",
    WebhookEventType.TRIGGER_EXECUTION_FAILED: "Trigger {trigger_id}: what it started has failed",
    WebhookEventType.TAXONOMY_CREATED: "Taxonomy {taxonomy_name} was created",
}
"""For each type of event its line, of what is in its `data`."""

MAX_LINE = 1000
MAX_SUBJECT = 200


class _Shown(dict[str, Any]):
    """An event's data in a line: a dash where nothing is known."""

    def __missing__(self, key: str) -> str:
        return "–"


def line_of(event: Event) -> str:
    """An event in one line."""
    known = {name: _flat(str(value)) for name, value in event["data"].items() if value is not None}
    line = LINES[event["event_type"]].format_map(_Shown(known))
    return line if len(line) <= MAX_LINE else f"{line[: MAX_LINE - 1]}…"


def slack_message(configs: Mapping[str, Any], event: Event) -> bytes:
    """The body for a Slack incoming webhook. Raises TooLong."""
    message: dict[str, Any] = {"text": escape_slack(line_of(event))}
    for name in ("channel", "username", "icon_emoji", "icon_url"):
        if configs[name] is not None:
            message[name] = configs[name]
    if configs["blocks_template"] is not None:
        blocks = render_json(orjson.loads(configs["blocks_template"]), event, escape_slack)
        message["blocks"] = orjson.Fragment(blocks)
    return orjson.dumps(message)


def escape_slack(text: str) -> str:
    """Text in which Slack sees neither links nor mentions."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def email_message(
    configs: Mapping[str, Any], event: Event, sender: str, delivery_id: str, now: datetime
) -> EmailMessage:
    """An email about an event; those of `bcc_addresses` stand nowhere in it. Raises TooLong."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(configs["to_addresses"])
    if configs["cc_addresses"]:
        message["Cc"] = ", ".join(configs["cc_addresses"])
    subject = configs["subject_template"]
    text = f"[Coterie] {line_of(event)}" if subject is None else render_text(subject, event, str)
    message["Subject"] = _flat(text)[:MAX_SUBJECT]
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{delivery_id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    kind = configs["content_type"]
    template = configs["body_template"]
    body = _default_body(kind, event) if template is None else render_text(template, event, _ESCAPES.get(kind, str))
    if kind == "json":
        message.set_content(body.encode(), maintype="application", subtype="json")
    else:
        message.set_content(body, subtype=_SUBTYPES[kind])
    return message


_SUBTYPES = {"plain_text": "plain", "html": "html", "markdown": "markdown"}
_ESCAPES: dict[str, Callable[[str], str]] = {
    "html": html.escape,
    "json": lambda text: orjson.dumps(text).decode()[1:-1],
}


def _default_body(kind: str, event: Event) -> str:
    whole = orjson.dumps(event, option=orjson.OPT_INDENT_2).decode()
    if kind == "json":
        return whole
    if kind == "html":
        return f"<p>{html.escape(line_of(event))}</p>\n<pre>{html.escape(whole)}</pre>\n"
    return f"{line_of(event)}\n\n" + "\n".join(f"    {line}" for line in whole.splitlines()) + "\n"


def _flat(text: str) -> str:
    """Text without line breaks and other controls: it goes into a header, or one line."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
