"""The numeric stages of a run, done in a child process: arrays come and go as files of the run's scratch folder."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from coterie.compute.executor import StageError
from coterie.engine.arrays import NOISE, ORIGINS, Labels, unit_rows
from coterie.engine.cluster import cluster
from coterie.engine.describe import describe
from coterie.engine.errors import EngineError
from coterie.engine.hdbscan import prepare as compile_kernels
from coterie.engine.hierarchy import MOST_GROUPS, branches
from coterie.engine.quality import quality
from coterie.engine.specs import SPECS, by_cosine

Report = Callable[[float], None]


def prepare(report: Report) -> float:
    """Have the engine's loops compiled before the first job needs them; the seconds it took."""
    begun = time.perf_counter()
    compile_kernels()
    return time.perf_counter() - begun


def fit(report: Report, *, folder: str, plan: dict[str, Any]) -> dict[str, Any]:
    """`vectors.npy` (n, d) to `labels.npy`, `probabilities.npy`; with `normalize`, `unit.npy` takes the vectors' place.

    Raises StageError for what the engine refuses.
    """
    scratch = Path(folder)
    matrix = np.load(scratch / "vectors.npy", mmap_mode="r")
    if plan["normalize"]:
        matrix = unit_rows(matrix)
        np.save(scratch / "unit.npy", matrix)
    report(0.1)
    try:
        found = cluster(
            matrix,
            SPECS[plan["algorithm"]](**plan["params"]),
            sample_size=plan["sample_size"],
            max_noise_ratio=plan["max_noise_ratio"],
            hierarchical=plan["hierarchical"],
            seed=plan["seed"],
        )
    except EngineError as error:
        raise StageError(error.code, error.message) from error
    np.save(scratch / "labels.npy", found.labels)
    np.save(scratch / "probabilities.npy", found.probabilities)
    np.save(scratch / "origin.npy", found.origin)
    if found.stability is not None:
        np.save(scratch / "stability.npy", found.stability)
    if found.parting is not None:
        np.save(scratch / "parting.npy", found.parting)
    return {
        "groups": found.groups,
        "noise": int((found.labels == NOISE).sum()),
        "sampled": int(found.sampled.sum()),
        "warnings": [advice.message for advice in found.advice],
    }


def characterize(report: Report, *, folder: str, plan: dict[str, Any]) -> dict[str, float]:
    """Labels to `centroids.npy`, `distances.npy` and `groups.json`; the measures of quality."""
    scratch = Path(folder)
    name = "unit.npy" if plan["normalize"] else "vectors.npy"
    matrix = np.load(scratch / name, mmap_mode="r")
    labels = np.load(scratch / "labels.npy")
    found = describe(matrix, labels)
    np.save(scratch / "centroids.npy", found.centroids)
    np.save(scratch / "distances.npy", found.distances)
    stability = _optional(scratch / "stability.npy")
    groups = [
        {"variance": float(variance), "stability": None if stability is None else float(stability[number])}
        for number, variance in enumerate(found.variances)
    ]
    (scratch / "groups.json").write_bytes(orjson.dumps(groups))
    if plan["hierarchical"] and len(groups) <= MOST_GROUPS:
        tree = branches(
            found.centroids,
            depth=plan["max_hierarchy_depth"],
            per_level=plan["groups_per_level"],
            parting=_optional(scratch / "parting.npy"),
        )
        (scratch / "branches.json").write_bytes(orjson.dumps([branch._asdict() for branch in tree]))
    report(0.5)
    if not plan["metrics"]:
        return {}
    density = plan["algorithm"] in ("hdbscan", "dbscan", "optics")
    cosine = plan["normalize"] or by_cosine(SPECS[plan["algorithm"]](**plan["params"]))
    measures = quality(np.asarray(matrix), labels, cosine=cosine, density=density, seed=plan["seed"])
    return {**measures, **_shares(np.load(scratch / "origin.npy"), labels, found.distances)}


def _shares(origin: NDArray[np.int8], labels: Labels, distances: NDArray[np.float32]) -> dict[str, float]:
    """What share of the documents was not in the fit, or was noise above the budget, and how far these are from their
    groups' centroids, as the mean over those that have a group."""
    shares = {}
    for code, name in enumerate(ORIGINS):
        own = origin == code
        if own.any():
            shares[f"{name}_ratio"] = float(own.mean())
            if (own & (labels != NOISE)).any():
                shares[f"{name}_distance"] = float(distances[own & (labels != NOISE)].mean(dtype=np.float64))
    return shares


def _optional(path: Path) -> NDArray[np.float64] | None:
    return np.load(path) if path.exists() else None
