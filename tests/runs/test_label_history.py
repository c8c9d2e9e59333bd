"""The history of a label is bounded."""

import pytest
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.runs import label_history
from runs.here import run_here
from support import add_cluster, add_collection


def test_of_a_group_s_changes_the_newest_are_kept(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_history, "KEPT", 3)
    add_collection(client)
    cluster = add_cluster(client)["cluster_id"]
    run_here(client, services, monkeypatch, cluster)
    for number in range(5):
        assert client.patch(f"/v1/clusters/{cluster}/groups/cl_0", json={"label": f"name {number}"}).status_code == 200
    shown = client.get(f"/v1/clusters/{cluster}/groups/cl_0/history").json()
    assert [each["label"] for each in shown["history"]] == ["name 4", "name 3", "name 2"]
    assert shown["history"][-1]["label_before"] == "name 1"
    assert client.get(f"/v1/clusters/{cluster}/groups/cl_1/history").json()["total"] == 1
