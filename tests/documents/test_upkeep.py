"""Upkeep: what nothing leads to any more goes, not before its time."""

import os
import time
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import delete, func, select
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.documents import upkeep
from coterie.jobs.scratch import NAME, identity_of
from coterie.store.tables import collections, documents, retired_vectors
from coterie.store.vectors import MissingVectors, Space
from objectstore import files_of
from support import add_collection


def put(client: TestClient, number: float) -> None:
    body = {"document_id": "d000", "vectors": {"bring_your_own": [number] * 4}}
    assert client.post("/v1/collections/things/documents", json=body).status_code == 200


def test_a_replaced_vector_is_there_for_those_who_know_its_key(client: TestClient, services: Services) -> None:
    collection = add_collection(client)
    with services.db.read() as tx:
        namespace_id = tx.scalars(select(documents.c.namespace_id)).first()
    space = Space(str(namespace_id), collection, "bring_your_own")
    before = services.vectors.read(space, np.array([1]))
    put(client, 7.0)
    upkeep.upkeep(services)
    assert (services.vectors.read(space, np.array([1])) == before).all()
    upkeep.delete_retired(services, grace=timedelta(0))
    with pytest.raises(MissingVectors):
        services.vectors.read(space, np.array([1]))
    shown = client.get("/v1/collections/things/documents/d000", params={"return_vectors": True}).json()
    assert "7.0" in str(shown)
    with services.db.read() as tx:
        assert tx.scalar(select(func.count()).select_from(retired_vectors)) == 0


def test_what_a_crash_left_of_a_collection_goes(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_collection(client)
    assert files_of(services.vectors.storage)
    with services.db.write() as tx:
        tx.execute(delete(collections))
    upkeep.upkeep(services)
    with services.db.read() as tx:
        assert tx.scalar(select(func.count()).select_from(documents)) == 0
    assert files_of(services.vectors.storage)  # it may be a collection of a moment ago
    monkeypatch.setattr(upkeep, "GRACE", timedelta(seconds=-2))
    upkeep.upkeep(services)
    assert not files_of(services.vectors.storage)


def test_old_scratch_files_go_and_new_ones_stay(services: Services) -> None:
    old, new = services.settings.scratch_dir / "import-old", services.settings.scratch_dir / "import-new"
    old.mkdir()
    new.touch()
    past = time.time() - 2 * upkeep.LEFTOVER_SECONDS
    os.utime(old, (past, past))
    identity = identity_of(services.settings.scratch_dir)
    os.utime(services.settings.scratch_dir / NAME, (past, past))
    upkeep.sweep_leftovers(services)
    assert (old.exists(), new.exists()) == (False, True)
    assert identity_of(services.settings.scratch_dir) == identity


def test_deleting_a_collection_deletes_its_documents(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coterie.documents.collections.DELETE_ROWS", 25)
    add_collection(client)
    add_collection(client, "others")
    assert client.delete("/v1/collections/things").status_code == 204
    with services.db.read() as tx:
        assert tx.scalar(select(func.count()).select_from(documents)) == 60
