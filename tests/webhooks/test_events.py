"""The outbox: an event is there if and only if its change is."""

from typing import Any

import orjson
import pytest
from sqlalchemy import event, insert, select

from coterie.api.context import Services
from coterie.store.tables import namespaces, organizations, webhook_deliveries, webhooks
from coterie.tenancy.bootstrap import create_organization
from coterie.webhooks.events import MAX_IDS, emit, emit_many

NOW = "2026-01-01T00:00:00.000000Z"


@pytest.fixture
def namespace(services: Services) -> str:
    with services.db.read() as tx:
        found = tx.scalar(select(namespaces.c.id))
    assert found is not None
    return found


def add_webhook(
    services: Services, name: str, types: list[str], *, org: str | None = None, active: bool = True, channels: int = 1
) -> str:
    with services.db.write() as tx:
        secret = {"signing": "s", "channels": [{"number": n, "channel": "webhook"} for n in range(channels)]}
        tx.execute(
            insert(webhooks).values(
                id=f"wh_{name}",
                org_id=org or tx.scalar(select(organizations.c.id)),
                name=name,
                secret=orjson.dumps(secret).decode(),
                active=active,
                resource=orjson.dumps({"event_types": types}).decode(),
                created_at=NOW,
            )
        )
    return f"wh_{name}"


def outbox(services: Services) -> list[dict[str, Any]]:
    with services.db.read() as tx:
        rows = tx.execute(select(webhook_deliveries).order_by(webhook_deliveries.c.pk)).mappings().all()
    return [dict(row) for row in rows]


def test_each_channel_of_each_webhook_that_asks_is_told_of_one_event(services: Services, namespace: str) -> None:
    add_webhook(services, "both", ["cluster.created", "cluster.deleted"], channels=2)
    add_webhook(services, "one", ["cluster.created"])
    add_webhook(services, "other", ["cluster.updated"])
    add_webhook(services, "asleep", ["cluster.created"], active=False)
    with services.db.write() as tx:
        emit(tx, namespace, "cluster.created", {"cluster_id": "clust_1"}, NOW)
    rows = outbox(services)
    assert [(row["webhook_id"], row["channel"]) for row in rows] == [("wh_both", 0), ("wh_both", 1), ("wh_one", 0)]
    sent = orjson.loads(rows[0]["event"])
    assert {row["event"] for row in rows} == {rows[0]["event"]}
    assert sent == {
        "event_id": sent["event_id"],
        "event_type": "cluster.created",
        "created_at": NOW,
        "namespace_id": namespace,
        "data": {"cluster_id": "clust_1"},
    }
    assert {(row["status"], row["attempts"], row["next_at"]) for row in rows} == {("pending", 0, NOW)}
    assert orjson.loads(rows[1]["resource"])["event_id"] == sent["event_id"]


def test_what_is_rolled_back_is_not_told(services: Services, namespace: str) -> None:
    add_webhook(services, "one", ["cluster.created"])

    def change() -> None:
        with services.db.write() as tx:
            emit(tx, namespace, "cluster.created", {}, NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change()
    assert outbox(services) == []


def test_another_organization_is_not_told(services: Services, namespace: str) -> None:
    with services.db.write() as tx:
        other = create_organization(tx, "other", NOW)
    add_webhook(services, "theirs", ["cluster.created"], org=other)
    with services.db.write() as tx:
        emit(tx, namespace, "cluster.created", {}, NOW)
    assert outbox(services) == []


def test_without_webhooks_an_event_costs_one_select(services: Services, namespace: str) -> None:
    statements: list[str] = []
    with services.db.write() as tx:
        event.listen(tx, "before_cursor_execute", lambda *args: statements.append(args[2]))
        emit(tx, namespace, "object.created", {}, NOW)
    assert len(statements) == 1


def test_a_type_that_does_not_exist_is_a_mistake_of_ours(services: Services, namespace: str) -> None:
    with pytest.raises(ValueError, match=r"cluster\.burnt"), services.db.write() as tx:
        emit(tx, namespace, "cluster.burnt", {}, NOW)


def test_many_things_are_one_event_that_names_some_of_them(services: Services, namespace: str) -> None:
    add_webhook(services, "one", ["object.created"])
    ids = [f"d{number}" for number in range(MAX_IDS + 5)]
    with services.db.write() as tx:
        emit_many(tx, namespace, "object.created", ids, {"collection_id": "col_1"}, NOW)
        emit_many(tx, namespace, "object.created", [], {"collection_id": "col_1"}, NOW)
    (row,) = outbox(services)
    data = orjson.loads(row["event"])["data"]
    assert data == {"collection_id": "col_1", "count": MAX_IDS + 5, "object_ids": ids[:MAX_IDS]}
