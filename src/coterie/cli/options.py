"""What several commands share: options, the connection of those that talk to a service, and how they print."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from coterie.client import Client

DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="COTERIE_DATA_DIR", help="Folder of the records, vectors and artifacts.")
]
Url = Annotated[
    str | None, typer.Option(envvar="COTERIE_URL", help="The service. Default: the one running on --data-dir.")
]
ApiKey = Annotated[
    str | None, typer.Option(envvar="COTERIE_API_KEY", help="An API key. Default: the bootstrap key of --data-dir.")
]
Namespace = Annotated[
    str | None, typer.Option(envvar="COTERIE_NAMESPACE", help="A namespace's name or id. Default: `default`.")
]
DEFAULT_DATA_DIR = Path("coterie-data")


def fail(message: str) -> NoReturn:
    """Say what is wrong and what to do, and end with status 1."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(1)


def connect(url: str | None, api_key: str | None, namespace: str | None, data_dir: Path) -> "Client":
    """A client of the service that was named, or of the one that runs on the data folder."""
    from coterie.client import Client  # noqa: PLC0415

    address = address_of(url, data_dir)
    key = api_key or _bootstrap_key(data_dir)
    return Client(address, key, namespace)


def address_of(url: str | None, data_dir: Path) -> str:
    """The service's URL: the one that was given, or of the one that runs on the data folder."""
    if url is not None:
        return url
    try:
        return str(json.loads((data_dir / "server.json").read_text())["url"])
    except (OSError, ValueError, KeyError):
        fail(f"no service is running on {data_dir}: start `coterie serve`, or name one with --url")


def _bootstrap_key(data_dir: Path) -> str:
    try:
        return (data_dir / "bootstrap.key").read_text().strip()
    except OSError:
        fail("an API key is needed: --api-key or COTERIE_API_KEY")
