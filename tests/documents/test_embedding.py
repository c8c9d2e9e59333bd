"""Vectors that the service makes: of which documents, when, how often, and what becomes of those that can have none."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from sqlalchemy import func, select, update
from starlette.testclient import TestClient

from conftest import Service, wait_for_task
from coterie.api.context import Services
from coterie.documents import making
from coterie.documents.embedding import Embedding
from coterie.documents.waiting import JOB
from coterie.features import stages
from coterie.features.texts import TextEncoder
from coterie.jobs.worker import Worker
from coterie.store.tables import embeddings, tasks, waiting_documents
from runs.here import Inline, run_here
from support import add_cluster
from tiny import data_uri, two_towers

CLIP = "clip_vit_b_32"
RED, GREEN = (250, 5, 5), (5, 250, 5)
TITLES = ["red apple", "green river", "blue piano", "red apple", "dark green square"]


@pytest.fixture(autouse=True)
def _nothing_loaded() -> None:
    stages._loaded.clear()


@pytest.fixture
def models(services: Services) -> Path:
    """The models' folder, with two towers that share a space."""
    folder = services.settings.models_path
    (folder / CLIP).mkdir(parents=True)
    two_towers(folder / CLIP)
    return folder


@pytest.fixture
def texts_seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that a model was given, in the order it was."""
    seen: list[str] = []
    encode = TextEncoder.encode

    def noting(self: TextEncoder, texts: list[str], *arguments: Any) -> Any:
        seen.extend(texts)
        return encode(self, texts, *arguments)

    monkeypatch.setattr(TextEncoder, "encode", noting)
    return seen


@pytest.fixture
def work(services: Services, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Mapping[str, Any]]:
    """Sees the collection's open task through; what it then shows."""

    def do(hook: Callable[..., Any] = lambda name, do: do()) -> Mapping[str, Any]:
        monkeypatch.setattr("coterie.jobs.worker._dbos_step", hook)
        handlers = {JOB: Embedding(services)}
        worker = Worker(services.settings, services.db, services.clock, Inline(), handlers, lambda: None)  # type: ignore[arg-type]
        with services.db.read() as tx:
            task_id = tx.scalar(select(tasks.c.id).where(tasks.c.kind == JOB).order_by(tasks.c.pk.desc()).limit(1))
        with services.db.write() as tx:
            tx.execute(update(tasks).values(owner=None))  # a worker that was killed has it no more
        worker.see_through(str(task_id))
        with services.db.read() as tx:
            found: str = tx.scalar(select(tasks.c.resource).where(tasks.c.id == task_id)) or ""
        shown: Mapping[str, Any] = orjson.loads(found)
        return shown

    return do


def collection(client: TestClient, mappings: Any = None, name: str = "things", extractor: str = CLIP) -> str:
    body = {"feature_extractor_name": extractor, "version": "v1", "input_mappings": mappings or {"text": "title"}}
    made = client.post("/v1/collections", json={"collection_name": name, "feature_extractors": [body]})
    assert made.status_code == 200, made.text
    identity: str = made.json()["collection_id"]
    return identity


def write(client: TestClient, *titles: Any, start: int = 0, **fields: Any) -> None:
    documents = [
        {"document_id": f"d{number}", "metadata": {"title": title}, **fields}
        for number, title in enumerate(titles, start)
    ]
    written = client.post("/v1/collections/things/documents/batch", json={"documents": documents})
    assert written.json()["failed"] == 0, written.text


def vectors(client: TestClient, *ids: str) -> list[Any]:
    shown = [client.get(f"/v1/collections/things/documents/{each}", params={"return_vectors": True}) for each in ids]
    return [each.json()["vectors"].get(CLIP) for each in shown]


def jobs(services: Services) -> int:
    with services.db.read() as tx:
        return tx.scalar(select(func.count()).select_from(tasks).where(tasks.c.kind == JOB)) or 0


def waiting(services: Services) -> int:
    with services.db.read() as tx:
        return tx.scalar(select(func.count()).select_from(waiting_documents)) or 0


def counts(task: Mapping[str, Any]) -> dict[str, int]:
    names = ("embedded", "reused", "unchanged", "brought_along", "failed")
    return {name: task["additional_data"][name] for name in names if task["additional_data"][name]}


