"""Collections and documents through the API."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.store.vectors import VectorStore


@pytest.fixture(autouse=True)
def collection(client: TestClient) -> str:
    made = client.post("/v1/collections", json={"collection_name": "things", "description": "d"}).json()
    return str(made["collection_id"])


def write(client: TestClient, **document: Any) -> Any:
    return client.post("/v1/collections/things/documents", json=document)


def test_a_collection_is_found_by_id_and_name_changed_and_deleted(client: TestClient, collection: str) -> None:
    assert client.get("/v1/collections/things").json() == client.get(f"/v1/collections/{collection}").json()
    assert client.post("/v1/collections", json={"collection_name": "things"}).status_code == 409
    changed = client.patch("/v1/collections/things", json={"collection_name": "items", "metadata": {"a": 1}}).json()
    assert (changed["collection_name"], changed["metadata"], changed["description"]) == ("items", {"a": 1}, "d")
    assert client.patch("/v1/collections/items", json={"source": {}}).status_code == 400
    assert client.patch("/v1/collections/items", json={"enabled": False}).status_code == 400
    assert client.patch("/v1/collections/items", json={"collection_name": "a/b"}).status_code == 422
    assert client.delete("/v1/collections/items").status_code == 204
    assert client.get(f"/v1/collections/{collection}").status_code == 404


def test_a_document_s_way(client: TestClient, services: Services) -> None:
    made = write(client, document_id="a", object_id="o", metadata={"x": 1}, vectors={"bring_your_own": [1, 2]}).json()
    assert (made["document_id"], made["object_id"], made["metadata"]) == ("a", "o", {"x": 1})
    assert "vector" not in made
    path = "/v1/collections/things/documents/a"
    assert client.get(path, params={"return_vectors": True}).json()["vector"] == [1.0, 2.0]
    changed = client.put(path, json={"metadata": {"y": 2}, "vectors": {"other": [5]}}).json()
    assert changed["metadata"] == {"y": 2}
    assert changed["created_at"] == made["created_at"]
    assert client.get(path, params={"return_vectors": True}).json()["vectors"] == {
        "bring_your_own": [1.0, 2.0],
        "other": [5.0],
    }
    assert client.put(path, json={"nonsense": 1}).status_code == 422
    assert client.put(path, json={"vectors": {"other": [5, 6]}}).status_code == 400
    assert client.delete(path).status_code == 200
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 404
    assert client.get("/v1/collections/things").json()["document_count"] == 0


@pytest.mark.parametrize(
    "features",
    [
        [{"feature_extractor_id": "clip_vit_l_14_v1", "vectors": [1, 2]}],
        [{"feature_extractor_id": "ignored", "vectors": {"clip_vit_l_14": [1, 2]}}],
    ],
)
def test_vectors_come_by_extractor(client: TestClient, features: Any) -> None:
    write(client, document_id="a", features=features)
    shown = client.get("/v1/collections/things/documents/a", params={"return_vectors": True}).json()
    assert shown["vectors"] == {"clip_vit_l_14": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"vectors": {"bring_your_own": [1, 2, 3]}}, "has 3 numbers"),
        ({"vectors": {"bring_your_own": []}}, "has 0 numbers"),
        ({"vectors": {"no/name": [1]}}, "no vector name"),
        ({"vectors": {"bring_your_own": [1e39, 1]}}, "not finite"),
        ({"metadata": {"x": "y" * 50_000, "z": "y" * 20_000}}, "bytes"),
        ({"features": [{"feature_extractor_id": "f", "vectors": {"indices": [1], "values": [1]}}]}, "sparse"),
        ({"features": [{"feature_extractor_id": "f", "vectors": [[1], [2]]}]}, "list of vectors"),
        ({"features": [{"feature_extractor_id": "f", "payload": {"a": 1}}]}, "payload"),
        ({"collection_id": "col_other"}, "collection_id"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(client: TestClient, document: Any, words: str) -> None:
    write(client, vectors={"bring_your_own": [1, 2]})
    single = write(client, **document)
    assert single.status_code in (400, 413)
    if single.status_code == 400:
        assert words in single.json()["error"]["message"]
    batch = client.post("/v1/collections/things/documents/batch", json={"documents": [document, {"metadata": {}}]})
    results = batch.json()
    assert (results["succeeded"], results["failed"]) == (1, 1)
    assert words in results["results"][0]["error"]
    assert client.get("/v1/collections/things").json()["document_count"] == 2


def test_a_batch_answers_per_item(client: TestClient) -> None:
    items = [
        {"document_id": "a", "vectors": {"bring_your_own": [1, 2]}},
        {"document_id": "a"},
        {"document_id": "b", "wrong": 1},
        {"document_id": "x/y"},
        {"metadata": {"n": 1}},
    ]
    results = client.post("/v1/collections/things/documents/batch", json={"documents": items}).json()
    assert [each["status"] for each in results["results"]] == ["created", "failed", "failed", "failed", "created"]
    assert results["results"][4]["document_id"].startswith("doc_")
    again = client.post("/v1/collections/things/documents/batch", json={"documents": items[:1]}).json()
    assert again["results"][0]["status"] == "updated"
    many = client.post("/v1/collections/things/documents/batch", json={"documents": [{}] * 1001})
    assert many.status_code == 422
    assert client.post("/v1/collections/none/documents/batch", json={"documents": [{}]}).status_code == 404


def test_documents_are_listed_by_their_payload(client: TestClient) -> None:
    items = [{"document_id": f"d{n}", "metadata": {"n": n, "tags": ["even"] if n % 2 == 0 else []}} for n in range(6)]
    client.post("/v1/collections/things/documents/batch", json={"documents": items})
    body = {
        "filters": {"AND": [{"field": "metadata.tags", "operator": "contains", "value": "EVEN"}]},
        "sort": {"field": "metadata.n", "direction": "desc"},
    }
    listed = client.post("/v1/collections/things/documents/list", json=body, params={"limit": 2}).json()
    assert [each["document_id"] for each in listed["results"]] == ["d4", "d2"]
    assert listed["pagination"]["total"] == 3
    assert listed["pagination"]["next_page"].endswith("documents/list?limit=2&offset=2")
    with_vectors = client.post("/v1/collections/things/documents/list", json={"return_vectors": True}).json()
    assert with_vectors["results"][0]["vectors"] == {}


def test_a_failure_between_vectors_and_records_leaves_nothing_visible(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise OSError("disk full")

    monkeypatch.setattr("coterie.documents.writing.write_records", broken)
    assert write(client, document_id="a", vectors={"bring_your_own": [1, 2]}).status_code == 500
    monkeypatch.undo()
    assert client.get("/v1/collections/things/documents/a").status_code == 404
    assert client.get("/v1/collections/things").json()["document_count"] == 0
    assert write(client, document_id="a", vectors={"bring_your_own": [3, 4]}).status_code == 200
    shown = client.get("/v1/collections/things/documents/a", params={"return_vectors": True}).json()
    assert shown["vector"] == [3.0, 4.0]


def test_a_failure_to_store_vectors_leaves_no_record(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(VectorStore, "append", broken)
    answer = write(client, document_id="a", vectors={"bring_your_own": [1, 2]})
    assert answer.status_code == 500
    assert "disk" not in answer.text
    assert client.get("/v1/collections/things/documents/a").status_code == 404


def test_extractors_are_registered_and_honest(client: TestClient) -> None:
    shown = {each["feature_extractor_name"]: each for each in client.get("/v1/collections/features/extractors").json()}
    assert set(shown) == {"bring_your_own", "all_minilm_l6_v2", "clip_vit_b_32", "clip_vit_l_14"}
    assert shown["bring_your_own"]["installed"] is True
    assert shown["clip_vit_l_14"]["installed"] is False
    one = client.get("/v1/collections/features/extractors/clip_vit_l_14_v1").json()
    assert one == shown["clip_vit_l_14"]
    assert client.get("/v1/collections/features/extractors/none").status_code == 404


def test_vectors_whose_squares_overflow_are_refused(client: TestClient) -> None:
    body = {"vectors": {"bring_your_own": [3e38, 1.0]}}
    refused = client.post("/v1/collections/things/documents", json=body)
    assert (refused.status_code, "1e+18" in refused.text) == (400, True)


def test_one_extractor_or_a_list_but_not_both(client: TestClient) -> None:
    extractor = {"feature_extractor_name": "bring_your_own", "version": "v1"}
    body = {"collection_name": "two", "feature_extractor": extractor, "feature_extractors": [extractor]}
    assert client.post("/v1/collections", json=body).status_code == 400
