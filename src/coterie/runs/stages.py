"""The numeric stages of a run, done in a child process: arrays come and go as files of the run's scratch folder."""

import time
from collections.abc import Callable
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from coterie.compute.executor import StageError
from coterie.engine.arrays import NOISE, ORIGINS, Labels, Matrix, drawn, unit_rows
from coterie.engine.assign import propose, to_groups
from coterie.engine.clustering import by_size, cluster
from coterie.engine.describe import QUANTILES, describe
from coterie.engine.describe import quantiles as quantiles_of
from coterie.engine.errors import EngineError
from coterie.engine.hdbscan import prepare as compile_kernels
from coterie.engine.hierarchy import MOST_GROUPS, branches
from coterie.engine.layout import align, among, beside, layout
from coterie.engine.quality import quality
from coterie.engine.reduction import reduce, whiten
from coterie.engine.specs import REDUCTIONS, SPECS, HDBSCANParams, Reduction, by_cosine, is_map
from coterie.engine.sweep import suggest
from coterie.runs import recognition

Report = Callable[[float], None]

LANDMARKS = 1_000
"""Documents whose vectors are kept with a run, so that later ones find their places on its map."""

LEAST_SHARED = 20
"""Documents that two runs must share for the map of one to be laid by that of the other."""


def prepare(report: Report) -> float:
    """Have the engine's loops compiled before the first job needs them; the seconds it took."""
    begun = time.perf_counter()
    compile_kernels()
    layout(np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32), seed=0)
    return time.perf_counter() - begun


def fit(report: Report, *, folder: str, plan: dict[str, Any]) -> dict[str, Any]:
    """`vectors.npy` (n, d) to `fitted.npz`, `probabilities.npy`; with `normalize`, `unit.npy` takes the vectors' place,
    and where they are whitened or reduced `space.npy` (n, p) holds what was clustered.

    Raises StageError for what the engine refuses.
    """
    scratch = Path(folder)
    matrix = np.load(scratch / "vectors.npy", mmap_mode="r")
    if plan["normalize"]:
        matrix = unit_rows(matrix)
        np.save(scratch / "unit.npy", matrix)
    try:
        space = matrix if plan["whitening"] is None else whiten(matrix, plan["whitening"], seed=plan["seed"])
        report(0.1)
        if plan["reduction"] is not None:
            space = reduce(space, _reduction(plan))
            report(0.4)
        if space is not matrix:
            np.save(scratch / "space.npy", space)
        found = cluster(
            space,
            SPECS[plan["algorithm"]](**plan["params"]),
            sample_size=plan["sample_size"],
            max_noise_ratio=plan["max_noise_ratio"],
            hierarchical=plan["hierarchical"],
            seed=plan["seed"],
        )
    except EngineError as error:
        raise StageError(error.code, error.message) from error
    np.savez(
        scratch / "fitted.npz",
        labels=found.labels,
        stability=np.empty(0) if found.stability is None else found.stability,
        parting=np.empty(0) if found.parting is None else found.parting,
    )
    np.save(scratch / "probabilities.npy", found.probabilities)
    np.save(scratch / "origin.npy", found.origin)
    return {
        "sampled": int(found.sampled.sum()),
        "fit": digest(found.labels),
        "found": found.groups,
        "warnings": [advice.message for advice in found.advice],
    }


def digest(labels: Labels) -> str:
    """What tells one labeling from another, whatever its numbers are."""
    return blake2b(by_size(labels).tobytes(), digest_size=16).hexdigest()


def recognize(report: Report, *, folder: str, plan: dict[str, Any]) -> dict[str, int]:
    """`fitted.npz` to `labels.npy`, what people merged made one, and `recognized.json`, what each group was in the run
    before."""
    scratch = Path(folder)
    with np.load(scratch / "fitted.npz") as fitted:
        labels = fitted["labels"]
    earlier = recognition.load(scratch)
    found = [recognition.Recognized()] * (int(labels.max(initial=NOISE)) + 1)
    if earlier is not None:
        labels, found = recognition.recognize(earlier, _vectors(scratch, plan), labels)
    np.save(scratch / "labels.npy", labels)
    recognition.write_recognized(scratch / "recognized.json", found)
    return {"groups": len(found), "noise": int((labels == NOISE).sum())}


