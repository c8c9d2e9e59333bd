"""A worker fires by itself: the one test here that runs one."""

import time

from conftest import Service, wait_for_task
from support import KMEANS, add_cluster, add_collection
from triggers.support import PATH, history

SECONDS = 60


def test_a_worker_fires_what_is_due(service: Service) -> None:
    with service.client() as client:
        client.post("/v1/namespaces", json={"namespace_name": "fires"}).raise_for_status()
        client.headers["X-Namespace"] = "fires"
        add_collection(client)
        add_cluster(client, vector_config=KMEANS)
        schedule = {"interval_seconds": 300, "start_immediately": True}
        body = {"cluster_id": "groups", "trigger_type": "interval", "schedule_config": schedule}
        trigger = client.post(PATH, json=body).json()["trigger_id"]
        deadline = time.monotonic() + SECONDS
        while not (firings := history(client, trigger)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert wait_for_task(client, firings[0]["job_id"])["status"] == "COMPLETED"
        while history(client, trigger, status_filter="running") and time.monotonic() < deadline:
            time.sleep(0.05)
        (firing,) = history(client, trigger)
        assert (firing["status"], firing["num_clusters"]) == ("completed", 3)
