"""The command line: `coterie serve`, `worker`, `migrate`, `key`, `import`, `embed`, `models`, `clusters`, `triggers`,
`webhooks`, `demo`, `replay`, `backup`, `restore`, `health`.

What a command needs is imported when it runs: `coterie serve` shall not wait for the libraries of `coterie import`.
"""

import sys
from typing import Annotated

import httpx
import typer

import coterie
from coterie.cli.backup import backup, restore
from coterie.cli.clusters import clusters
from coterie.cli.data import import_file
from coterie.cli.demo import demo
from coterie.cli.health import health
from coterie.cli.keys import key
from coterie.cli.migrate import migrate
from coterie.cli.models import embed, models
from coterie.cli.replay import replay
from coterie.cli.serve import serve, worker
from coterie.cli.triggers import triggers
from coterie.cli.webhooks import webhooks


def main() -> None:
    """The command line. What cannot be reached is told in a line, not in a traceback."""
    try:
        app()
    except (httpx.TransportError, httpx.InvalidURL) as error:
        typer.echo(f"error: the service cannot be reached ({error}): is it running, and is --url right?", err=True)
        raise SystemExit(1) from error
    except Exception as error:
        if faults := _faulty_settings(error):
            typer.echo("\n".join(f"error: {fault}" for fault in faults), err=True)
            raise SystemExit(1) from error
        if not _is_of_the_store(error):
            raise
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        typer.echo(f"error: the records cannot be reached ({reason}): is COTERIE_DATABASE_URL right?", err=True)
        raise SystemExit(1) from error


def _faulty_settings(error: Exception) -> list[str]:
    """What is wrong with the environment's settings, without their values: these may be secrets."""
    if type(error).__name__ != "ValidationError" or getattr(error, "title", "") != "Settings":
        return []
    faults = error.errors(include_input=False, include_url=False)  # type: ignore[attr-defined]
    return [f"COTERIE_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in faults]


def _is_of_the_store(error: Exception) -> bool:
    """Whether the database did not answer. Its library is loaded by then, or the error is none of its."""
    errors = sys.modules.get("sqlalchemy.exc")
    return errors is not None and isinstance(error, errors.OperationalError)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(coterie.__version__)
        raise typer.Exit


def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Finds the groups in a team's embeddings and keeps them."""


app = typer.Typer(
    name="coterie",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.callback()(_options)
app.command()(serve)
app.command()(worker)
app.command()(migrate)
app.command()(replay)
app.command()(backup)
app.command()(restore)
app.command()(health)
app.command("import")(import_file)
app.command()(embed)
app.command()(demo)
app.add_typer(key, name="key")
app.add_typer(clusters, name="clusters")
app.add_typer(models, name="models")
app.add_typer(webhooks, name="webhooks")
app.add_typer(triggers, name="triggers")
