"""The numeric steps of a run without its records: in memory, and over parts by any executor."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coterie.compute.executor import Executor
from coterie.documents.queries import Members
from coterie.engine.arrays import drawn
from coterie.runs import stages
from coterie.runs.passes import Passes
from coterie.runs.plan import Plan
from coterie.runs.sampling import load_sample
from coterie.store.vectors import Space, VectorStore

Vectors = NDArray[np.float32]
FILES = ("labels", "probabilities", "origin", "centroids", "distances", "coordinates")
"""What the steps after the map read."""


def plan_of(algorithm: str, **changes: Any) -> Plan:
    fields: dict[str, Any] = {
        "collection_ids": ["c"],
        "algorithm": algorithm,
        "params": {},
        "vector_names": ["v"],
        "attributes": [],
        "hierarchical": True,
        "normalize": False,
        "sample_size": None,
        "llm_labeling": {},
        "metrics": True,
    }
    return Plan(**{**fields, **changes})


def stored(store: VectorStore, vectors: Vectors, collections: int = 2) -> list[Members]:
    """The vectors as documents of a few collections, whose datasets have several fragments, rows of no document among
    them, and other orders than the documents."""
    members, first = [], 0
    dice = np.random.default_rng(0)
    for number, rows in enumerate(np.array_split(np.arange(len(vectors)), collections)):
        space = Space("ns", f"col{number}", "v")
        keys = first + dice.permutation(3 * len(rows))[: len(rows)]
        beside = np.setdiff1d(np.arange(first, first + 3 * len(rows)), keys)[: len(rows)]
        first += 3 * len(rows)
        for part in np.array_split(dice.permutation(len(rows)), 3):
            store.append(space, keys[part], vectors[rows[part]])
            store.append(space, beside[part], np.zeros((len(part), vectors.shape[1]), np.float32))
        ids = [f"d{row}" for row in rows]
        members.append(Members(space, vectors.shape[1], rows, ids, keys, 0))
    return members


def over_parts(
    executor: Executor,
    plan: Plan,
    store: VectorStore,
    members: Sequence[Members],
    folder: Path,
    sample: int,
    earlier: Callable[[Path], None] = lambda folder: None,
) -> dict[str, Any]:
    """A run's steps over parts; what they say."""
    passes = Passes(executor, lambda *_: lambda share: None, plan, folder)
    load_sample(SimpleNamespace(vectors=store), members, sample, passes)  # type: ignore[arg-type]
    earlier(folder)
    return {**passes.fit(), **passes.recognize(), **passes.characterize(), **passes.draw()}


def in_memory(
    plan: Plan, vectors: Vectors, folder: Path, earlier: Callable[[Path], None] = lambda folder: None
) -> dict[str, Any]:
    """The same steps by one process with all vectors in memory; what they say."""
    folder.mkdir()
    np.save(folder / "vectors.npy", vectors)
    earlier(folder)
    found: dict[str, Any] = {}
    for stage in (stages.fit, stages.recognize, stages.characterize, stages.draw):
        found |= stage(lambda share: None, folder=str(folder), plan=asdict(plan))
    return found


def clouds(rows: int, dimensions: int = 16, groups: int = 6, noise: float = 0.1, seed: int = 0) -> Vectors:
    """Groups of unequal size that overlap a little, and rows of no group."""
    dice = np.random.default_rng(seed)
    shares = 1 / np.arange(1, groups + 1)
    of = dice.choice(groups, rows, p=shares / shares.sum())
    centres = dice.normal(0, 2, (groups, dimensions))
    found = centres[of] + dice.normal(0, 1, (rows, dimensions))
    loose = drawn(rows, round(noise * rows), seed)
    found[loose] = dice.normal(0, 4, (len(loose), dimensions))
    return found.astype(np.float32)


def arrays(folder: Path) -> dict[str, NDArray[Any]]:
    return {name: np.load(folder / f"{name}.npy") for name in FILES}