@pytest.mark.usefixtures("models")
def test_documents_without_vectors_get_them_by_one_job(
    client: TestClient, services: Services, work: Callable[..., Any], texts_seen: list[str]
) -> None:
    collection(client)
    for number, title in enumerate(TITLES):
        write(client, title, start=number)
    assert jobs(services) == 1
    assert vectors(client, "d0") == [None]
    done = work()
    assert done["status"] == "COMPLETED"
    assert counts(done) == {"embedded": 4, "reused": 1} == {k: v for k, v in done["outputs"][0].items() if v}
    assert sorted(texts_seen) == sorted(set(TITLES))
    found = np.array(vectors(client, "d0", "d1", "d3", "d4"))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(found[0], found[2])
    assert found[1] @ found[3] > found[0] @ found[3] + 0.3
    features = client.get("/v1/collections/things/features").json()["features"]
    assert [(each["feature_extractor_name"], each["vector_index"]["dimensions"]) for each in features] == [(CLIP, 8)]
    assert waiting(services) == 0


@pytest.mark.usefixtures("models")
def test_texts_and_images_share_a_space(client: TestClient, work: Callable[..., Any]) -> None:
    collection(client)
    write(client, "red", "green")
    work()
    texts = np.array(vectors(client, "d0", "d1"))
    client.patch("/v1/collections/things", json={"collection_name": "words"})
    collection(client, {"image": "title"})
    write(client, data_uri(GREEN), data_uri(RED, (90, 10)))
    assert counts(work()) == {"embedded": 2}
    images = np.array(vectors(client, "d0", "d1"))
    assert (texts @ images.T).argmax(axis=1).tolist() == [1, 0]


@pytest.mark.usefixtures("models")
def test_only_what_changed_is_made_anew(
    client: TestClient, services: Services, work: Callable[..., Any], texts_seen: list[str]
) -> None:
    identity = collection(client, {"text": "metadata.title"})
    write(client, "red apple", "green river", "blue piano")
    work()
    before = vectors(client, "d0", "d1", "d2")
    texts_seen.clear()
    client.patch(f"/v1/collections/{identity}/documents/d0", json={"metadata": {"title": "bright blue"}})
    client.patch(f"/v1/collections/{identity}/documents/d1", json={"metadata": {"title": "green river", "other": 1}})
    client.patch(f"/v1/collections/{identity}/documents/d2", json={"metadata": {"name": "no title any more"}})
    done = work()
    assert counts(done) == {"embedded": 1, "unchanged": 1, "failed": 1}
    assert done["additional_data"]["errors"] == [
        {"document_id": "d2", "extractor": CLIP, "error": "the field 'title' is missing"}
    ]
    assert texts_seen == ["bright blue"]
    after = vectors(client, "d0", "d1", "d2")
    assert after[0] != before[0]
    assert after[1] == before[1]
    assert after[2] is None
    write(client, "bright blue", start=9)  # known from another document
    assert counts(work()) == {"reused": 1}
    assert texts_seen == ["bright blue"]
    client.delete(f"/v1/collections/{identity}/documents/d0")
    with services.db.read() as tx:
        assert tx.scalar(select(func.count()).select_from(embeddings)) == 3


@pytest.mark.usefixtures("models")
def test_a_document_that_comes_again_reuses_its_vector(
    client: TestClient, work: Callable[..., Any], texts_seen: list[str]
) -> None:
    collection(client)
    write(client, *TITLES)
    work()
    before = vectors(client, "d0", "d4")
    write(client, *TITLES)
    assert vectors(client, "d0") == [None]
    assert counts(work()) == {"reused": 5}
    assert vectors(client, "d0", "d4") == before
    assert len(texts_seen) == 4


@pytest.mark.usefixtures("models")
def test_vectors_that_are_brought_along_stay(client: TestClient, services: Services, work: Callable[..., Any]) -> None:
    identity = collection(client)
    own = [1.0, *[0.0] * 7]
    write(client, "red apple", vectors={CLIP: own})
    assert jobs(services) == 0
    write(client, "green river", start=1)
    assert counts(work()) == {"embedded": 1}
    client.patch(f"/v1/collections/{identity}/documents/d0", json={"metadata": {"title": "blue"}})
    assert client.post(f"/v1/collections/{identity}/embed").status_code == 200
    assert counts(work()) == {"unchanged": 1, "brought_along": 1}
    assert vectors(client, "d0") == [own]


@pytest.mark.usefixtures("models")
def test_faults_are_counted_shown_and_fail_nothing(
    client: TestClient, work: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "MAX_ERRORS", 5)
    identity = collection(client, {"image": "title"})
    broken = data_uri(RED)[:-40]
    write(client, data_uri(RED), broken, "https://images.example/x.png", "ftp://x", 7, None, "data:text/plain,x")
    done = work()
    assert done["status"] == "COMPLETED"
    assert counts(done) == {"embedded": 1, "failed": 6}
    errors = {each["document_id"]: each["error"] for each in done["additional_data"]["errors"]}
    assert len(errors) == 5
    assert "COTERIE_IMAGE_HOSTS" in errors["d2"]
    assert errors["d4"] == "the field 'title' holds no data URI or URL"
    assert vectors(client, "d0") != [None]
    client.patch(f"/v1/collections/{identity}/documents/d4", json={"metadata": {"title": data_uri(GREEN)}})
    assert counts(work()) == {"embedded": 1}


