"""Several servers and workers on one store: a rule holds for all of them, and a job is done once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from conftest import Service, wait_for_task
from support import KMEANS, add_cluster, add_collection


def test_two_servers_and_two_workers(run_service: Callable[..., Service]) -> None:
    first = run_service("--workers", "1")
    second = run_service("--workers", "1")
    assert first.url != second.url
    with first.client() as one, second.client() as other:
        add_collection(one)
        clusters = [add_cluster(one, f"c{number}", vector_config=KMEANS)["cluster_id"] for number in range(6)]
        tasks = [
            (one, other)[number % 2].post(f"/v1/clusters/{cluster}/execute").json()["task_id"]
            for number, cluster in enumerate(clusters)
        ]
        assert [wait_for_task(other, task)["status"] for task in tasks] == ["COMPLETED"] * 6
        statuses = {row["status"] for row in one.post("/v1/clusters/list").json()["results"]}
        assert statuses == {"COMPLETED"}
        assert first.query("SELECT status, count(*) FROM runs GROUP BY status") == [("COMPLETED", 6)]

        def make(number: int) -> int:
            body = {"collection_name": "the same"}
            return (one, other)[number % 2].post("/v1/collections", json=body).status_code

        with ThreadPoolExecutor(8) as pool:
            answers = sorted(pool.map(make, range(16)))
        assert answers == [200] + [409] * 15
        refused = [other.post(f"/v1/clusters/{clusters[0]}/execute").status_code for _ in range(3)]
        assert refused[0] == 200
        assert set(refused[1:]) <= {200, 409}
