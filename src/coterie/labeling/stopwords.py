"""Words that say nothing about a text's subject, in the languages that it is written in.

The words are those of stopwords-iso (58 languages). A language is recognized by them: each word of a text counts for
the languages whose lists have it, the less the more languages those are.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import cache

import stopwordsiso

MAIN = 0.5
"""A further language counts as one of a text's if it scores at least this share of what the first one does."""

LEAST = 0.08
LEAST_DIFFERENT = 3
"""Texts whose words are in a language's list to a lesser share, or fewer different ones, are not in that language."""

DEFAULT = ("en",)
"""Of texts whose language cannot be told: names, tags, a few words."""

_SUBJECTS = frozenset({"computer", "home", "novel", "research", "system", "world"})
"""The English list holds these, and they are subjects."""


def languages_of(words: Mapping[str, int]) -> tuple[str, ...]:
    """The languages of a text by the counts of its words, the surest first; none for a text that has no such words."""
    scores: defaultdict[str, float] = defaultdict(float)
    times: Counter[str] = Counter()
    different: Counter[str] = Counter()
    for word, count in words.items():
        known = _lists().get(word, [])
        times.update(dict.fromkeys(known, count))
        different.update(known)
        for language in known:
            scores[language] += count / len(known)
    least = LEAST * sum(words.values())
    spoken = [each for each in scores if different[each] >= LEAST_DIFFERENT and times[each] >= least]
    ranked = sorted(spoken, key=lambda language: (-scores[language], language))
    return tuple(language for language in ranked if scores[language] >= MAIN * scores[ranked[0]])[:2]


def is_stop(word: str, languages: tuple[str, ...]) -> bool:
    """Whether a word says nothing in one of the languages."""
    return any(language in languages for language in _lists().get(word, ()))


@cache
def _lists() -> dict[str, list[str]]:
    """Of every stop word the languages that have it."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for language in sorted(stopwordsiso.langs()):
        for word in stopwordsiso.stopwords(language):
            found[word.lower()].append(language)
    for word in _SUBJECTS:
        found[word] = [language for language in found[word] if language != "en"]
    return dict(found)
