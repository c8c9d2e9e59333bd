"""CSV as batches of Arrow, whose cells that hold lists of numbers are vectors.

The first line names the columns. A column's type is what its first cells are, but for ids and vectors, which are told.
"""

from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv as pc

BLOCK_BYTES = 8 * 1024 * 1024
"""Of text that is read at once, from the first of which types are told; a row is no longer than this."""

CSV = ("text/csv", "application/csv")


def read_csv(path: Path, texts: Collection[str], vectors: Collection[str]) -> Iterator[pa.RecordBatch]:
    """The file's rows. `texts` are columns that stay as they are written, an id of `007` among them; `vectors` hold
    lists such as `[0.1, 0.2]`, and without them every column does whose first cell is one. A cell of a vector column
    that is no list of numbers is null. Raises ArrowInvalid.
    """
    reader = pc.open_csv(
        path,
        pc.ReadOptions(block_size=BLOCK_BYTES),
        pc.ParseOptions(newlines_in_values=True),
        pc.ConvertOptions(column_types={name: pa.string() for name in (*texts, *vectors)}),
    )
    first = next(reader, None)
    if first is None:
        return
    found = vectors or [name for name in _once(first.schema) if _looks_like_vectors(first.column(name))]
    for batch in chain([first], reader):
        yield _with_vectors(batch, found)


def _once(schema: pa.Schema) -> list[str]:
    return [name for name in schema.names if schema.names.count(name) == 1]


def _looks_like_vectors(column: pa.Array) -> bool:
    first = column.drop_null()[:1].to_pylist() if pa.types.is_string(column.type) else []
    return bool(first) and first[0].startswith("[") and bool(_numbers(first[0]))


def _with_vectors(batch: pa.RecordBatch, vectors: Collection[str]) -> pa.RecordBatch:
    columns = [
        pa.array([_numbers(cell) for cell in column.to_pylist()], pa.list_(pa.float64())) if name in vectors else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _numbers(cell: str | None) -> list[float] | None:
    try:
        values: Any = orjson.loads(cell or "null")
    except orjson.JSONDecodeError:
        return None
    numbers = isinstance(values, list) and all(type(value) in (int, float) for value in values)
    return [float(value) for value in values] if numbers else None
