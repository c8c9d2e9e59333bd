"""A namespace for each test of the room."""

import zlib
from collections.abc import Iterator

import httpx
import pytest

from conftest import Service


@pytest.fixture
def namespace(service: Service, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A client in a namespace of its own."""
    name = f"{request.node.name[:40]}-{zlib.crc32(request.node.name.encode())}".replace("/", "-")
    with service.client() as client:
        assert client.post("/v1/namespaces", json={"namespace_name": name}).status_code == 200
        namespace_id = client.get(f"/v1/namespaces/{name}").json()["namespace_id"]
        client.headers["X-Namespace"] = namespace_id
        yield client
