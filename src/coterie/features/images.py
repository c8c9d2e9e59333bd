"""Images to vectors: decoded, brought to the model's size, and run in batches."""

import io
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from coterie.engine.threads import cores
from coterie.features.fetching import BadImage, ImageSource
from coterie.features.manifest import BadModel, ImageTower
from coterie.features.models import Model
from coterie.features.sessions import Matrix, Session, finish, pool
from coterie.features.texts import Report

BATCH = 16
MAX_PIXELS = 40_000_000
"""Of an image as it is decoded, which takes three bytes each: a small file may claim to be of any size."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
}


class ImageEncoder:
    """A model's image tower."""

    def __init__(self, model: Model) -> None:
        """Load it. Raises BadModel."""
        tower = model.manifest.image
        if tower is None:
            raise BadModel(f"model '{model.manifest.name}' takes no image")
        self._manifest, self._tower = model.manifest, tower
        self._session = Session(model.files[tower.model], tower.output)

    def encode(
        self, given: Sequence[str], source: ImageSource, report: Report = lambda share: None
    ) -> tuple[Matrix, dict[int, str]]:
        """The vectors (n, d) of images, as data URIs or URLs; and by position why some have none. Raises BadModel."""
        found = np.zeros((len(given), self._manifest.dimensions), np.float32)
        failed: dict[int, str] = {}

        def prepared(at: int) -> NDArray[np.float32] | None:
            try:
                return prepare(decode(source.load(given[at])), self._tower)
            except BadImage as error:
                failed[at] = str(error)
            except MemoryError:
                failed[at] = "the image takes more memory than there is"
            return None

        with ThreadPoolExecutor(max(4, cores())) as threads:  # most of it is waiting, or work outside the interpreter
            for start in range(0, len(given), BATCH):
                rows = range(start, min(start + BATCH, len(given)))
                pixels = {
                    at: each for at, each in zip(rows, threads.map(prepared, rows), strict=True) if each is not None
                }
                if pixels:
                    found[list(pixels)] = self._run(np.stack(list(pixels.values())))
                report(rows.stop / len(given))
        return found, failed

    def _run(self, pixels: NDArray[np.float32]) -> Matrix:
        channels_first = self._tower.layout == "NCHW"
        output = self._session.run(dict.fromkeys(self._session.inputs, pixels))
        vectors = pool(output, self._tower.pooling, channels_first=channels_first)
        return finish(vectors, self._manifest.dimensions, self._manifest.normalize)


def decode(content: bytes) -> Image.Image:
    """An image in red, green and blue, upright as its camera says. Raises BadImage."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                raise BadImage(f"the image has {image.width} x {image.height} pixels; the limit is {MAX_PIXELS} in all")
            image.load()
            return _upright(image).convert("RGB")
    except (BadImage, MemoryError):
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise BadImage(f"the image has more than {MAX_PIXELS} pixels") from error
    except UnidentifiedImageError as error:
        raise BadImage(f"this is no image of a known format ({', '.join(FORMATS)})") from error
    except Exception as error:  # damaged files raise whatever the decoder trips over
        raise BadImage(f"the image cannot be decoded: {str(error)[:200]}") from error


def _upright(image: Image.Image) -> Image.Image:
    """A loaded image as its camera says; as it is where what the camera says is damaged."""
    try:
        return ImageOps.exif_transpose(image)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 the parser of EXIF raises whatever it trips over: struct.error, TypeError, ...
        return image


def prepare(image: Image.Image, tower: ImageTower) -> NDArray[np.float32]:
    """An image as the model takes it: (3, height, width), or (height, width, 3) with the layout NHWC."""
    width, height = tower.size
    box = _middle(image, width, height) if tower.resize == "shortest" else None
    image = image.resize((width, height), _FILTERS[tower.interpolation], box)
    mean, std = np.array(tower.mean, np.float32), np.array(tower.std, np.float32)
    pixels: NDArray[np.float32] = (np.asarray(image, np.float32) * np.float32(tower.scale) - mean) / std
    return pixels.transpose(2, 0, 1) if tower.layout == "NCHW" else pixels


def _middle(image: Image.Image, width: int, height: int) -> tuple[float, float, float, float]:
    """The largest part of an image in its middle that has the shape `width` x `height`: only what will be seen is
    scaled, for a narrow image as a whole would grow to gigabytes."""
    ratio = max(width / image.width, height / image.height)
    across, down = min(image.width, width / ratio), min(image.height, height / ratio)
    left, top = (image.width - across) / 2, (image.height - down) / 2
    return left, top, min(left + across, image.width), min(top + down, image.height)
