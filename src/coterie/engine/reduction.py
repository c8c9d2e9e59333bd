"""Vectors in fewer dimensions, or in evener ones, before they are clustered."""

from collections.abc import Mapping
from typing import assert_never

import numpy as np
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from coterie.engine.arrays import Matrix, drawn
from coterie.engine.errors import EngineError
from coterie.engine.layout import among, beside, layout
from coterie.engine.memory import MOST_IN_A_TREE, MOST_IN_PAIRS
from coterie.engine.projection import Projection, principal_components, spectrum
from coterie.engine.specs import DEFAULT_SEED, NoReduction, PCAParams, Reduction, TSNEParams, UMAPParams


def reduce(matrix: Matrix, spec: Reduction) -> Matrix:
    """`matrix` (n, d) in the dimensions that `spec` says, (n, `n_components`).

    UMAP and t-SNE place a seeded sample and put the rest among it (`engine.layout`), so that any number of rows takes
    minutes at most. Raises EngineError for components that the vectors do not have, or too few rows.
    """
    match spec:
        case NoReduction():
            return matrix
        case PCAParams():
            if spec.n_components > min(matrix.shape):
                raise EngineError(
                    "too_few_dimensions",
                    f"n_components = {spec.n_components} and there are {len(matrix)} vectors of {matrix.shape[1]}: "
                    f"use at most {min(matrix.shape)}",
                )
            return _components(matrix, spec).of(matrix)
        case UMAPParams():
            return layout(
                matrix,
                spec.n_components,
                neighbours=spec.n_neighbors,
                min_dist=spec.min_dist,
                seed=spec.random_state,
            )
        case TSNEParams():
            return _tsne(matrix, spec)
        case _:
            assert_never(spec)


def whiten(matrix: Matrix, epsilon: float, *, seed: int = DEFAULT_SEED) -> Matrix:
    """The rows with their axes of much variance shrunk and those of little stretched: soft ZCA (Diera, Galke and Scherp
    2024). `epsilon`, in units of the mean variance of a dimension, is added to each: near 0 all axes weigh the same,
    far above 1 they weigh what they did."""
    return whitening(matrix, epsilon, seed=seed).of(matrix)


def whitening(matrix: Matrix, epsilon: float, *, seed: int = DEFAULT_SEED) -> Projection:
    """The map that does so, learnt of `matrix` (n, d)."""
    centre, variances, axes = spectrum(matrix, seed=seed)
    mean = float(variances.mean()) or 1.0
    scales = 1 / np.sqrt(variances / mean + np.float32(epsilon))
    return Projection(np.ascontiguousarray((axes * scales) @ axes.T, dtype=np.float32), centre)


def transform_of(matrix: Matrix, reduced: Matrix, spec: Reduction) -> dict[str, Matrix]:
    """The arrays by which `transform` puts other rows where `reduce` has put those of `matrix` (n, d)."""
    if isinstance(spec, PCAParams):
        return _components(matrix, spec)._asdict()
    return {"landmarks": matrix, "places": reduced}


def transform(rows: Matrix, by: Mapping[str, Matrix]) -> Matrix:
    """`rows` (n, d) in fewer dimensions: projected, or amid the nearest rows that were placed."""
    if "basis" in by:
        return Projection(by["basis"], by["centre"]).of(rows)
    return beside(rows, by["landmarks"], by["places"])


def _components(matrix: Matrix, spec: PCAParams) -> Projection:
    return principal_components(matrix, seed=spec.random_state, dimensions=spec.n_components)


def _tsne(matrix: Matrix, spec: TSNEParams) -> Matrix:
    by_tree = spec.n_components <= 3
    chosen = drawn(len(matrix), MOST_IN_A_TREE if by_tree else MOST_IN_PAIRS, spec.random_state)
    if spec.perplexity >= len(chosen):
        raise EngineError(
            "too_few_vectors",
            f"perplexity {spec.perplexity:g} needs more than so many vectors, and t-SNE has {len(chosen)}: lower it",
        )
    sample = matrix[chosen]
    model = TSNE(
        n_components=spec.n_components,
        perplexity=spec.perplexity,
        learning_rate=spec.learning_rate,
        init="pca" if spec.n_components <= min(sample.shape) else "random",
        method="barnes_hut" if by_tree else "exact",
        random_state=spec.random_state,
    )
    with threadpool_limits(1):  # its sums depend on the number of threads
        places = np.ascontiguousarray(model.fit_transform(sample), dtype=np.float32)
    return places if len(sample) == len(matrix) else among(matrix, chosen, places, seed=spec.random_state)
