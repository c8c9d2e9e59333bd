"""Labels of a run's groups: what stands highest, and what the steps of naming leave for each other in the scratch
folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from coterie.kit.files import whole
from coterie.labeling.answers import Answer
from coterie.labeling.unique import told_apart, unique_labels
from coterie.runs.found import Group
from coterie.runs.group_schemas import LLM, VALUES
from coterie.runs.known import Known

_KEYWORDS, _ANSWERS = "keywords.json", "answers.json"


def save_keywords(folder: Path, keywords: Sequence[Sequence[str]]) -> None:
    """The keywords of each group, for the steps to come."""
    with whole(folder / _KEYWORDS) as file:
        file.write(orjson.dumps(keywords))


def read_keywords(folder: Path) -> list[list[str]]:
    """The keywords of each group."""
    found: list[list[str]] = orjson.loads((folder / _KEYWORDS).read_bytes())
    return found


def save_answers(folder: Path, answers: Mapping[str, Answer]) -> None:
    """What a language model said of groups, by id, for `read_answers`."""
    with whole(folder / _ANSWERS) as file:
        file.write(orjson.dumps({name: each.model_dump() for name, each in answers.items()}))


def read_answers(folder: Path) -> dict[str, dict[str, Any]]:
    """What a language model said of groups, by id; nothing where none was asked."""
    path = folder / _ANSWERS
    found: dict[str, dict[str, Any]] = orjson.loads(path.read_bytes()) if path.exists() else {}
    return found


def name_groups(
    groups: Sequence[Group],
    keywords: Sequence[list[str]],
    answers: Mapping[str, Mapping[str, Any]],
    known: Known,
) -> None:
    """Labels by what stands highest: a pin or the values that the group is, a model's answer, the label that it had,
    its keywords."""
    given = {identity: label.casefold() for identity, label in known.given_labels().items()}
    taken = set(given.values())
    for group, words in zip(groups, keywords, strict=True):
        answer = answers.get(group.id)
        group.keywords = words
        if answer is not None:
            group.summary, group.keywords = answer["summary"], answer["keywords"] or words
            if not keeps_label(group, known):
                group.label, group.source = answer["label"], LLM
        if group.label is None:
            continue
        if not known.is_pinned(group.id) and group.label.casefold() != given.get(group.id):
            group.label = told_apart(group.label, words, taken)
        taken.add(group.label.casefold())
    nameless = [number for number, group in enumerate(groups) if group.label is None]
    labels = unique_labels([keywords[number] for number in nameless], taken)
    for number, label in zip(nameless, labels, strict=True):
        groups[number].label = label


def keeps_label(group: Group, known: Known) -> bool:
    """Whether no model gives this group its label: it is pinned, or its values are its name."""
    return group.source == VALUES or known.is_pinned(group.id)
