"""What of a document's group is written into the document, and where to: the field mappings of a write-back."""

import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, AliasChoices, Field

from coterie.api.schemas import RequestModel

SOURCES = (
    "cluster_id",
    "cluster_label",
    "distance_to_centroid",
    "member_count",
    "keywords",
    "summary",
    "probability",
    "x",
    "y",
    "z",
    "run_id",
)
"""What can be written, besides `metadata.…`."""

PAYLOAD = "metadata."
MAX_MAPPINGS = 50
MAX_LEVELS = 5
"""Levels of objects that a target may lie in."""


def _check_source(value: str) -> str:
    if value in SOURCES or (value.startswith(PAYLOAD) and value != PAYLOAD):
        return value
    raise ValueError(f"no such field: use {', '.join(SOURCES)} or metadata.… of the document as the run saw it")


def _check_target(value: str) -> str:
    parts = value.removeprefix(PAYLOAD).split(".")
    if not all(parts) or len(parts) > MAX_LEVELS:
        raise ValueError(f"a target is a path into metadata of 1 to {MAX_LEVELS} names with dots between them")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        raise ValueError("a target holds no control characters")
    return ".".join(parts)


def check_targets(targets: Sequence[str]) -> None:
    """Raise ValueError where two targets are one field, or one lies within another."""
    for above, below in pairwise(sorted(target.split(".") for target in targets)):
        if below[: len(above)] == above:
            raise ValueError(f"targets '{'.'.join(above)}' and '{'.'.join(below)}' are in each other's way")


class FieldMapping(RequestModel):
    """One field to write: `source_field` of the document's group goes to `target_field`, a path into its metadata.

    `source` and `target` are short for them.
    """

    source_field: Annotated[str, Field(max_length=255), AfterValidator(_check_source)] = Field(
        validation_alias=AliasChoices("source_field", "source"),
        description=f"One of {', '.join(SOURCES)}, or metadata.… of the document as the run saw it.",
    )
    target_field: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_check_target)] = Field(
        validation_alias=AliasChoices("target_field", "target"), description="A path into the document's metadata."
    )


def _check_mappings(mappings: list[FieldMapping]) -> list[FieldMapping]:
    check_targets([mapping.target_field for mapping in mappings])
    return mappings


Mappings = Annotated[list[FieldMapping], Field(min_length=1, max_length=MAX_MAPPINGS), AfterValidator(_check_mappings)]


class SourceEnrichmentConfig(RequestModel):
    """What a definition writes into the documents of its collections after each run: these fields, or without them an
    entry of `enrichments.clusters`."""

    field_mappings: Mappings | None = None
