"""Terms: the short values of a resource and the words of its strings, each with the number of its path.

An index from terms to resources (FTS5 without positions; GIN on PostgreSQL, which keeps its own) goes through two lists
of row ids side by side. So an AND of values that are common each, and the words of a text, take a tenth to a hundredth
of what a walk along one and a look-up in the other would. A path's number belongs to one scope, and so does a term.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Dialect, delete, insert, select, text

from coterie.listing.field_index import Path
from coterie.listing.fields import FieldRow
from coterie.listing.fragments import Rows, Sql
from coterie.listing.tree import Condition, Pair
from coterie.listing.values import words
from coterie.store.dialects import among
from coterie.store.tables import cluster_terms

LONGEST = 24
"""Characters: a longer string has no term of its own, and of a longer word the term is that of its beginning. Nor has a
number that is no integer: what is measured is asked for by range, and would be a term for each resource.
"""

MOST = 100
"""Values of one condition that terms are asked for."""

_LARGEST = 2**63
_FORGET = text("INSERT INTO cluster_postings(cluster_postings, rowid, terms) VALUES ('delete', :row_id, :terms)")
_LEARN = text("INSERT INTO cluster_postings(rowid, terms) VALUES (:row_id, :terms)")

Groups = tuple[tuple[str, ...], ...]
"""Terms of which a resource has at least one of every group."""


def terms_of(rows: Iterable[FieldRow], path_ids: dict[str, int]) -> list[str]:
    """The terms of a resource, each once, by its rows in the field index."""
    terms: dict[str, None] = {}
    for row in rows:
        path_id = path_ids.get(row.path)
        if path_id is None:
            continue
        if row.type in ("n", "b") and (term := _value(path_id, (row.type, row.num))):  # type: ignore[arg-type]
            terms[term] = None
        elif row.folded is not None:
            whole = row.folded if row.whole_folded is None else row.whole_folded
            terms.update(dict.fromkeys(_of_string(path_id, whole)))
    return list(terms)


def wanted_terms(condition: Condition, path: Path) -> tuple[Groups, bool] | None:
    """Which terms a resource has that satisfies the condition, and whether one that has them always does; None for a
    condition that terms say nothing of.
    """
    if condition.instant:
        return None
    value: Any = condition.value
    if condition.operator == "text" and not condition.case_sensitive:
        return _of_words(path.id, value), False
    if condition.operator != "in" or not 0 < len(value) <= MOST:
        return None
    if condition.case_sensitive and any(kind == "s" for kind, _ in value):
        return None
    found = [_value(path.id, pair) for pair in value]
    return None if None in found else ((tuple(sorted(filter(None, found))),), True)


def having(groups: Groups, dialect: Dialect, alias: str) -> Rows:
    """The row ids of the resources that have terms of every group: on SQLite in their order."""
    if dialect.name == "sqlite":
        match = " AND ".join("(" + " OR ".join(f'"{term}"' for term in group) + ")" for group in groups)
        clause = Sql(f"{alias}.cluster_postings MATCH ?", (match,))
        return Rows(f"{alias}.rowid", Sql(f"cluster_postings AS {alias}"), (clause,))
    needed = [group[0] for group in groups if len(group) == 1]
    clauses = [Sql(f"{alias}.terms && CAST(? AS text[])", (list(group),)) for group in groups if len(group) > 1]
    if needed:
        clauses.append(Sql(f"{alias}.terms @> CAST(? AS text[])", (needed,)))
    return Rows(f"{alias}.row_id", Sql(f"cluster_terms AS {alias}"), tuple(clauses))


def write_terms(tx: Connection, terms: Sequence[tuple[int, Sequence[str]]]) -> None:
    """Put the terms of resources, by their row ids, in place of what was there."""
    erase_terms(tx, [row_id for row_id, _ in terms])
    if not terms:
        return
    if tx.dialect.name == "sqlite":
        values: list[dict[str, Any]] = [{"row_id": row_id, "terms": " ".join(own)} for row_id, own in terms]
        tx.execute(_LEARN, values)
    else:
        values = [{"row_id": row_id, "terms": list(own)} for row_id, own in terms]
    tx.execute(insert(cluster_terms), values)


def erase_terms(tx: Connection, row_ids: Sequence[int]) -> None:
    """Take the terms of resources out."""
    own = among(tx, cluster_terms.c.row_id, row_ids)
    if tx.dialect.name == "sqlite":
        present = tx.execute(select(cluster_terms).where(own))
        if old := [row._asdict() for row in present]:
            tx.execute(_FORGET, old)
    tx.execute(delete(cluster_terms).where(own))


def _of_string(path_id: int, folded: str) -> Iterator[str]:
    short = len(folded) <= LONGEST
    if short:
        yield _term(path_id, "s", folded)
    found = words(folded)
    if not short or found != {folded}:  # a string that is its own only word is found by its term
        yield from (_term(path_id, "w", word) for word in sorted(found))


def _of_words(path_id: int, wanted: Sequence[str]) -> Groups:
    if len(wanted) == 1 and len(wanted[0]) <= LONGEST:
        return ((_term(path_id, "w", wanted[0]), _term(path_id, "s", wanted[0])),)
    return tuple((_term(path_id, "w", word),) for word in wanted)


def _value(path_id: int, pair: Pair) -> str | None:
    """The term of a value, the same for numbers that are equal; None if it has none."""
    kind, value = pair
    if isinstance(value, str):
        return _term(path_id, "s", value) if len(value) <= LONGEST else None
    if value is None or not -_LARGEST < value < _LARGEST or value != int(value):
        return None
    return _term(path_id, kind, str(int(value)))


def _term(path_id: int, mark: str, value: str) -> str:
    """Only letters, digits and `_.-~%`: what the index of SQLite takes for one term."""
    return f"{path_id}{mark}{quote(value[:LONGEST], safe='')}"
