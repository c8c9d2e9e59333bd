"""Write-backs, job by job, on both stores."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.app import create_app
from coterie.enrichment import enrich, undo, writing
from coterie.store.tables import enrichment_changes
from support import add_collection

Work = Callable[[], list[str]]
TOPIC = [{"source_field": "cluster_label", "target_field": "topic"}]
PATH = "/v1/clusters/enrichments"


class Killed(BaseException):
    """What no handler catches: the task is left as it is."""


def start(client: TestClient, **fields: Any) -> str:
    """The id of a write-back that waits to be done."""
    body = {"clustering_ids": ["groups"], "source_collection_id": "things", **fields}
    task = client.post("/v1/clusters/enrich", params={"async": True}, json=body)
    assert task.status_code == 200, task.text
    assert (task.json()["task_type"], task.json()["status"]) == ("materialize", "PENDING")
    identifier: str = task.json()["additional_data"]["enrichment_id"]
    return identifier


def start_undo(client: TestClient, enrichment_id: str) -> None:
    answer = client.post(f"{PATH}/{enrichment_id}/undo")
    assert answer.status_code == 200, answer.text


def shown(client: TestClient, enrichment_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"{PATH}/{enrichment_id}").json()
    return found


def counts(client: TestClient, enrichment_id: str) -> tuple[int, ...]:
    resource = shown(client, enrichment_id)
    return tuple(resource[name] for name in ("processed", "enriched", "unchanged", "failed", "batches"))


def documents(client: TestClient, collection: str = "things") -> dict[str, dict[str, Any]]:
    found = client.post(f"/v1/collections/{collection}/documents/list", json={"limit": 1000}).json()["results"]
    return {each["document_id"]: each for each in found}


def contents(client: TestClient, collection: str = "things") -> dict[str, Any]:
    """Everything of the documents but when they changed."""
    return {key: {**each, "updated_at": None} for key, each in documents(client, collection).items()}


def change(client: TestClient, document_id: str, metadata: dict[str, Any], collection: str = "things") -> None:
    answer = client.put(f"/v1/collections/{collection}/documents/{document_id}", json={"metadata": metadata})
    assert answer.status_code == 200, answer.text


def notes(services: Services) -> int:
    with services.db.read() as tx:
        return tx.scalar(select(func.count()).select_from(enrichment_changes)) or 0


def test_groups_become_entries_of_the_documents(client: TestClient, work: Work, grouped: str) -> None:
    before = documents(client)
    made = start(client, batch_size=25)
    assert shown(client, made)["status"] == "pending"
    assert work() == ["COMPLETED"]
    resource = shown(client, made)
    assert (resource["status"], resource["completed_at"] > resource["created_at"]) == ("completed", True)
    assert counts(client, made) == (60, 60, 0, 0, 3)
    run_id = client.get("/v1/clusters/groups").json()["last_run_id"]
    assert resource["clusterings"] == [{"clustering_id": grouped, "run_id": run_id}]
    document = documents(client)["d003"]
    [entry] = document["enrichments"]["clusters"]
    groups = {each["label"]: each for each in client.get("/v1/clusters/groups/groups").json()["groups"]}
    assert entry == {
        "document_id": "d003",
        "cluster_id": groups["apple"]["cluster_id"],
        "distance_to_centroid": 0.0,
        "coordinates": [],
        "source_details": {"type": "collection", "source_id": document["collection_id"]},
        "features": {
            "clustering_id": grouped,
            "run_id": run_id,
            "cluster_label": "apple",
            "member_count": 20,
            "probability": 1.0,
        },
    }
    assert document["updated_at"] > before["d003"]["updated_at"] == before["d003"]["created_at"]
    rivers = {"enrichments.clusters.cluster_id": groups["river"]["cluster_id"]}
    listed = client.post("/v1/collections/things/documents/list", json={"filters": rivers}).json()
    assert listed["total_count"] == 20
    vectors = client.get("/v1/collections/things/documents/d003", params={"return_vectors": True}).json()["vectors"]
    assert len(vectors["bring_your_own"]) == 4


def test_fields_go_where_the_mappings_say(client: TestClient, work: Work, grouped: str) -> None:
    index = {"payload_indexes": [{"field_name": "topic.label", "type": "keyword"}]}
    assert client.put("/v1/namespaces/default", json=index).status_code == 200
    sources = ["cluster_id", "cluster_label", "member_count", "keywords", "summary", "x", "run_id", "metadata.group"]
    targets = ["id", "label", "size", "words", "summary", "x", "run", "seen"]
    mappings = [
        {"source": source, "target": f"metadata.topic.{target}"}
        for source, target in zip(sources, targets, strict=True)
    ]
    made = start(client, field_mappings=mappings)
    assert work() == ["COMPLETED"]
    document = documents(client)["d021"]
    run_id = client.get("/v1/clusters/groups").json()["last_run_id"]
    groups = {each["label"]: each for each in client.get("/v1/clusters/groups/groups").json()["groups"]}
    assert document["enrichments"] is None
    assert document["metadata"] == {
        "group": 1,
        "text": "river",
        "topic": {
            "id": groups["river"]["cluster_id"],
            "label": "river",
            "size": 20,
            "words": groups["river"]["keywords"],
            "summary": None,
            "x": None,
            "run": run_id,
            "seen": 1,
        },
    }
    assert shown(client, made)["field_mappings"][0] == {
        "source_field": "cluster_id",
        "target_field": "topic.id",
        "clustering_id": grouped,
    }
    found = client.post("/v1/collections/things/documents/list", json={"filters": {"metadata.topic.label": "river"}})
    assert found.json()["total_count"] == 20


def test_a_second_time_changes_nothing(client: TestClient, work: Work, grouped: str, services: Services) -> None:
    first = start(client, field_mappings=TOPIC)
    work()
    before = documents(client)
    second = start(client, field_mappings=TOPIC)
    assert work() == ["COMPLETED"]
    assert (counts(client, first), counts(client, second)) == ((60, 60, 0, 0, 1), (60, 60, 60, 0, 1))
    assert (documents(client), notes(services)) == (before, 60)
    start_undo(client, second)
    work()
    assert (shown(client, second)["undo"]["restored"], documents(client)) == (0, before)


@pytest.mark.parametrize("moment", ["before it is written", "before it is committed", "after it was committed"])
def test_a_job_that_is_cut_off_goes_on_and_counts_once(
    client: TestClient, work: Work, grouped: str, services: Services, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    untouched = contents(client)
    made = start(client, field_mappings=TOPIC, batch_size=10)
    real, calls = enrich.write_members, []

    def dying(*arguments: Any) -> Any:
        calls.append(arguments)
        if (len(calls), moment) == (3, "before it is written"):
            raise Killed
        found = real(*arguments)
        if (len(calls), moment) == (3, "before it is committed"):
            raise Killed
        return found

    def forgetful(handler: Any, *arguments: Any) -> None:
        write(handler, *arguments)
        if (len(calls), moment) == (3, "after it was committed"):
            raise Killed

    write = enrich.ClusterEnrichment._write
    monkeypatch.setattr(enrich, "write_members", dying)
    monkeypatch.setattr(enrich.ClusterEnrichment, "_write", forgetful)
    with pytest.raises(Killed):
        work()
    batches = 3 if moment == "after it was committed" else 2
    assert (shown(client, made)["status"], shown(client, made)["batches"]) == ("processing", batches)
    assert sum("topic" in each["metadata"] for each in documents(client).values()) == notes(services) == batches * 10
    monkeypatch.undo()
    assert client.post(f"{PATH}/{made}/undo").status_code == 409
    monkeypatch.setattr("coterie.jobs.worker._dbos_step", lambda _name, do: do())
    assert work() == ["COMPLETED"]
    assert (counts(client, made), notes(services)) == ((60, 60, 0, 0, 6), 60)
    assert all(each["metadata"]["topic"] == each["metadata"]["text"] for each in documents(client).values())
    start_undo(client, made)
    assert work() == ["COMPLETED"]
    assert (contents(client), notes(services)) == (untouched, 0)


def test_a_canceled_one_stays_half_done_and_can_be_undone(
    client: TestClient, work: Work, grouped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    untouched = contents(client)
    made = start(client, batch_size=10)
    real = enrich.Job.check

    def check(job: Any) -> None:
        if shown(client, made)["batches"] == 2:
            client.delete(f"/v1/tasks/{shown(client, made)['task_id']}")
        real(job)

    monkeypatch.setattr(enrich.Job, "check", check)
    assert work() == ["CANCELED"]
    assert (shown(client, made)["status"], counts(client, made)) == ("canceled", (20, 20, 0, 0, 2))
    start_undo(client, made)
    assert work() == ["COMPLETED"]
    assert contents(client) == untouched


def test_undo_leaves_what_people_changed(client: TestClient, work: Work, grouped: str) -> None:
    change(client, "d000", {"text": "apple", "topic": "mine, before"})
    untouched = contents(client)
    mappings = [*TOPIC, {"source": "cluster_id", "target": "group_id"}]
    made = start(client, field_mappings=mappings)
    work()
    written = documents(client)
    assert written["d000"]["metadata"]["topic"] == "apple"
    change(client, "d001", {**written["d001"]["metadata"], "topic": "mine, after"})
    change(client, "d002", {**written["d002"]["metadata"], "note": "beside it"})
    change(client, "d003", {"topic": None})
    client.delete("/v1/collections/things/documents/d004")
    client.delete("/v1/collections/things/documents/d005")
    client.post("/v1/collections/things/documents", json={"document_id": "d005", "metadata": {"topic": "apple"}})
    start_undo(client, made)
    assert client.post(f"{PATH}/{made}/undo").status_code == 409
    assert work() == ["COMPLETED"]
    resource = shown(client, made)
    undone = {name: resource["undo"][name] for name in ("restored", "kept", "removed", "gone")}
    assert undone == {"restored": 56, "kept": 2, "removed": 0, "gone": 2}
    assert (resource["status"], client.post(f"{PATH}/{made}/undo").status_code) == ("undone", 409)
    found = contents(client)
    assert found["d000"] == untouched["d000"]
    assert found["d001"]["metadata"] == {**untouched["d001"]["metadata"], "topic": "mine, after"}
    assert found["d002"]["metadata"] == {**untouched["d002"]["metadata"], "note": "beside it"}
    assert found["d003"]["metadata"] == {"topic": None}
    assert found["d005"]["metadata"] == {"topic": "apple"}
    assert all(found[f"d{number:03}"] == untouched[f"d{number:03}"] for number in range(6, 60))


def test_undo_needs_no_run_and_goes_on_where_it_was_cut_off(
    client: TestClient, work: Work, grouped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    untouched = contents(client)
    made = start(client)
    work()
    assert client.delete("/v1/clusters/groups").status_code == 204
    start_undo(client, made)
    real, calls = undo.undo_changes, []

    def failing(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:
            raise RuntimeError("no luck")
        return real(*arguments)

    monkeypatch.setattr(undo, "ROWS", 20)
    monkeypatch.setattr(undo, "undo_changes", failing)
    assert work() == ["FAILED"]
    resource = shown(client, made)
    assert (resource["status"], resource["undo"]["restored"]) == ("partly_undone", 40)
    start_undo(client, made)
    assert work() == ["COMPLETED"]
    assert shown(client, made)["undo"]["restored"] == 60
    assert contents(client) == untouched


def test_the_last_one_of_two_is_undone_first(client: TestClient, work: Work, grouped: str) -> None:
    untouched = contents(client)
    first = start(client, field_mappings=TOPIC)
    second = start(client, field_mappings=[{"source": "cluster_id", "target": "topic"}])
    assert work() == ["COMPLETED", "COMPLETED"]
    for made in (second, first):
        start_undo(client, made)
    work()
    assert contents(client) == untouched


def test_a_target_collection_gets_copies_and_loses_them_again(client: TestClient, work: Work, grouped: str) -> None:
    client.post("/v1/collections", json={"collection_name": "copies"})
    held = {"document_id": "d001", "metadata": {"own": True}}
    client.post("/v1/collections/copies/documents", json=held)
    untouched, before = contents(client), contents(client, "copies")
    made = start(client, target_collection_id="copies", field_mappings=TOPIC, batch_size=40)
    work()
    assert (counts(client, made), shown(client, made)["created"]) == ((60, 60, 0, 0, 2), 59)
    assert contents(client) == untouched
    copies = documents(client, "copies")
    assert copies["d001"]["metadata"] == {"own": True, "topic": "apple"}
    assert copies["d041"]["metadata"] == {**untouched["d041"]["metadata"], "topic": "piano"}
    assert copies["d041"]["object_id"] == untouched["d041"]["object_id"]
    assert client.get("/v1/collections/copies").json()["document_count"] == 60
    change(client, "d041", {"mine": 1}, "copies")
    start_undo(client, made)
    work()
    undone = shown(client, made)["undo"]
    assert (undone["removed"], undone["restored"], undone["kept"]) == (58, 1, 1)
    left = contents(client, "copies")
    assert left.keys() == {"d001", "d041"}
    assert left["d001"] == before["d001"]
    assert client.get("/v1/collections/copies").json()["document_count"] == 2


def test_several_clusterings_at_once(client: TestClient, work: Work, grouped: str) -> None:
    config = {"attributes": ["group"]}
    body = {"cluster_name": "numbers", "collection_ids": ["things"], "cluster_type": "attribute"}
    other = client.post("/v1/clusters", json={**body, "attribute_config": config}).json()["cluster_id"]
    run_id = client.post("/v1/clusters/numbers/execute").json()["additional_data"]["run_id"]
    client.post("/v1/collections", json={"collection_name": "copies"})
    work()
    both = ["groups", run_id]
    made = start(client, clustering_ids=both, target_collection_id="copies", batch_size=25)
    assert work() == ["COMPLETED"]
    assert counts(client, made) == (120, 120, 0, 0, 6)
    assert shown(client, made)["created"] == 60
    entries = documents(client, "copies")["d030"]["enrichments"]["clusters"]
    assert [entry["features"]["clustering_id"] for entry in entries] == [grouped, other]
    start_undo(client, made)
    work()
    assert (shown(client, made)["undo"]["removed"], documents(client, "copies")) == (60, {})
    untouched = contents(client)
    mappings = [
        {"source": "cluster_label", "target": "topic.text", "clustering_id": "groups"},
        {"source": "cluster_label", "target": "topic.number", "clustering_id": other},
    ]
    made = start(client, clustering_ids=both, field_mappings=mappings)
    work()
    assert documents(client)["d030"]["metadata"]["topic"].keys() == {"text", "number"}
    start_undo(client, made)
    work()
    assert contents(client) == untouched


def test_the_run_is_the_one_of_the_moment_that_it_was_asked_for(client: TestClient, work: Work, grouped: str) -> None:
    first = client.get("/v1/clusters/groups").json()["last_run_id"]
    made = start(client)
    client.post("/v1/clusters/groups/execute")
    work()
    assert client.get("/v1/clusters/groups").json()["last_run_id"] != first
    entry = documents(client)["d000"]["enrichments"]["clusters"][0]
    assert (shown(client, made)["clusterings"][0]["run_id"], entry["features"]["run_id"]) == (first, first)
    again = start(client)
    work()
    [entry] = documents(client)["d000"]["enrichments"]["clusters"]
    assert (entry["features"]["run_id"] != first, counts(client, again)) == (True, (60, 60, 0, 0, 1))


def test_what_cannot_be_written_is_counted_by_its_reason(
    client: TestClient, work: Work, grouped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.delete("/v1/collections/things/documents/d000")
    change(client, "d001", {"topic": "a text"})
    change(client, "d002", {"filler": "x" * 65_500})
    before = documents(client)
    made = start(client, field_mappings=[{"source": "keywords", "target": "topic.words"}])
    work()
    assert counts(client, made) == (60, 57, 0, 3, 1)
    assert shown(client, made)["failures"] == {"gone": 1, "blocked": 1, "too_large": 1}
    after = documents(client)
    assert all(after[name] == before[name] for name in ("d001", "d002"))
    monkeypatch.setattr(writing, "MAX_ENTRIES", 0)
    made = start(client)
    work()
    assert shown(client, made)["failures"] == {"gone": 1, "blocked": 0, "too_large": 59}


def test_members_of_other_collections_are_left_alone(client: TestClient, work: Work) -> None:
    for name in ("one", "two"):
        add_collection(client, name)
    config = {"cluster_type": "attribute", "attribute_config": {"attributes": ["text"]}}
    client.post("/v1/clusters", json={"cluster_name": "groups", "collection_ids": ["one", "two"], **config})
    client.post("/v1/clusters/groups/execute")
    work()
    made = start(client, source_collection_id="two", batch_size=50)
    work()
    assert counts(client, made) == (60, 60, 0, 0, 3)
    assert all(each["enrichments"] is None for each in documents(client, "one").values())
    assert all(each["enrichments"] is not None for each in documents(client, "two").values())


def test_what_is_deleted_meanwhile_ends_it_with_a_reason(client: TestClient, work: Work, grouped: str) -> None:
    without_run = start(client)
    client.delete("/v1/clusters/groups")
    assert work() == ["FAILED"]
    resource = shown(client, without_run)
    assert (resource["status"], "results of a run were deleted" in resource["error_message"]) == ("failed", True)


def test_a_collection_that_is_deleted_meanwhile(client: TestClient, work: Work, grouped: str) -> None:
    done, waiting = start(client), start(client)
    client.post("/v1/collections", json={"collection_name": "copies"})
    client.post("/v1/clusters/groups/execute")
    assert client.get(f"{PATH}/{done}").status_code == 200
    client.delete("/v1/collections/things")
    states = work()
    assert states[:2] == ["FAILED", "FAILED"]
    assert "was deleted" in shown(client, waiting)["error_message"]
    start_undo(client, done)
    assert work() == ["COMPLETED"]


def test_undo_in_a_collection_that_is_gone(client: TestClient, work: Work, grouped: str) -> None:
    made = start(client)
    work()
    client.delete("/v1/collections/things")
    start_undo(client, made)
    assert work() == ["COMPLETED"]
    assert shown(client, made)["undo"]["gone"] == 60


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"clustering_ids": []}, 422, "clustering_ids"),
        ({"clustering_ids": ["groups"] * 21}, 422, "clustering_ids"),
        ({"clustering_ids": ["none"]}, 404, "none"),
        ({"clustering_ids": ["idle"]}, 404, "no completed run"),
        ({"clustering_id": "groups"}, 422, "say the same thing"),
        ({"source_collection_id": "none"}, 404, "none"),
        ({"target_collection_id": "none"}, 404, "none"),
        ({"batch_size": 0}, 422, "batch_size"),
        ({"batch_size": 10_001}, 422, "batch_size"),
        ({"parallelism": 0}, 422, "parallelism"),
        ({"mode": "fast"}, 422, "mode"),
        ({"field_mappings": []}, 422, "field_mappings"),
        ({"field_mappings": [{"source": "cluster_id", "target": f"f{n}"} for n in range(51)]}, 422, "field_mappings"),
        ({"field_mappings": [{"source": "colour", "target": "a"}]}, 422, "no such field"),
        ({"field_mappings": [{"source": "metadata.", "target": "a"}]}, 422, "no such field"),
        ({"field_mappings": [{"source": "x", "target": "a..b"}]}, 422, "a path into metadata"),
        ({"field_mappings": [{"source": "x", "target": "a.b.c.d.e.f"}]}, 422, "a path into metadata"),
        ({"field_mappings": [{"source": "x", "target": "a\nb"}]}, 422, "control"),
        ({"field_mappings": [{"source": "x", "target": "a"}, {"source": "y", "target": "a.b"}]}, 422, "each other"),
        ({"field_mappings": [{"source": "x", "target": "a", "clustering_id": "no"}]}, 400, "not among"),
        ({"clustering_ids": ["groups", "FIRST"]}, 400, "two runs"),
        ({"clustering_ids": ["groups", "numbers"], "field_mappings": TOPIC}, 400, "clustering_id"),
        (
            {"clustering_ids": ["groups", "numbers"], "field_mappings": [{**TOPIC[0], "clustering_id": "groups"}]},
            400,
            "writes nothing",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(
    client: TestClient, refused: Callable[[dict[str, Any]], Any], fields: dict[str, Any], status: int, words: str
) -> None:
    answer = refused(fields)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text


@pytest.fixture
def refused(client: TestClient, work: Work, grouped: str) -> Callable[[dict[str, Any]], Any]:
    """Asks for a write-back beside a definition that has not run, one that has, and an earlier run."""
    first = client.get("/v1/clusters/groups").json()["last_run_id"]
    attribute = {"cluster_type": "attribute", "attribute_config": {"attributes": ["group"]}}
    for name in ("idle", "numbers"):
        client.post("/v1/clusters", json={"cluster_name": name, "collection_ids": ["things"], **attribute})
    for name in ("groups", "numbers"):
        client.post(f"/v1/clusters/{name}/execute")
    work()

    def ask(fields: dict[str, Any]) -> Any:
        body = {"clustering_ids": ["groups"], "source_collection_id": "things", **fields}
        body["clustering_ids"] = [first if name == "FIRST" else name for name in body["clustering_ids"]]
        return client.post("/v1/clusters/enrich", params={"async": True}, json=body)

    return ask


def test_one_clustering_may_be_named_alone(client: TestClient, work: Work, grouped: str) -> None:
    body = {"clustering_id": "groups", "source_collection_id": "things", "target_collection_id": "things"}
    task = client.post("/v1/clusters/enrich", params={"async": True}, json=body).json()
    assert work() == ["COMPLETED"]
    resource = shown(client, task["additional_data"]["enrichment_id"])
    assert (resource["processed"], resource["target_collection_id"]) == (60, None)
    done = client.get(f"/v1/tasks/{task['task_id']}").json()
    assert (done["outputs"][0]["enriched"], done["additional_data"]["enriched"]) == (60, 60)


def test_write_backs_are_listed(client: TestClient, work: Work, grouped: str) -> None:
    first = start(client)
    work()
    second = start(client, field_mappings=TOPIC)
    listed = client.post(f"{PATH}/list").json()
    assert [each["enrichment_id"] for each in listed["results"]] == [second, first]
    asked = {"filters": {"AND": [{"status": "completed"}, {"clusterings.clustering_id": grouped}]}}
    assert [each["enrichment_id"] for each in client.post(f"{PATH}/list", json=asked).json()["results"]] == [first]
    assert client.get(f"{PATH}/enr_none").status_code == 404
    assert client.post(f"{PATH}/enr_none/undo").status_code == 404


def test_a_request_that_waits_too_long_names_its_task(
    services: Services, client: TestClient, auth: dict[str, str], grouped: str
) -> None:
    hasty = replace(services, settings=services.settings.model_copy(update={"execute_timeout_seconds": 0.05}))
    with TestClient(create_app(hasty), headers=auth) as impatient:
        body = {"clustering_ids": ["groups"], "source_collection_id": "things"}
        answer = impatient.post("/v1/clusters/enrich", json=body)
    details = answer.json()["error"]["details"]
    assert (answer.status_code, details["retryable"]) == (503, False)
    assert client.get(f"/v1/tasks/{details['task_id']}").json()["status"] == "PENDING"


def test_another_namespace_s_things_are_not_found(client: TestClient, work: Work, grouped: str) -> None:
    made = start(client)
    work()
    run_id = shown(client, made)["clusterings"][0]["run_id"]
    collection = client.get("/v1/collections/things").json()["collection_id"]
    client.post("/v1/namespaces", json={"namespace_name": "other"})
    other = {"X-Namespace": "other"}
    own = client.post("/v1/collections", json={"collection_name": "own"}, headers=other).json()["collection_id"]
    for clustering, source, target in ((grouped, own, None), (run_id, own, None), (grouped, collection, own)):
        body = {"clustering_ids": [clustering], "source_collection_id": source, "target_collection_id": target}
        assert client.post("/v1/clusters/enrich", json=body, headers=other).status_code == 404
    body = {"clustering_ids": [grouped], "source_collection_id": "things", "target_collection_id": own}
    assert client.post("/v1/clusters/enrich", json=body).status_code == 404
    assert client.get(f"{PATH}/{made}", headers=other).status_code == 404
    assert client.post(f"{PATH}/{made}/undo", headers=other).status_code == 404
    assert client.post(f"{PATH}/list", headers=other).json()["total_count"] == 0


def test_permissions(app: FastAPI, client: TestClient, grouped: str) -> None:
    client.post("/v1/collections", json={"collection_name": "copies"})
    body = {"clustering_ids": ["groups"], "source_collection_id": "things"}
    for permission, target, status in (("read", None, 403), ("update", "copies", 403), ("update", None, 200)):
        named = {"key_name": f"{permission}-{target}", "permissions": [permission]}
        made = client.post("/v1/organizations/users/admin@coterie.local/api-keys", params=named).json()
        with TestClient(app, headers={"Authorization": f"Bearer {made['key']}"}) as other:
            asked = {**body, "target_collection_id": target}
            answer = other.post("/v1/clusters/enrich", params={"async": True}, json=asked)
        assert answer.status_code == status, answer.text
