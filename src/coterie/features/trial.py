"""Whether a model does what its manifest says: one text and one image through it."""

import base64
import io

import numpy as np
from PIL import Image

from coterie.features.fetching import ImageSource
from coterie.features.images import ImageEncoder
from coterie.features.manifest import BadModel
from coterie.features.models import Model
from coterie.features.texts import TextEncoder

TEXTS = ["A short text.", "Another one, which is a little longer than the first."]


def try_model(model: Model) -> None:
    """Have every tower of a model make a vector. Raises BadModel."""
    if model.manifest.text is not None:
        _check(TextEncoder(model).encode(TEXTS))
    if model.manifest.image is not None:
        found, failed = ImageEncoder(model).encode([_image()], ImageSource())
        if failed:
            raise BadModel(failed[0])
        _check(found)


def _check(vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
    if not np.isfinite(vectors).all() or not vectors.any(axis=1).all():
        raise BadModel("the model's numbers for a trial are not finite, or all zero")


def _image() -> str:
    content = io.BytesIO()
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5).save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
