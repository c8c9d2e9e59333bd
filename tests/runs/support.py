"""Runs, and what they leave."""

from typing import Any

from conftest import wait_for_task


def run(client: Any, identifier: str, changes: dict[str, Any] | None = None, **query: Any) -> dict[str, Any]:
    task = client.post(f"/v1/clusters/{identifier}/execute", params=query, json=changes)
    assert task.status_code == 200, task.text
    return wait_for_task(client, task.json()["task_id"])
