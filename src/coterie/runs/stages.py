"""The numeric stages of a run, done in a child process: arrays come and go as files of the run's scratch folder."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from coterie.compute.executor import StageError
from coterie.engine.arrays import NOISE, unit_rows
from coterie.engine.cluster import cluster
from coterie.engine.describe import describe
from coterie.engine.errors import EngineError
from coterie.engine.hdbscan import prepare as compile_kernels
from coterie.engine.quality import quality
from coterie.engine.specs import SPECS

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
            seed=plan["seed"],
        )
    except EngineError as error:
        raise StageError(error.code, error.message) from error
    np.save(scratch / "labels.npy", found.labels)
    np.save(scratch / "probabilities.npy", found.probabilities)
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
    groups = [
        {"size": int(size), "variance": float(variance), "representatives": rows.tolist()}
        for size, variance, rows in zip(found.sizes, found.variances, found.representatives, strict=True)
    ]
    (scratch / "groups.json").write_bytes(orjson.dumps(groups))
    report(0.5)
    if not plan["metrics"]:
        return {}
    cosine = plan["normalize"] or "cosine" in (plan["params"].get("metric"), plan["params"].get("affinity"))
    return quality(np.asarray(matrix), labels, cosine=cosine, seed=plan["seed"])