class Killed(BaseException):
    """A worker's end."""


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("recorded", [False, True])
def test_a_job_that_is_cut_off_goes_on_and_embeds_none_twice(
    recorded: bool,
    client: TestClient,
    services: Services,
    work: Callable[..., Any],
    texts_seen: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(making, "CHUNK", 3)
    monkeypatch.setattr("coterie.documents.embedding.CHUNK", 3)
    collection(client)
    write(client, *(f"red {'apple ' * number}" for number in range(10)))
    results: list[Any] = []

    def dying(name: str, do: Callable[[], Any]) -> Any:
        result = do()
        if len(results) == 2 and not recorded:
            raise Killed
        results.append(result)
        if len(results) == 3:
            raise Killed
        return result

    with pytest.raises(Killed):
        work(dying)
    replayed = iter(list(results))
    done = work(lambda name, do: next(replayed, None) or do())
    assert done["status"] == "COMPLETED"
    assert counts(done) == {"embedded": 10}
    assert len(texts_seen) == len(set(texts_seen)) == 10
    assert None not in vectors(client, *(f"d{number}" for number in range(10)))


@pytest.mark.usefixtures("models")
def test_a_job_for_every_document_that_is_begun_anew_counts_none_twice(
    client: TestClient, work: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "CHUNK", 3)
    monkeypatch.setattr("coterie.documents.embedding.CHUNK", 3)
    identity = collection(client)
    write(client, *(f"red {'apple ' * number}" for number in range(10)))
    assert counts(work()) == {"embedded": 10}
    assert client.post(f"/v1/collections/{identity}/embed").status_code == 200
    steps = iter(["gather", "embed"])

    def dying(name: str, do: Callable[[], Any]) -> Any:
        if next(steps, None) != name:
            raise Killed
        return do()

    with pytest.raises(Killed):
        work(dying)
    assert counts(work()) == {"unchanged": 10}


@pytest.mark.usefixtures("models")
def test_a_model_is_given_some_inputs_at_a_time(
    client: TestClient, work: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "PART", 2)
    collection(client)
    write(client, *TITLES)
    embed, given = stages.embed, list[int]()

    def counted(*arguments: Any, **named: Any) -> Any:
        given.append(len(named["inputs"]))
        return embed(*arguments, **named)

    monkeypatch.setattr(stages, "embed", counted)
    assert counts(work()) == {"embedded": 4, "reused": 1}
    assert given == [2, 2]
    assert np.linalg.norm(vectors(client, "d0", "d1", "d2", "d3", "d4"), axis=1).min() > 0.9


@pytest.mark.usefixtures("models")
def test_what_is_written_meanwhile_is_not_lost(
    client: TestClient, services: Services, work: Callable[..., Any]
) -> None:
    identity = collection(client)
    write(client, *TITLES)
    begun: list[str] = []

    def writing(name: str, do: Callable[[], Any]) -> Any:
        begun.append(name)
        result = do()
        if begun.count("embed") == 1 and name == "embed":
            client.patch(f"/v1/collections/{identity}/documents/d0", json={"metadata": {"title": "green"}})
            write(client, "bright red", start=7)
            client.delete(f"/v1/collections/{identity}/documents/d1")
        return result

    done = work(writing)
    assert jobs(services) == 1
    assert done["status"] == "COMPLETED"
    assert waiting(services) == 0
    changed, other, arrived = np.array(vectors(client, "d0", "d4", "d7"))
    assert changed @ other > 0.9
    assert arrived @ changed < 0.5


@pytest.mark.usefixtures("models")
def test_a_document_that_changes_while_it_is_embedded_keeps_what_it_was_given(
    client: TestClient, services: Services, work: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = collection(client)
    write(client, "red apple", "green river")
    own = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    encode = TextEncoder.encode

    def slow(self: TextEncoder, *arguments: Any) -> Any:
        client.put(f"/v1/collections/{identity}/documents/d0", json={"vectors": {CLIP: own}})
        return encode(self, *arguments)

    monkeypatch.setattr(TextEncoder, "encode", slow)
    assert work()["status"] == "COMPLETED"
    assert vectors(client, "d0") == [own]
    assert vectors(client, "d1") != [None]
    assert waiting(services) == 0


def test_documents_wait_until_their_extractor_is_installed(
    client: TestClient, services: Services, work: Callable[..., Any]
) -> None:
    identity = collection(client)
    write(client, *TITLES)
    assert (jobs(services), waiting(services)) == (0, 5)
    refused = client.post(f"/v1/collections/{identity}/embed")
    assert refused.status_code == 400
    assert f"coterie models add {CLIP}" in refused.json()["error"]["message"]
    (services.settings.models_path / CLIP).mkdir(parents=True)
    two_towers(services.settings.models_path / CLIP)
    task = client.post(f"/v1/collections/{identity}/embed").json()
    assert client.post(f"/v1/collections/{identity}/embed").json()["task_id"] == task["task_id"]
    assert counts(work()) == {"embedded": 4, "reused": 1}


@pytest.mark.usefixtures("models")
def test_another_model_of_the_name_makes_all_anew(
    client: TestClient, services: Services, models: Path, work: Callable[..., Any]
) -> None:
    identity = collection(client)
    write(client, *TITLES)
    work()
    two_towers(models / CLIP, normalize=False)
    client.post(f"/v1/collections/{identity}/embed")
    assert counts(work()) == {"embedded": 4, "reused": 1}
    assert np.linalg.norm(vectors(client, "d4")[0]) < 0.9
    two_towers(models / CLIP, dimensions=9)
    client.post(f"/v1/collections/{identity}/embed")
    failed = work()
    assert failed["status"] == "FAILED"
    assert failed["error_message"] == f"extractor '{CLIP}': the model makes 8 numbers; its manifest says 9"
    assert vectors(client, "d4") != [None]


@pytest.mark.usefixtures("models")
def test_a_run_says_what_it_left_out(
    client: TestClient, services: Services, work: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = collection(client)
    write(client, *(f"{colour} {'apple ' * number}" for colour in ("red", "blue") for number in range(6)))
    work()
    write(client, "green", "dark green", start=20)
    config = {"feature_extractor_name": CLIP, "clustering_method": "kmeans", "kmeans_parameters": {"n_clusters": 2}}
    add_cluster(client, vector_config=config)
    run_id = run_here(client, services, monkeypatch, "groups")
    run = client.get("/v1/clusters/groups/executions").json()
    assert run["run_id"] == run_id
    assert run["num_points"] == 12
    (warning,) = run["warnings"]
    assert warning.startswith(f"2 documents of {identity} have no vector '{CLIP}' yet and were left out")
    assert "run again with the mode 'full'" in warning


@pytest.mark.parametrize(
    ("mappings", "fault"),
    [
        ({"video": "title"}, "'video' is none of its inputs; it takes image or text"),
        ({"text": "title", "image": "picture"}, "maps 2 inputs"),
        ({"text": "a..b"}, "a path is a field"),
        ({"text": ".".join("a" * 21)}, "20 steps"),
        ([{"input_key": "text", "source_type": "literal", "path": "x"}], "must come from the payload"),
        ([{"input_key": "text", "override": 1, "path": "x"}], "must come from the payload"),
        ([{"input_key": "text"}], "must come from the payload"),
    ],
)
def test_mappings_that_cannot_be_honoured_are_refused(client: TestClient, mappings: Any, fault: str) -> None:
    body = {"feature_extractor_name": CLIP, "version": "v1", "input_mappings": mappings}
    made = client.post("/v1/collections", json={"collection_name": "x", "feature_extractors": [body]})
    assert made.status_code == 400
    assert fault in made.json()["error"]["message"]


def test_a_collection_that_maps_nothing_is_not_embedded(client: TestClient, services: Services) -> None:
    client.post("/v1/collections", json={"collection_name": "things"})
    write(client, "red")
    assert (jobs(services), waiting(services)) == (0, 0)
    refused = client.post("/v1/collections/things/embed")
    assert refused.status_code == 400
    assert "input_mappings" in refused.json()["error"]["message"]


def test_a_worker_makes_vectors_in_its_child(
    run_service: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models"
    (folder / CLIP).mkdir(parents=True)
    two_towers(folder / CLIP)
    monkeypatch.setenv("COTERIE_MODELS_DIR", str(folder))
    with run_service().client() as client:
        assert client.get(f"/v1/collections/features/extractors/{CLIP}").json()["installed"] is True
        collection(client)  # type: ignore[arg-type]
        write(client, *TITLES)  # type: ignore[arg-type]
        task_id = client.post("/v1/collections/things/embed").json()["task_id"]
        assert wait_for_task(client, task_id)["status"] == "COMPLETED"
        assert None not in vectors(client, "d0", "d4")  # type: ignore[arg-type]
