"""`coterie triggers`: runs that start by themselves."""

import json
from typing import Annotated, Any

import typer

from coterie.cli.answers import call, show_json, show_table
from coterie.cli.options import DEFAULT_DATA_DIR, ApiKey, DataDir, Namespace, Url, connect, fail

triggers = typer.Typer(no_args_is_help=True, help="Have definitions run by themselves, and see what came of it.")
TriggerId = Annotated[str, typer.Argument(help="The trigger's id.")]


@triggers.command("create")
def create(
    cluster: Annotated[str, typer.Argument(help="The definition's name or id.")],
    cron: Annotated[str | None, typer.Option(help="Five fields, such as '0 6 * * *'.")] = None,
    timezone: Annotated[str, typer.Option(help="Of --cron: an IANA name.")] = "UTC",
    every: Annotated[int | None, typer.Option(help="Seconds, at least 300.")] = None,
    after: Annotated[int | None, typer.Option(help="So many documents that were added.")] = None,
    when: Annotated[str | None, typer.Option(help="The schedule_config of a condition, as JSON.")] = None,
    assign: Annotated[bool, typer.Option("--assign", help="Only let what came since join the groups.")] = False,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    url: Url = None,
    api_key: ApiKey = None,
    namespace: Namespace = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Create a trigger by one of --cron, --every, --after and --when, and print it as JSON."""
    schedules: dict[str, Any] = {
        "cron": cron and {"cron_expression": cron, "timezone": timezone},
        "interval": every and {"interval_seconds": every},
        "event": after and {"event_type": "documents_added", "event_threshold": after},
        "conditional": when and _condition(when),
    }
    given = {kind: schedule for kind, schedule in schedules.items() if schedule is not None}
    if len(given) != 1:
        fail("say when by one of --cron, --every, --after and --when")
    ((kind, schedule),) = given.items()
    body = {"cluster_id": cluster, "trigger_type": kind, "schedule_config": schedule, "description": description}
    body["mode"] = "assign" if assign else "full"
    with connect(url, api_key, namespace, data_dir) as client:
        show_json(call(client.create_trigger, body))


@triggers.command("list")
def list_triggers(
    cluster: Annotated[str | None, typer.Option(help="Those of one definition, by name or id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    offset: Annotated[int, typer.Option(min=0)] = 0,
    url: Url = None,
    api_key: ApiKey = None,
    namespace: Namespace = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """List triggers, newest first."""
    with connect(url, api_key, namespace, data_dir) as client:
        answer = call(client.list_triggers, cluster_id=cluster, limit=limit, offset=offset)
    names = ("trigger_id", "cluster_id", "trigger_type", "status", "next_scheduled_at", "last_execution_status")
    rows = [[each[name] for name in names] for each in answer["triggers"]]
    show_table(["id", "definition", "type", "status", "next", "last"], rows)
    typer.echo(f"{len(rows)} of {answer['total']}")


@triggers.command("pause")
def pause(
    trigger_id: TriggerId,
    url: Url = None,
    api_key: ApiKey = None,
    namespace: Namespace = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Let a trigger rest."""
    with connect(url, api_key, namespace, data_dir) as client:
        _show_status(call(client.pause_trigger, trigger_id))


@triggers.command("resume")
def resume(
    trigger_id: TriggerId,
    url: Url = None,
    api_key: ApiKey = None,
    namespace: Namespace = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Make a trigger active, whether it rests, has failed or was deleted."""
    with connect(url, api_key, namespace, data_dir) as client:
        _show_status(call(client.resume_trigger, trigger_id))


@triggers.command("delete")
def delete(
    trigger_id: TriggerId,
    url: Url = None,
    api_key: ApiKey = None,
    namespace: Namespace = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Disable a trigger; its history stays."""
    with connect(url, api_key, namespace, data_dir) as client:
        call(client.delete_trigger, trigger_id)
    typer.echo(f"{trigger_id}: disabled")


@triggers.command("history")
def history(
    trigger_id: TriggerId,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    url: Url = None,
    api_key: ApiKey = None,
    namespace: Namespace = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show a trigger's firings, newest first."""
    with connect(url, api_key, namespace, data_dir) as client:
        answer = call(client.trigger_history, trigger_id, limit=limit)
    names = ("triggered_at", "status", "num_clusters", "num_documents", "run_id", "error")
    rows = [[each[name] for name in names] for each in answer["executions"]]
    show_table(["at", "status", "groups", "documents", "run", "error"], rows)
    typer.echo(f"{len(rows)} of {answer['total']}")


def _condition(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        fail(f"--when is not JSON: {error}")


def _show_status(trigger: dict[str, Any]) -> None:
    following = trigger["next_scheduled_at"]
    typer.echo(f"{trigger['trigger_id']}: {trigger['status']}" + (f", next at {following}" if following else ""))
