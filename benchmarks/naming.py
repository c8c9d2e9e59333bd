"""Keywords of groups whose classes are known: how long they take, that labels are unique, and how they read.

The texts are those of `benchmarks.sets`, WordNet's by lexicographer file (supersense). The peer is class-based TF-IDF
as BERTopic makes it: scikit-learn's CountVectorizer with its English stop words and pairs of words over a text a class,
then log(1 + A / f).
"""

import time
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from benchmarks import sets
from benchmarks.machine import describe
from coterie.labeling.keywords import keywords_of
from coterie.labeling.terms import Terms
from coterie.labeling.unique import unique_labels

Classes = dict[str, list[str]]


def by_class(texts: sets.Texts) -> Classes:
    """The texts of each class."""
    found: Classes = defaultdict(list)
    for text, name in zip(texts.texts, texts.classes, strict=True):
        found[name].append(text)
    return found


def ours(classes: Classes) -> list[list[str]]:
    """Coterie's keywords."""
    terms = Terms(len(classes))
    for number, texts in enumerate(classes.values()):
        for text in texts:
            terms.add(number, {"text": text})
    return keywords_of(terms)


def theirs(classes: Classes) -> list[list[str]]:
    """Class-based TF-IDF over a count matrix."""
    vectorizer = CountVectorizer(stop_words="english", ngram_range=(1, 2))
    counts = vectorizer.fit_transform([" ".join(texts) for texts in classes.values()]).astype(float)
    weights = np.log1p(counts.sum() / counts.shape[0] / np.asarray(counts.sum(axis=0)).ravel())
    names = vectorizer.get_feature_names_out()
    found = []
    for row in range(counts.shape[0]):
        each = counts[row].toarray().ravel()
        best = np.argsort(-(each / max(each.sum(), 1) * weights), kind="stable")[:10]
        found.append([str(names[at]) for at in best])
    return found


def main() -> None:
    """Both on each set of classes."""
    print(describe())
    for name, texts in (("BBC News", sets.news()), ("WordNet", sets.glosses(*sets.ALL))):
        classes = by_class(texts)
        print(f"\n{name}: {sum(map(len, classes.values())):,} documents, {len(classes)} groups")
        for who, make in (("coterie", ours), ("CountVectorizer", theirs)):
            _show(who, make, classes)


def _show(who: str, make: Callable[[Classes], list[list[str]]], classes: Classes) -> None:
    begun = time.perf_counter()
    keywords = make(classes)
    seconds = time.perf_counter() - begun
    labels = unique_labels(keywords) if make is ours else [", ".join(words[:3]) for words in keywords]
    print(f"{who}: {seconds:.2f} s, {len(set(labels)) / len(labels):.0%} of the labels unique")
    for group, label in list(zip(classes, labels, strict=True))[:12]:
        print(f"  {group:16} {label}")


if __name__ == "__main__":
    main()
