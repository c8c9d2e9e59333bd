"""What a model's folder says of the model: `coterie-model.json`, or what an export of a sentence transformer implies.

A manifest names the files, how inputs are prepared for them, and what comes out. A model may have two towers, one for
texts and one for images, whose vectors share a space (CLIP; Radford et al. 2021, section 2.3).
"""

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

FILE = "coterie-model.json"
MAX_BYTES = 1_048_576
"""Of a manifest, or of one of the small files of an export."""

NAME = r"^[A-Za-z0-9_.\-]{1,100}$"
WEIGHTS = ("model.onnx", "onnx/model.onnx")
"""Where exports of sentence transformers have their weights."""

Find = Callable[[str], Path | None]
"""Where a file of a model is, by its path within the model's folder; None if there is none."""


class BadModel(ValueError):
    """A folder that is no model, or a model that does not do what its manifest says; the message says why."""


def inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or "\0" in path:
        raise ValueError("a file is named by its path within the model's folder, with '/'")
    return path


Inside = Annotated[str, Field(max_length=255), AfterValidator(inside)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextTower(_Strict):
    """How texts become vectors. `pooling`: what is made of one vector a token; `none` where the model pools itself.
    `output`: which of the model's outputs; without it the first."""

    model: Inside
    tokenizer: Inside = "tokenizer.json"
    max_tokens: int = Field(512, ge=1, le=32_768)
    padding: Literal["longest", "max"] = "longest"
    pad_id: int = Field(0, ge=0)
    pooling: Literal["mean", "cls", "none"] = "mean"
    output: str | None = Field(None, max_length=255)
    prefix: str = Field("", max_length=255)


Channels = tuple[float, float, float]


class ImageTower(_Strict):
    """How images become vectors: `size` in pixels, width by height. `resize`: `shortest` brings the shorter side to
    size and cuts the middle out, `stretch` brings both. A pixel (0..255) is multiplied by `scale`, then `mean` is
    subtracted and the rest divided by `std`. `pooling`: `mean` over a map's places, `cls` its first token."""

    model: Inside
    size: tuple[Annotated[int, Field(ge=1, le=4096)], Annotated[int, Field(ge=1, le=4096)]]
    resize: Literal["shortest", "stretch"] = "shortest"
    interpolation: Literal["bicubic", "bilinear", "nearest"] = "bicubic"
    scale: float = Field(1 / 255, gt=0)
    mean: Channels = (0.0, 0.0, 0.0)
    std: Channels = (1.0, 1.0, 1.0)
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    pooling: Literal["mean", "cls", "none"] = "none"
    output: str | None = Field(None, max_length=255)

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if min(self.std) <= 0:
            raise ValueError("'std' is positive")
        return self


class Manifest(_Strict):
    """A model: its name is the extractor's and that of the vectors; `dimensions` is their length."""

    name: str = Field(pattern=NAME)
    version: str = Field("v1", min_length=1, max_length=32)
    description: str = Field("", max_length=1024)
    dimensions: int = Field(ge=1, le=16_384)
    normalize: bool = True
    text: TextTower | None = None
    image: ImageTower | None = None
    sha256: dict[Inside, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = Field(default_factory=dict, max_length=100)

    @model_validator(mode="after")
    def _has_a_tower(self) -> Self:
        if self.text is None and self.image is None:
            raise ValueError("a model has 'text', 'image' or both")
        return self

    @property
    def inputs(self) -> tuple[str, ...]:
        """What it takes: `text`, `image`."""
        return tuple(kind for kind in ("text", "image") if getattr(self, kind) is not None)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it needs or vouches for, each once."""
        towers = [tower for tower in (self.text, self.image) if tower is not None]
        named = [tower.model for tower in towers] + ([self.text.tokenizer] if self.text else [])
        return tuple(dict.fromkeys([*named, *self.sha256]))


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file. Raises BadModel naming the fault."""
    try:
        return Manifest.model_validate(_load(path))
    except ValidationError as error:
        fault = error.errors()[0]
        raise BadModel(f"{FILE}: {'.'.join(map(str, fault['loc'])) or 'it'}: {fault['msg']}") from error


def derive_manifest(find: Find, name: str) -> Manifest:
    """The manifest that an export of a sentence transformer implies. Raises BadModel for what is none.

    Its own small files say how texts are cut, pooled and scaled: `1_Pooling/config.json`, `modules.json`,
    `sentence_bert_config.json`, `tokenizer.json`, `tokenizer_config.json`, `config.json`.
    """
    weights = next((path for path in WEIGHTS if find(path) is not None), None)
    if weights is None or find("tokenizer.json") is None:
        raise BadModel(f"no {FILE}, and no model.onnx with a tokenizer.json either")
    pooling, config = _part(find, "1_Pooling/config.json"), _part(find, "config.json")
    dimensions = pooling.get("word_embedding_dimension") or config.get("hidden_size")
    if not isinstance(dimensions, int):
        raise BadModel(f"neither 1_Pooling/config.json nor config.json tells the vectors' length: write a {FILE}")
    tokenizer, modules = _part(find, "tokenizer.json"), _part(find, "modules.json")
    text = {
        "model": weights,
        "max_tokens": _max_tokens(find, tokenizer, config),
        "pad_id": (tokenizer.get("padding") or {}).get("pad_id", config.get("pad_token_id") or 0),
        "pooling": "cls" if pooling.get("pooling_mode_cls_token") else "mean",
    }
    kinds = [module.get("type", "") for module in modules.get("", [])]
    fields = {"name": name, "dimensions": dimensions, "text": text}
    try:
        return Manifest.model_validate({**fields, "normalize": not kinds or any("Normalize" in kind for kind in kinds)})
    except ValidationError as error:
        raise BadModel(f"what the folder's files say does not fit together ({error.errors()[0]['msg']})") from error


def _max_tokens(find: Find, tokenizer: Mapping[str, Any], config: Mapping[str, Any]) -> int:
    stated = (
        _part(find, "sentence_bert_config.json").get("max_seq_length"),
        (tokenizer.get("truncation") or {}).get("max_length"),
        _part(find, "tokenizer_config.json").get("model_max_length"),
        config.get("max_position_embeddings"),
    )
    return next((int(each) for each in stated if isinstance(each, int | float) and 1 <= each <= 32_768), 512)


def _part(find: Find, name: str) -> dict[str, Any]:
    """A JSON file of an export; a list is given under the key ``""``, and a file that is not there is empty."""
    path = find(name)
    if path is None:
        return {}
    found = _load(path, MAX_BYTES if name != "tokenizer.json" else 128 * MAX_BYTES)
    return found if isinstance(found, dict) else {"": found}


def _load(path: Path, limit: int = MAX_BYTES) -> Any:
    try:
        if path.stat().st_size > limit:
            raise BadModel(f"{path.name} is larger than {limit} bytes")
        return orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise BadModel(f"{path.name} is not readable JSON") from error
