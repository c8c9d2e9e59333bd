"""Keywords without a model: class-based TF-IDF over the words of each group.

All texts of a group count as one document (c-TF-IDF, Grootendorst 2022, section 3.3): the weight of a term t in group
c is tf(t, c) * log(1 + A / f(t)), where A is the average number of words a group has and f(t) the term's count over all
groups. Terms are words and pairs of words without the stop words of the group's languages. Groups are set against those
that they stand beside: the ones that hold documents against each other, those above them level by level. A group whose
documents hold no words is described by their most telling values in the same way, as "field: value".
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coterie.labeling.stopwords import DEFAULT, is_stop, languages_of
from coterie.labeling.terms import BREAK, Terms
from coterie.labeling.words import alike, joined, phrase

KEYWORDS = 10
MIN_LIFT = 1.2
"""A term tells a group apart if it is so many times as frequent in it as over all groups, or in it alone."""

MIN_DOCUMENTS = 2
"""A keyword is in so many documents of its group, or in a hundredth of them if that is more; in one if the group has
not three."""

ABSORBED = 0.5
"""A phrase takes the place of a word that at least so much of the time stands in it."""

CANDIDATES = 300
"""The heaviest terms of a group, among which alike ones are sorted out."""

LANGUAGE_WORDS = 2_000
"""Different words of a group, the most frequent ones, by which its languages are told."""

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """Of a group's terms their `codes`, rising, how often (`times`) and in how many documents each occurs."""

    codes: Codes
    times: Codes
    documents: Codes
    total_documents: int


class Weighed(NamedTuple):
    """A term of a group: its weight, its code and how often it occurs."""

    weight: float
    code: int
    times: int


def keywords_of(terms: Terms, parents: Sequence[int] = ()) -> list[list[str]]:
    """Per group its most distinctive terms, best first, none of them alike; `parents` has the number of the group above
    each one, or -1. Bounded by what `terms` holds: O(words log words)."""
    count = len(terms.words)
    parents = parents or [-1] * count
    names = list(terms.vocabulary)
    found: list[list[str]] = [[] for _ in range(count)]
    children = defaultdict(list)
    for group, parent in enumerate(parents):
        children[parent].append(group)
    for level in _levels(parents):
        members = {group: _below(group, children) for group in level}
        words = _by_words(terms, members, names)
        values = _by_values(terms, members)
        for group in level:
            found[group] = words[group] or values[group]
    return found


def _levels(parents: Sequence[int]) -> list[list[int]]:
    """Groups that are set against each other."""
    above = set(parents)
    leaves, branches = [], defaultdict(list)
    for group, parent in enumerate(parents):
        if group not in above:
            leaves.append(group)
            continue
        depth = 0
        while parent >= 0:
            parent, depth = parents[parent], depth + 1
        branches[depth].append(group)
    return [level for level in (leaves, *branches.values()) if level]


def _below(group: int, children: Mapping[int, Sequence[int]]) -> list[int]:
    """A group and all that are in it."""
    found = [group]
    for at in found:
        found += children.get(at, ())
    return found


def _by_words(terms: Terms, members: dict[int, list[int]], names: list[str]) -> dict[int, list[str]]:
    size = len(names)
    spoken = languages_of(_frequent(terms, [one for own in members.values() for one in own], names))
    counts = {group: _count(terms, own, names, spoken) for group, own in members.items()}
    if not size or not any(len(each.codes) for each in counts.values()):
        return {group: [] for group in members}
    codes, inverse = np.unique(np.concatenate([each.codes for each in counts.values()]), return_inverse=True)
    totals = np.bincount(inverse, np.concatenate([each.times for each in counts.values()])).astype(np.int64)
    average = totals.sum() / len(members)

    def text(code: int) -> str:
        return names[code] if code < size else phrase(*(names[at] for at in divmod(code - size, size)))

    found = {}
    for group, each in counts.items():
        ranked = _weigh(each, totals[np.searchsorted(codes, each.codes)], average, int(totals.sum()))
        found[group] = _choose([(text(code), times) for _, code, times in _absorb(ranked, size)])
    return found


def _frequent(terms: Terms, members: Sequence[int], names: list[str]) -> dict[str, int]:
    """The most frequent words of some groups together."""
    words = np.concatenate([np.frombuffer(terms.words[group], np.int32) for group in members])
    times = np.bincount(words[words != BREAK], minlength=len(names))
    best = np.argsort(-times, kind="stable")[:LANGUAGE_WORDS]
    return {names[at]: int(times[at]) for at in best if times[at]}


