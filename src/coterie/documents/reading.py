"""Files of documents, a block of rows at a time: Parquet, Arrow IPC stream, CSV, NDJSON.

A row's id comes from the id column, its vectors from the vector columns, its metadata from all others. Vector columns
are those that the request names, else every list of floats; one called `vector` or `embedding` is `bring_your_own`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from coterie.api.bodies import parse_json
from coterie.documents.delimited import CSV, read_csv
from coterie.documents.schemas import MAX_VECTORS
from coterie.documents.writing import MAX_DIMENSIONS, MAX_MAGNITUDE, MAX_SPACES, BadDocument, check_vector
from coterie.features.registry import BRING_YOUR_OWN, is_well_formed, vector_name
from coterie.kit.errors import BadRequest
from coterie.store.vectors import Matrix

BLOCK_ROWS = 16_384
BLOCK_BYTES = 64 * 1024 * 1024
"""A block of rows holds no more vectors than this, however long they are."""

MAX_LINE = 8 * 1024 * 1024
ID_COLUMNS = ("document_id", "id")
DEFAULT_COLUMNS = ("vector", "embedding")

PARQUET = ("application/vnd.apache.parquet", "application/x-parquet", "application/parquet")
ARROW = ("application/vnd.apache.arrow.stream",)
NDJSON = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines")


@dataclass(frozen=True)
class ColumnMap:
    """How columns become documents: the id column (None: `document_id` or `id`), vector columns to names (empty:
    found by their type), and the columns that are left out."""

    id_column: str | None = None
    vectors: Mapping[str, str] = field(default_factory=dict)
    skipped: Sequence[str] = ()


@dataclass
class Block:
    """Rows of a file: ids (None: to be made up), payloads, of each vector name the positions (m) of the rows that have
    a sound one and their vectors (m, d), and the faults of single rows by position."""

    ids: list[str | None]
    payloads: list[dict[str, Any]]
    vectors: dict[str, tuple[NDArray[np.int64], Matrix]] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)


def parse_vector_columns(given: Sequence[str]) -> dict[str, str]:
    """`column` or `column:name`, repeated, as {column: vector name}. Raises BadRequest."""
    columns: dict[str, str] = {}
    for text in given:
        column, _, name = text.partition(":")
        columns[column] = vector_name(name or _default_name(column))
        if not is_well_formed(columns[column]):
            raise BadRequest(f"vector_column '{text}': '{columns[column]}' is no vector name; write '{column}:a_name'")
    return columns


def read_blocks(path: Path, content_type: str, mapping: ColumnMap, spaces: Mapping[str, int]) -> Iterator[Block]:
    """The file's rows in blocks. Raises BadRequest for a file that is not of its type or lacks a named column."""
    try:
        if content_type in PARQUET:
            yield from _arrow_blocks(pq.ParquetFile(path).iter_batches(BLOCK_ROWS), mapping, spaces)
        elif content_type in ARROW:
            with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
                yield from _arrow_blocks(iter(stream), mapping, spaces)
        elif content_type in CSV:
            ids = [mapping.id_column] if mapping.id_column else ID_COLUMNS
            yield from _arrow_blocks(read_csv(path, ids, mapping.vectors), mapping, spaces)
        else:
            with path.open("rb") as lines:
                yield from _json_blocks(lines, mapping, spaces)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError, OSError) as error:
        raise BadRequest(f"the body is not a readable {content_type}: {str(error).splitlines()[0][:200]}") from error


def _default_name(column: str) -> str:
    return BRING_YOUR_OWN if column in DEFAULT_COLUMNS else column


# -- Arrow ----------------------------------------------------------------------------------------------------------


def _arrow_blocks(batches: Iterator[pa.RecordBatch], mapping: ColumnMap, spaces: Mapping[str, int]) -> Iterator[Block]:
    known = dict(spaces)
    for whole in batches:
        batch = _without(whole, mapping)
        columns = _vector_columns(batch.schema, mapping)
        rows = _rows_of_a_block(batch, columns)
        for start in range(0, batch.num_rows, rows):
            block = _arrow_block(batch.slice(start, rows), mapping, columns, known)
            known.update({name: matrix.shape[1] for name, (_, matrix) in block.vectors.items() if name not in known})
            yield block


