"""`coterie webhooks`: who is told of what happens, and what became of it."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from coterie.cli.answers import call, show_json, show_table
from coterie.cli.options import DEFAULT_DATA_DIR, ApiKey, DataDir, Url, connect, fail

webhooks = typer.Typer(no_args_is_help=True, help="Create and list webhooks, show deliveries and replay them.")

Identifier = Annotated[str, typer.Argument(help="The webhook's name or id.")]


@webhooks.command("create")
def create(
    name: Annotated[str | None, typer.Argument(help="The webhook's name.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="The URL that is told, by a signed POST.")] = None,
    slack: Annotated[str | None, typer.Option(help="The URL of a Slack incoming webhook.")] = None,
    event: Annotated[list[str] | None, typer.Option(help="A type of event; repeat it.")] = None,
    file: Annotated[Path | None, typer.Option(help="A JSON file with the whole webhook instead.")] = None,
    url: Url = None,
    api_key: ApiKey = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Create a webhook and print it as JSON, with its secret, which is shown this once."""
    webhook = _read(file) if file else _webhook(name, endpoint, slack, event)
    with connect(url, api_key, None, data_dir) as client:
        show_json(call(client.create_webhook, webhook))


@webhooks.command("list")
def list_webhooks(url: Url = None, api_key: ApiKey = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """List the organization's webhooks, newest first."""
    with connect(url, api_key, None, data_dir) as client:
        found = call(client.list_webhooks)
    rows = [
        [
            each["webhook_name"],
            each["webhook_id"],
            "yes" if each["is_active"] else "no",
            "\n".join(channel["channel"] for channel in each["channels"]),
            "\n".join(each["event_types"]),
        ]
        for each in found
    ]
    show_table(["name", "id", "active", "channels", "events"], rows)


@webhooks.command("deliveries")
def deliveries(
    identifier: Identifier,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many, newest first.")] = 20,
    url: Url = None,
    api_key: ApiKey = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show what became of a webhook's events."""
    with connect(url, api_key, None, data_dir) as client:
        answer = call(client.list_deliveries, identifier, limit=limit)
    rows = [
        [each["delivery_id"], each["event_type"], each["status"], each["attempts"], _last_error(each)]
        for each in answer["results"]
    ]
    show_table(["id", "event", "status", "attempts", "last error"], rows)
    typer.echo(f"{len(rows)} of {answer['total_count']}")


@webhooks.command("replay")
def replay(
    identifier: Identifier,
    delivery: Annotated[str, typer.Argument(help="The delivery's id.")],
    url: Url = None,
    api_key: ApiKey = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Send a delivery's event again, and print the new delivery as JSON."""
    with connect(url, api_key, None, data_dir) as client:
        show_json(call(client.replay_delivery, identifier, delivery))


def _webhook(name: str | None, endpoint: str | None, slack: str | None, events: list[str] | None) -> dict[str, Any]:
    channels: list[dict[str, Any]] = []
    if endpoint is not None:
        channels.append({"channel": "webhook", "configs": {"url": endpoint}})
    if slack is not None:
        channels.append({"channel": "slack", "configs": {"webhook_url": slack}})
    if not name or not channels or not events:
        fail("give a name, --endpoint or --slack, and --event; or the whole webhook with --file")
    return {"webhook_name": name, "event_types": events, "channels": channels}


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError) as error:
        fail(f"{file} is not readable JSON: {error}")


def _last_error(delivery: dict[str, Any]) -> str | None:
    error: str | None = delivery["log"][-1]["error"] if delivery["log"] else None
    return error
