"""The texts that definitions are searched by, and SQLite's index of their trigrams, kept together.

PostgreSQL keeps its index itself. SQLite's (FTS5 without content) is told of each change, with the old text.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, delete, insert, select, text

from coterie.store.dialects import among
from coterie.store.tables import cluster_texts

_FORGET = text("INSERT INTO cluster_trigrams(cluster_trigrams, rowid, strings) VALUES ('delete', :row_id, :strings)")
_LEARN = text("INSERT INTO cluster_trigrams(rowid, strings) VALUES (:row_id, :strings)")


class Texts(NamedTuple):
    """What one definition is found by: a search looks in `search`; the trigrams are of `strings`."""

    row_id: int
    search: str
    strings: str


def write_texts(tx: Connection, namespace_id: str, rows: Sequence[Texts]) -> None:
    """Put the texts of a namespace's definitions in place of what was there."""
    erase_texts(tx, namespace_id, [row.row_id for row in rows])
    values = [{"namespace_id": namespace_id, **row._asdict()} for row in rows]
    if values:
        tx.execute(insert(cluster_texts), values)
        if tx.dialect.name == "sqlite":
            tx.execute(_LEARN, values)


def erase_texts(tx: Connection, namespace_id: str, row_ids: Sequence[int]) -> None:
    """Take the texts of a namespace's definitions out."""
    own = and_(cluster_texts.c.namespace_id == namespace_id, among(tx, cluster_texts.c.row_id, row_ids))
    if tx.dialect.name == "sqlite":
        present = select(cluster_texts.c.row_id, cluster_texts.c.strings).where(own)
        if old := [row._asdict() for row in tx.execute(present)]:
            tx.execute(_FORGET, old)
    tx.execute(delete(cluster_texts).where(own))
