"""Real texts on the whole way: embedded, clustered, labelled. How far the groups agree with the classes that people
gave, by extractor and algorithm, how the time is divided, and whether labels are unique.

BBC News and glosses of WordNet's nouns, as `benchmarks.sets` finds them; extractors are the 8-bit MiniLM and, as what
needs no model, TF-IDF in 100 dimensions (latent semantic analysis, Deerwester et al. 1990) brought along.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from benchmarks import sets
from benchmarks.machine import describe
from coterie.engine import cluster
from coterie.engine.arrays import unit_rows
from coterie.engine.reduction import reduce
from coterie.engine.specs import SPECS, HDBSCANParams, UMAPParams
from coterie.labeling.keywords import keywords_of
from coterie.labeling.terms import Terms
from coterie.labeling.unique import unique_labels

GLOSSES = 10_000
"""Of 82,115, drawn by seed 0."""

Matrix = NDArray[np.float32]
Labels = NDArray[np.int32]


def main() -> None:
    print(f"{describe()}\n")
    print("| texts | extractor | algorithm | groups | noise | ARI | AMI | embed s | cluster s | label s | unique |")
    print("|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name, texts in (("BBC News", sets.news()), ("WordNet glosses", drawn(sets.glosses()))):
        for extractor, embed in (("MiniLM, 8 bits", sets.embedded), ("TF-IDF, 100-d", tfidf)):
            begun = time.perf_counter()
            vectors = unit_rows(embed(texts.texts))
            show(name, extractor, texts, vectors, time.perf_counter() - begun)


def drawn(texts: sets.Texts) -> sets.Texts:
    """A sample of the texts."""
    rows = np.random.default_rng(0).permutation(len(texts.texts))[:GLOSSES]
    return sets.Texts([texts.texts[row] for row in rows], [texts.classes[row] for row in rows])


def tfidf(texts: Sequence[str]) -> Matrix:
    """Texts as (n, 100) without a model."""
    counts = TfidfVectorizer(stop_words="english", min_df=2, sublinear_tf=True).fit_transform(texts)
    return TruncatedSVD(100, random_state=0).fit_transform(counts).astype(np.float32)


def show(name: str, extractor: str, texts: sets.Texts, vectors: Matrix, embedding: float) -> None:
    """A row for each algorithm."""
    classes = np.unique(texts.classes, return_inverse=True)[1]
    for algorithm, find in algorithms(len(set(texts.classes)), len(vectors)).items():
        begun = time.perf_counter()
        labels = find(vectors)
        clustering = time.perf_counter() - begun
        begun = time.perf_counter()
        unique = label(texts.texts, labels)
        labeling = time.perf_counter() - begun
        print(
            f"| {name}, {len(vectors):,} | {extractor} | {algorithm} | {labels.max() + 1} | {(labels < 0).mean():.2f} "
            f"| {adjusted_rand_score(classes, labels):.3f} | {adjusted_mutual_info_score(classes, labels):.3f} "
            f"| {embedding:.1f} | {clustering:.1f} | {labeling:.1f} | {unique:.0%} |",
            flush=True,
        )


def algorithms(classes: int, rows: int) -> dict[str, Callable[[Matrix], Labels]]:
    """As many groups as there are classes where an algorithm takes a number; groups of a hundredth of the rows else."""
    dense = HDBSCANParams(min_cluster_size=max(10, rows // 100))
    flat = UMAPParams(n_components=5)
    return {
        "kmeans": lambda x: cluster(x, SPECS["kmeans"](n_clusters=classes), seed=0).labels,
        "umap, kmeans": lambda x: cluster(reduce(x, flat), SPECS["kmeans"](n_clusters=classes), seed=0).labels,
        "umap, gaussian_mixture": lambda x: (
            cluster(reduce(x, flat), SPECS["gaussian_mixture"](n_components=classes), seed=0).labels
        ),
        "hdbscan": lambda x: cluster(x, dense, seed=0).labels,
        "umap, hdbscan": lambda x: cluster(reduce(x, flat), dense, seed=0).labels,
    }


def label(texts: Sequence[str], labels: Labels) -> float:
    """The share of groups whose label no other has."""
    if labels.max() < 0:
        return 1.0
    terms = Terms(int(labels.max()) + 1)
    for text, group in zip(texts, labels, strict=True):
        if group >= 0:
            terms.add(int(group), {"text": text})
    found = unique_labels(keywords_of(terms))
    return len({each.casefold() for each in found}) / len(found)
