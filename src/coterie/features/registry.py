"""The extractors: those that are registered from the start, and the models that were added.

A vector's name in a collection is its extractor's. Any well-formed name is accepted for vectors that are brought along;
the registry says which extractors the service knows, and whether it can run them itself.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from coterie.features.manifest import BadModel
from coterie.features.models import Model, has_runtime, list_models
from coterie.kit.errors import NotFound

BRING_YOUR_OWN = "bring_your_own"
_WELL_FORMED = re.compile(r"[A-Za-z0-9_.\-]{1,100}")
_VERSION_SUFFIX = re.compile(r"[_@]v\d+$")


@dataclass(frozen=True)
class Extractor:
    """A way to vectors: its name and version, what it takes, how long its vectors are (None: any length), and
    whether this installation can run it."""

    name: str
    version: str
    inputs: tuple[str, ...]
    dimensions: int | None
    installed: bool
    about: str

    @property
    def id(self) -> str:
        """The id of the API: name and version."""
        return f"{self.name}_{self.version}"


REGISTRY = (
    Extractor(BRING_YOUR_OWN, "v1", ("vector",), None, True, "Vectors that come with the documents, of any length."),
    Extractor("all_minilm_l6_v2", "v1", ("text", "string"), 384, False, "MiniLM sentence embeddings."),
    Extractor("clip_vit_b_32", "v1", ("image", "text"), 512, False, "CLIP ViT-B/32 embeddings."),
    Extractor("clip_vit_l_14", "v1", ("image", "text"), 768, False, "CLIP ViT-L/14 embeddings."),
)
NO_MODEL = "Bring vectors of this name along, or install its model: coterie models add."
NO_RUNTIME = "Its model is here, but what runs it is not: pip install 'coterie[models]'."


def is_well_formed(name: str) -> bool:
    """Whether a text can be an extractor's name: 1 to 100 letters, digits, `_`, `.` and `-`."""
    return _WELL_FORMED.fullmatch(name) is not None


def vector_name(identifier: str) -> str:
    """The name of the vectors that an extractor's id or name stands for: `clip_vit_l_14_v1` is `clip_vit_l_14`.

    Only registered extractors have ids; any other text is a name as it stands.
    """
    name = _VERSION_SUFFIX.sub("", identifier)
    return name if any(extractor.name == name for extractor in REGISTRY) else identifier


def inputs_of(name: str) -> tuple[str, ...] | None:
    """What a registered extractor takes; None for another, which may be added later."""
    return next((extractor.inputs for extractor in REGISTRY if extractor.name == name), None)


def list_extractors(models: Path) -> list[Extractor]:
    """All extractors: the registered ones, then the models in the folder and in packages, by name."""
    runs = has_runtime()
    here = dict(list_models(models))
    known = [_with_model(extractor, here.get(extractor.name), runs) for extractor in REGISTRY]
    names = {extractor.name for extractor in REGISTRY}
    return known + [
        _of_model(model, runs) for name, model in here.items() if name not in names and isinstance(model, Model)
    ]


def get_extractor(models: Path, identifier: str) -> Extractor:
    """An extractor by id, or by name. Raises NotFound."""
    for extractor in list_extractors(models):
        if identifier in (extractor.id, extractor.name):
            return extractor
    raise NotFound(f"feature extractor '{identifier}' is not registered; GET /v1/collections/features/extractors")


def _with_model(extractor: Extractor, model: Model | BadModel | None, runs: bool) -> Extractor:
    if extractor.installed:
        return extractor
    if isinstance(model, Model):
        found = _of_model(model, runs)
        return replace(found, inputs=extractor.inputs, about=found.about or extractor.about)
    return replace(extractor, about=f"{extractor.about} {NO_MODEL}")


def _of_model(model: Model, runs: bool) -> Extractor:
    said = model.manifest
    about = said.description if runs else f"{said.description} {NO_RUNTIME}".strip()
    return Extractor(said.name, said.version, said.inputs, said.dimensions, runs, about)


def show(extractor: Extractor) -> dict[str, Any]:
    """The extractor as the API shows it."""
    index = {
        "name": extractor.name,
        "description": extractor.about,
        "dimensions": extractor.dimensions or 0,
        "type": "dense",
        "distance": "cosine",
        "datatype": "float32",
    }
    definition = {"name": extractor.name, "description": extractor.about, "type": "single", "index": index}
    return {
        "feature_extractor_name": extractor.name,
        "version": extractor.version,
        "feature_extractor_id": extractor.id,
        "description": extractor.about,
        "input_schema": {"type": "object", "properties": {kind: {"type": kind} for kind in extractor.inputs}},
        "output_schema": {"type": "object", "properties": {extractor.name: {"type": "dense_vector"}}},
        "parameter_schema": None,
        "supported_input_types": list(extractor.inputs),
        "max_inputs": dict.fromkeys(extractor.inputs, 1),
        "default_parameters": {},
        "document_output_type": "single",
        "document_input_handling": "individual",
        "required_vector_indexes": [definition],
        "required_payload_indexes": None,
        "installed": extractor.installed,
        "icon": "vector",
    }
