"""What a definition writes back after each of its runs."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from coterie.runs import run
from support import add_collection

Work = Callable[[], list[str]]
CONFIG = {"field_mappings": [{"source_field": "cluster_label", "target_field": "topic"}]}
PATH = "/v1/clusters/enrichments/list"


def define(client: TestClient, **fields: Any) -> Any:
    body = {
        "cluster_name": "groups",
        "collection_ids": ["things"],
        "cluster_type": "attribute",
        "attribute_config": {"attributes": ["text"]},
        **fields,
    }
    return client.post("/v1/clusters", json=body)


def document(client: TestClient, collection: str = "things") -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/v1/collections/{collection}/documents/d000").json()
    return found


def test_each_run_is_written_back(client: TestClient, work: Work) -> None:
    for name in ("things", "more"):
        add_collection(client, name)
    made = define(
        client, enrich_source_collection=True, source_enrichment_config=CONFIG, collection_ids=["things", "more"]
    )
    assert (made.json()["enrich_source_collection"], made.json()["source_enrichment_config"]) == (True, CONFIG)
    run_id = client.post("/v1/clusters/groups/execute").json()["additional_data"]["run_id"]
    assert work() == ["COMPLETED"] * 3
    assert document(client)["metadata"]["topic"] == document(client, "more")["metadata"]["topic"] == "apple"
    listed = client.post(PATH, json={"filters": {"status": "completed"}}).json()["results"]
    assert [each["processed"] for each in listed] == [60, 60]
    assert {each["clusterings"][0]["run_id"] for each in listed} == {run_id}
    assert client.post(f"/v1/clusters/enrichments/{listed[0]['enrichment_id']}/undo").status_code == 200
    work()
    topics = [document(client, name)["metadata"].get("topic") for name in ("things", "more")]
    assert sorted(topics, key=str) == [None, "apple"]


def test_without_mappings_it_is_an_entry_and_patch_turns_it_off(client: TestClient, work: Work) -> None:
    add_collection(client)
    identifier = define(client).json()["cluster_id"]
    assert client.patch("/v1/clusters/groups", json={"source_enrichment_config": CONFIG}).status_code == 400
    on = client.patch("/v1/clusters/groups", json={"enrich_source_collection": True}).json()
    assert (on["enrich_source_collection"], on["source_enrichment_config"]) == (True, None)
    client.post("/v1/clusters/groups/execute")
    assert work() == ["COMPLETED"] * 2
    [entry] = document(client)["enrichments"]["clusters"]
    assert entry["features"]["clustering_id"] == identifier
    client.patch("/v1/clusters/groups", json={"enrich_source_collection": False})
    client.post("/v1/clusters/groups/execute")
    assert work() == ["COMPLETED"]
    assert client.post(PATH).json()["total_count"] == 1


def test_a_run_that_is_not_published_writes_nothing_back(
    client: TestClient, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_collection(client)
    define(client, enrich_source_collection=True)
    task = client.post("/v1/clusters/groups/execute").json()["task_id"]
    real = run.Job.complete

    def canceled(job: Any, *arguments: Any, **shown: Any) -> bool:
        return job.task_id != task and real(job, *arguments, **shown)

    monkeypatch.setattr(run.Job, "complete", canceled)
    assert work() == ["CANCELED"]
    assert client.post(PATH).json()["total_count"] == 0


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"source_enrichment_config": CONFIG}, 400),
        ({"enrich_source_collection": True, "source_enrichment_config": {"field_mappings": []}}, 422),
        ({"enrich_source_collection": True, "source_enrichment_config": {"prefix": "x"}}, 422),
        ({"enrich_source_collection": True, "source_enrichment_config": {"field_mappings": [{"source": "x"}]}}, 422),
        ({"enrich_source_collection": "perhaps"}, 422),
    ],
)
def test_a_write_back_that_cannot_be_is_refused(client: TestClient, fields: dict[str, Any], status: int) -> None:
    add_collection(client)
    assert define(client, **fields).status_code == status
