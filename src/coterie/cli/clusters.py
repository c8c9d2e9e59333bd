"""`coterie clusters`: definitions and their runs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coterie.cli.answers import call, show_json, show_table
from coterie.cli.options import DEFAULT_DATA_DIR, ApiKey, DataDir, Namespace, Url, connect, fail

if TYPE_CHECKING:
    from coterie.client import Client

clusters = typer.Typer(no_args_is_help=True, help="Create, run, list and show cluster definitions.")


@clusters.command("create")
def create(
    name: Annotated[str | None, typer.Argument(help="The definition's name.")] = None,
    collection: Annotated[list[str] | None, typer.Option(help="A collection's name or id; repeat it.")] = None,
    method: Annotated[str, typer.Option(help="The algorithm.")] = "hdbscan",
    extractor: Annotated[str, typer.Option(help="The vectors' name.")] = "bring_your_own",
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="name=value of the method; repeat it.")
    ] = None,
    attribute: Annotated[
        list[str] | None, typer.Option(help="Group by this payload field instead of vectors; repeat it.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A JSON file with the whole definition instead.")] = None,
    url: Url = None,
    api_key: ApiKey = None,
    namespace: Namespace = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Create a definition and print it as JSON."""
    definition = _read(file) if file else _definition(name, collection, method, extractor, parameter, attribute)
    with connect(url, api_key, namespace, data_dir) as client:
        show_json(call(client.create_cluster, definition))


