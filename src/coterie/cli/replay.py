"""`coterie replay`: run again what a run's manifest says, and compare."""

from typing import Annotated

import typer

from coterie.cli.options import DEFAULT_DATA_DIR, DataDir, fail


def replay(
    run_id: Annotated[str, typer.Argument(help="The id of a completed run in full.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Fit a run again on the data that it saw and check that it finds the same groups. Works on the data folder itself;
    a service may be running. Ends with status 1 where the data has changed or the labels differ."""
    from coterie.config import Settings  # noqa: PLC0415
    from coterie.kit.errors import CannotStart, CoterieError  # noqa: PLC0415
    from coterie.runs.replay import replay as again  # noqa: PLC0415
    from coterie.wiring import check_store, connect  # noqa: PLC0415

    settings = Settings(data_dir=data_dir)
    try:
        check_store(settings)
        services = connect(settings)
        found = again(services, run_id)
    except (CannotStart, CoterieError) as error:
        fail(str(error))
    services.db.close()
    for name, (then, now) in found.versions.items():
        typer.echo(f"{name}: {then} then, {now} now")
    typer.echo(f"{run_id}: {found.documents:,} documents, {found.groups:,} groups: " + found.verdict)
    if not found.same:
        raise typer.Exit(1)
