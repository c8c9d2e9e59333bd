"""The records as Parquet files, a table each, the same for both stores: a copy from one can be read into the other.

What follows from other records (the indexes of fields, of words and of texts) is left out and made anew.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Boolean, Column, Connection, Float, Integer, Table, func, insert, select

from coterie.store.dialects import go_on_after, last_key
from coterie.store.storage import Storage
from coterie.store.tables import (
    cluster_fields,
    cluster_terms,
    cluster_texts,
    document_fields,
    documents,
    metadata,
    paths,
    settings,
    sign_in_links,
    workers,
)

ROWS = 5_000
LEFT_OUT = {
    *(cluster_fields, cluster_terms, cluster_texts, document_fields, paths),
    *(settings, sign_in_links, workers),
}
"""Indexes, and what is of this store and moment alone."""

TABLES = [table for table in metadata.sorted_tables if table not in LEFT_OUT]
"""What is copied, each table after those that it refers to."""


def save_records(tx: Connection, target: Storage) -> dict[str, int]:
    """The rows of one state of the store to files; how many each table had, and the last key of the documents."""
    counts = {}
    with TemporaryDirectory(prefix="coterie-backup-") as folder:
        for table in TABLES:
            written = Path(folder) / table.name
            written.touch(mode=0o600)  # it may hold secrets that sign
            counts[str(table.name)] = _save(tx, table, written)
            target.publish(_key(table), written)
    return {**counts, "last_document": last_key(tx, documents)}


def load_records(tx: Connection, source: Storage, last_document: int) -> None:
    """The rows of all files into the empty tables of a store. Keys that a document once had are not given again."""
    for table in TABLES:
        with source.open(_key(table)) as file:
            for batch in pq.ParquetFile(file).iter_batches(ROWS):
                tx.execute(insert(table), batch.to_pylist())
    for table in TABLES:
        if "pk" in table.c:
            go_on_after(tx, table, last_document if table is documents else 0)


def is_empty(tx: Connection) -> bool:
    """Whether a store has no records yet."""
    return not any(tx.scalar(select(func.count()).select_from(table)) for table in TABLES)


def _save(tx: Connection, table: Table, path: Path) -> int:
    schema = pa.schema([pa.field(column.name, _type(column)) for column in table.c])
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in _batches(tx, table):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            rows += len(batch)
    return rows


def _batches(tx: Connection, table: Table) -> Iterator[list[dict[str, object]]]:
    found = tx.execution_options(yield_per=ROWS).execute(select(table).order_by(*table.primary_key))
    for partition in found.mappings().partitions():
        yield [dict(row) for row in partition]


def _type(column: Column[object]) -> pa.DataType:
    if isinstance(column.type, Boolean):
        return pa.bool_()
    if isinstance(column.type, Integer):
        return pa.int64()
    return pa.float64() if isinstance(column.type, Float) else pa.string()


def _key(table: Table) -> str:
    return f"records/{table.name}.parquet"
