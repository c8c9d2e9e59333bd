"""What a definition is found by."""

from starlette.testclient import TestClient

from support import add_cluster, add_collection


def found(client: TestClient, words: str) -> list[str]:
    results = client.post("/v1/clusters/list", json={"search": words}).json()["results"]
    return [row["cluster_name"] for row in results]


def test_a_definition_is_found_by_its_collection_s_name_however_it_was_named(client: TestClient) -> None:
    identity = add_collection(client, "Invoices")
    add_cluster(client, "by id", identity)
    add_cluster(client, "by name", "Invoices")
    assert sorted(found(client, "invoices")) == ["by id", "by name"]
    assert sorted(found(client, identity)) == ["by id", "by name"]
    assert client.patch("/v1/collections/Invoices", json={"collection_name": "Receipts"}).status_code == 200
    assert sorted(found(client, "receipts")) == ["by id", "by name"]
    assert found(client, "invoices") == ["by name"]
    client.patch("/v1/clusters/by id", json={"description": "changed"})
    assert sorted(found(client, "RECEIPTS")) == ["by id", "by name"]
