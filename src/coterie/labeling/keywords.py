"""Keywords and labels without a model: class-based TF-IDF over the payloads of each group.

All texts of a group count as one document (c-TF-IDF, Grootendorst 2022, section 3.3): the weight of a word t in group
c is tf(t, c) * log(1 + A / f(t)), where A is the average number of words a group has and f(t) the word's count over all
groups. Payloads without prose are described by their most telling field values in the same way, as "field: value".
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from coterie.labeling.stopwords import ENGLISH

KEYWORDS = 10
LABEL_WORDS = 3
MAX_TEXT = 20_000
"""Characters of one text that are read."""

MAX_VALUE = 64
"""A string up to this length without a second word is also a value that a group can be described by."""

MAX_TERMS = 20_000
"""Distinct terms kept of a group; the rarest are dropped now and then, so that memory stays bounded."""

MIN_LIFT = 1.2
"""A term tells a group apart if it is so many times as frequent in it as over all groups, or in it alone."""

_WORD = re.compile(r"\w{2,40}")


class Terms:
    """Counts of words and of field values per group; feed it every payload, then ask for keywords."""

    def __init__(self, groups: int) -> None:
        self._words = [Counter[str]() for _ in range(groups)]
        self._values = [Counter[str]() for _ in range(groups)]

    def add(self, group: int, payload: Mapping[str, Any]) -> None:
        """Count a document of a group."""
        words, values = self._words[group], self._values[group]
        for path, value in _leaves(payload):
            if isinstance(value, str):
                words.update(words_of(value))
            if _is_category(value):
                values[f"{path}: {str(value).lower() if isinstance(value, bool) else value}"] += 1
        for counter in (words, values):
            if len(counter) > 2 * MAX_TERMS:
                _prune(counter)

    def keywords(self) -> list[list[str]]:
        """Per group its most distinctive terms, best first: words where there are any, field values where not."""
        words, values = _rank(self._words), _rank(self._values)
        return [found or fallback for found, fallback in zip(words, values, strict=True)]


def words_of(text: str) -> list[str]:
    """The words of a text that may say something: folded, two letters or more, no numbers, no stop words."""
    if text.startswith("data:"):
        return []
    folded = unicodedata.normalize("NFC", text[:MAX_TEXT]).casefold()
    return [word for word in _WORD.findall(folded) if word not in ENGLISH and not word.isnumeric()]


def unique_labels(
    keywords: Sequence[Sequence[str]], others: Collection[str] = (), fallback: str = "group"
) -> list[str]:
    """A label per group from its keywords; no two groups get the same one, nor one of the `others`."""
    labels: list[str] = []
    taken = set(others)
    for number, words in enumerate(keywords):
        for label in _candidates(words, f"{fallback} {number + 1}"):
            if label not in taken:
                break
        taken.add(label)
        labels.append(label)
    return labels


def _candidates(words: Sequence[str], fallback: str) -> Iterable[str]:
    """Labels for a group, the shortest that tells it apart first."""
    size = 1 if words and ": " in words[0] else LABEL_WORDS
    for length in range(min(size, len(words)), len(words) + 1):
        if length:
            yield ", ".join(words[:length])
    base = ", ".join(words[:size]) or fallback
    if not words:
        yield base
    number = 2
    while True:
        yield f"{base} ({number})"
        number += 1


def _rank(groups: Sequence[Counter[str]]) -> list[list[str]]:
    total: Counter[str] = Counter()
    for counts in groups:
        total.update(counts)
    average = total.total() / max(len(groups), 1)
    return [_best(counts, total, average) for counts in groups]


def _best(counts: Counter[str], total: Counter[str], average: float) -> list[str]:
    """The heaviest terms of a group, those left out that are no more frequent in it than in all groups together."""
    size, overall = max(counts.total(), 1), max(total.total(), 1)
    telling = [(t, n) for t, n in counts.items() if n == total[t] or n / size > MIN_LIFT * total[t] / overall]
    weighed = [(-count / size * math.log1p(average / total[term]), term) for term, count in telling]
    return [term for _, term in sorted(weighed)[:KEYWORDS]]


def _leaves(payload: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    stack: list[tuple[str, Any]] = [(key, value) for key, value in payload.items()]
    while stack:
        path, value = stack.pop()
        if isinstance(value, dict):
            stack += [(f"{path}.{key}", member) for key, member in value.items()]
        elif isinstance(value, list):
            stack += [(path, member) for member in value]
        elif value is not None:
            yield path, value


def _is_category(value: Any) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= MAX_VALUE and not value.startswith("data:")
    return isinstance(value, int)


def _prune(counter: Counter[str]) -> None:
    kept = counter.most_common(MAX_TERMS)
    counter.clear()
    counter.update(dict(kept))
