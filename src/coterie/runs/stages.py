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
from coterie.engine.clustering import Clustering, by_size, cluster, compared
from coterie.engine.describe import QUANTILES, Description, describe, described, means, sums_of
from coterie.engine.describe import quantiles as quantiles_of
from coterie.engine.errors import EngineError
from coterie.engine.hdbscan import prepare as compile_kernels
from coterie.engine.hierarchy import MOST_GROUPS, branches
from coterie.engine.layout import align, among, beside, layout
from coterie.engine.quality import looked_at, measure
from coterie.engine.reduction import reduce, whiten
from coterie.engine.specs import REDUCTIONS, SPECS, HDBSCANParams, Params, Reduction, by_cosine, is_map
from coterie.engine.sweep import suggest
from coterie.runs import recognition
from coterie.runs.laying import LANDMARKS, Ties, ties_of
from coterie.runs.located import is_located

Report = Callable[[float], None]


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
    try:
        _, _, space = prepared(report, scratch, plan)
        found = cluster(
            space,
            spec_of(plan),
            sample_size=plan["sample_size"],
            max_noise_ratio=plan["max_noise_ratio"],
            hierarchical=plan["hierarchical"],
            seed=plan["seed"],
        )
    except EngineError as error:
        raise StageError(error.code, error.message) from error
    return save_fit(scratch, found)


def prepared(report: Report, scratch: Path, plan: dict[str, Any]) -> tuple[Matrix, Matrix, Matrix]:
    """The vectors, what they are whitened, and what that is reduced, where the plan asks for it. Raises EngineError."""
    matrix = np.load(scratch / "vectors.npy", mmap_mode="r")
    if plan["normalize"]:
        matrix = unit_rows(matrix)
        np.save(scratch / "unit.npy", matrix)
    space = whitened = matrix if plan["whitening"] is None else whiten(matrix, plan["whitening"], seed=plan["seed"])
    report(0.1)
    if plan["reduction"] is not None:
        space = reduce(whitened, reduction_of(plan))
        report(0.4)
    if space is not matrix:
        np.save(scratch / "space.npy", space)
    return matrix, whitened, space


