"""Runs whose groups a language model names: what is asked, what is kept, and what happens when it does not answer."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.config import Settings
from labeling.scripted import Answered, Server, named, refused, serving
from objectstore import files_of
from runs.here import run_here
from support import KMEANS, add_cluster, add_collection, blobs

KEY = "sk-secretofthetest"
WORDS = ("apple", "river", "piano")


def by_words(_: int, body: dict[str, Any]) -> Answered:
    """Names a group by the word that its documents hold."""
    shown = body["messages"][1]["content"]
    return named(next(f"All {word}s" for word in WORDS if f"text: {word}" in shown))


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(by_words) as running:
        yield running


@pytest.fixture
def settings(settings: Settings, server: Server) -> Settings:
    known = {"openai_base_url": server.url, "openai_api_key": SecretStr(KEY), "labeling_concurrency": 2}
    return settings.model_copy(update=known)


def groups_of(client: TestClient, cluster: str) -> dict[str, dict[str, Any]]:
    rows = client.get(f"/v1/clusters/{cluster}/groups").json()["groups"]
    return {row["label"]: row for row in rows}


def test_a_run_asks_once_a_group_and_the_next_one_for_what_changed(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    add_collection(client)
    llm = {"enabled": True, "max_samples_per_cluster": 3}
    cluster = add_cluster(client, vector_config=KMEANS, llm_labeling=llm)["cluster_id"]
    run = run_here(client, services, monkeypatch, cluster)
    groups = groups_of(client, cluster)
    assert set(groups) == {"All apples", "All rivers", "All pianos"}
    assert all(row["summary"] == "All about it." and row["keywords"] == ["one", "two"] for row in groups.values())
    shown = client.get(f"/v1/clusters/{cluster}/executions/{run}").json()
    assert shown["llm_labeling_errors"] is None
    assert shown["llm_labeling_usage"] == {"labeled": 3, "reused": 0, "requests": 3, "tokens": 150}
    one = client.get(f"/v1/clusters/{cluster}/groups/{groups['All apples']['cluster_id']}").json()
    assert one["label_source"] == "llm"
    assert all(prompt.count("\n[") == 1 for prompt in server.prompts())  # documents that read alike are shown once
    assert server.asked[0]["model"] == services.settings.openai_model

    run_here(client, services, monkeypatch, cluster)
    assert len(server.asked) == 3

    vector = blobs()[0].tolist()
    added = [{"document_id": "new", "metadata": {"text": "apple"}, "vectors": {"bring_your_own": vector}}]
    client.post("/v1/collections/things/documents/batch", json={"documents": added})
    apples = groups["All apples"]["cluster_id"]
    client.patch(f"/v1/clusters/{cluster}/groups/{apples}", json={"label": "My apples"})
    run_here(client, services, monkeypatch, cluster)
    assert len(server.asked) == 4
    assert 'Its label so far: "All apples"' in server.prompts()[3]
    assert set(groups_of(client, cluster)) == {"My apples", "All rivers", "All pianos"}
    kept = b"".join(path.read_bytes() for path in services.settings.data_dir.rglob("*") if path.is_file())
    assert KEY.encode() not in kept


def test_a_step_that_is_repeated_asks_for_the_rest(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    add_collection(client)
    cluster = add_cluster(client, vector_config=KMEANS, llm_labeling={"enabled": True})["cluster_id"]

    def twice(name: str, do: Any) -> Any:
        if name == "label":
            do()
        return do()

    run = run_here(client, services, monkeypatch, cluster, twice)
    assert len(server.asked) == 3
    shown = client.get(f"/v1/clusters/{cluster}/executions/{run}").json()
    assert shown["llm_labeling_usage"]["labeled"] == 3


@pytest.mark.parametrize(
    "how", ["refused", "budget", "late", "off", "unknown provider", "nobody", "no key", "no ascii", "no port", "no end"]
)
def test_without_answers_the_labels_are_keywords_and_the_run_says_why(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch, server: Server, how: str
) -> None:
    changes: dict[str, Any] = {
        "refused": {"openai_base_url": server.url},
        "budget": {"labeling_token_budget": 10},
        "off": {"labeling": "keywords"},
        "unknown provider": {},
        "nobody": {"openai_base_url": None, "openai_api_key": None},
        "late": {"labeling_step_seconds": 0},
        "no key": {"openai_api_key": SecretStr("")},
        "no ascii": {"openai_api_key": SecretStr("schlüssel")},
        "no port": {"openai_base_url": "http://localhost:port/v1"},
        "no end": {"openai_base_url": "http://[::1/v1"},
    }[how]
    object.__setattr__(services, "settings", services.settings.model_copy(update=changes))
    add_collection(client)
    provider = {"provider": "google"} if how == "unknown provider" else {}
    script = refused(401, f"bad key {KEY}")
    with serving(lambda *_: script) as wrong:
        if how == "refused":
            renewed = services.settings.model_copy(update={"openai_base_url": wrong.url})
            object.__setattr__(services, "settings", renewed)
        llm = {"enabled": True, **provider}
        cluster = add_cluster(client, vector_config=KMEANS, llm_labeling=llm)["cluster_id"]
        run = run_here(client, services, monkeypatch, cluster)
    shown = client.get(f"/v1/clusters/{cluster}/executions/{run}").json()
    assert shown["status"] == "completed"
    assert set(groups_of(client, cluster)) == set(WORDS)
    said = " ".join(shown["llm_labeling_errors"] or [])
    wanted = {
        "refused": "refuses the key",
        "budget": "COTERIE_LABELING_TOKEN_BUDGET",
        "off": "",
        "unknown provider": "'google' is not configured",
        "nobody": "no language model is configured",
        "late": "3 groups: not asked: the time for labels is over",
        "no key": "the key of 'openai' is none",
        "no ascii": "COTERIE_OPENAI_API_KEY",
        "no port": "check its base URL and key",
        "no end": "check its base URL and key",
    }[how]
    assert wanted in said
    assert (said == "") == (how == "off")
    assert KEY not in json.dumps(shown)
    assert client.get(f"/v1/clusters/{cluster}").json()["llm_labeling_errors"] == shown["llm_labeling_errors"]
    assert server.asked == []


def test_groups_by_attributes_keep_their_values_and_get_summaries(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    add_collection(client)
    by_attributes = {"cluster_type": "attribute", "vector_config": None, "attribute_config": {"attributes": ["group"]}}
    cluster = add_cluster(client, llm_labeling={"enabled": True}, **by_attributes)["cluster_id"]
    run_here(client, services, monkeypatch, cluster)
    groups = groups_of(client, cluster)
    assert set(groups) == {"0", "1", "2"}
    assert groups["0"]["summary"] == "All about it."
    assert len(server.asked) == 3


def test_a_group_and_the_only_one_in_it_are_asked_about_once_each_for_good(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    add_collection(client)
    attributes = {"attributes": ["group", "text"], "hierarchical_grouping": True}
    by_attributes = {"cluster_type": "attribute", "vector_config": None, "attribute_config": attributes}
    cluster = add_cluster(client, llm_labeling={"enabled": True}, **by_attributes)["cluster_id"]
    run_here(client, services, monkeypatch, cluster)
    assert len(server.asked) == 6
    run_here(client, services, monkeypatch, cluster)
    assert len(server.asked) == 6
    kept = services.blobs.read(files_of(services.blobs, "labels.jsonl")[0]).splitlines()
    assert len({json.loads(line)["key"] for line in kept}) == 6


@pytest.mark.parametrize("url", ["http://host:port/v1", "http://[::1/v1", "http://:80/v1", "http://host:99999/v1"])
def test_a_base_url_that_is_none_is_refused_by_the_settings(url: str) -> None:
    for name in ("openai_base_url", "google_base_url"):
        with pytest.raises(ValueError, match="must be a URL such as"):
            Settings.model_validate({name: url})


def test_a_run_may_ask_for_other_labels_than_its_definition(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    add_collection(client)
    cluster = add_cluster(client, vector_config=KMEANS)["cluster_id"]
    mapped = {"input_mappings": [{"input_key": "t", "source_type": "payload", "path": "text"}]}
    llm = {"enabled": True, "custom_prompt": "Be terse.", "labeling_inputs": mapped, "parameters": {"temperature": 1}}
    with serving(lambda number, _: named(f"Label {number}")) as other:
        renewed = services.settings.model_copy(update={"openai_base_url": other.url})
        object.__setattr__(services, "settings", renewed)
        run_here(client, services, monkeypatch, cluster, llm_labeling=llm)
    assert set(groups_of(client, cluster)) == {"Label 0", "Label 1", "Label 2"}
    assert "Be terse." in other.asked[0]["messages"][0]["content"]
    assert other.asked[0]["temperature"] == 1
    assert re.search(r"\n\[1\] (apple|river|piano)\n", other.prompts()[0])


def test_parameters_that_cannot_be_honoured_are_refused_by_name(client: TestClient) -> None:
    add_collection(client)
    body = {"collection_ids": ["things"], "vector_config": KMEANS, "llm_labeling": {"parameters": {"tools": []}}}
    answer = client.post("/v1/clusters", json=body)
    assert answer.status_code == 422
    assert "tools" in answer.text


def test_a_pin_that_is_set_while_a_run_is_under_way_holds(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_collection(client)
    cluster = add_cluster(client, vector_config=KMEANS)["cluster_id"]
    run_here(client, services, monkeypatch, cluster)
    apples = groups_of(client, cluster)["apple"]["cluster_id"]
    group = f"/v1/clusters/{cluster}/groups/{apples}"

    def pinning(name: str, do: Any) -> Any:
        done = do()
        if name == "members":
            assert client.patch(group, json={"pinned": True}).status_code == 200
        return done

    run_here(client, services, monkeypatch, cluster, pinning, llm_labeling={"enabled": True})
    assert set(groups_of(client, cluster)) == {"apple", "All rivers", "All pianos"}
    shown = client.get(group).json()
    assert (shown["label"], shown["label_source"], shown["pinned"]) == ("apple", "keywords", True)
    assert len(shown["history"]) == 1


def test_a_step_that_was_killed_while_it_wrote_is_done_again(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_collection(client)
    cluster = add_cluster(client, vector_config=KMEANS)["cluster_id"]
    save = np.save

    class Killed(BaseException):
        """Ends a step as a signal does."""

    def torn(file: Any, array: Any) -> None:
        path = file if isinstance(file, Path) else Path(file.name)
        if "order.npy" in path.name:
            path.write_bytes(b"half")
            raise Killed
        save(file, array)

    def killed(name: str, do: Any) -> Any:
        if name == "members":
            monkeypatch.setattr("numpy.save", torn)
            with pytest.raises(Killed):
                do()
            monkeypatch.setattr("numpy.save", save)
        return do()

    run_here(client, services, monkeypatch, cluster, killed)
    assert set(groups_of(client, cluster)) == set(WORDS)
