"""What a collection's extractors make vectors of: each takes one input, from one place in the payload."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from coterie.features.registry import inputs_of
from coterie.kit.errors import BadRequest

MAX_PATH = 255
MAX_STEPS = 20
MAX_ITEMS = 1_000
"""Texts in a list that are taken for one."""

Kind = Literal["text", "image"]
KINDS: dict[str, Kind] = {"text": "text", "string": "text", "image": "image"}
"""What an input may be called, and what it is."""


class NoInput(ValueError):
    """A document has nothing that can be embedded at the mapped place; the message says what is wrong."""


@dataclass(frozen=True)
class FieldMapping:
    """The vectors of one name are made of the payload's field at `path` by the extractor `name` of a version."""

    name: str
    version: str
    kind: Kind
    path: str

    def input_of(self, payload: Mapping[str, Any]) -> str:
        """The text, or the image's data URI or URL. Raises NoInput."""
        found: Any = payload
        for step in self.path.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
        if self.kind == "text" and isinstance(found, list) and 0 < len(found) <= MAX_ITEMS:
            found = "\n".join(each for each in found if isinstance(each, str))
        if found is None:
            raise NoInput(f"the field '{self.path}' is missing")
        if not isinstance(found, str) or not found.strip():
            raise NoInput(f"the field '{self.path}' holds no {'text' if self.kind == 'text' else 'data URI or URL'}")
        return found


def mappings_of(collection: Mapping[str, Any]) -> list[FieldMapping]:
    """The mappings of a collection, as its resource has them."""
    return [
        FieldMapping(each["feature_extractor_name"], each["version"], KINDS[key], path)
        for each in collection["feature_extractors"]
        for key, path in _pairs(each["input_mappings"])[:1]
        if key in KINDS
    ]


def check_mappings(extractors: list[dict[str, Any]]) -> None:
    """Refuse mappings that cannot be honoured. Raises BadRequest naming the part."""
    names = [each["feature_extractor_name"] for each in extractors if each["input_mappings"]]
    if len(set(names)) < len(names):
        raise BadRequest("'feature_extractors' maps inputs of one extractor twice; its vectors have one source")
    for each in extractors:
        if each["input_mappings"]:
            _check(each["feature_extractor_name"], each["input_mappings"])


def _check(name: str, given: Any) -> None:
    if isinstance(given, list):
        for item in given:
            if item["source_type"] not in (None, "payload") or item["override"] is not None or item["path"] is None:
                raise BadRequest(
                    f"'input_mappings' of '{name}': '{item['input_key'][:50]}' must come from the payload by a 'path'"
                )
    pairs, takes = _pairs(given), inputs_of(name)
    if len(pairs) != 1:
        raise BadRequest(f"'input_mappings' of '{name}' maps {len(pairs)} inputs; an extractor takes one")
    key, path = pairs[0]
    if key not in (KINDS if takes is None else takes) or key not in KINDS:
        possible = [kind for kind in (takes or KINDS) if kind in KINDS]
        advice = f"; it takes {' or '.join(possible)}" if possible else ": its vectors are brought along"
        raise BadRequest(f"'input_mappings' of '{name}': '{key[:50]}' is none of its inputs{advice}")
    steps = path.split(".")
    if len(path) > MAX_PATH or len(steps) > MAX_STEPS or not all(steps):
        raise BadRequest(
            f"'input_mappings' of '{name}': a path is a field of the metadata, such as 'title' or 'page.title', "
            f"of at most {MAX_PATH} characters and {MAX_STEPS} steps"
        )


def _pairs(given: Any) -> list[tuple[str, str]]:
    """Inputs and paths; a path may begin with `metadata.`, as it does in lists."""
    pairs = given.items() if isinstance(given, dict) else [(item["input_key"], item["path"] or "") for item in given]
    return [(key, path.removeprefix("metadata.")) for key, path in pairs]
