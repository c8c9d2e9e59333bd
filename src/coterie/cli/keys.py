"""`coterie key`: API keys and sign-in links, made on the machine itself and without a running service."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coterie.cli.options import DEFAULT_DATA_DIR, DataDir, Url, address_of, fail

if TYPE_CHECKING:
    from coterie.api.context import Services

key = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys of a data folder; sign a browser in.")

Name = Annotated[str, typer.Option("--name", help="The key's name, unique for its user.")]
User = Annotated[str | None, typer.Option("--user", help="A user's email. Default: the administrator.")]


@key.command("create")
def create(
    name: Name,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = None,
    permission: Annotated[
        list[str] | None, typer.Option(help="read, write, delete, admin, …; repeat it. Default: read, write, delete.")
    ] = None,
    expires_in_days: Annotated[float | None, typer.Option(min=0.001, help="After so many days it is refused.")] = None,
) -> None:
    """Make a key and print it, alone, on standard output. It is shown this once."""
    from coterie.kit.errors import CoterieError  # noqa: PLC0415
    from coterie.tenancy import bootstrap, schemas, service  # noqa: PLC0415

    unknown = set(permission or ()) - {str(each) for each in schemas.Permission}
    if unknown:
        fail(f"unknown permission {', '.join(sorted(unknown))}; use {', '.join(schemas.Permission)}")
    services = open_folder(data_dir)
    now = datetime.now(UTC)
    expires = None if expires_in_days is None else now + timedelta(days=expires_in_days)
    try:
        with services.db.write() as tx:
            account, email = bootstrap.administrator(tx)
            made = service.create_key(tx, account, user or email, name, permission, expires, now)
    except CoterieError as error:
        fail(error.message)
    typer.echo(made["key"])


@key.command("sign-in")
def sign_in(data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None) -> None:
    """Print a link that signs one browser in as the administrator: it works once, within 15 minutes."""
    services = open_folder(data_dir, must_exist=True)
    typer.echo(sign_in_link(services, address_of(url, data_dir)))


def sign_in_link(services: "Services", url: str) -> str:
    """A link that signs one browser in at the service's URL, as the administrator."""
    from coterie.console.sessions import make_link  # noqa: PLC0415
    from coterie.tenancy import bootstrap  # noqa: PLC0415

    with services.db.write() as tx:
        account, _ = bootstrap.administrator(tx)
        return make_link(tx, account, url.rstrip("/"), services.clock.now())


@key.command("list")
def list_keys(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Show all keys: user, name, the last letters, permissions, expiry."""
    from coterie.tenancy import bootstrap, service  # noqa: PLC0415

    services = open_folder(data_dir, must_exist=True)
    with services.db.read() as tx:
        account, _ = bootstrap.administrator(tx)
        organization = service.get_organization(tx, account)
    for user in organization["users"]:
        for each in user["api_keys"]:
            expiry = each["expires_at"] or "never expires"
            typer.echo("\t".join([user["email"], each["name"], each["key"], ",".join(each["permissions"]), expiry]))


@key.command("revoke")
def revoke(name: Name, data_dir: DataDir = DEFAULT_DATA_DIR, user: User = None) -> None:
    """Revoke a key: the next request with it is refused."""
    from coterie.kit.errors import CoterieError  # noqa: PLC0415
    from coterie.tenancy import bootstrap, service  # noqa: PLC0415

    services = open_folder(data_dir, must_exist=True)
    try:
        with services.db.write() as tx:
            account, email = bootstrap.administrator(tx)
            service.revoke_key(tx, account, user or email, name)
    except CoterieError as error:
        fail(error.message)
    typer.echo(f"revoked '{name}'")


def open_folder(data_dir: DataDir, *, must_exist: bool = False) -> "Services":
    """The services on a data folder, without a running service; ends the command where there are none."""
    from coterie.config import Settings  # noqa: PLC0415
    from coterie.kit.errors import CannotStart  # noqa: PLC0415
    from coterie.wiring import check_store, open_services  # noqa: PLC0415

    settings = Settings(data_dir=data_dir)
    try:
        check_store(settings)
        if must_exist and isinstance(settings.records, Path) and not settings.records.exists():
            fail(f"{data_dir} is not a data folder of Coterie: name it with --data-dir")
        return open_services(settings)[0]
    except CannotStart as error:
        fail(str(error))