def save_fit(scratch: Path, found: Clustering) -> dict[str, Any]:
    """The clustering to its files, and what the run says of it."""
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
    before. Over parts, `sums.npz` has the labels and what the groups add up to, and `centroids.npy` comes of it."""
    scratch = Path(folder)
    earlier = recognition.load(scratch)
    if is_located(scratch):
        with np.load(scratch / "sums.npz") as held:
            labels, sums, squares = held["labels"], held["sums"], held["squares"]
    else:
        with np.load(scratch / "fitted.npz") as fitted:
            labels = fitted["labels"]
        if earlier is not None:
            labels, sums, squares = _summed(earlier, _vectors(scratch, plan), labels)
    own = labels
    found = [recognition.Recognized()] * (int(labels.max(initial=NOISE)) + 1)
    if earlier is not None:
        labels, found = recognition.recognize(earlier, recognition.seen_by(sums, squares, labels), labels)
    np.save(scratch / "labels.npy", labels)
    recognition.write_recognized(scratch / "recognized.json", found)
    if is_located(scratch):
        np.save(scratch / "centroids.npy", _joined(sums, own, labels))
    return {"groups": len(found), "noise": int((labels == NOISE).sum())}


def _summed(
    earlier: recognition.Earlier, matrix: Matrix, labels: Labels
) -> tuple[Labels, NDArray[np.float64], NDArray[np.float64]]:
    """The labels with groups parted that people have split, and the sums of rows and of squares."""
    split = recognition.split_before(earlier, labels)
    nearest = recognition.nearest_of(split, earlier.grouping.centroids, matrix, labels)
    labels = recognition.part_again(earlier, split, nearest, labels)
    groups = int(labels.max(initial=NOISE)) + 1
    return labels, sums_of(matrix, labels, groups), recognition.squares_of(matrix, labels, groups)


def _joined(sums: NDArray[np.float64], before: Labels, labels: Labels) -> Matrix:
    """The centroids of groups that are made of those `before`, whose sums (k, d) are given."""
    groups, first = np.unique(before, return_index=True)
    first = first[groups != NOISE]
    whole = np.zeros((int(labels.max(initial=NOISE)) + 1, sums.shape[1]))
    np.add.at(whole, labels[first], sums)
    return means(whole, np.bincount(labels[labels != NOISE], minlength=len(whole)))


def characterize(report: Report, *, folder: str, plan: dict[str, Any]) -> dict[str, Any]:
    """Labels to `centroids.npy`, `distances.npy` and `groups.json`; the measures of quality, and what changed."""
    scratch = Path(folder)
    labels = np.load(scratch / "labels.npy")
    found = _description(scratch, plan, labels)
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
    measures = _measures(scratch, plan, found, labels) if plan["metrics"] else {}
    if earlier is None:
        return {"metrics": measures, "changes": None}
    names = [each.name for each in recognition.read_recognized(scratch / "recognized.json")]
    return {"metrics": measures, "changes": recognition.what_changed(earlier, found, labels, names)}


def _description(scratch: Path, plan: dict[str, Any], labels: Labels) -> Description:
    """The groups described; over parts the centroids and distances are known already."""
    if is_located(scratch):
        return described(np.load(scratch / "centroids.npy"), labels, np.load(scratch / "distances.npy"))
    found = describe(_vectors(scratch, plan), labels)
    np.save(scratch / "centroids.npy", found.centroids)
    np.save(scratch / "distances.npy", found.distances)
    return found


def _measures(scratch: Path, plan: dict[str, Any], found: Description, labels: Labels) -> dict[str, float]:
    seed, density = plan["seed"], by_density(plan)
    cosine = plan["normalize"] or by_cosine(spec_of(plan))
    rows = looked_at(labels, density=density, seed=seed)
    vectors = vectors_of(scratch, plan, rows)
    measures = measure(found, labels, rows, vectors, cosine=cosine, density=density, seed=seed)
    return {**measures, **_shares(np.load(scratch / "origin.npy"), labels, found.distances)}


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
    ties = ties_of(scratch, plan)
    places = _places(scratch, plan, ties)
    if ties.applied == "aligned":
        places = align(places, ties.before, ties.known)
    np.save(scratch / "coordinates.npy", places)
    chosen = drawn(len(places), LANDMARKS, plan["seed"])
    np.savez(scratch / "landmarks.npz", vectors=vectors_of(scratch, plan, chosen), places=places[chosen])
    return {"layout_stability_applied": ties.applied, "layout_stability_reason": ties.reason}


def _places(scratch: Path, plan: dict[str, Any], ties: Ties) -> Matrix:
    if is_located(scratch):
        laid: Matrix = np.load(scratch / "places.npy")
        return laid
    if ties.applied == "transform":
        return among(compared(_vectors(scratch, plan), spec_of(plan)), ties.known, ties.before, seed=plan["seed"])
    if mapped(plan):
        reduced: Matrix = np.load(scratch / "space.npy")
        return reduced
    return layout(compared(_vectors(scratch, plan), spec_of(plan)), plan["vis_n_components"], seed=plan["seed"])


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


def vectors_of(scratch: Path, plan: dict[str, Any], rows: NDArray[np.int64]) -> Matrix:
    """The same of some `rows` (m) of the run; over parts they were gathered before."""
    if not is_located(scratch):
        return np.asarray(_vectors(scratch, plan)[rows])
    with np.load(scratch / "gathered.npz") as held:
        found: Matrix = held["vectors"][np.searchsorted(held["rows"], rows)]
    return found


def spec_of(plan: dict[str, Any]) -> Params:
    """The algorithm's parameters."""
    return SPECS[plan["algorithm"]](**plan["params"])


def reduction_of(plan: dict[str, Any]) -> Reduction:
    """Those of the reduction, of a plan that has one."""
    return REDUCTIONS[plan["reduction"]["method"]](**plan["reduction"])


def mapped(plan: dict[str, Any]) -> bool:
    """Whether the space that is clustered is the map already."""
    return plan["reduction"] is not None and is_map(reduction_of(plan), plan["vis_n_components"])


def by_density(plan: dict[str, Any]) -> bool:
    """Whether groups are told by how dense they are."""
    return plan["algorithm"] in ("hdbscan", "dbscan", "optics")