def _count(terms: Terms, members: Sequence[int], names: list[str], spoken: tuple[str, ...]) -> Counts:
    """The terms of a group: words by their numbers, pairs as size + first * size + second; where its own language is
    not known, that of all."""
    words = np.concatenate([np.frombuffer(terms.words[group], np.int32) for group in members]).astype(np.int64)
    of_document = np.concatenate(_documents(terms, members))
    size = len(names)
    kept = words != BREAK
    present, times = np.unique(words[kept], return_counts=True)
    best = np.argsort(-times, kind="stable")[:LANGUAGE_WORDS]
    own = {names[at]: int(n) for at, n in zip(present[best].tolist(), times[best].tolist(), strict=True)}
    languages = languages_of(own) or spoken or DEFAULT
    stops = present[[is_stop(names[at], languages) for at in present]]
    kept &= ~np.isin(words, stops)
    paired = kept[:-1] & kept[1:]
    pairs = size + words[:-1][paired] * size + words[1:][paired]
    codes = np.concatenate([words[kept], pairs])
    holders = np.concatenate([of_document[kept], of_document[:-1][paired]])
    found, inverse, times = np.unique(codes, return_inverse=True, return_counts=True)
    once = np.unique(holders * len(found) + inverse) if len(found) else np.empty(0, np.int64)
    documents = np.bincount(once % max(len(found), 1), minlength=len(found))
    return Counts(found, times, documents, sum(len(terms.documents[group]) for group in members))


def _documents(terms: Terms, members: Sequence[int]) -> list[Codes]:
    """Of every word the number of its document."""
    found, first = [], 0
    for group in members:
        starts: array[int] = terms.documents[group]
        lengths = np.diff(np.append(np.frombuffer(starts, np.int32), len(terms.words[group])))
        found.append(first + np.repeat(np.arange(len(lengths)), lengths))
        first += len(lengths)
    return found


def _weigh(counts: Counts, totals: Codes, average: float, overall: int) -> list[Weighed]:
    """The heaviest terms of a group, those left out that are no more frequent in it than in all groups together."""
    times, size = counts.times, max(int(counts.times.sum()), 1)
    least = max(MIN_DOCUMENTS, counts.total_documents // 100) if counts.total_documents > MIN_DOCUMENTS else 1
    telling = (times == totals) | (times / size > MIN_LIFT * totals / max(overall, 1))
    chosen = np.flatnonzero(telling & (counts.documents >= least))
    if not len(chosen):
        chosen = np.flatnonzero(telling)
    weights = times[chosen] / size * np.log1p(average / totals[chosen])
    best = chosen[np.lexsort((counts.codes[chosen], -weights))[:CANDIDATES]]
    weights = times[best] / size * np.log1p(average / totals[best])
    return [
        Weighed(*each) for each in zip(weights.tolist(), counts.codes[best].tolist(), times[best].tolist(), strict=True)
    ]


def _absorb(ranked: Sequence[Weighed], size: int) -> list[Weighed]:
    """Words that mostly stand in a phrase give way to it, and it weighs what they did."""
    words = {each.code: each for each in ranked if each.code < size}
    absorbed: set[int] = set()
    found = []
    for each in ranked:
        if each.code >= size and each.times > 1:
            parts = [words[part] for part in divmod(each.code - size, size) if part in words]
            taken = [part for part in parts if each.times >= ABSORBED * part.times]
            absorbed.update(part.code for part in taken)
            each = each._replace(weight=max([each.weight, *(part.weight for part in taken)]))
        found.append(each)
    return sorted((each for each in found if each.code not in absorbed), key=lambda each: (-each.weight, each.code))


def _choose(ranked: Sequence[tuple[str, int]]) -> list[str]:
    """The first terms that are not alike; pieces of one word, as text without spaces has them, are put together."""
    found: list[tuple[str, int]] = []
    for term, times in ranked:
        whole = next(
            ((at, both) for at, (other, n) in enumerate(found) if (both := joined(other, term, n, times))), None
        )
        if whole is not None:
            found[whole[0]] = whole[1], found[whole[0]][1]
        elif len(found) < KEYWORDS and not any(alike(term, other) for other, _ in found):
            found.append((term, times))
    return list(dict.fromkeys(term for term, _ in found))


def _by_values(terms: Terms, members: dict[int, list[int]]) -> dict[int, list[str]]:
    """The same of values, each of which counts once a document."""
    counts = {group: sum((terms.values[one] for one in own), Counter[str]()) for group, own in members.items()}
    total: Counter[str] = Counter()
    for each in counts.values():
        total.update(each)
    average = total.total() / max(len(members), 1)
    found = {}
    for group, each in counts.items():
        names = sorted(each)
        times = np.array([each[name] for name in names], np.int64)
        documents = sum(len(terms.documents[one]) for one in members[group])
        of_group = Counts(np.arange(len(names)), times, times, documents)
        totals = np.array([total[name] for name in names], np.int64)
        ranked = _weigh(of_group, totals, average, total.total())
        found[group] = [names[code] for _, code, _ in ranked[:KEYWORDS]]
    return found
