"""Schema: every earlier revision is brought forwards with its data."""

import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, delete, func, insert, inspect, select, text

import coterie.store
from coterie.clusters.queries import PROFILE, SOURCE
from coterie.config import Settings
from coterie.listing.answer import run_list
from coterie.listing.syntax import parse_list
from coterie.store.db import Db
from coterie.store.schema import HEAD, NewerSchema, current, migrate
from coterie.store.tables import cluster_counts, cluster_terms, clusters, documents, metadata
from coterie.store.tables import settings as facts
from coterie.wiring import open_services

FIRST_DATA = """
INSERT INTO organizations VALUES ('org_1', 'int_1', 'default', '{}', '2026-01-01T00:00:00.000000Z');
INSERT INTO namespaces (pk, id, org_id, name, resource, search_text, created_at, deleting)
  VALUES (1, 'ns_1', 'org_1', 'default', '{"namespace_id":"ns_1"}', 'default', '2026-01-01T00:00:00.000000Z', false);
INSERT INTO collections (pk, id, namespace_id, name, resource, search_text, document_count, created_at)
  VALUES (1, 'col_1', 'ns_1', 'things', '{"collection_id":"col_1"}', 'things', 1, '2026-01-01T00:00:00.000000Z');
INSERT INTO documents (pk, id, namespace_id, collection_id, resource, vectors, created_at, updated_at)
  VALUES (7, 'd1', 'ns_1', 'col_1', '{"document_id":"d1"}', '{"v":3}', '2026-01-01T00:00:00.000000Z',
          '2026-01-01T00:00:00.000000Z');
INSERT INTO tasks (pk, id, org_id, namespace_id, kind, payload, status, resource, cancel_requested, created_at,
                   updated_at)
  VALUES (1, 'task_1', 'org_1', 'ns_1', 'cluster.run', '{}', 'PENDING', '{"task_id":"task_1"}', false,
          '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z')
"""


def upgrade(tx: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(coterie.store.__file__).parent / "migrations"))
    config.attributes["connection"] = tx
    command.upgrade(config, revision)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where an empty store is."""
    url: str | None = request.getfixturevalue("postgres").create() if request.param == "postgresql" else None
    return url or tmp_path / "coterie.db"


def shown(index: Mapping[str, Any]) -> str:
    options = {key: str(value) for key, value in index["dialect_options"].items()}
    return str(
        (index["name"], index["column_names"], index.get("expressions"), index["unique"], sorted(options.items()))
    )


def described(db: Db) -> dict[str, object]:
    """The tables of a store with their columns, indexes and constraints."""
    with db.read() as tx:
        found = inspect(tx)
        return {
            name: (
                sorted((column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(name)),
                sorted(shown(index) for index in found.get_indexes(name)),
                sorted(str(key["name"]) for key in found.get_foreign_keys(name)),
                sorted(str(key["name"]) for key in found.get_unique_constraints(name)),
            )
            for name in found.get_table_names()
            if name != "alembic_version"
        }


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection")
def test_a_migrated_store_is_that_of_the_model(empty: Path | str, request: pytest.FixtureRequest) -> None:
    migrated = Db(empty)
    migrate(migrated)
    other = request.getfixturevalue("postgres").create() if isinstance(empty, str) else empty.with_name("model.db")
    modelled = Db(other)
    with modelled.write() as tx:
        metadata.create_all(tx)
    expected = described(modelled)
    assert "cluster_texts" in expected
    assert described(migrated) == expected
    migrated.close()
    modelled.close()


def test_a_newer_schema_is_refused_by_name(empty: Path | str) -> None:
    db = Db(empty)
    migrate(db)
    with db.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerSchema, match=f"schema 9999, newer than this Coterie's {HEAD}"):
        migrate(db)
    db.close()


def test_a_store_of_the_first_revision_keeps_its_data(empty: Path | str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=empty if isinstance(empty, str) else None)
    db = Db(settings.records)
    with db.write() as tx:
        upgrade(tx, "0001")
        for statement in FIRST_DATA.split(";"):
            tx.exec_driver_sql(statement)
    migrate(db)
    with db.read() as tx:
        assert current(tx) == HEAD
        assert tx.execute(text("SELECT pk, id, vectors FROM documents")).all() == [(7, "d1", '{"v":3}')]
        assert tx.execute(text("SELECT id, owner FROM tasks")).all() == [("task_1", None)]
    with db.write() as tx:
        tx.execute(text("DELETE FROM collections"))
        assert tx.scalar(text("SELECT count(*) FROM documents")) == 1
    db.close()
    services, _ = open_services(settings)
    with services.db.read() as tx:
        resource = tx.scalar(text("SELECT resource FROM namespaces WHERE id = 'ns_1'"))
    assert orjson.loads(str(resource)) == {"namespace_id": "ns_1"}
    services.db.close()


def test_definitions_of_revision_3_get_their_terms(empty: Path | str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=empty if isinstance(empty, str) else None)
    created = "2026-01-01T00:00:00.000000Z"
    resource = {"cluster_id": "clust_1", "cluster_name": "c", "namespace_id": "ns_1", "description": None}
    resource |= {"metadata": {"team": "red", "n": 1}, "vector_config": None, "attribute_config": None}
    resource |= {"collection_ids": [], "input_collections": [], "created_at": created}
    columns = {"namespace_id": "ns_1", "name": "c", "status": "PENDING", "created_at": created}
    db = Db(settings.records)
    with db.write() as tx:
        upgrade(tx, "0003")
        for statement in FIRST_DATA.split(";")[:2]:
            tx.exec_driver_sql(statement)
        tx.execute(insert(clusters).values(pk=1, id="clust_1", resource=orjson.dumps(resource).decode(), **columns))
        tx.execute(insert(cluster_counts).values(namespace_id="ns_1", status="PENDING", definitions=1, documents=0))
        tx.execute(insert(facts).values(name="field_index", value=f"2, Unicode {unicodedata.unidata_version}"))
    db.close()
    services, _ = open_services(settings)
    wanted = parse_list({"filters": {"metadata.team": "RED", "metadata.n": 1}}, profile=PROFILE)
    with services.db.read() as tx:
        assert run_list(tx, wanted, SOURCE, {"namespace_id": "ns_1"}).total == 1
        assert tx.scalar(select(func.count()).select_from(cluster_terms)) == 1
    services.db.close()


def test_no_key_of_a_document_is_given_twice(empty: Path | str) -> None:
    db = Db(empty)
    migrate(db)
    text_columns = {name: "" for name in documents.c.keys() if name != "pk"}  # noqa: SIM118
    given = []
    with db.write() as tx:
        for _ in range(3):
            given.append(tx.execute(insert(documents).values(text_columns).returning(documents.c.pk)).scalar_one())
            tx.execute(delete(documents))
    assert given == sorted(set(given))
    db.close()
