"""Stores that answer one list request by the reference, by the field index and by looking at every row."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, delete, func, insert, select, text

from coterie.listing import lookup
from coterie.listing.answer import Listed, run_list, write_answer
from coterie.listing.evaluate import select as select_by_reference
from coterie.listing.field_index import FieldIndex, erase_fields, write_fields
from coterie.listing.fields import all_strings, rows_for, search_text
from coterie.listing.sql import Source
from coterie.listing.syntax import parse_list
from coterie.listing.terms import erase_terms, terms_of, write_terms
from coterie.listing.texts import Texts, erase_texts, write_texts
from coterie.listing.tree import Listable, ListQuery
from coterie.store.db import Db
from coterie.store.tables import cluster_fields, cluster_texts, clusters, metadata, namespaces, organizations

PROFILE = Listable("cluster_name", "cluster_id")
NAMESPACE, NEIGHBOUR = "ns_a", "ns_b"
TENANT = {"namespace_id": NAMESPACE}

_OWN = clusters.c.namespace_id == bindparam("namespace_id")
_ROWS = (clusters, clusters.c.pk, clusters.c.id, clusters.c.created_at, clusters.c.resource, _OWN)
INDEX = FieldIndex(cluster_fields, "namespace_id", complete=True, texts=cluster_texts, untexted=PROFILE.timestamps)
INDEXED = Source(*_ROWS, cluster_texts.c.search, INDEX)
NARROWED = Source(*_ROWS, clusters.c.run_text, FieldIndex(cluster_fields, "namespace_id", complete=False))
ROWS = Source(*_ROWS, clusters.c.run_text)
SOURCES = {"indexed": INDEXED, "narrowed": NARROWED, "rows": ROWS}


def searched(resource: Mapping[str, Any]) -> str:
    """The search text of these tests' resources: name and description."""
    parts = (resource.get("cluster_name"), resource.get("description"))
    return search_text(part for part in parts if isinstance(part, str))


def definition(number: int, **members: Any) -> dict[str, Any]:
    """A resource with what every resource has; created a second apart."""
    moment = f"2025-01-01T00:{number // 60 % 60:02}:{number % 60:02}.000000Z"
    return {"cluster_id": f"clust_{number:05}", "cluster_name": f"c{number}", "created_at": moment, **members}


@contextmanager
def thresholds(few: int, many: int) -> Iterator[None]:
    """Let the planner take that many rows for few and for many, so that six rows go the ways of a million."""
    before = lookup.FEW, lookup.MANY
    lookup.FEW, lookup.MANY = few, many
    try:
        yield
    finally:
        lookup.FEW, lookup.MANY = before


class Store:
    """The real tables on one store. Close it when done."""

    def __init__(self, db: Db) -> None:
        self.db = db
        with db.write() as tx:
            metadata.create_all(tx)
            tx.execute(
                insert(organizations).values(id="org", internal_id="int", name="o", metadata="{}", created_at="")
            )
            for namespace in (NAMESPACE, NEIGHBOUR):
                tx.execute(
                    insert(namespaces).values(
                        id=namespace,
                        org_id="org",
                        name=namespace,
                        resource="{}",
                        search_text="",
                        created_at="",
                        deleting=False,
                    )
                )
        self.resources: Sequence[dict[str, Any]] = ()

    def fill(self, resources: Sequence[dict[str, Any]]) -> None:
        """Hold these resources, and the same ones again in a neighbour's namespace."""
        self.resources = resources
        with self.db.write() as tx:
            pks = tx.scalars(select(clusters.c.pk)).all()
            erase_fields(tx, cluster_fields, pks)
            erase_terms(tx, pks)
            for namespace in (NEIGHBOUR, NAMESPACE):
                erase_texts(tx, namespace, pks)
            tx.execute(delete(clusters))
            tx.execute(text("DELETE FROM paths"))
            for namespace in (NEIGHBOUR, NAMESPACE):
                _insert(tx, namespace, resources)

    def ask(self, query: ListQuery, source: Source) -> tuple[list[str], int]:
        """The ids of the page and the total."""
        listed = self.listed(query, source)
        return [orjson.loads(row)["cluster_id"] for row in listed.results], listed.total

    def listed(self, query: ListQuery, source: Source) -> Listed:
        with self.db.read() as tx:
            return run_list(tx, query, source, TENANT)

    def next_cursor(self, body: dict[str, Any], source: Source) -> tuple[list[str], str | None]:
        """The ids of a page and the cursor of the next."""
        query = parse_list(body, profile=PROFILE)
        answer = orjson.loads(write_answer(self.listed(query, source), query, "/", PROFILE))
        return [row["cluster_id"] for row in answer["results"]], answer["pagination"]["next_cursor"]

    def reference(self, query: ListQuery) -> tuple[list[str], int]:
        """What `ask` must answer."""
        rows = [row["cluster_id"] for row in select_by_reference(query, self.resources, _identified, searched)]
        return rows[query.offset : query.offset + query.limit], len(rows)

    def agreed(self, body: object) -> list[str]:
        """The ids that a request gets, the same by every way."""
        query = parse_list(body, profile=PROFILE)
        expected = self.reference(query)
        for name, source in SOURCES.items():
            assert (name, self.ask(query, source)) == (name, expected)
        with thresholds(few=1, many=1):
            assert ("indexed, as for many rows", self.ask(query, INDEXED)) == ("indexed, as for many rows", expected)
        return expected[0]

    def holds(self, resource: dict[str, Any], filters: object) -> bool:
        """Whether the one resource satisfies the filters, by agreement of all."""
        self.fill([definition(1, **resource)])
        return bool(self.agreed({"filters": filters}))


def _identified(resource: Mapping[str, Any]) -> str:
    identifier: str = resource["cluster_id"]
    return identifier


def _insert(tx: Connection, namespace: str, resources: Sequence[dict[str, Any]]) -> None:
    first = (tx.scalar(select(func.max(clusters.c.pk))) or 0) + 1
    rows = [
        {
            "pk": first + number,
            "id": resource["cluster_id"] if namespace == NAMESPACE else f"{namespace}{resource['cluster_id']}",
            "namespace_id": namespace,
            "name": resource["cluster_id"],
            "resource": orjson.dumps(resource).decode(),
            "run_text": searched(resource),
            "status": "ready",
            "created_at": resource["created_at"],
        }
        for number, resource in enumerate(resources)
    ]
    if rows:
        tx.execute(insert(clusters), rows)
        found = [(first + number, list(rows_for(resource, PROFILE))) for number, resource in enumerate(resources)]
        known = write_fields(tx, cluster_fields, namespace, found)
        path_ids = {path: each.id for path, each in known.items() if path not in INDEX.untexted}
        write_terms(tx, [(pk, terms_of(rows, path_ids)) for pk, rows in found])
        texts = [
            Texts(first + number, searched(resource), all_strings(resource, PROFILE.timestamps))
            for number, resource in enumerate(resources)
        ]
        write_texts(tx, namespace, texts)
