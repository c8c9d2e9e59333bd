"""A run's members or groups as a file to take away, written a row group at a time: Parquet, CSV or an Arrow stream."""

import io
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from coterie.documents.reading import ARROW, PARQUET
from coterie.kit.errors import NotFound
from coterie.runs.artifacts import MEMBERS, Artifacts

FORMULA = r"\A([=+\-@\t\r])"
"""What a spreadsheet takes for the beginning of a formula."""

JOINED = "; "


class ExportFormat(StrEnum):
    """The kinds of file."""

    PARQUET = "parquet"
    CSV = "csv"
    ARROW = "arrow"


class ExportContent(StrEnum):
    """What a file holds: a row a document, or a row a group."""

    MEMBERS = "members"
    GROUPS = "groups"


MEDIA_TYPES = {
    ExportFormat.PARQUET: PARQUET[0],
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.ARROW: ARROW[0],
}


def export(
    artifacts: Artifacts, content: ExportContent, format: ExportFormat, group: str | None = None
) -> Iterator[bytes]:
    """The file's bytes; of one group only where it is named by its id or else its label. Raises NotFound for no such
    group, FileNotFoundError, both at once and not in mid-file."""
    tables = _groups(artifacts, group) if content is ExportContent.GROUPS else _members(artifacts, group)
    first = next(tables)
    return _written(first, tables, format)


def _groups(artifacts: Artifacts, group: str | None) -> Iterator[pa.Table]:
    table = artifacts.group_table()
    if group is not None:
        table = table.filter(pc.equal(table["cluster_id"], _identity(artifacts, table, group)))
    yield table


def _members(artifacts: Artifacts, group: str | None) -> Iterator[pa.Table]:
    """The members with their groups' labels; the first table is there, if only for its columns."""
    groups = artifacts.group_table(["cluster_id", "label"])
    spans = artifacts.spans(None if group is None else _identity(artifacts, groups, group)) or []
    tables = artifacts.tables(spans, 0, sum(span.count for span in spans))
    first = next(tables, MEMBERS.empty_table())
    yield _labelled(first, groups)
    for table in tables:
        yield _labelled(table, groups)


def _labelled(table: pa.Table, groups: pa.Table) -> pa.Table:
    labels = groups["label"].combine_chunks().take(pc.index_in(table["cluster_id"], groups["cluster_id"]))
    return table.add_column(table.schema.get_field_index("cluster_id") + 1, "cluster_label", labels)


def _identity(artifacts: Artifacts, groups: pa.Table, name: str) -> str:
    """The group's id. Raises NotFound."""
    if artifacts.spans(name) is not None:
        return name
    named = groups.filter(pc.equal(groups["label"], name))["cluster_id"].to_pylist()
    if not named:
        raise NotFound(f"no group of this run has the id or the label '{name}'")
    return str(named[0])


def _written(first: pa.Table, rest: Iterator[pa.Table], format: ExportFormat) -> Iterator[bytes]:
    sink = _Sink()
    shaped = _flat if format is ExportFormat.CSV else _as_it_is
    table = shaped(first)
    with _WRITERS[format](sink, table.schema) as writer:
        if table.num_rows:
            writer.write_table(table)
        for table in rest:
            writer.write_table(shaped(table))
            if written := sink.drain():
                yield written
    if written := sink.drain():
        yield written


def _as_it_is(table: pa.Table) -> pa.Table:
    return table


def _flat(table: pa.Table) -> pa.Table:
    """The table as a spreadsheet takes it: no vectors, lists as text, and no text that would be a formula.

    The ids of groups are the service's own, and that of noise begins with a minus.
    """
    columns: dict[str, Any] = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_list(field.type):
            if not pa.types.is_string(field.type.value_type):
                continue
            column = pc.binary_join(column, JOINED)
        if pa.types.is_string(column.type) and field.name not in ("cluster_id", "parent_cluster_id"):
            column = pc.replace_substring_regex(column, FORMULA, r"'\1")
        columns[field.name] = column
    return pa.table(columns)


class _Sink(io.RawIOBase):
    """Takes what a writer writes, until it is handed on."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: Any) -> int:
        self._held.append(bytes(data))
        self._written += len(self._held[-1])
        return len(self._held[-1])

    def drain(self) -> bytes:
        """What was written since."""
        held, self._held = b"".join(self._held), []
        return held


_WRITERS: dict[ExportFormat, Callable[[_Sink, pa.Schema], Any]] = {
    ExportFormat.PARQUET: lambda sink, schema: pq.ParquetWriter(sink, schema, compression="zstd"),
    ExportFormat.CSV: csv.CSVWriter,
    ExportFormat.ARROW: pa.ipc.new_stream,
}