def _rows_of_a_block(batch: pa.RecordBatch, columns: Mapping[str, str]) -> int:
    widest = max((batch.column(column).nbytes // max(batch.num_rows, 1) for column in columns), default=0)
    return max(1, min(BLOCK_ROWS, BLOCK_BYTES // max(widest, 1)))


def _without(batch: pa.RecordBatch, mapping: ColumnMap) -> pa.RecordBatch:
    names = batch.schema.names
    for column in (*mapping.vectors, *([mapping.id_column] if mapping.id_column else []), *mapping.skipped):
        if column not in names:
            raise BadRequest(f"the file has no column '{column}'; it has {', '.join(names[:20])}")
    return batch.select([number for number, name in enumerate(names) if name not in mapping.skipped])


def _vector_columns(schema: pa.Schema, mapping: ColumnMap) -> dict[str, str]:
    for name in schema.names:
        if schema.names.count(name) > 1:
            raise BadRequest(f"the file has two columns '{name}': rename one")
        if pa.types.is_binary(schema.field(name).type) or pa.types.is_large_binary(schema.field(name).type):
            raise BadRequest(f"column '{name}' holds bytes, which metadata cannot: skip it or encode it as text")
    if mapping.vectors:
        return dict(mapping.vectors)
    return {f.name: vector_name(_default_name(f.name)) for f in schema if _is_list(f.type, pa.types.is_floating)}


def _is_list(kind: Any, of: Any) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_list(kind) for is_list in lists) and of(kind.value_type)


def _arrow_block(
    batch: pa.RecordBatch, mapping: ColumnMap, columns: Mapping[str, str], known: Mapping[str, int]
) -> Block:
    block = Block([None] * batch.num_rows, [])
    for column, name in columns.items():
        if not is_well_formed(name):
            raise BadRequest(f"column '{column}' is no vector name; map it with vector_column={column}:a_name")
        _take_vectors(block, name, batch.column(column), known.get(name))
    id_column = mapping.id_column or next((name for name in ID_COLUMNS if name in batch.schema.names), None)
    rest = [name for name in batch.schema.names if name != id_column and name not in columns]
    values = [_values(batch, name) for name in rest]
    block.payloads = [_flatten(dict(zip(rest, row, strict=True))) for row in zip(*values, strict=True)] or [
        {} for _ in range(batch.num_rows)
    ]
    if id_column is not None:
        block.ids = [_identity(value, number, block) for number, value in enumerate(_values(batch, id_column))]
    return block


def _values(batch: pa.RecordBatch, name: str) -> list[Any]:
    """A column as Python's values. Raises BadRequest for what has none: broken UTF-8, a day in the year 10,000."""
    column = batch.column(name)
    try:
        if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
            column = pc.cast(column, pa.timestamp("us", column.type.tz), safe=False)
        values: list[Any] = column.to_pylist()
        return values
    except (ValueError, OverflowError, pa.ArrowException) as error:
        fault = str(error).splitlines()[0][:200]
        raise BadRequest(f"column '{name}' holds what metadata cannot: {fault}") from error


def _take_vectors(block: Block, name: str, column: Any, dimensions: int | None) -> None:
    """The column's vectors as a matrix; rows that cannot be are reported as faults."""
    kind = column.type
    if not _is_list(kind, lambda t: pa.types.is_floating(t) or pa.types.is_integer(t)):
        raise BadRequest(f"vector column for '{name}' holds {kind}; a list of numbers is needed")
    lengths = np.asarray(pc.list_value_length(column).fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
    expected = dimensions or int(next((length for length in lengths if length > 0), 0))
    if not 1 <= expected <= MAX_DIMENSIONS:
        expected = dimensions or 1
    sound = lengths == expected
    rows = np.flatnonzero(sound)
    for number in np.flatnonzero(~sound).tolist():
        block.faults.setdefault(number, _length_fault(name, int(lengths[number]), expected))
    flat = column.filter(pa.array(sound)).flatten()
    if flat.null_count:
        flat = (
            flat.fill_null(float("nan"))
            if pa.types.is_floating(flat.type)
            else flat.cast(pa.float64()).fill_null(float("nan"))
        )
    with np.errstate(over="ignore"):
        matrix = flat.to_numpy(zero_copy_only=False).reshape(-1, expected).astype(np.float32)
    usable = (np.abs(matrix) <= MAX_MAGNITUDE).all(axis=1)
    for number in rows[~usable].tolist():
        block.faults.setdefault(number, f"vector '{name}' holds NaN, infinity, null or more than {MAX_MAGNITUDE:g}")
    if not usable.all():
        rows, matrix = rows[usable], matrix[usable]
    if len(rows):
        block.vectors[name] = (rows, matrix)


def _length_fault(name: str, length: int, expected: int) -> str:
    if length < 0:
        return f"vector '{name}' is null"
    return f"vector '{name}' has {length} numbers; {expected} are needed (1 to {MAX_DIMENSIONS} are possible)"


def _identity(value: Any, number: int, block: Block) -> str | None:
    """The id as text; a null or unusable one is the row's fault."""
    text = "" if value is None else str(value)
    if not 1 <= len(text) <= 255 or "/" in text or not text.isprintable():
        block.faults.setdefault(number, "the id is null, empty, over 255 characters, or holds '/' or controls")
        return None
    return text


def _flatten(row: dict[str, Any]) -> dict[str, Any]:
    """A column `metadata` that holds objects is the payload itself; other columns stand beside it."""
    inner = row.get("metadata")
    if not isinstance(inner, dict):
        return row
    return {**inner, **{key: value for key, value in row.items() if key != "metadata"}}


# -- NDJSON ---------------------------------------------------------------------------------------------------------


def _json_blocks(lines: BinaryIO, mapping: ColumnMap, spaces: Mapping[str, int]) -> Iterator[Block]:
    known = dict(spaces)
    held: list[bytes] = []
    size = 0
    while line := lines.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise BadRequest(f"a line is longer than {MAX_LINE} bytes: is the body NDJSON, one object a line?")
        if not line.strip():
            continue
        held.append(line)
        size += len(line)
        if len(held) == BLOCK_ROWS or size > BLOCK_BYTES:
            yield _json_block(held, mapping, known)
            held, size = [], 0
    if held:
        yield _json_block(held, mapping, known)


def _json_block(lines: Sequence[bytes], mapping: ColumnMap, known: dict[str, int]) -> Block:
    block = Block([None] * len(lines), [{} for _ in lines])
    vectors: dict[str, dict[int, Matrix]] = {}
    for number, line in enumerate(lines):
        try:
            for name, vector in _take_line(block, number, parse_json(line), mapping, known).items():
                vectors.setdefault(name, {})[number] = vector
        except (json.JSONDecodeError, BadDocument) as error:
            prefix = "not a JSON document: " if isinstance(error, json.JSONDecodeError) else ""
            block.faults.setdefault(number, f"{prefix}{error}")
    for name, by_row in vectors.items():
        block.vectors[name] = (np.array(list(by_row), np.int64), np.vstack(list(by_row.values())))
    return block


def _take_line(block: Block, number: int, row: Any, mapping: ColumnMap, known: dict[str, int]) -> dict[str, Matrix]:
    """Put a line's id and payload into the block; its vectors by name. Raises BadDocument."""
    if not isinstance(row, dict):
        raise BadDocument("not a JSON document: a line is an object")
    for column in mapping.skipped:
        row.pop(column, None)
    id_column = mapping.id_column or next((name for name in ID_COLUMNS if name in row), None)
    if id_column is not None:
        block.ids[number] = _identity(row.pop(id_column, None), number, block)
    named = row.pop("vectors", None)
    if named is not None and not isinstance(named, dict):
        raise BadDocument("'vectors' is an object: {name: numbers}")
    found = {vector_name(name): values for name, values in (named or {}).items()}
    if mapping.vectors:
        found.update({name: row.pop(column, None) for column, name in mapping.vectors.items()})
    else:
        for column in DEFAULT_COLUMNS:
            if column in row:
                found[BRING_YOUR_OWN] = row.pop(column)
    if len(found) > MAX_VECTORS:
        raise BadDocument(f"a document has at most {MAX_VECTORS} vectors")
    block.payloads[number] = _flatten(row)
    return {name: _line_vector(name, values, known) for name, values in found.items()}


def _line_vector(name: str, values: Any, known: dict[str, int]) -> Matrix:
    """A vector as (1, d); the first of its name says how long the others are."""
    if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
        raise BadDocument(f"vector '{name[:100]}' is not a list of numbers")
    if name not in known and len(known) >= MAX_SPACES:
        raise BadDocument(f"vector '{name[:100]}': a collection has at most {MAX_SPACES} names of vectors")
    vector = check_vector(values, name, known.get(name))
    known.setdefault(name, vector.shape[1])
    return vector