@clusters.command("suggest")
def suggest(
    collection: Annotated[list[str], typer.Option(help="A collection's name or id; repeat it.")],
    extractor: Annotated[str, typer.Option(help="The vectors' name.")] = "bring_your_own",
    seconds: Annotated[int, typer.Option(min=1, max=3600, help="How long to look.")] = 60,
    rows: Annotated[int, typer.Option(min=1, help="So many lines of the table.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print the definition alone, for `create --file`.")] = False,
    url: Url = None,
    api_key: ApiKey = None,
    namespace: Namespace = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Try algorithms and parameters on a sample, show the best ones and print a definition of the first."""
    body = {
        "collection_ids": collection,
        "feature_vector": {"feature_address": extractor},
        "time_budget_seconds": seconds,
    }
    with connect(url, api_key, namespace, data_dir) as client:
        task_id = call(client.suggest_cluster, body)["task_id"]
        wait_with_bar(client, task_id, "suggest")
        task = client.get_task(task_id)
    if not as_json:
        found = task["additional_data"]
        show_table(
            ["", "method", "parameters", "groups", "noise", "modul.", "stable", "score"],
            [_suggestion(each) for each in found["suggestions"][:rows]],
        )
        typer.echo(f"{found['documents_sampled']} of {found['documents']} documents; {found['left_out']} not tried")
    show_json(task["outputs"][0])


@clusters.command("run")
def run(
    identifier: Annotated[str, typer.Argument(help="The definition's name or id.")],
    assign: Annotated[bool, typer.Option("--assign", help="Only let what came since join the groups.")] = False,
    over: Annotated[list[str] | None, typer.Option(help="Group the groups of these runs; repeat it.")] = None,
    url: Url = None,
    api_key: ApiKey = None,
    namespace: Namespace = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Run a definition, with a progress bar, and show its groups."""
    if assign and over:
        fail("one of --assign and --over")
    mode: dict[str, Any] = {"mode": "assign"} if assign else {}
    if over:
        mode = {"mode": "composite", "source_execution_ids": over}
    with connect(url, api_key, namespace, data_dir) as client:
        task = call(client.run_cluster, identifier, **mode)
        wait_with_bar(client, task["task_id"], identifier)
        _show_groups(client, identifier)


@clusters.command("enrich")
def enrich(
    identifiers: Annotated[list[str], typer.Argument(help="Definitions, by name or id, or runs by id.")],
    collection: Annotated[str, typer.Option(help="The collection whose documents are written.")],
    target: Annotated[str | None, typer.Option(help="Write into this collection instead.")] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="source=target, such as cluster_label=topic; repeat it.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, max=10_000, help="Documents of one transaction.")] = 1000,
    url: Url = None,
    api_key: ApiKey = None,
    namespace: Namespace = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Write the groups of the newest runs into documents, with a progress bar, and show the counts."""
    fields = {
        "target_collection_id": target,
        "batch_size": batch_size,
        "field_mappings": [_mapping(text) for text in mapping] if mapping else None,
    }
    with connect(url, api_key, namespace, data_dir) as client:
        task = call(client.enrich, identifiers, collection, **fields)
        wait_with_bar(client, task["task_id"], collection)
        done = client.get_enrichment(task["additional_data"]["enrichment_id"])
    typer.echo(f"{done['enriched']} of {done['processed']} documents hold their groups, {done['failed']} do not")
    typer.echo(f"to undo it: coterie clusters undo {done['enrichment_id']}")


@clusters.command("undo")
def undo(
    enrichment_id: Annotated[str, typer.Argument(help="The id that `enrich` showed.")],
    url: Url = None,
    api_key: ApiKey = None,
    namespace: Namespace = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Take back what `enrich` wrote, with a progress bar, and show the counts."""
    with connect(url, api_key, namespace, data_dir) as client:
        task = call(client.undo_enrichment, enrichment_id)
        wait_with_bar(client, task["task_id"], enrichment_id)
        done = client.get_enrichment(enrichment_id)["undo"]
    typer.echo(f"{done['restored']} documents restored, {done['removed']} copies removed")
    typer.echo(f"{done['kept']} had been changed since and keep that, {done['gone']} were gone")


@clusters.command("list")
def list_clusters(
    search: Annotated[str | None, typer.Option(help="Words to find.")] = None,
    filters: Annotated[str | None, typer.Option(help="Filters as JSON, as in the API.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    offset: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's answer.")] = False,
    url: Url = None,
    api_key: ApiKey = None,
    namespace: Namespace = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """List definitions, newest first."""
    try:
        body = {"search": search, "filters": json.loads(filters) if filters else None}
    except ValueError as error:
        fail(f"--filters is not JSON: {error}")
    with connect(url, api_key, namespace, data_dir) as client:
        answer = call(client.list_clusters, body, limit=limit, offset=offset)
    if as_json:
        show_json(answer)
        return
    rows = [
        [each["cluster_name"], each["cluster_id"], each["cluster_type"], each["status"], each["num_clusters"]]
        for each in answer["results"]
    ]
    show_table(["name", "id", "type", "status", "groups"], rows)
    typer.echo(f"{len(rows)} of {answer['total_count']}")


@clusters.command("show")
def show(
    identifier: Annotated[str, typer.Argument(help="The definition's name or id.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the definition as the API shows it.")] = False,
    url: Url = None,
    api_key: ApiKey = None,
    namespace: Namespace = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show a definition and the groups of its newest run."""
    with connect(url, api_key, namespace, data_dir) as client:
        definition = call(client.get_cluster, identifier)
        if as_json:
            show_json(definition)
            return
        typer.echo(f"{definition['cluster_name']} ({definition['cluster_id']}): {definition['status']}")
        if definition["error"]:
            typer.echo(f"last run: {definition['error']}")
        if definition["last_run_id"]:
            _show_groups(client, identifier)


@clusters.command("runs")
def list_runs(
    identifier: Annotated[str, typer.Argument(help="The definition's name or id.")],
    filters: Annotated[str | None, typer.Option(help="Filters as JSON, as in the API.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    offset: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's answer.")] = False,
    url: Url = None,
    api_key: ApiKey = None,
    namespace: Namespace = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """List the runs of a definition, newest first."""
    try:
        body = {"filters": json.loads(filters) if filters else None}
    except ValueError as error:
        fail(f"--filters is not JSON: {error}")
    with connect(url, api_key, namespace, data_dir) as client:
        answer = call(client.list_runs, identifier, body, limit=limit, offset=offset)
    if as_json:
        show_json(answer)
        return
    keys = ("run_id", "run_name", "status", "created_at", "num_clusters", "num_points", "error_message")
    show_table(
        ["run", "name", "status", "started", "groups", "documents", "error"],
        [[run[key] for key in keys] for run in answer["results"]],
    )
    typer.echo(f"{len(answer['results'])} of {answer['total_count']}")


@clusters.command("export")
def export(
    identifier: Annotated[str, typer.Argument(help="The definition's name or id.")],
    run_id: Annotated[str | None, typer.Option("--run", help="A run's id. Default: the newest completed.")] = None,
    format: Annotated[str, typer.Option(help="parquet, csv or arrow.")] = "parquet",
    content: Annotated[str, typer.Option(help="members or groups.")] = "members",
    group: Annotated[str | None, typer.Option(help="One group only, by its id or its label.")] = None,
    output: Annotated[Path | None, typer.Option(help="The file. Default: named after the run.")] = None,
    link: Annotated[int | None, typer.Option(help="Print a link that opens without a key for so many seconds.")] = None,
    url: Url = None,
    api_key: ApiKey = None,
    namespace: Namespace = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Write a run's members or groups to a file and print its name."""
    with connect(url, api_key, namespace, data_dir) as client:
        run = run_id or call(client.get_cluster, identifier)["last_run_id"]
        if run is None:
            fail(f"'{identifier}' has no completed run yet: coterie clusters run {identifier}")
        parameters = {"format": format, "content": content, "cluster_label": group}
        if link is not None:
            typer.echo(call(client.link_export, identifier, run, expires_in_seconds=link, **parameters)["download_url"])
            return
        path = output or Path(f"{run}-{content}.{format}")
        try:
            call(client.export_run, identifier, run, path, **parameters)
        except OSError as error:
            fail(f"{path} cannot be written: {error.strerror}")
    typer.echo(str(path))


def wait_with_bar(client: "Client", task_id: str, title: str) -> None:
    """Wait for a task with a progress bar; end with status 1 if it does not complete."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    from coterie.client import TaskFailed  # noqa: PLC0415

    left = TextColumn("{task.fields[left]}")
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), left)
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(title, total=1.0, left="")

        def moved(task: dict[str, Any]) -> None:
            state = task["additional_data"]
            seconds = state.get("estimated_seconds_left")
            left = f"about {seconds:.0f} s left" if seconds else ""
            progress.update(bar, completed=state["progress"], description=f"{title}: {state['stage']}", left=left)

        try:
            client.wait(task_id, moved)
        except TaskFailed as error:
            fail(str(error))


def _suggestion(each: dict[str, Any]) -> list[Any]:
    config = each["vector_config"]
    method = config["clustering_method"]
    if "dimensionality_reduction" in config:
        method = f"{config['dimensionality_reduction']['method']}+{method}"
    params = "\n".join(f"{name}={value}" for name, value in config["algorithm_params"].items())
    measures = [f"{each[name]:.2f}" for name in ("noise_ratio", "modularity", "stability", "score")]
    return [each["rank"], method, params, each["groups"], *measures]


def _definition(
    name: str | None,
    collections: list[str] | None,
    method: str,
    extractor: str,
    parameters: list[str] | None,
    attributes: list[str] | None,
) -> dict[str, Any]:
    if not collections:
        fail("name a collection with --collection, or give the whole definition with --file")
    common = {"cluster_name": name, "collection_ids": collections}
    if attributes:
        return {**common, "cluster_type": "attribute", "attribute_config": {"attributes": attributes}}
    config: dict[str, Any] = {"feature_extractor_name": extractor, "clustering_method": method}
    if parameters:
        config["algorithm_params"] = dict(map(_parameter, parameters))
    return {**common, "cluster_type": "vector", "vector_config": config}


def _parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        fail(f"--parameter {text}: write name=value")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _mapping(text: str) -> dict[str, str]:
    source, equals, target = text.partition("=")
    if not equals:
        fail(f"--map {text}: write source=target")
    return {"source_field": source, "target_field": target}


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError) as error:
        fail(f"{file} is not readable JSON: {error}")


def _show_groups(client: "Client", identifier: str) -> None:
    answer = call(client.groups, identifier)
    rows = [[g["cluster_id"], g["member_count"], g["label"], ", ".join(g["keywords"][:5])] for g in answer["groups"]]
    show_table(["group", "documents", "label", "keywords"], rows)
    typer.echo(
        f"{answer['total_groups']} groups of {answer['total_documents']} documents, {answer['noise_documents']} in none"
    )
