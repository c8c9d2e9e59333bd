"""Labelled vectors to judge clusterings by: a generated set that is not flattering, and real ones."""

import gzip
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import sets

PICTURES = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package `dataset-fashion-mnist` puts them."""

TOPICS, SUPER_TOPICS, NOISE_SHARE = 300, 30, 0.15


class Labelled(NamedTuple):
    """`vectors` (n, d) float32, unit length; `truth` (n), -1 for noise."""

    vectors: NDArray[np.float32]
    truth: NDArray[Any]


def planted(rows: int, dimensions: int = 512, seed: int = 0) -> Labelled:
    """300 topics of power-law size under 30 super-topics, with a common mean direction and a decaying spectrum, 20 to
    30 dimensions a topic with heavy-tailed radii, a little noise in all dimensions; 15% of the rows are noise, half of
    them mixtures of topics."""
    dice = np.random.default_rng(seed)
    spectrum = 1 / np.sqrt(1 + np.arange(dimensions) / 16)
    common = dice.normal(size=dimensions) * spectrum
    above = dice.normal(size=(SUPER_TOPICS, dimensions)) * spectrum
    centres = common + above[dice.integers(SUPER_TOPICS, size=TOPICS)]
    centres += 0.8 * dice.normal(size=(TOPICS, dimensions)) * spectrum
    noise = round(NOISE_SHARE * rows)
    shares = 1 / np.arange(1, TOPICS + 1) ** 0.7
    truth = np.r_[dice.choice(TOPICS, rows - noise, p=shares / shares.sum()), np.full(noise, -1)]
    vectors = np.empty((rows, dimensions), np.float32)
    for topic in range(TOPICS):
        own = truth == topic
        inner = int(dice.integers(20, 31))
        basis = dice.normal(size=(inner, dimensions)) * spectrum / np.sqrt(inner)
        radii = 0.55 * dice.standard_t(4, size=(own.sum(), 1))
        vectors[own] = centres[topic] + radii * (dice.normal(size=(own.sum(), inner)) @ basis)
    mixed = noise // 2
    pairs = dice.integers(TOPICS, size=(mixed, 2))
    weights = dice.uniform(0.3, 0.7, size=(mixed, 1))
    loose = np.flatnonzero(truth == -1)
    vectors[loose[:mixed]] = weights * centres[pairs[:, 0]] + (1 - weights) * centres[pairs[:, 1]]
    vectors[loose[mixed:]] = common + 1.3 * dice.normal(size=(noise - mixed, dimensions)) * spectrum
    vectors += 0.1 * dice.normal(size=vectors.shape).astype(np.float32) * spectrum.astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    order = dice.permutation(rows)
    return Labelled(vectors[order], truth[order])


def labelled_sets() -> dict[str, Labelled]:
    """The generated set, Fashion-MNIST where it is installed, and those of `benchmarks.sets`."""
    found = {"generated, 100,000 x 512": planted(100_000)}
    if PICTURES.exists():
        found["Fashion-MNIST, 70,000 x 784"] = fashion(PICTURES)
    else:
        print(f"without Fashion-MNIST: {PICTURES} is missing")
    for name, rows, classes in sets.kept():
        found[f"{name}, {len(rows):,} x {rows.shape[1]}"] = Labelled(rows, classes)
    return found


def fashion(folder: Path = PICTURES) -> Labelled:
    """The 70,000 pictures of Fashion-MNIST as rows of 784 pixels, scaled to unit length; 10 classes."""
    images, labels = [], []
    for part in ("train", "t10k"):
        with gzip.open(next(folder.glob(f"**/{part}-images-idx3-ubyte.gz"))) as file:
            _, count, high, wide = struct.unpack(">4I", file.read(16))
            images.append(np.frombuffer(file.read(), np.uint8).reshape(count, high * wide))
        with gzip.open(next(folder.glob(f"**/{part}-labels-idx1-ubyte.gz"))) as file:
            labels.append(np.frombuffer(file.read(), np.uint8, offset=8))
    pixels = np.concatenate(images).astype(np.float32)
    return Labelled(pixels / np.linalg.norm(pixels, axis=1, keepdims=True), np.concatenate(labels).astype(np.int64))
