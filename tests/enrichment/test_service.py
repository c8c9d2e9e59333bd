"""Write-backs of a real service and worker: over HTTP, by the client and on the command line."""

import json
from typing import Any

import pytest

from cli.test_cli import at, coterie
from conftest import Service, wait_for_task
from coterie.client import Client
from support import KMEANS, add_cluster, add_collection


@pytest.fixture(scope="module")
def ran(service: Service) -> Any:
    """A client of a namespace with a definition that has run."""
    with service.client() as client:
        assert client.post("/v1/namespaces", json={"namespace_name": "write-back"}).status_code == 200
        client.headers["X-Namespace"] = "write-back"
        add_collection(client)
        cluster = add_cluster(client, vector_config=KMEANS)["cluster_id"]
        task = client.post(f"/v1/clusters/{cluster}/execute").json()["task_id"]
        assert wait_for_task(client, task)["status"] == "COMPLETED"
        yield client


def metadata(client: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/v1/collections/things/documents/d007").json()["metadata"]
    return found


def test_a_request_waits_for_its_counts(ran: Any) -> None:
    sources = ["cluster_id", "distance_to_centroid", "probability", "x", "y", "z"]
    mappings = [{"source_field": name, "target_field": f"found.{name}"} for name in sources]
    body = {"clustering_ids": ["groups"], "source_collection_id": "things", "field_mappings": mappings}
    answer = ran.post("/v1/clusters/enrich", json=body)
    assert answer.status_code == 200, answer.text
    counts = answer.json()
    assert (counts["processed"], counts["enriched"], counts["failed"], counts["batches"]) == (60, 60, 0, 1)
    members = ran.post("/v1/clusters/groups/data", json={"include_members": True, "limit": 100}).json()["members"]
    member = next(each for each in members if each["document_id"] == "d007")
    written = metadata(ran)["found"]
    assert (written["cluster_id"], written["distance_to_centroid"]) == (
        member["cluster_label"],
        member["distance_to_centroid"],
    )
    assert [written["x"], written["y"], written["z"]] == [*member["coordinates"], None]
    task = ran.post(f"/v1/clusters/enrichments/{counts['enrichment_id']}/undo").json()
    assert wait_for_task(ran, task["task_id"])["outputs"][0]["restored"] == 60
    assert "found" not in metadata(ran)


def test_the_client(ran: Any, service: Service) -> None:
    with Client(service.url, service.key, "write-back") as client:
        task = client.wait(client.enrich(["groups"], "things", batch_size=20)["task_id"])
        made = client.get_enrichment(task["additional_data"]["enrichment_id"])
        assert (made["status"], made["batches"]) == ("completed", 3)
        entry = ran.get("/v1/collections/things/documents/d007").json()["enrichments"]["clusters"][0]
        assert len(entry["coordinates"]) == 2
        client.wait(client.undo_enrichment(made["enrichment_id"])["task_id"])
        assert client.get_enrichment(made["enrichment_id"])["status"] == "undone"


def test_the_command_line(ran: Any, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in service.place.environment.items():
        monkeypatch.setenv(name, value)
    where = ["--namespace", "write-back", *at(service)]
    done = coterie("clusters", "enrich", "groups", "--collection", "things", "--map", "cluster_label=topic", *where)
    assert done.returncode == 0, done.stderr
    assert "60 of 60 documents hold their groups" in done.stdout
    assert metadata(ran)["topic"] in json.dumps(ran.get("/v1/clusters/groups/groups").json())
    undone = coterie("clusters", "undo", done.stdout.split()[-1], *where)
    assert undone.returncode == 0, undone.stderr
    assert "60 documents restored" in undone.stdout
    assert "topic" not in metadata(ran)
    refused = coterie("clusters", "enrich", "groups", "--collection", "things", "--map", "topic", *where)
    assert (refused.returncode, "source=target" in refused.stderr) == (1, True)
    assert coterie("clusters", "undo", "enr_none", *where).returncode == 1
