"""What the documents of groups say: their words, and the values that they share, collected within a bound."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from coterie.labeling.words import words_of
from coterie.listing.values import values_at

MOST_WORDS = 8_000_000
"""Words kept of all groups together, 4 bytes each; every group has an equal part of them, at least LEAST_WORDS."""

LEAST_WORDS = 500
MOST_DISTINCT = 1_000_000
"""Different words that are told apart; others that come later are not seen."""

MOST_VALUES = 500
"""Different values kept of a group."""

MAX_VALUE = 64
"""A string up to this length is also a value that a group can be described by."""

MAX_LEAVES = 1_000
"""Values of one payload that are looked at."""

BREAK = -1
"""Between two texts: what stands on both sides of it does not follow each other."""


class Terms:
    """Words and values by group; feed it payloads. With `fields` it reads those only, dotted paths into the payload.

    A group's `words` are numbers of the vocabulary, with BREAK between texts, and its `documents` say where in them
    each document begins.
    """

    def __init__(self, groups: int, fields: Sequence[str] = ()) -> None:
        self.fields = tuple(field.removeprefix("metadata.") for field in fields)
        self.vocabulary: dict[str, int] = {}
        self.words = [array("i") for _ in range(groups)]
        self.documents = [array("i") for _ in range(groups)]
        self.values = [Counter[str]() for _ in range(groups)]
        self._room = max(LEAST_WORDS, MOST_WORDS // max(groups, 1))

    def add(self, group: int, payload: Mapping[str, Any]) -> None:
        """Count a document of a group."""
        words, values = self.words[group], set()
        self.documents[group].append(len(words))
        for path, value in leaves(payload, self.fields):
            if isinstance(value, str) and len(words) < self._room:
                words.extend(self._numbers(words_of(value)))
                words.append(BREAK)
            if _is_category(value):
                values.add(f"{path}: {str(value).lower() if isinstance(value, bool) else value}")
        counted = self.values[group]
        counted.update(values)
        if len(counted) > 2 * MOST_VALUES:
            self.values[group] = Counter(dict(counted.most_common(MOST_VALUES)))

    def _numbers(self, words: Iterable[str]) -> Iterable[int]:
        known = self.vocabulary
        for word in words:
            number = known.get(word)
            if number is None:
                if len(known) == MOST_DISTINCT:
                    continue
                number = known[word] = len(known)
            yield number


def leaves(payload: Mapping[str, Any], fields: Sequence[str] = ()) -> Iterable[tuple[str, Any]]:
    """Paths and values of a payload, or of those `fields` of it, that hold no others, in the payload's order."""
    if fields:
        stack = [(field, value) for field in reversed(fields) for value in reversed(values_at(payload, field))]
    else:
        stack = [(key, value) for key, value in reversed(list(payload.items()))]
    seen = 0
    while stack and seen < MAX_LEAVES:
        path, value = stack.pop()
        if isinstance(value, dict):
            stack += [(f"{path}.{key}", member) for key, member in reversed(value.items())]
        elif isinstance(value, list):
            stack += [(path, member) for member in reversed(value)]
        elif value is not None:
            seen += 1
            yield path, value


def _is_category(value: Any) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= MAX_VALUE and not value.startswith("data:")
    return isinstance(value, int)
