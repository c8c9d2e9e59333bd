"""By what a map is laid: the run before where enough documents are shared, else itself."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coterie.engine.arrays import drawn
from coterie.engine.memory import MOST_PLACED

LANDMARKS = 1_000
"""Documents whose vectors are kept with a run, so that later ones find their places on its map."""

LEAST_SHARED = 20
"""Documents that two runs must share for the map of one to be laid by that of the other."""


class Ties(NamedTuple):
    """What is done for a map to be like the one before, `none`, `transform` or `aligned`, and why; which rows (m) were
    on that, and where they stood (m, 2 or 3)."""

    applied: str
    reason: str
    known: NDArray[np.int64]
    before: NDArray[np.float32]


def ties_of(folder: Path, plan: dict[str, Any]) -> Ties:
    """What `earlier.npy` (n, 2 or 3; NaN where a document is new) says, if there is that."""
    if not (folder / "earlier.npy").exists():
        nobody = np.empty((0, plan["vis_n_components"]), np.float32)
        return Ties("none", "there is no earlier map to lay this one by", np.empty(0, np.int64), nobody)
    earlier = np.load(folder / "earlier.npy")
    known = np.flatnonzero(np.isfinite(earlier).all(axis=1))
    before = earlier[known].astype(np.float32)
    shared = f"{len(known):,} documents that the run before has too"
    if len(known) < LEAST_SHARED:
        return Ties("none", f"only {shared}, and {LEAST_SHARED} are needed", known, before)
    if plan["layout_stability"] == "transform":
        return Ties("transform", f"placed among {shared}", known, before)
    return Ties("aligned", f"turned to fit {shared}", known, before)


def anchors_of(ties: Ties, rows: int, seed: int) -> NDArray[np.int64]:
    """The rows of a run over parts that are placed first, at most MOST_PLACED; all others stand among them."""
    if ties.applied == "transform":
        return ties.known[drawn(len(ties.known), MOST_PLACED, seed)]
    return drawn(rows, MOST_PLACED, seed)
