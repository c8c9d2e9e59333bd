"""Processes are killed with SIGKILL, for real: nothing acknowledged is lost, and a run completes exactly once."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest

from conftest import Service, wait_for_task
from support import HDBSCAN, add_cluster, add_collection

SECONDS = 60
FIT_BEGINS = 0.15
"""The share of a run that is done when its fit begins: more is told by the child that does it."""


def until(found: Callable[[], object], what: str) -> object:
    """What `found` gives as soon as it is true."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


def live_workers(service: Service) -> list[int]:
    return [
        int(str(row[0]))
        for row in service.query("SELECT pid FROM workers WHERE seen_at > 0")
        if alive(int(str(row[0])))
    ]


def about(path: Path) -> str:
    """What the system says there of a process or a thread; nothing once it is gone."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid: int) -> bool:
    return about(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[:1] not in ([], ["Z"])


def children_of(pid: int) -> list[int]:
    """Of every thread: a stage is started by the thread of its job."""
    lists = [about(path) for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for text in lists for child in text.split()]


def stages_of(worker: int) -> list[int]:
    """The children that compute; a helper of theirs is a child as well."""
    return [child for child in children_of(worker) if "spawn_main" in about(Path(f"/proc/{child}/cmdline"))]


def vectors_for_a_while() -> np.ndarray:
    """Rows that HDBSCAN is busy with for some seconds."""
    return np.random.default_rng(0).normal(size=(2500, 256)).astype(np.float32)


@pytest.mark.parametrize("stage", ["load", "fit", "characterize", "members"])
def test_a_run_survives_the_death_of_its_worker(run_service: Callable[..., Service], stage: str) -> None:
    service = run_service()
    with service.client() as client:
        add_collection(client, vectors=vectors_for_a_while())
        cluster = add_cluster(client)
        [worker] = until(lambda: live_workers(service), "a worker")  # type: ignore[misc]
        task = client.post(f"/v1/clusters/{cluster['cluster_id']}/execute").json()["task_id"]

        def reached() -> bool:
            shown = client.get(f"/v1/tasks/{task}").json()
            return shown["additional_data"]["stage"] in (stage, "done")

        until(reached, f"the stage {stage}")
        stages = [pid for pid in _descendants(worker) if pid != worker]
        os.kill(worker, signal.SIGKILL)
        until(lambda: not any(map(alive, stages)), "the end of the orphaned stage")
        ended = wait_for_task(client, task)
        assert ended["status"] == "COMPLETED", ended
        shown = client.get(f"/v1/clusters/{cluster['cluster_id']}").json()
        assert shown["status"] == "COMPLETED"
        assert client.get(f"/v1/clusters/{cluster['cluster_id']}/groups").json()["total_documents"] == 2500
    assert service.query("SELECT status, count(*) FROM runs GROUP BY status") == [("COMPLETED", 1)]
    assert len(service.files("manifest.json")) == 1
    until(lambda: not list((service.data_dir / "scratch").glob("[!.]*")), "an empty scratch folder")
    assert live_workers(service) != [worker]


def _descendants(pid: int) -> list[int]:
    return [pid, *(found for child in children_of(pid) for found in _descendants(child))]


def test_what_a_killed_server_acknowledged_is_there_when_it_is_started_again(
    run_service: Callable[..., Service],
) -> None:
    service = run_service()
    acknowledged: list[str] = []
    definitions: list[str] = []

    def write() -> None:
        with service.client() as client:
            number = 0
            while True:
                item = {"document_id": f"k{number}", "vectors": {"bring_your_own": [float(number), 1.0]}}
                client.post("/v1/collections/things/documents", json=item).raise_for_status()
                acknowledged.append(f"k{number}")
                made = client.post(
                    "/v1/clusters",
                    json={"cluster_name": f"c{number}", "collection_ids": ["things"], "vector_config": HDBSCAN},
                )
                definitions.append(made.json()["cluster_id"])
                number += 1

    def write_until_killed() -> None:
        with pytest.raises(httpx.TransportError):
            write()

    with service.client() as client:
        client.post("/v1/collections", json={"collection_name": "things"})
    [worker] = until(lambda: live_workers(service), "a worker")  # type: ignore[misc]
    writer = threading.Thread(target=write_until_killed)
    writer.start()
    until(lambda: len(definitions) >= 20, "some writes")
    service.process.kill()
    writer.join()
    service.process.wait()
    until(lambda: not alive(worker), "the end of the orphaned worker")
    again = run_service()
    with again.client() as client:
        for identity in acknowledged:
            found = client.get(f"/v1/collections/things/documents/{identity}", params={"return_vectors": True})
            assert found.status_code == 200, identity
            assert found.json()["vector"] == [float(identity[1:]), 1.0]
        for identity in definitions:
            assert client.get(f"/v1/clusters/{identity}").status_code == 200
        total = client.get("/v1/collections/things").json()["document_count"]
        listed = client.post("/v1/collections/things/documents/list").json()["pagination"]["total"]
        assert total == listed
        assert total in (len(acknowledged), len(acknowledged) + 1)  # the last write may have been cut off unanswered


def test_a_stopped_service_leaves_its_run_to_the_next_one(run_service: Callable[..., Service]) -> None:
    service = run_service()
    with service.client() as client:
        add_collection(client, vectors=vectors_for_a_while())
        cluster = add_cluster(client)
        task = client.post(f"/v1/clusters/{cluster['cluster_id']}/execute").json()["task_id"]
        until(lambda: client.get(f"/v1/tasks/{task}").json()["additional_data"]["stage"] in ("fit", "done"), "the fit")
    assert service.stop() == 0
    assert not (service.data_dir / "server.json").exists()
    again = run_service()
    with again.client() as client:
        ended = wait_for_task(client, task, seconds=300)
        assert (ended["status"], ended["error"]) == ("COMPLETED", None), again.log()
    assert again.stop(signal.SIGINT) == 0


def test_a_running_job_is_canceled_and_its_child_is_killed(run_service: Callable[..., Service]) -> None:
    service = run_service()
    with service.client() as client:
        add_collection(client, vectors=vectors_for_a_while())
        cluster = add_cluster(client)
        [worker] = until(lambda: live_workers(service), "a worker")  # type: ignore[misc]
        task = client.post(f"/v1/clusters/{cluster['cluster_id']}/execute").json()["task_id"]

        def is_fitting() -> bool:
            state = client.get(f"/v1/tasks/{task}").json()["additional_data"]
            return state["stage"] == "fit" and state["progress"] > FIT_BEGINS

        until(is_fitting, "word from the child that computes")
        busy = stages_of(worker)
        again = client.post(f"/v1/clusters/{cluster['cluster_id']}/execute")
        assert again.status_code == 409
        assert again.json()["error"]["details"]["task_id"] == task
        assert client.delete(f"/v1/tasks/{task}").status_code == 200
        assert wait_for_task(client, task)["status"] == "CANCELED"
        assert client.get(f"/v1/clusters/{cluster['cluster_id']}").json()["status"] == "CANCELED"
        assert client.get(f"/v1/clusters/{cluster['cluster_id']}/groups").status_code == 404
        until(lambda: not all(map(alive, busy)), "the end of the child")  # type: ignore[arg-type]
        assert alive(worker)
    until(lambda: not list((service.data_dir / "scratch").glob("[!.]*")), "an empty scratch folder")
