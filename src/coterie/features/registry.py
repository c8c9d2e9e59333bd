"""The extractors that are registered from the start.

A vector's name in a collection is its extractor's. Any well-formed name is accepted for vectors that are brought along;
the registry says which extractors the service knows, and whether it can run them itself.
"""

import re
from dataclasses import dataclass
from typing import Any

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


_NOT_HERE = "Not installed: bring vectors of this name along; the service cannot make them yet."
REGISTRY = (
    Extractor(BRING_YOUR_OWN, "v1", ("vector",), None, True, "Vectors that come with the documents, of any length."),
    Extractor("all_minilm_l6_v2", "v1", ("text", "string"), 384, False, f"MiniLM sentence embeddings. {_NOT_HERE}"),
    Extractor("clip_vit_b_32", "v1", ("image", "text"), 512, False, f"CLIP ViT-B/32 embeddings. {_NOT_HERE}"),
    Extractor("clip_vit_l_14", "v1", ("image", "text"), 768, False, f"CLIP ViT-L/14 embeddings. {_NOT_HERE}"),
)


def is_well_formed(name: str) -> bool:
    """Whether a text can be an extractor's name: 1 to 100 letters, digits, `_`, `.` and `-`."""
    return _WELL_FORMED.fullmatch(name) is not None


def vector_name(identifier: str) -> str:
    """The name of the vectors that an extractor's id or name stands for: `clip_vit_l_14_v1` is `clip_vit_l_14`.

    Only registered extractors have ids; any other text is a name as it stands.
    """
    name = _VERSION_SUFFIX.sub("", identifier)
    return name if any(extractor.name == name for extractor in REGISTRY) else identifier


def get_extractor(identifier: str) -> Extractor:
    """A registered extractor by id, or by name. Raises NotFound."""
    for extractor in REGISTRY:
        if identifier in (extractor.id, extractor.name):
            return extractor
    raise NotFound(f"feature extractor '{identifier}' is not registered; GET /v1/collections/features/extractors")


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