def characterize(report: Report, *, folder: str, plan: dict[str, Any]) -> dict[str, Any]:
    """Labels to `centroids.npy`, `distances.npy` and `groups.json`; the measures of quality, and what changed."""
    scratch = Path(folder)
    matrix = _vectors(scratch, plan)
    labels = np.load(scratch / "labels.npy")
    found = describe(matrix, labels)
    np.save(scratch / "centroids.npy", found.centroids)
    np.save(scratch / "distances.npy", found.distances)
    stability, parting = _of_tree(scratch, labels)
    reaches = quantiles_of(labels, found.distances, len(found.sizes))
    groups = [
        {
            "variance": float(variance),
            "stability": None if stability is None else float(stability[number]),
            "distance_quantiles": reaches[number].tolist(),
        }
        for number, variance in enumerate(found.variances)
    ]
    (scratch / "groups.json").write_bytes(orjson.dumps(groups))
    earlier = recognition.load(scratch)
    if plan["hierarchical"] and len(groups) <= MOST_GROUPS:
        depth, per_level = plan["max_hierarchy_depth"], plan["groups_per_level"]
        tree = branches(found.centroids, depth=depth, per_level=per_level, parting=parting)
        spread = recognition.describe_branches(found, [branch.leaves for branch in tree])
        shown = [
            {**branch._asdict(), "centroid": centroid.tolist(), "variance": float(variance)}
            for branch, centroid, variance in zip(tree, spread.centroids, spread.variances, strict=True)
        ]
        (scratch / "branches.json").write_bytes(orjson.dumps(shown))
        known = [recognition.Recognized()] * len(tree)
        if earlier is not None:
            known = recognition.recognize_branches(earlier, labels, tree, found)
        recognition.write_recognized(scratch / "recognized_branches.json", known)
    report(0.4)
    measures = _measures(scratch, plan, matrix, labels, found.distances) if plan["metrics"] else {}
    if earlier is None:
        return {"metrics": measures, "changes": None}
    names = [each.name for each in recognition.read_recognized(scratch / "recognized.json")]
    return {"metrics": measures, "changes": recognition.what_changed(earlier, found, labels, names)}


def _measures(
    scratch: Path, plan: dict[str, Any], matrix: Matrix, labels: Labels, distances: NDArray[np.float32]
) -> dict[str, float]:
    density = plan["algorithm"] in ("hdbscan", "dbscan", "optics")
    cosine = plan["normalize"] or by_cosine(SPECS[plan["algorithm"]](**plan["params"]))
    measures = quality(np.asarray(matrix), labels, cosine=cosine, density=density, seed=plan["seed"])
    return {**measures, **_shares(np.load(scratch / "origin.npy"), labels, distances)}


