"""What a run is about goes while it is under way: it ends, says why, and leaves nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.jobs import queue
from coterie.runs.retention import sweep_artifacts, sweep_scratch
from coterie.store.tables import runs, tasks
from coterie.store.vectors import VectorStore
from objectstore import files_of
from runs.here import run_here, worker_of
from support import KMEANS, add_cluster, add_collection

BY_VECTORS = ("load", "fit", "characterize", "map", "members", "label", "write", "publish")
BY_ATTRIBUTES = ("group", "members", "label", "write", "publish")
ATTRIBUTES = {"cluster_type": "attribute", "vector_config": None, "attribute_config": {"attributes": ["group"]}}


@pytest.fixture
def spare(client: TestClient) -> TestClient:
    """The client, in a namespace that can be deleted."""
    made = client.post("/v1/namespaces", json={"namespace_name": "spare"}).json()
    client.headers["X-Namespace"] = made["namespace_id"]
    return client


def delete_of(client: TestClient, services: Services, what: str, cluster: str) -> Callable[[], None]:
    """Deletes the collection, the definition, or the namespace with all that its job does."""

    def delete() -> None:
        if what == "collection":
            gone = client.delete("/v1/collections/things")
        elif what == "cluster":
            gone = client.delete(f"/v1/clusters/{cluster}")
        else:
            gone = client.delete(f"/v1/namespaces/{client.headers['X-Namespace']}")
            with services.db.read() as tx:
                task = tx.scalars(select(tasks.c.id).where(tasks.c.kind == "namespace.delete")).one()
            worker_of(services).see_through(task)
        if gone.status_code != 204:
            pytest.fail(gone.text)  # an assertion's error would be the step's

    return delete


def nothing_is_left(services: Services, run_id: str) -> None:
    sweep_artifacts(services)
    sweep_scratch(services)
    assert not files_of(services.blobs, run_id)
    assert not list(services.settings.scratch_dir.glob("[!.]*"))
    with services.db.read() as tx:
        assert tx.scalar(select(func.count()).select_from(runs).where(runs.c.status.in_(queue.OPEN))) == 0
        assert tx.execute(select(tasks.c.kind, tasks.c.status).where(tasks.c.status.in_(queue.OPEN))).all() == []


def at(step: str, when: str, delete: Callable[[], None]) -> Callable[[str, Callable[[], Any]], Any]:
    """Deletes as the step begins, or as it has ended."""

    def hook(name: str, do: Callable[[], Any]) -> Any:
        if (name, when) == (step, "begins"):
            delete()
        result = do()
        if (name, when) == (step, "has ended"):
            delete()
        return result

    return hook


@pytest.mark.parametrize("what", ["collection", "cluster", "namespace"])
@pytest.mark.parametrize("when", ["begins", "has ended"])
@pytest.mark.parametrize(
    ("config", "step"),
    [
        *(({"vector_config": KMEANS}, step) for step in BY_VECTORS),
        *((ATTRIBUTES, step) for step in BY_ATTRIBUTES),
    ],
)
def test_a_run_ends_cleanly(
    spare: TestClient,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    config: dict[str, Any],
    step: str,
    when: str,
    what: str,
) -> None:
    add_collection(spare)
    cluster = add_cluster(spare, **config)["cluster_id"]
    delete = delete_of(spare, services, what, cluster)
    run_id = run_here(spare, services, monkeypatch, cluster, at(step, when, delete))
    with services.db.read() as tx:
        run = tx.execute(select(runs)).first()
        task = tx.execute(select(tasks).where(tasks.c.kind == "cluster.run")).first()
    if what == "collection" and (step, when) == ("publish", "has ended"):
        assert run is not None
        assert run.status == queue.COMPLETED
        return
    if what == "collection":
        shown = spare.get(f"/v1/clusters/{cluster}/executions/{run_id}").json()
        assert shown["status"] == "failed"
        assert "was deleted" in shown["error_message"]
        assert spare.get(f"/v1/clusters/{cluster}").json()["status"] == "FAILED"
    else:
        assert run is None
        if what == "cluster":
            ended = queue.COMPLETED if (step, when) == ("publish", "has ended") else queue.CANCELED
            assert task is not None
            assert task.status == ended
    nothing_is_left(services, run_id)


@pytest.mark.parametrize("what", ["collection", "cluster", "namespace"])
def test_vectors_that_go_while_they_are_read(
    spare: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    add_collection(spare)
    cluster = add_cluster(spare, vector_config=KMEANS)["cluster_id"]
    delete = delete_of(spare, services, what, cluster)
    read = VectorStore.read

    def late(self: VectorStore, *arguments: Any) -> Any:
        delete()
        self.drop(arguments[0].namespace_id, arguments[0].collection_id)
        return read(self, *arguments)

    monkeypatch.setattr(VectorStore, "read", late)
    run_id = run_here(spare, services, monkeypatch, cluster)
    if what == "collection":
        shown = spare.get(f"/v1/clusters/{cluster}/executions/{run_id}").json()
        assert "was deleted" in shown["error_message"]
    nothing_is_left(services, run_id)


def test_a_run_that_fails_by_itself_says_its_own_reason(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_collection(client)
    cluster = add_cluster(client, vector_config={**KMEANS, "kmeans_parameters": {"n_clusters": 100}})["cluster_id"]
    run_id = run_here(client, services, monkeypatch, cluster)
    shown = client.get(f"/v1/clusters/{cluster}/executions/{run_id}").json()
    assert "n_clusters needs 100" in shown["error_message"]
