"""`coterie import`: files to documents."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coterie.cli.options import DEFAULT_DATA_DIR, ApiKey, DataDir, Namespace, Url, connect, fail

if TYPE_CHECKING:
    from coterie.client import Client

PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
SUFFIXES = (".parquet", ".arrow", ".feather", ".arrows", ".ndjson", ".jsonl", ".csv")
CHUNK = 1 << 20


def import_file(
    file: Annotated[Path, typer.Argument(help=f"A file: {', '.join(SUFFIXES)}.")],
    collection: Annotated[str, typer.Option(help="The collection's name or id; made if there is none.")],
    vector_column: Annotated[
        list[str] | None,
        typer.Option(help="A column of vectors, `column[:vector_name]`; repeat it. Default: all lists of floats."),
    ] = None,
    id_column: Annotated[str | None, typer.Option(help="The column of ids. Default: `document_id` or `id`.")] = None,
    skip_column: Annotated[list[str] | None, typer.Option(help="A column to leave out; repeat it.")] = None,
    strict: Annotated[bool, typer.Option(help="All rows or none.")] = False,
    url: Url = None,
    api_key: ApiKey = None,
    namespace: Namespace = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Import a Parquet, Arrow, NDJSON or CSV file. In CSV a vector is written as "[0.1, 0.2]".

    Rows with a fault are reported by number, and the status is then 1; the others land.
    """
    from coterie.client import ApiError  # noqa: PLC0415

    if not file.is_file():
        fail(f"{file} is not a file")
    if file.suffix.lower() not in SUFFIXES:
        fail(f"{file.suffix or 'a file without suffix'} is not imported; use one of {', '.join(SUFFIXES)}")
    columns = {"vector_column": vector_column, "id_column": id_column, "skip_column": skip_column}
    with connect(url, api_key, namespace, data_dir) as client:
        try:
            _ensure_collection(client, collection)
            report = _send(client, collection, file, columns, strict)
        except ApiError as error:
            for fault in error.details.get("errors", []):
                typer.echo(f"row {fault['row']}: {fault['error']}", err=True)
            fail(error.message)
    for fault in report["errors"]:
        typer.echo(f"row {fault['row']}: {fault['error']}", err=True)
    typer.echo(f"imported {report['imported']} documents into '{collection}', {report['failed']} rows failed")
    if report["failed"]:
        raise typer.Exit(1)


def _ensure_collection(client: "Client", collection: str) -> None:
    from coterie.client import ApiError  # noqa: PLC0415

    try:
        client.get_collection(collection)
    except ApiError as error:
        if error.status != 404:
            raise
        client.create_collection(collection)


def _send(client: "Client", collection: str, file: Path, columns: dict[str, Any], strict: bool) -> dict[str, Any]:
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    suffix = file.suffix.lower()
    content_type = {".parquet": PARQUET, ".ndjson": NDJSON, ".jsonl": NDJSON, ".csv": CSV}.get(suffix, ARROW)
    shown = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*shown, console=Console(stderr=True)) as progress, file.open("rb") as raw:
        bar = progress.add_task(f"sending {file.name}", total=file.stat().st_size)

        def chunks() -> Iterator[bytes]:
            for chunk in _content(raw, suffix):
                yield chunk
                progress.update(bar, completed=raw.tell())
            progress.update(bar, completed=file.stat().st_size, description="storing")

        return client.import_stream(collection, chunks(), content_type, **columns, strict=strict)


def _content(raw: Any, suffix: str) -> Iterator[bytes]:
    """The file's bytes in a form that the service reads."""
    if suffix in (".arrow", ".feather"):
        yield from _arrow_file(raw)
    else:
        yield from iter(lambda: raw.read(CHUNK), b"")


def _arrow_file(raw: Any) -> Iterator[bytes]:
    import pyarrow as pa  # noqa: PLC0415

    try:
        reader = pa.ipc.open_file(raw)
    except pa.ArrowInvalid:
        raw.seek(0)  # a stream under another name
        yield from iter(lambda: raw.read(CHUNK), b"")
        return
    yield from _stream(reader.schema, (reader.get_batch(number) for number in range(reader.num_record_batches)))


def _stream(schema: Any, batches: Iterator[Any]) -> Iterator[bytes]:
    import pyarrow as pa  # noqa: PLC0415

    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()
    yield sink.getvalue()
