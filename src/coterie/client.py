"""The Python client: httpx and nothing of the server.

with Client("http://localhost:8000", "sk_…") as coterie:
    coterie.create_collection("articles")
    coterie.import_file("articles", Path("articles.parquet"), "application/vnd.apache.parquet")
    coterie.create_cluster({"collection_ids": ["articles"], "cluster_name": "topics", "vector_config": {...}})
    coterie.wait(coterie.run_cluster("topics")["task_id"])
    print(coterie.groups("topics"))
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

RETRIES = 5
OPEN = ("PENDING", "PROCESSING")
Json = dict[str, Any]
Progress = Callable[[Json], None]


class ApiError(Exception):
    """An answer that is no success: its status, the error's type, message and details, and the request's id."""

    def __init__(self, response: httpx.Response) -> None:
        error = _error_of(response)
        self.status = response.status_code
        self.type: str = error.get("type", "HTTPError")
        self.message: str = error.get("message", response.text[:500])
        self.details: Json = error.get("details") or {}
        self.request_id = response.headers.get("X-Request-ID")
        super().__init__(f"{self.status} {self.type}: {self.message}")


class TaskFailed(Exception):
    """A task that did not complete; `task` is what the API shows of it."""

    def __init__(self, task: Json) -> None:
        super().__init__(task.get("error_message") or f"the task was {task['status'].lower()}")
        self.task = task


class Client:
    """A connection to a service, in one namespace. Requests that are answered 429 or 503 are sent again as told."""

    def __init__(
        self,
        url: str,
        api_key: str,
        namespace: str | None = None,
        *,
        timeout: float = 60,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {"Authorization": f"Bearer {api_key}"}
        if namespace is not None:
            headers["X-Namespace"] = namespace
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def request(self, method: str, path: str, json: Any = None, **options: Any) -> Any:
        """Any route: the answer's JSON, None where it has no body. Raises ApiError."""
        for attempt in range(RETRIES + 1):
            response = self._http.request(method, path, json=json, **options)
            wait = _advised_wait(response)
            if wait is None or attempt == RETRIES:
                break
            self._sleep(wait)
        return _answer(response)

    # -- collections and documents ----------------------------------------------------------------------------

    def create_collection(self, name: str, **fields: Any) -> Json:
        """A new collection."""
        made: Json = self.request("POST", "/v1/collections", {"collection_name": name, **fields})
        return made

    def get_collection(self, identifier: str) -> Json:
        """A collection by id or name."""
        found: Json = self.request("GET", f"/v1/collections/{identifier}")
        return found

    def write_documents(self, collection: str, documents: Sequence[Mapping[str, Any]]) -> Json:
        """Up to 1,000 documents; the answer has a result for each."""
        path = f"/v1/collections/{collection}/documents/batch"
        written: Json = self.request("POST", path, {"documents": list(documents)})
        return written

    def embed(self, collection: str) -> Json:
        """The task that makes a collection's vectors of its mapped fields."""
        task: Json = self.request("POST", f"/v1/collections/{collection}/embed")
        return task

    def import_stream(self, collection: str, content: Iterable[bytes], content_type: str, **parameters: Any) -> Json:
        """A file's bytes, sent as they come; not retried. The parameters are the API's."""
        response = self._http.post(
            f"/v1/collections/{collection}/documents/import",
            content=content,
            headers={"Content-Type": content_type},
            params={key: value for key, value in parameters.items() if value is not None},
            timeout=None,
        )
        report: Json = _answer(response)
        return report

    def import_file(self, collection: str, path: Path, content_type: str, **parameters: Any) -> Json:
        """A Parquet, Arrow IPC stream, NDJSON or CSV file."""
        with path.open("rb") as file:
            chunks = iter(lambda: file.read(1 << 20), b"")
            return self.import_stream(collection, chunks, content_type, **parameters)

    # -- definitions and runs ---------------------------------------------------------------------------------

    def create_cluster(self, definition: Mapping[str, Any]) -> Json:
        """A new definition."""
        made: Json = self.request("POST", "/v1/clusters", dict(definition))
        return made

    def get_cluster(self, identifier: str) -> Json:
        """A definition by id or name."""
        found: Json = self.request("GET", f"/v1/clusters/{identifier}")
        return found

    def list_clusters(self, body: Mapping[str, Any] | None = None, **page: int) -> Json:
        """Definitions by the list language."""
        listed: Json = self.request("POST", "/v1/clusters/list", dict(body or {}), params=page)
        return listed

    def suggest_cluster(self, body: Mapping[str, Any]) -> Json:
        """Start the search for a definition; its task, whose `outputs` will hold it."""
        suggestion: Json = self.request("POST", "/v1/clusters/suggest", json=body)
        return suggestion

    def run_cluster(self, identifier: str, **changes: Any) -> Json:
        """Start a run; its task."""
        task: Json = self.request("POST", f"/v1/clusters/{identifier}/execute", changes)
        return task

    def list_runs(self, identifier: str, body: Mapping[str, Any] | None = None, **page: int) -> Json:
        """A definition's runs by the list language."""
        path = f"/v1/clusters/{identifier}/executions/list"
        listed: Json = self.request("POST", path, dict(body or {}), params=page)
        return listed

    def get_run(self, identifier: str, run_id: str, *, vectors: bool = False) -> Json:
        """A run of a definition, with its groups."""
        path = f"/v1/clusters/{identifier}/executions/{run_id}"
        found: Json = self.request("GET", path, params={"include_vectors": vectors})
        return found

    def cancel_run(self, identifier: str, run_id: str) -> Json:
        """Ask for the end of a run."""
        asked: Json = self.request("POST", f"/v1/clusters/{identifier}/executions/{run_id}/cancel")
        return asked

    def name_run(self, identifier: str, run_id: str, name: str) -> Json:
        """Give a run a name, which keeps it from retention, or take it away with an empty one."""
        path = f"/v1/clusters/{identifier}/executions/{run_id}/name"
        named: Json = self.request("PATCH", path, {"run_name": name})
        return named

    def delete_run(self, identifier: str, run_id: str) -> None:
        """Delete a run that has ended, with its files."""
        self.request("DELETE", f"/v1/clusters/{identifier}/executions/{run_id}")

    def export_run(self, identifier: str, run_id: str, path: Path, **parameters: Any) -> None:
        """A run's members or groups to a file, whole or not at all. `format`, `content` and `cluster_label` as in the
        API; not retried. Raises ApiError."""
        part = path.with_name(f"{path.name}.part")
        given = {key: value for key, value in parameters.items() if value is not None}
        address = f"/v1/clusters/{identifier}/executions/{run_id}/export"
        with self._http.stream("GET", address, params=given, timeout=None) as response:
            if not response.is_success:
                response.read()
                raise ApiError(response)
            try:
                with part.open("wb") as file:
                    file.writelines(response.iter_bytes())
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)

    def link_export(self, identifier: str, run_id: str, **parameters: Any) -> Json:
        """A link to a run's members or groups that opens without a key: `download_url`, until `expires_at`. `format`,
        `content`, `cluster_label` and `expires_in_seconds` as in the API."""
        given = {key: value for key, value in parameters.items() if value is not None}
        link: Json = self.request("POST", f"/v1/clusters/{identifier}/executions/{run_id}/export", given)
        return link

    def visualization(self, identifier: str, **parameters: Any) -> Json:
        """The map of the newest run, or of `run_id`: its groups and a sample of its documents."""
        found: Json = self.request("GET", f"/v1/clusters/{identifier}/visualization", params=parameters)
        return found

    def compare_runs(self, identifier: str, before: str, after: str) -> Json:
        """What changed from one run of a definition to another."""
        found: Json = self.request("GET", f"/v1/clusters/{identifier}/executions/{before}/compare/{after}")
        return found

    def change_group(self, identifier: str, group_id: str, **changes: Any) -> Json:
        """A group of a definition with another `label`, or `pinned`."""
        changed: Json = self.request("PATCH", f"/v1/clusters/{identifier}/groups/{group_id}", changes)
        return changed

    def merge_group(self, identifier: str, group_id: str, into: str) -> Json:
        """A group that another one has become a part of."""
        whole: Json = self.request("POST", f"/v1/clusters/{identifier}/groups/{group_id}/merge", {"into": into})
        return whole

    def groups(self, identifier: str) -> Json:
        """The groups of the newest run."""
        found: Json = self.request("GET", f"/v1/clusters/{identifier}/groups")
        return found

    def data(self, identifier: str, **body: Any) -> Json:
        """Centroids and members of the newest run."""
        found: Json = self.request("POST", f"/v1/clusters/{identifier}/data", body)
        return found

    # -- triggers ---------------------------------------------------------------------------------------------

    def create_trigger(self, trigger: Mapping[str, Any]) -> Json:
        """A new trigger."""
        made: Json = self.request("POST", "/v1/clusters/triggers", dict(trigger))
        return made

    def list_triggers(self, **body: Any) -> Json:
        """Triggers; `cluster_id`, `trigger_type`, `status`, `sort_by` and so on as in the API."""
        listed: Json = self.request("POST", "/v1/clusters/triggers/list", body)
        return listed

    def pause_trigger(self, trigger_id: str) -> Json:
        """A trigger, resting until it is resumed."""
        paused: Json = self.request("POST", f"/v1/clusters/triggers/{trigger_id}/pause")
        return paused

    def resume_trigger(self, trigger_id: str) -> Json:
        """A trigger, active from now on."""
        resumed: Json = self.request("POST", f"/v1/clusters/triggers/{trigger_id}/resume")
        return resumed

    def delete_trigger(self, trigger_id: str) -> None:
        """Disable a trigger."""
        self.request("DELETE", f"/v1/clusters/triggers/{trigger_id}")

    def trigger_history(self, trigger_id: str, **body: Any) -> Json:
        """What came of a trigger's firings, newest first."""
        found: Json = self.request("POST", f"/v1/clusters/triggers/{trigger_id}/history", body)
        return found

    # -- tasks ------------------------------------------------------------------------------------------------
    def enrich(self, clustering_ids: Sequence[str], source_collection_id: str, **fields: Any) -> Json:
        """Start to write groups into documents; its task. `field_mappings`, `target_collection_id`, … as in the API."""
        body = {"clustering_ids": list(clustering_ids), "source_collection_id": source_collection_id, **fields}
        task: Json = self.request("POST", "/v1/clusters/enrich", body, params={"async": True})
        return task

    def get_enrichment(self, enrichment_id: str) -> Json:
        """A write-back, with its counts."""
        found: Json = self.request("GET", f"/v1/clusters/enrichments/{enrichment_id}")
        return found

    def undo_enrichment(self, enrichment_id: str) -> Json:
        """Start to undo a write-back; its task."""
        task: Json = self.request("POST", f"/v1/clusters/enrichments/{enrichment_id}/undo")
        return task

    def get_task(self, task_id: str) -> Json:
        """A task with its progress."""
        found: Json = self.request("GET", f"/v1/tasks/{task_id}")
        return found

    def watch(self, task_id: str) -> Iterator[Json]:
        """The task at each change, for as long as the server tells of it: the last one may not have ended.

        `additional_data.estimated_seconds_left` says how long it will take, null before that is known. Raises ApiError.
        """
        with self._http.stream("GET", f"/v1/tasks/{task_id}/events") as response:
            if not response.is_success:
                response.read()
                raise ApiError(response)
            for line in response.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

    def wait(self, task_id: str, progress: Progress = lambda task: None, *, poll_seconds: float = 1) -> Json:
        """The task when it has completed; `progress` is called with it at each change. Raises TaskFailed, ApiError.

        Where the server tells of no changes, for whatever reason, the task is asked for every `poll_seconds`.
        """
        while True:
            try:
                for task in self.watch(task_id):
                    progress(task)
            except httpx.TransportError:
                pass
            except ApiError as error:
                if error.status not in (429, 503):
                    raise
            task = self.get_task(task_id)
            if task["status"] not in OPEN:
                break
            progress(task)
            self._sleep(poll_seconds)
        if task["status"] != "COMPLETED":
            raise TaskFailed(task)
        return task

    # -- webhooks ---------------------------------------------------------------------------------------------

    def create_webhook(self, webhook: Mapping[str, Any]) -> Json:
        """A new webhook; `secret` is in this answer alone."""
        made: Json = self.request("POST", "/v1/organizations/webhooks/", dict(webhook))
        return made

    def list_webhooks(self) -> list[Json]:
        """The organization's webhooks."""
        found: list[Json] = self.request("GET", "/v1/organizations/webhooks/")
        return found

    def list_deliveries(self, webhook: str, body: Mapping[str, Any] | None = None, **page: int) -> Json:
        """A webhook's deliveries by the list language."""
        path = f"/v1/organizations/webhooks/{webhook}/deliveries/list"
        listed: Json = self.request("POST", path, dict(body or {}), params=page)
        return listed

    def replay_delivery(self, webhook: str, delivery_id: str) -> Json:
        """Send a delivery's event again; the new delivery."""
        path = f"/v1/organizations/webhooks/{webhook}/deliveries/{delivery_id}/replay"
        delivery: Json = self.request("POST", path)
        return delivery


def _answer(response: httpx.Response) -> Any:
    if response.is_success:
        return response.json() if response.content else None
    raise ApiError(response)


def _error_of(response: httpx.Response) -> Json:
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}


def _advised_wait(response: httpx.Response) -> float | None:
    """The seconds to wait before the request is sent again, None if it is not to be."""
    if response.status_code not in (429, 503):
        return None
    details = _error_of(response).get("details") or {}
    if details.get("retryable") is False:
        return None
    advised = details.get("retry_after_seconds") or response.headers.get("Retry-After") or 1
    try:
        return min(max(float(advised), 0.1), 30.0)
    except ValueError:
        return 1.0
