"""A store in memory that answers one list request in three ways: the reference and the two kinds of SQL."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, StaticPool, bindparam, create_engine, delete, event, insert

from coterie.listing.evaluate import select
from coterie.listing.field_index import FieldIndex
from coterie.listing.fields import rows_for, search_text
from coterie.listing.functions import register
from coterie.listing.sql import Source, compile_list
from coterie.listing.syntax import parse_list
from coterie.listing.tree import Listable, ListQuery
from coterie.store.tables import clusters, fields, metadata

PROFILE = Listable("cluster_name", "cluster_id")
NAMESPACE = "ns_a"
TENANT = {"namespace_id": NAMESPACE}

_OWN = clusters.c.namespace_id == bindparam("namespace_id")
_COLUMNS = {"created_at": clusters.c.created_at, "cluster_id": clusters.c.id}
JSON_ROWS = Source(clusters, clusters.c.pk, clusters.c.id, clusters.c.resource, _OWN, _COLUMNS)
INDEXED = Source(
    clusters,
    clusters.c.pk,
    clusters.c.id,
    clusters.c.resource,
    _OWN,
    _COLUMNS,
    clusters.c.search_text,
    FieldIndex(fields, "cluster", fields.c.namespace_id == bindparam("namespace_id")),
)


def searched(resource: Mapping[str, Any]) -> str:
    """The search text of these tests' resources: name and description."""
    parts = (resource.get("cluster_name"), resource.get("description"))
    return search_text(part for part in parts if isinstance(part, str))


def definition(number: int, **members: Any) -> dict[str, Any]:
    """A resource with what every resource has; created a second apart."""
    moment = f"2025-01-01T00:{number // 60 % 60:02}:{number % 60:02}.000000Z"
    return {"cluster_id": f"clust_{number:05}", "cluster_name": f"c{number}", "created_at": moment, **members}


class Store:
    """One SQLite connection with the real tables. Close it when done."""

    def __init__(self) -> None:
        self.engine = create_engine("sqlite://", poolclass=StaticPool)
        event.listen(self.engine, "connect", lambda connection, _record: register(connection))
        metadata.create_all(self.engine)
        self.resources: Sequence[dict[str, Any]] = ()

    def fill(self, resources: Sequence[dict[str, Any]]) -> None:
        """Hold these resources, and the same ones again in a neighbour's namespace."""
        self.resources = resources
        with self.engine.begin() as connection:
            for table in (clusters, fields):
                connection.execute(delete(table))
            for namespace in (NAMESPACE, "ns_b"):
                _insert(connection, namespace, resources)

    def ask(self, query: ListQuery, source: Source) -> tuple[list[str], int]:
        """The ids of the page and the total."""
        statements = compile_list(query, source, TENANT)
        with self.engine.connect() as connection:
            page = connection.scalars(statements.page, statements.parameters).all()
            total = connection.scalar(statements.count, statements.parameters)
        assert total is not None
        return [_identified(orjson.loads(text)) for text in page], total

    def reference(self, query: ListQuery) -> tuple[list[str], int]:
        """What `ask` must answer."""
        rows = [_identified(row) for row in select(query, self.resources, _identified, searched)]
        return rows[query.offset : query.offset + query.limit], len(rows)

    def agreed(self, body: object) -> list[str]:
        """The ids that a request gets, the same from all three; the JSON rows are not asked to search."""
        query = parse_list(body, profile=PROFILE)
        expected = self.reference(query)
        assert self.ask(query, INDEXED) == expected
        if not query.words:
            assert self.ask(query, JSON_ROWS) == expected
        return expected[0]

    def holds(self, resource: dict[str, Any], filters: object) -> bool:
        """Whether the one resource satisfies the filters, by agreement of all three."""
        self.fill([definition(1, **resource)])
        return bool(self.agreed({"filters": filters}))


def _identified(resource: Any) -> str:
    identifier: str = resource["cluster_id"]
    return identifier


def _insert(connection: Connection, namespace: str, resources: Sequence[dict[str, Any]]) -> None:
    for resource in resources:
        row = {
            "id": resource["cluster_id"] if namespace == NAMESPACE else f"{namespace}{resource['cluster_id']}",
            "namespace_id": namespace,
            "name": resource["cluster_id"],
            "resource": orjson.dumps(resource).decode(),
            "search_text": searched(resource),
            "status": "ready",
            "created_at": resource["created_at"],
        }
        pk = connection.execute(insert(clusters).values(row)).inserted_primary_key
        assert pk is not None
        of_row = {"namespace_id": namespace, "row_id": pk[0]}
        for kind, content in (("cluster", resource), ("other", {"number": 7, "word": "x"})):
            rows = [{**of_row, "kind": kind, **field._asdict()} for field in rows_for(content, PROFILE)]
            connection.execute(insert(fields), rows)
