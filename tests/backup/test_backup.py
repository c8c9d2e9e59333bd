"""A backup is a copy of one moment, made while the service goes on; it is read back into either kind of store."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import lance
import orjson
import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from conftest import PLACES, place_of, start_service
from coterie.api.context import Services
from coterie.app import create_app
from coterie.backup.copying import MANIFEST, BadBackup, back_up, restore
from coterie.config import Settings
from coterie.documents import upkeep
from coterie.runs.retention import tidy_runs
from coterie.store import hold
from coterie.store.storage import open_storage
from coterie.store.tables import documents, retired_vectors
from coterie.wiring import open_empty
from objectstore import files_of
from runs.here import run_here
from support import KMEANS, add_cluster, add_collection

FILTER = {"AND": [{"field": "metadata.group", "operator": "eq", "value": "river"}]}


@pytest.fixture
def open_other(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Services]:
    """Empty services of a kind."""

    def get(kind: str) -> Services:
        place = place_of(kind, request)
        services = open_empty(Settings(data_dir=tmp_path / "other", **place._asdict()))
        request.addfinalizer(services.db.close)
        return services

    return get


def lived_in(client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch) -> str:
    """Documents of which some were written anew or deleted, the newest too; a run, words of people; the definition."""
    client.patch("/v1/namespaces/default", json={"payload_indexes": [{"field_name": "group", "type": "keyword"}]})
    add_collection(client)
    cluster: str = add_cluster(client, vector_config=KMEANS)["cluster_id"]
    run_here(client, services, monkeypatch, cluster)
    client.patch(f"/v1/clusters/{cluster}/groups/cl_0", json={"label": "a name that someone gave"})
    new = {"document_id": "d000", "vectors": {"bring_your_own": [9.0, 8.0, 7.0, 6.0]}, "metadata": {"text": "anew"}}
    assert client.post("/v1/collections/things/documents", json=new).is_success
    assert client.post("/v1/collections/things/documents", json={**new, "document_id": "gone"}).is_success
    for identity in ("d058", "d059", "gone"):
        assert client.delete(f"/v1/collections/things/documents/{identity}").is_success
    return cluster


def seen(client: Any, cluster: str) -> list[Any]:
    """What the API says of it all."""
    documents = "/v1/collections/things/documents"
    answers = [
        client.get("/v1/organizations"),
        client.post("/v1/clusters/list", json={"search": "someone"}),
        client.get(f"/v1/clusters/{cluster}/groups"),
        client.post(f"/v1/clusters/{cluster}/data", json={"include_members": True}),
        client.get(f"/v1/clusters/{cluster}/executions"),
        client.get(f"/v1/clusters/{cluster}/visualization"),
        client.post(f"{documents}/list", json={"limit": 100, "filters": FILTER}),
        client.post(f"{documents}/list", params={"return_vectors": True}, json={"limit": 100, "return_vectors": True}),
        client.get(f"{documents}/d000", params={"return_vectors": True}),
    ]
    assert all(answer.is_success for answer in answers), [answer.text[:200] for answer in answers]
    return [answer.json() for answer in answers]


@pytest.mark.parametrize("kind", PLACES)
def test_all_is_as_it_was_in_either_kind_of_store(
    client: TestClient,
    services: Services,
    auth: dict[str, str],
    open_other: Callable[[str], Services],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: str,
) -> None:
    cluster = lived_in(client, services, monkeypatch)
    waiting = client.post(f"/v1/clusters/{cluster}/execute").json()
    before = seen(client, cluster)
    copied = back_up(services, open_storage(tmp_path / "copy"), lambda part: None)
    assert (copied.records["documents"], copied.gone["runs"]) == (58, [])
    other = open_other(kind)
    restore(other, open_storage(tmp_path / "copy"), paused=False, tell=lambda part: None)
    with TestClient(create_app(other), headers=auth, raise_server_exceptions=False) as there:
        assert there.get(f"/v1/tasks/{waiting['task_id']}").json()["status"] == "PENDING"
        assert seen(there, cluster) == before
        item = {"document_id": "new", "vectors": {"bring_your_own": [0.0, 0.0, 0.0, 1.0]}}
        assert there.post("/v1/collections/things/documents", json=item).is_success
        with other.db.read() as tx:
            last = tx.scalar(select(func.max(documents.c.pk)))
        assert last == 63  # no key of a document that was deleted is given again
        again = there.post("/v1/clusters", json={**_definition(there, cluster), "cluster_name": "another"}).json()
        run_here(there, other, monkeypatch, again["cluster_id"])
        assert there.get(f"/v1/clusters/{again['cluster_id']}/groups").json()["total_groups"] == 3


def _definition(client: Any, cluster: str) -> dict[str, Any]:
    shown = client.get(f"/v1/clusters/{cluster}").json()
    return {name: shown[name] for name in ("collection_ids", "cluster_type", "vector_config")}


def test_what_is_deleted_meanwhile_is_gone_and_the_rest_is_whole(
    client: TestClient,
    services: Services,
    auth: dict[str, str],
    open_other: Callable[[str], Services],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    cluster = lived_in(client, services, monkeypatch)
    add_collection(client, "others")
    doomed = add_cluster(client, "doomed", vector_config=KMEANS)["cluster_id"]
    run_here(client, services, monkeypatch, doomed)
    before = seen(client, cluster)
    collection = client.get("/v1/collections/things").json()["collection_id"]

    def meanwhile(part: str) -> None:
        if part == "vectors":
            assert client.delete("/v1/collections/others").is_success
            assert client.delete(f"/v1/clusters/{doomed}").is_success
            late = {"document_id": "late", "vectors": {"bring_your_own": [1.0, 1.0, 1.0, 1.0]}}
            assert client.post("/v1/collections/things/documents", json=late).is_success
            assert client.delete("/v1/collections/things/documents/d001").is_success
            upkeep.upkeep(services)

    monkeypatch.setattr(upkeep, "GRACE", timedelta(seconds=-2))
    monkeypatch.setattr(upkeep.delete_retired, "__defaults__", (timedelta(seconds=-2),))
    copied = back_up(services, open_storage(tmp_path / "copy"), meanwhile)
    assert [len(copied.gone[name]) for name in ("collections", "clusters", "runs")] == [1, 1, 1]
    other = open_other("sqlite")
    restore(other, open_storage(tmp_path / "copy"), paused=False, tell=lambda part: None)
    with TestClient(create_app(other), headers=auth, raise_server_exceptions=False) as there:
        assert seen(there, cluster) == before
        item = {"document_id": "new", "vectors": {"bring_your_own": [0.0, 1.0, 2.0, 3.0]}}
        assert there.post("/v1/collections/things/documents", json=item).is_success
        (key,) = [key for key in other.vectors.storage.folders(3) if collection in key]
        held = lance.dataset(other.vectors.storage.lance(key)[0]).to_table(columns=["key"])["key"].to_pylist()
        assert len(set(held)) == len(held)  # no vector has the key of one that was written meanwhile
        assert there.get("/v1/collections/others").status_code == 404
        assert there.get(f"/v1/clusters/{doomed}").status_code == 404


def test_while_it_is_held_the_upkeep_deletes_nothing(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = lived_in(client, services, monkeypatch)
    run_here(client, services, monkeypatch, cluster)
    assert client.patch(f"/v1/clusters/{cluster}", json={"retention": {"max_runs": 1}}).is_success
    monkeypatch.setattr(upkeep.delete_retired, "__defaults__", (timedelta(seconds=-2),))

    def retired() -> int:
        with services.db.read() as tx:
            return tx.scalar(select(func.count()).select_from(retired_vectors)) or 0

    assert retired() > 0
    monkeypatch.setattr(hold, "SECONDS", 1)
    with hold.held(services.db):
        time.sleep(1.5)  # it is renewed
        upkeep.upkeep(services)
        tidy_runs(services)
        assert retired() > 0
        assert len(client.post(f"/v1/clusters/{cluster}/executions/list").json()["results"]) == 2
    tidy_runs(services)
    assert len(client.post(f"/v1/clusters/{cluster}/executions/list").json()["results"]) == 1
    upkeep.upkeep(services)
    assert retired() == 0
    with hold.held(services.db), hold.held(services.db) as lasted:
        monkeypatch.setattr(hold, "_renew", lambda *_: 1 / 0)
        assert lasted()
        time.sleep(1.2)
        assert not lasted()
    monkeypatch.undo()
    monkeypatch.setattr(hold, "SECONDS", 1)
    with hold.held(services.db):
        with hold.held(services.db):
            pass
        with services.db.read() as tx:
            assert hold.is_held(tx)  # of two the other goes on
    hold._renew(services.db, f"{hold.HOLD}x")  # by a process that ended at once
    with services.db.read() as tx:
        assert hold.is_held(tx)
    time.sleep(1.2)
    with services.db.read() as tx:
        assert not hold.is_held(tx)


def test_a_copy_beside_the_original_can_be_paused(
    client: TestClient, services: Services, auth: dict[str, str], open_other: Callable[[str], Services], tmp_path: Path
) -> None:
    add_collection(client)
    cluster = add_cluster(client, vector_config=KMEANS)["cluster_id"]
    trigger = {"trigger_type": "cron", "schedule_config": {"cron_expression": "0 2 * * *"}}
    made = client.post("/v1/clusters/triggers", json={**trigger, "cluster_id": cluster})
    assert made.is_success, made.text
    channel = {"channel": "webhook", "configs": {"url": "https://example.com/"}}
    hook = {"webhook_name": "hook", "event_types": ["cluster.execution.completed"], "channels": [channel]}
    assert client.post("/v1/organizations/webhooks/", json=hook).is_success
    back_up(services, open_storage(tmp_path / "copy"), lambda part: None)
    other = open_other("sqlite")
    restore(other, open_storage(tmp_path / "copy"), paused=True, tell=lambda part: None)
    with TestClient(create_app(other), headers=auth) as there:
        shown = there.get(f"/v1/clusters/triggers/{made.json()['trigger_id']}").json()
        assert shown["status"] == "paused"
        assert [each["is_active"] for each in there.get("/v1/organizations/webhooks/").json()] == [False]


def test_what_is_no_backup_is_refused(
    client: TestClient, services: Services, open_other: Callable[[str], Services], tmp_path: Path
) -> None:
    add_collection(client)
    target = open_storage(tmp_path / "copy")
    with pytest.raises(BadBackup, match="no backup in that place, or it was not finished"):
        restore(open_other("sqlite"), target, paused=False)
    back_up(services, target, lambda part: None)
    with pytest.raises(BadBackup, match="there is something in that place already"):
        back_up(services, target, lambda part: None)
    with pytest.raises(BadBackup, match="there are records already"):
        restore(services, target, paused=False)
    for place in (services.vectors.storage, services.blobs.below("below")):
        with pytest.raises(BadBackup, match="the service's own storage"):
            back_up(services, place, lambda part: None)
    root = open_storage(services.settings.storage)
    with pytest.raises(BadBackup):
        back_up(services, root, lambda part: None)
    assert files_of(services.vectors.storage)
    held = orjson.loads(target.read(MANIFEST))
    target.write(MANIFEST, orjson.dumps({**held, "schema": "0001", "version": "0.0.9"}))
    own = open_other("sqlite")
    own.blobs.write("a/file", b"")
    open_storage(own.settings.storage).write(MANIFEST, orjson.dumps(held))
    with pytest.raises(BadBackup, match="the service's own storage"):
        restore(own, open_storage(own.settings.storage), paused=False)
    with pytest.raises(BadBackup, match=r"restore it with Coterie 0\.0\.9"):
        restore(open_other("sqlite"), target, paused=False)


def test_the_commands_copy_a_service_that_is_written_to(tmp_path: Path) -> None:
    for folder in ("data", "other"):
        (tmp_path / folder).mkdir()
    service = start_service(tmp_path / "data")
    writing, written = threading.Event(), []

    def write() -> None:
        with service.client() as client:
            while not writing.is_set():
                number = len(written)
                item = {"document_id": f"w{number}", "vectors": {"bring_your_own": [float(number)] * 4}}
                assert client.post("/v1/collections/things/documents", json=item).is_success
                written.append(number)

    with service.client() as client:
        add_collection(client)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = _coterie("backup", str(tmp_path / "copy"), "--data-dir", str(tmp_path / "data"))
        again = _coterie("backup", str(tmp_path / "copy"), "--data-dir", str(tmp_path / "data"))
    finally:
        writing.set()
        writer.join()
        service.stop()
    assert made.returncode == 0, made.stderr
    assert "vectors and 0 runs are in" in made.stdout
    assert (again.returncode, "already" in again.stderr) == (1, True)
    back = _coterie("restore", str(tmp_path / "copy"), "--data-dir", str(tmp_path / "other"))
    assert back.returncode == 0, back.stderr
    assert _coterie("restore", str(tmp_path / "copy"), "--data-dir", str(tmp_path / "other")).returncode == 1
    (tmp_path / "other" / "bootstrap.key").write_text(service.key)
    other = start_service(tmp_path / "other")
    try:
        with other.client() as client:
            total = client.get("/v1/collections/things").json()["document_count"]
            assert 60 < total < 60 + len(written)
            for number in range(total - 60):
                shown = client.get(f"/v1/collections/things/documents/w{number}", params={"return_vectors": True})
                assert shown.json()["vectors"] == {"bring_your_own": [float(number)] * 4}
            assert client.get(f"/v1/collections/things/documents/w{total - 60}").status_code == 404
    finally:
        other.stop()


def _coterie(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "coterie", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
