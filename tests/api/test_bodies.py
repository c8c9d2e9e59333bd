"""Bodies: limits before keys and keys before bodies, and what strict JSON refuses."""

import asyncio
import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from coterie.api.bodies import MAX_DEPTH, BodyLimit, parse_json

BIG = b'{"metadata": {"text": "' + b"x" * 70_000 + b'"}}'


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("identity", ["import", "batch"])
def test_a_document_called_import_has_no_body_without_limit(client: TestClient, method: str, identity: str) -> None:
    path = f"/v1/collections/things/documents/{identity}"
    assert client.request(method, path, content=BIG, headers={"Authorization": ""}).status_code == 413


def test_a_batch_is_read_only_for_who_may_write(client: TestClient) -> None:
    path = "/v1/collections/things/documents/batch"
    asked = client.post(path, content=BIG * 10, headers={"Authorization": "Bearer sk_no"})
    assert asked.status_code == 401
    assert client.post(path, content=b"{").json()["detail"][0]["type"] == "json_invalid"
    assert client.post(path, json={"documents": 1}).json()["detail"][0]["loc"] == ["body", "documents"]


def test_a_batch_has_a_limit(client: TestClient, monkeypatch: pytest.MonkeyPatch, services: Any) -> None:
    client.post("/v1/collections", json={"collection_name": "things"})
    object.__setattr__(services.settings, "batch_body_limit", 1000)
    assert client.post("/v1/collections/things/documents/batch", content=BIG).status_code == 413


@pytest.mark.parametrize("made", ["[" * 201 + "]" * 201, '{"a":' * 201 + "1" + "}" * 201])
def test_nesting_has_a_limit(made: str) -> None:
    with pytest.raises(json.JSONDecodeError, match="levels deep"):
        parse_json(made.encode())
    assert parse_json(("[" * MAX_DEPTH + "]" * MAX_DEPTH).encode())
    assert parse_json(("[" + ",".join(["[]"] * 500) + "]").encode())


def test_nul_is_found_however_deep(client: TestClient) -> None:
    with pytest.raises(json.JSONDecodeError, match="NUL"):
        parse_json(b"[" * 900 + b'"\\u0000"' + b"]" * 900)
    assert parse_json(b'["\\\\u0000"]') == ["\\u0000"]


def test_deep_metadata_is_refused_and_what_may_be_is_kept(client: TestClient) -> None:
    client.post("/v1/collections", json={"collection_name": "things"})

    def body(levels: int) -> dict[str, Any]:
        value: Any = 1
        for _ in range(levels):
            value = {"a": value}
        return {
            "cluster_name": f"c{levels}",
            "collection_ids": ["things"],
            "cluster_type": "attribute",
            "attribute_config": {"attributes": ["x"]},
            "metadata": value,
        }

    assert client.post("/v1/clusters", json=body(300)).status_code == 422
    assert client.post("/v1/clusters", json=body(150)).status_code == 200
    assert client.patch("/v1/clusters/c150", json={"metadata": body(300)["metadata"]}).status_code == 422
    assert client.get("/v1/clusters/c150").status_code == 200


def test_a_client_that_goes_away_is_not_taken_for_one_that_sent_nothing() -> None:
    reached: list[Any] = []

    async def inner(*args: Any) -> None:
        reached.append(args)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    limit = BodyLimit(inner, 1000, lambda _limit: inner)
    scope = {"type": "http", "method": "POST", "path": "/v1/clusters/x/execute", "headers": []}
    asyncio.run(limit(scope, receive, inner))
    assert reached == []
