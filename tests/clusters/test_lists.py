"""Lists of definitions over the API: cursors while rows come and go, order, time limits, the index made anew."""

from typing import Any

import pytest
from sqlalchemy import Connection, func, select
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.app import create_app
from coterie.clusters.service import reindex
from coterie.kit.clock import ManualClock, iso, parse_iso
from coterie.kit.ids import ordered_id
from coterie.store.db import Db
from coterie.store.tables import cluster_fields, cluster_terms, cluster_texts
from coterie.store.tables import settings as facts
from support import add_cluster, add_collection

LIST = "/v1/clusters/list"


@pytest.fixture
def many(client: TestClient) -> list[str]:
    """The names of definitions, in the order they were made."""
    add_collection(client)
    names = [f"c{number:02}" for number in range(12)]
    for name in names:
        add_cluster(client, name, metadata={"team": name[-1]})
    return names


def names_of(answer: Any) -> list[str]:
    return [row["cluster_name"] for row in answer["results"]]


@pytest.mark.parametrize("sort", [None, {"field": "name"}, {"field": "metadata.team", "direction": "desc"}])
def test_a_cursor_goes_on_where_the_page_ended_whatever_comes_and_goes(
    client: TestClient, many: list[str], sort: Any
) -> None:
    whole = names_of(client.post(LIST, json={"sort": sort, "limit": 100}).json())
    first = client.post(LIST, json={"sort": sort, "limit": 5}).json()
    add_cluster(client, "a new one", metadata={"team": "0"})
    client.delete(f"/v1/clusters/{whole[4]}")
    cursor, got = first["pagination"]["next_cursor"], names_of(first)
    while cursor is not None:
        page = client.post(LIST, json={"sort": sort, "limit": 3, "cursor": cursor}).json()
        got, cursor = got + names_of(page), page["pagination"]["next_cursor"]
    assert [name for name in got if name != "a new one"] == whole
    assert len(got) == len(set(got))


def test_a_cursor_is_for_its_own_request(client: TestClient, many: list[str]) -> None:
    cursor = client.post(LIST, json={"limit": 5}).json()["pagination"]["next_cursor"]
    for body in (
        {"cursor": cursor, "search": "c0"},
        {"cursor": cursor, "sort": {"field": "name"}},
        {"cursor": cursor, "offset": 5},
        {"cursor": "nonsense"},
        {"cursor": "x" * 10_000},
        {"cursor": 7},
    ):
        refused = client.post(LIST, json=body)
        assert refused.status_code == 422, body
        assert refused.json()["detail"][0]["loc"] == ["body", "cursor"]
    assert names_of(client.post(LIST, json={"limit": 1, "cursor": cursor}).json()) == ["c06"]


def test_rows_keep_their_order_though_a_clock_goes_back(client: TestClient, services: Services) -> None:
    add_collection(client)
    clock = ManualClock(parse_iso("2030-01-01T00:00:00.000000Z"))
    object.__setattr__(services, "clock", clock)
    made = [add_cluster(client, name) for name in "ab"]
    clock.advance(parse_iso("2029-01-01T00:00:00.000000Z") - clock.now())
    made.append(add_cluster(client, "c"))
    moments = [row["created_at"] for row in made]
    assert moments == sorted(set(moments))
    assert [row["cluster_id"] for row in made] == sorted(row["cluster_id"] for row in made)
    assert names_of(client.post(LIST).json()) == ["c", "b", "a"]
    assert names_of(client.post(LIST, json={"filters": {"cluster_type": "vector"}}).json()) == ["c", "b", "a"]


def test_ordered_ids_sort_by_their_moment() -> None:
    moments = [iso(parse_iso(f"20{year}-03-01T00:00:00.00000{digit}Z")) for year in (25, 26, 84) for digit in range(3)]
    ids = [ordered_id("clust", moment) for moment in moments]
    assert ids == sorted(ids)
    assert {len(identity) for identity in ids} == {len("clust_") + 20}


def test_an_index_of_other_rules_is_made_anew(client: TestClient, services: Services, many: list[str]) -> None:
    def rows() -> list[int | None]:
        with services.db.read() as tx:
            return [
                tx.scalar(select(func.count()).select_from(table))
                for table in (cluster_fields, cluster_texts, cluster_terms)
            ]

    whole = rows()
    with services.db.write() as tx:
        tx.execute(cluster_fields.delete())
        tx.execute(facts.update().values(value="1, Unicode 1.0"))
    reindex(services.db)
    assert rows() == whole
    assert names_of(client.post(LIST, json={"filters": {"metadata.team": "7"}}).json()) == ["c07"]
    assert names_of(client.post(LIST, json={"search": "C11"}).json()) == ["c11"]


SLOW = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1e9) SELECT max(i) FROM n",
    "postgresql": "SELECT pg_sleep(60)",
}


def test_a_list_that_takes_too_long_is_refused_and_leaves_the_store_usable(
    services: Services, auth: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, db = services.db, Db(services.db.location, statement_seconds=0.2)
    object.__setattr__(services, "db", db)

    def slow(tx: Connection, *_: Any) -> Any:
        return tx.exec_driver_sql(SLOW[tx.dialect.name]).scalar()

    with TestClient(create_app(services), headers=auth, raise_server_exceptions=False) as client:
        monkeypatch.setattr("coterie.clusters.queries.run_list", slow)
        refused = [client.post(LIST, json={"search": "x"}) for _ in range(3)]
        assert {answer.status_code for answer in refused} == {400}
        assert "time limit" in refused[0].json()["error"]["message"]
        monkeypatch.undo()
        assert client.post(LIST, json={"search": "x"}).status_code == 200
        assert client.post("/v1/collections", json={"collection_name": "things"}).status_code == 200
    db.close()
    object.__setattr__(services, "db", own)


def test_a_look_through_all_rows_has_an_end(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    add_collection(client)
    monkeypatch.setattr("coterie.listing.scan.SECONDS", -1.0)
    refused = client.post("/v1/collections/things/documents/list", json={"filters": {"metadata.text": "x"}})
    assert refused.status_code == 400
    assert "payload_indexes" in refused.json()["error"]["message"]
