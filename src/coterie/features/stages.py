"""The stage that makes vectors, some inputs at a time, in a child process or on another machine with the same models.

A process keeps the model that it used last, so that a job loads it once; `release` lets it go.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from coterie.compute.executor import StageError
from coterie.features.fetching import source_of
from coterie.features.images import ImageEncoder
from coterie.features.manifest import BadModel
from coterie.features.models import find_model
from coterie.features.sessions import Matrix
from coterie.features.texts import TextEncoder

Report = Callable[[float], None]

NOT_FINITE = "the model's numbers for it are not finite"
_loaded: dict[tuple[str, str], TextEncoder | ImageEncoder] = {}
"""The encoder that was used last, by its model's fingerprint and what it takes."""


def embed(
    report: Report,
    *,
    inputs: Sequence[str],
    models: str,
    name: str,
    fingerprint: str,
    kind: str,
    images: dict[str, Any],
) -> tuple[Matrix, dict[int, str]]:
    """The vectors (n, d) of texts or images (n); by position why some have none.

    Raises StageError if the model cannot do it, or is no longer the one of that fingerprint.
    """
    failed: dict[int, str] = {}
    try:
        encoder = _encoder(Path(models), name, fingerprint, kind)
        if isinstance(encoder, ImageEncoder):
            vectors, failed = encoder.encode(inputs, source_of(images), report)
        else:
            vectors = encoder.encode(inputs, report)
    except BadModel as error:
        raise StageError("bad_model", f"extractor '{name}': {error}") from error
    failed.update(dict.fromkeys(_not_finite(vectors), NOT_FINITE))
    return vectors, failed


def release(report: Report) -> None:
    """Let go of the model, whose memory other stages may need."""
    _loaded.clear()


def _encoder(models: Path, name: str, fingerprint: str, kind: str) -> TextEncoder | ImageEncoder:
    key = (fingerprint, kind)
    if key not in _loaded:
        model = find_model(models, name)
        if model is None or model.fingerprint != fingerprint:
            raise BadModel("its model was taken away or replaced while the job was running: start it again")
        _loaded.clear()
        _loaded[key] = ImageEncoder(model) if kind == "image" else TextEncoder(model)
    return _loaded[key]


def _not_finite(vectors: Matrix) -> list[int]:
    return np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist()
