"""The numeric stages of a run over parts that need one process: beside those in `stages`, with which they share the
files of the run's scratch folder. `vectors.npy` (m, d) holds the rows `sample.npy` (m) of the run there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from coterie.compute.executor import StageError
from coterie.engine.assign import rule_of
from coterie.engine.classical import Fitted
from coterie.engine.clustering import compared, settled
from coterie.engine.clustering import fit as fit_rows
from coterie.engine.errors import EngineError
from coterie.engine.kmeans import least_move
from coterie.engine.layout import layout
from coterie.engine.reduction import transform_of, whitening
from coterie.engine.specs import KMeansParams
from coterie.runs.laying import anchors_of, ties_of
from coterie.runs.stages import prepared, reduction_of, save_fit, spec_of, vectors_of

Report = Callable[[float], None]


def fit(report: Report, *, folder: str, plan: dict[str, Any]) -> dict[str, Any]:
    """The sample to `sample_fit.npz`, and what places other rows: `whitening.npz`, `reduction.npz`, `rule.npz`.

    Of k-means, how far its centres must move for another round. Raises StageError for what the engine refuses.
    """
    scratch, spec = Path(folder), spec_of(plan)
    try:
        matrix, whitened, space = prepared(report, scratch, plan)
        fitted = fit_rows(space, spec, seed=plan["seed"], hierarchical=plan["hierarchical"])
    except EngineError as error:
        raise StageError(error.code, error.message) from error
    arrays: dict[str, Any] = {"rule": rule_of(compared(space, spec), fitted, spec)}
    if plan["whitening"] is not None:
        arrays["whitening"] = whitening(matrix, plan["whitening"], seed=plan["seed"])._asdict()
    if plan["reduction"] is not None:
        arrays["reduction"] = transform_of(whitened, space, reduction_of(plan))
    for name, held in arrays.items():
        np.savez(scratch / f"{name}.npz", **held)
    np.savez(
        scratch / "sample_fit.npz",
        labels=fitted.labels,
        probabilities=fitted.probabilities,
        stability=np.empty(0) if fitted.stability is None else fitted.stability,
        parting=np.empty(0) if fitted.parting is None else fitted.parting,
    )
    return {"least_move": least_move(space, spec.tol) if isinstance(spec, KMeansParams) else 0.0}


def settle(report: Report, *, folder: str, plan: dict[str, Any], over_all: bool) -> dict[str, Any]:
    """What all rows came to, `assigned.npz`, to the files that `stages.fit` leaves. A k-means that went `over_all` rows
    was fitted to each."""
    scratch = Path(folder)
    with np.load(scratch / "assigned.npz") as held:
        labels, reassigned = held["labels"], held["reassigned"]
    with np.load(scratch / "sample_fit.npz") as held:
        tree = [held[name] if held[name].size else None for name in ("stability", "parting")]
        fitted = Fitted(held["labels"], held["probabilities"], None, *tree)
    sampled = np.full(len(labels), over_all)
    sampled[np.load(scratch / "sample.npy")] = True
    if over_all:
        fitted = Fitted(labels, np.ones(len(labels), np.float32))
    found = settled(fitted, spec_of(plan), labels, sampled, reassigned, hierarchical=plan["hierarchical"])
    return save_fit(scratch, found)


def place(report: Report, *, folder: str, plan: dict[str, Any], rows: int) -> None:
    """The rows of the run that are placed first to `anchors.npz`: as they are compared, and where they stand."""
    scratch, seed = Path(folder), plan["seed"]
    ties = ties_of(scratch, plan)
    chosen = anchors_of(ties, rows, seed)
    anchors = compared(vectors_of(scratch, plan, chosen), spec_of(plan))
    if ties.applied == "transform":
        places = ties.before[np.searchsorted(ties.known, chosen)]
    else:
        places = layout(anchors, plan["vis_n_components"], seed=seed)
    np.savez(scratch / "anchors.npz", rows=chosen, anchors=anchors, places=places)
