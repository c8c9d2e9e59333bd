"""Schema: every earlier revision is brought forwards with its data."""

from pathlib import Path

import orjson
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

import coterie.store
from coterie.config import Settings
from coterie.store.db import Db
from coterie.store.schema import HEAD, current, migrate
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


def test_a_store_of_the_first_revision_keeps_its_data(settings: Settings) -> None:
    settings.data_dir.mkdir()
    db = Db(settings.database_path)
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
