"""Candidates by trigrams: the rows whose strings hold all of some parts, and some more on SQLite, whose index knows no
positions.
"""

import re
from collections.abc import Sequence

from sqlalchemy import Dialect

from coterie.listing.fragments import Rows, Sql

TRIGRAM = 3
_LITERAL, _ESCAPED = re.compile(r"[\\%_]"), r"\\\g<0>"


def with_trigrams(texts: Rows, parts: Sequence[str], dialect: Dialect) -> Rows | None:
    """Those of the rows of texts that may hold the parts; None if all of them are shorter than a trigram."""
    long = [part for part in parts if len(part) >= TRIGRAM]
    if not long:
        return None
    if dialect.name != "sqlite":
        return texts.where(*(Sql(f"{texts.table}.strings LIKE ?", (_like(part),)) for part in long))
    grams = dict.fromkeys(part[at : at + TRIGRAM] for part in long for at in range(len(part) - TRIGRAM + 1))
    wanted = " AND ".join('"' + gram.replace('"', '""') + '"' for gram in grams)
    hits = "SELECT rowid FROM cluster_trigrams WHERE cluster_trigrams MATCH ?"
    return texts.where(Sql(f"{texts.row_id} IN ({hits})", (wanted,)))


def _like(part: str) -> str:
    """The pattern of the texts that hold a part."""
    return f"%{_LITERAL.sub(_ESCAPED, part)}%"
