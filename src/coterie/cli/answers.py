"""What the commands that talk to a service share: asking it, and showing what it answers."""

import json
from typing import Any

import typer

from coterie.cli.options import fail


def call(method: Any, *arguments: Any, **options: Any) -> Any:
    """The client's answer; a refusal ends the command with its message."""
    from coterie.client import ApiError  # noqa: PLC0415

    try:
        return method(*arguments, **options)
    except ApiError as error:
        fail(error.message)


def show_json(value: Any) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show_table(titles: list[str], rows: list[list[Any]]) -> None:
    """Print rows below their titles."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table()
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    Console().print(table)
