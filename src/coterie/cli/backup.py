"""`coterie backup` and `coterie restore`."""

from typing import Annotated

import typer

from coterie.cli.options import DEFAULT_DATA_DIR, DataDir, fail

Place = Annotated[str, typer.Argument(help="A folder or s3://bucket/prefix, one of its own for each backup.")]


def backup(place: Place, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Copy everything that a service keeps to an empty place: records, vectors and artifacts of one moment. The service
    may run meanwhile. Models, and keys to object stores and language models, are not in it."""
    from coterie.backup.copying import back_up  # noqa: PLC0415
    from coterie.cli.keys import open_folder  # noqa: PLC0415
    from coterie.kit.errors import CannotStart  # noqa: PLC0415
    from coterie.store.storage import StorageFailed, open_storage  # noqa: PLC0415

    services = open_folder(data_dir, must_exist=True)
    try:
        copied = back_up(services, open_storage(place), _tell)
    except (CannotStart, StorageFailed) as error:
        fail(str(error))
    services.db.close()
    documents, runs = copied.records["documents"], copied.records["runs"]
    typer.echo(f"{documents:,} documents, {copied.vectors:,} vectors and {runs:,} runs are in {place}")


def restore(
    place: Place,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    paused: Annotated[
        bool, typer.Option("--paused", help="Switch triggers and webhooks off: for a copy beside the original.")
    ] = False,
) -> None:
    """Read a backup into an empty data folder, or into the empty database and storage of the settings: each kind takes
    backups of either. Start the service afterwards; jobs that were under way begin anew."""
    from coterie.backup.copying import find_backup  # noqa: PLC0415
    from coterie.backup.copying import restore as read_back  # noqa: PLC0415
    from coterie.config import Settings  # noqa: PLC0415
    from coterie.kit.errors import CannotStart  # noqa: PLC0415
    from coterie.store.storage import StorageFailed, open_storage  # noqa: PLC0415
    from coterie.wiring import open_empty  # noqa: PLC0415

    settings = Settings(data_dir=data_dir)
    try:
        source = open_storage(place)
        find_backup(source)  # before anything is made for it
        services = open_empty(settings)
        copied = read_back(services, source, paused=paused, tell=_tell)
    except (CannotStart, StorageFailed) as error:
        fail(str(error))
    services.db.close()
    typer.echo(
        f"{copied.records['documents']:,} documents and {copied.vectors:,} vectors of {copied.created_at} are back"
    )


def _tell(part: str) -> None:
    typer.echo(f"{part} …", err=True)
