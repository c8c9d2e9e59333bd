"""Indexes on payload fields: made when they are declared, kept by every write, and used."""

from typing import Any

import pytest
from sqlalchemy import event, func, select
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.documents.queries import INDEX
from coterie.documents.upkeep import finish_indexes
from coterie.store.tables import document_fields, documents, paths

LIST = "/v1/collections/things/documents/list"


def declare(client: TestClient, *names: str) -> None:
    indexes = [{"field_name": name, "type": "keyword"} for name in names]
    changed = client.put("/v1/namespaces/default", json={"payload_indexes": indexes})
    assert changed.status_code == 200, changed.text


def put(client: TestClient, identity: str, **metadata: Any) -> None:
    body = {"document_id": identity, "metadata": metadata}
    assert client.post("/v1/collections/things/documents", json=body).status_code == 200


def found(client: TestClient, filters: Any) -> list[str]:
    answer = client.post(LIST, json={"filters": filters, "sort": {"field": "document_id"}, "limit": 100})
    assert answer.status_code == 200, answer.text
    return [row["document_id"] for row in answer.json()["results"]]


def indexed(services: Services) -> int:
    with services.db.read() as tx:
        return tx.scalar(select(func.count()).select_from(document_fields)) or 0


@pytest.fixture(params=["before", "after"])
def filled(client: TestClient, request: pytest.FixtureRequest) -> None:
    """Documents, with the index declared before or after they are written."""
    if request.param == "before":
        declare(client, "team", "deep.n")
    client.post("/v1/collections", json={"collection_name": "things"})
    for number in range(30):
        put(client, f"d{number:02}", team=f"team {number % 3}", deep={"n": number}, tags=["x", number])
    if request.param == "after":
        declare(client, "team", "deep.n")


@pytest.mark.usefixtures("filled")
def test_an_index_is_made_kept_and_dropped(client: TestClient, services: Services) -> None:
    assert indexed(services) == 60
    put(client, "d00", team="other")
    assert indexed(services) == 59
    client.patch(f"{LIST.removesuffix('/list')}/d01", json={"metadata": {"team": "other", "deep": {"n": 1.5}}})
    assert found(client, {"metadata.team": "other"}) == ["d00", "d01"]
    assert found(client, {"metadata.deep.n": 1.5}) == ["d01"]
    client.delete(f"{LIST.removesuffix('/list')}/d01")
    assert indexed(services) == 57
    declare(client, "team")
    assert indexed(services) == 29
    declare(client)
    assert indexed(services) == 0
    assert found(client, {"metadata.team": "other"}) == ["d00"]


@pytest.mark.usefixtures("filled")
def test_filters_mean_the_same_with_an_index(client: TestClient) -> None:
    at_least = {"field": "metadata.deep.n", "operator": "gte", "value": 20}
    asked: list[Any] = [
        {"metadata.team": "TEAM 1"},
        {"AND": [{"metadata.team": "team 1"}, at_least]},
        {"AND": [{"metadata.team": "team 1"}, {"metadata.tags": 22}]},
        {"OR": [{"metadata.team": "team 1"}, {"metadata.tags": 21}]},
        {"NOT": [{"metadata.team": "team 1"}]},
        {"metadata.team": None},
        {"AND": [{"field": "metadata.team", "operator": "regex", "value": "[12]$"}, at_least]},
    ]
    with_index = [found(client, filters) for filters in asked]
    declare(client)
    assert [found(client, filters) for filters in asked] == with_index
    assert [len(ids) for ids in with_index] == [10, 3, 1, 11, 20, 0, 7]


@pytest.mark.usefixtures("filled")
def test_the_index_is_used(client: TestClient, services: Services) -> None:
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "documents.resource" in statement and "document_fields" in statement:
            seen.append((statement, parameters))

    event.listen(services.db.engine, "before_cursor_execute", note)
    assert found(client, {"metadata.team": "team 1", "metadata.tags": 22}) == ["d22"]
    event.remove(services.db.engine, "before_cursor_execute", note)
    [(statement, parameters)] = seen
    with services.db.read() as tx:
        if tx.dialect.name == "sqlite":
            steps = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).scalars().all()
            shown = str([row[3] for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)])
            assert steps
        else:
            tx.exec_driver_sql("SET LOCAL enable_seqscan = off")  # thirty rows are not worth an index otherwise
            shown = str(tx.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars().all())
    assert "ix_document_fields_folded" in shown


def test_an_unfinished_index_is_not_used_and_is_finished_later(client: TestClient, services: Services) -> None:
    client.post("/v1/collections", json={"collection_name": "things"})
    put(client, "d1", team="a")
    declare(client, "team")
    with services.db.write() as tx:
        tx.execute(paths.update().values(ready=False))
        tx.execute(document_fields.delete())
    assert found(client, {"metadata.team": "a"}) == ["d1"]
    finish_indexes(services)
    assert indexed(services) == 1
    with services.db.read() as tx:
        assert tx.scalars(select(paths.c.ready)).all() == [True]
    assert INDEX.complete is False


def test_a_deleted_collection_leaves_nothing_in_the_index(client: TestClient, services: Services) -> None:
    declare(client, "team")
    client.post("/v1/collections", json={"collection_name": "things"})
    put(client, "d1", team="a")
    client.delete("/v1/collections/things")
    with services.db.read() as tx:
        left = [tx.scalar(select(func.count()).select_from(table)) for table in (document_fields, paths, documents)]
    assert left == [0, 0, 0]
