"""Exports behind links: whoever has one gets the file, until it expires, and no one else does."""

from datetime import datetime
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.runs import links
from objectstore import files_of
from runs.here import run_here
from support import KMEANS, add_cluster, add_collection

HOUR = 3_600


@pytest.fixture
def path(client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch) -> str:
    add_collection(client)
    cluster = add_cluster(client, vector_config=KMEANS)["cluster_id"]
    run_id = run_here(client, services, monkeypatch, cluster)
    return f"/v1/clusters/{cluster}/executions/{run_id}/export"


def fetch(client: TestClient, url: str) -> Any:
    """As someone without a key."""
    if url.startswith(str(client.base_url)):
        return client.get(url, headers={"Authorization": ""})
    return httpx.get(url)


@pytest.mark.parametrize("format", ["csv", "parquet", "arrow"])
def test_a_link_gives_the_file_to_whoever_has_it(
    client: TestClient, path: str, format: str, services: Services
) -> None:
    link = client.post(path, json={"format": format, "content": "members", "cluster_label": "cl_1"}).json()
    whole = client.get(path, params={"format": format, "cluster_label": "cl_1", "download": True}).content
    found = fetch(client, link["download_url"])
    assert (found.status_code, found.content) == (200, whole)
    assert link["download_url"].partition("?")[0].endswith(f"/{link['filename']}")
    left = datetime.fromisoformat(link["expires_at"]).timestamp() - services.clock.now().timestamp()
    assert HOUR - 60 < left < HOUR + 60


def test_a_link_that_was_changed_opens_nothing(client: TestClient, path: str) -> None:
    url: str = client.post(path).json()["download_url"]
    assert fetch(client, url).status_code == 200
    if not url.startswith(str(client.base_url)):
        assert fetch(client, url.replace("X-Amz-Expires=3600", "X-Amz-Expires=36000")).status_code == 403
        return
    parts = url.split("/")
    for at, other in (
        (-2, "x" * 43),
        (-2, "..%2f.."),
        (-1, "%00"),
        (-4, ".."),
        (-3, str(int(parts[-3]) + 1)),
        (-4, "ns_other"),
        (-1, "other"),
    ):
        changed = "/".join(other if part is parts[at] else part for part in parts)
        assert fetch(client, changed).status_code == 404, changed


def test_what_has_expired_opens_nothing_and_is_swept(
    client: TestClient, path: str, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (client.post(path, json={"expires_in_seconds": seconds}).json() for seconds in (60, HOUR))
    assert len(files_of(services.blobs, "/exports/")) == 2
    monkeypatch.setattr(links.time, "time", lambda: services.clock.now().timestamp() + 120)
    if old["download_url"].startswith(str(client.base_url)):
        assert fetch(client, old["download_url"]).status_code == 404
    links.sweep_links(services.blobs)
    assert len(files_of(services.blobs, "/exports/")) == 1
    assert fetch(client, new["download_url"]).status_code == 200


def test_a_namespace_has_so_many_at_once(
    client: TestClient, path: str, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MOST", 2)
    assert [client.post(path).status_code for _ in range(3)] == [200, 200, 409]
    client.post("/v1/namespaces", json={"namespace_name": "other"})
    assert client.post(path, headers={"X-Namespace": "other"}).status_code == 404
    assert not list(services.settings.scratch_dir.glob("export-*"))


@pytest.mark.parametrize(
    "body",
    [{"format": "xlsx"}, {"expires_in_seconds": 59}, {"expires_in_seconds": 90_000}, {"cluster_label": "x" * 2_000}],
)
def test_a_faulty_request_is_refused(client: TestClient, path: str, body: dict[str, Any]) -> None:
    assert client.post(path, json=body).status_code == 422


def test_no_link_is_made_of_what_is_not_there(client: TestClient, path: str, services: Services) -> None:
    assert client.post(path, json={"cluster_label": "none such"}).status_code == 404
    assert client.post(path.replace("/run_", "/run_x")).status_code == 404
    assert files_of(services.blobs, "/exports/") == []