def _of_tree(scratch: Path, labels: Labels) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Of the fitted tree how long each group lasts and where the groups part; None where it has not these groups: it
    has none, or people made one of several or several of one."""
    with np.load(scratch / "fitted.npz") as fitted:
        if not np.array_equal(fitted["labels"], labels):
            return None, None
        return tuple(fitted[name] if fitted[name].size else None for name in ("stability", "parting"))  # type: ignore[return-value]


def assign(report: Report, *, folder: str, plan: dict[str, Any]) -> dict[str, Any]:
    """What came since (`vectors.npy`, (n, d)) to the groups of `groups.npz`: `labels.npy`, `distances.npy`,
    `probabilities.npy`, `origin.npy`, `coordinates.npy`, and groups that are proposed to `proposed.npz`, numbered after
    the others."""
    scratch = Path(folder)
    matrix = np.load(scratch / "vectors.npy")
    if plan["normalize"]:
        matrix = unit_rows(matrix)
    with np.load(scratch / "groups.npz") as groups, np.load(scratch / "landmarks.npz") as landmarks:
        centroids, quantiles, radii = (groups[name] for name in ("centroids", "quantiles", "radii"))
        vectors, places = landmarks["vectors"], landmarks["places"]
    found = to_groups(matrix, centroids, quantiles, least_cosine=plan["assignment_threshold"])
    report(0.5)
    labels, distances, probabilities = found.labels, found.distances, found.probabilities
    waiting = np.flatnonzero(labels == NOISE)
    least = plan["params"].get("min_cluster_size", HDBSCANParams().min_cluster_size)
    fresh = propose(matrix[waiting], radii, least, seed=plan["seed"])
    made = describe(matrix[waiting], fresh)
    joined = fresh != NOISE
    labels[waiting[joined]] = len(centroids) + fresh[joined]
    distances[waiting[joined]] = made.distances[joined]
    own_reach = quantiles_of(fresh, made.distances, len(made.sizes))
    for group in range(len(made.sizes)):
        rows = waiting[fresh == group]
        probabilities[rows] = 1 - np.interp(distances[rows], own_reach[group], QUANTILES)
    coordinates = beside(matrix, vectors, places) if len(matrix) else np.zeros((0, places.shape[1]), np.float32)
    middles = [coordinates[waiting[fresh == group]].mean(axis=0) for group in range(len(made.sizes))]
    np.savez(
        scratch / "proposed.npz",
        centroids=made.centroids,
        variances=made.variances,
        quantiles=own_reach,
        places=np.array(middles).reshape(len(middles), places.shape[1]),
    )
    origin = np.full(len(matrix), ORIGINS.index("assigned"), np.int8)
    origin[waiting[joined]] = ORIGINS.index("proposed")
    np.save(scratch / "labels.npy", labels)
    np.save(scratch / "distances.npy", distances)
    np.save(scratch / "probabilities.npy", probabilities)
    np.save(scratch / "origin.npy", origin)
    np.save(scratch / "coordinates.npy", coordinates)
    assigned = int((labels != NOISE).sum() - joined.sum())
    measures = {"assigned_ratio": assigned / len(matrix)} if len(matrix) else {}
    if assigned:
        measures["assigned_distance"] = float(distances[(labels >= 0) & (labels < len(centroids))].mean())
    return {"assigned": assigned, "proposed": len(made.sizes), "metrics": measures}


def draw(report: Report, *, folder: str, plan: dict[str, Any]) -> dict[str, str]:
    """`coordinates.npy` (n, 2 or 3), the map of the vectors, laid as `earlier.npy` (n, 2 or 3; NaN where a
    document is new) was, if there is that; what was done for it, and why."""
    scratch = Path(folder)
    earlier = _optional(scratch / "earlier.npy")
    if earlier is None:
        applied, reason = "none", "there is no earlier map to lay this one by"
        places = _map(scratch, plan)
    else:
        known = np.flatnonzero(np.isfinite(earlier).all(axis=1))
        before = earlier[known].astype(np.float32)
        shared = f"{len(known):,} documents that the run before has too"
        if len(known) < LEAST_SHARED:
            applied, reason = "none", f"only {shared}, and {LEAST_SHARED} are needed"
            places = _map(scratch, plan)
        elif plan["layout_stability"] == "transform":
            applied, reason = "transform", f"placed among {shared}"
            places = among(_compared(scratch, plan), known, before, seed=plan["seed"])
        else:
            applied, reason = "aligned", f"turned to fit {shared}"
            places = align(_map(scratch, plan), before, known)
    np.save(scratch / "coordinates.npy", places)
    chosen = drawn(len(places), LANDMARKS, plan["seed"])
    np.savez(scratch / "landmarks.npz", vectors=_vectors(scratch, plan)[chosen], places=places[chosen])
    return {"layout_stability_applied": applied, "layout_stability_reason": reason}


def _map(scratch: Path, plan: dict[str, Any]) -> Matrix:
    dimensions = plan["vis_n_components"]
    if plan["reduction"] is not None and is_map(_reduction(plan), dimensions):
        places: Matrix = np.load(scratch / "space.npy")
        return places
    return layout(_compared(scratch, plan), dimensions, seed=plan["seed"])


def _compared(scratch: Path, plan: dict[str, Any]) -> Matrix:
    matrix = _vectors(scratch, plan)
    return unit_rows(matrix) if by_cosine(SPECS[plan["algorithm"]](**plan["params"])) else matrix


def sweep(report: Report, *, folder: str, asked: dict[str, Any], memory: int) -> dict[str, Any]:
    """Candidates judged on `vectors.npy`, the best first. Raises StageError for what the engine refuses."""
    matrix = np.load(Path(folder) / "vectors.npy")
    try:
        found = suggest(
            unit_rows(matrix) if asked["normalize_features"] else matrix,
            algorithms=asked["algorithms"],
            seconds=asked["time_budget_seconds"],
            memory=memory,
            seed=asked["random_state"],
            progress=report,
        )
    except EngineError as error:
        raise StageError(error.code, error.message) from error
    names = {kind: name for name, kind in SPECS.items()}
    judged = [
        {
            "algorithm": names[type(each.candidate.spec)],
            "params": asdict(each.candidate.spec),
            "reduction": asdict(each.candidate.reduction),
            "measures": {key: value for key, value in asdict(each).items() if key != "candidate"},
        }
        for each in found.judged
    ]
    return {"judged": judged, "left_out": found.left_out}


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


def _vectors(scratch: Path, plan: dict[str, Any]) -> Matrix:
    """What describes the groups: the vectors, at length one if the plan says so."""
    matrix: Matrix = np.load(scratch / ("unit.npy" if plan["normalize"] else "vectors.npy"), mmap_mode="r")
    return matrix


def _reduction(plan: dict[str, Any]) -> Reduction:
    return REDUCTIONS[plan["reduction"]["method"]](**plan["reduction"])


def _optional(path: Path) -> NDArray[np.float64] | None:
    return np.load(path) if path.exists() else None
