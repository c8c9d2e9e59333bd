"""What a run is fitted on: all of its vectors in memory, or a sample that fits there."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from coterie.api.context import Services, Tenant
from coterie.config import Settings
from coterie.documents.queries import Members
from coterie.documents.waiting import missing_advice
from coterie.engine.arrays import drawn
from coterie.engine.kmeans import STARTS, STARTS_A_GROUP
from coterie.engine.memory import MOST_PLACED, MOST_ROWS
from coterie.engine.specs import SPECS
from coterie.jobs.claims import largest_memory
from coterie.jobs.job import JobFailed, TooLittleMemory
from coterie.runs.loading import check_fit, check_map, check_size, digest_of, dimensions_of, find_vectors, save_vectors
from coterie.runs.located import locate
from coterie.runs.members import save_rows
from coterie.runs.passes import ROUNDS, Passes
from coterie.runs.plan import Plan

MOST_CHOSEN = 50_000
"""A sample that nobody asked for has at most so many rows: every other one is compared with each of them."""


class Sample(NamedTuple):
    """How many rows are fitted, None for all in memory; and what to say of it."""

    size: int | None
    advice: list[str]


def load_vectors(services: Services, tenant: Tenant, plan: Plan, passes: Passes) -> dict[str, Any]:
    """The run's documents to `pks.npy` and `rows.json`, in the order they came, and to `vectors.npy` (n, d) their
    vectors, or those of a sample (`load_sample`). Raises JobFailed, StageError."""
    members = find_vectors(services, tenant, plan.collection_ids, plan.vector_names, plan.filters)
    total = sum(len(each.pks) for each in members)
    with services.db.read() as tx:
        largest = largest_memory(tx) or 0
    sample = sample_for(services.settings, plan, total, dimensions_of(members), largest)
    if sample.size is None:
        save_vectors(services, members, passes.folder)
    else:
        load_sample(services, members, sample.size, passes)
    save_rows(passes.folder, [(each.space.collection_id, each.pks, each.ids) for each in members])
    left_out = {each.space.collection_id: each.without for each in members}
    with services.db.read() as tx:
        advice = missing_advice(tx, left_out, plan.vector_names)
    seen = {each.space.collection_id: each.last_pk for each in members}
    return {
        "documents": total,
        "without_vector": sum(left_out.values()),
        "advice": [*advice, *sample.advice],
        "feature": plan.vector_names[-1],
        "data": {"digest": digest_of(members), "last_pks": seen, "sample": sample.size},
    }


def load_sample(services: Services, members: Sequence[Members], size: int, passes: Passes) -> None:
    """Pin the members' vectors, find out where they are, and read so many of them: `sample.npy` (m), drawn by the
    plan's seed, and `vectors.npy` (m, d)."""
    folder = passes.folder
    folder.mkdir(parents=True, exist_ok=True)
    locate(services.vectors, members, folder, folder.name)
    chosen = drawn(sum(len(each.pks) for each in members), size, passes.plan.seed)
    np.save(folder / "sample.npy", chosen)
    np.save(folder / "vectors.npy", passes.gather("load", chosen, (0.05, 0.15), normalize=False))


def sample_for(settings: Settings, plan: Plan, rows: int, dimensions: int, largest: int) -> Sample:
    """What this worker can fit of so many rows; `largest` is the memory that a job of the largest worker may take.

    Raises TooLittleMemory where that one has the memory for all, where not even a sample fits, or not the one that was
    asked for; JobFailed where time is the bound rather than memory: how long to wait is for people to say.
    """
    whole = replace(plan, sample_size=None)

    def check(size: int) -> None:
        check_map(settings, plan, min(rows, MOST_PLACED), dimensions)
        check_fit(settings, whole, size, dimensions)

    asked = plan.sample_size if plan.sample_size is not None and plan.sample_size < rows else None
    try:
        if asked is None:
            check_size(settings, whole, rows, dimensions)
        else:
            check(asked)
    except TooLittleMemory as refusal:
        reason = str(refusal).partition(":")[0]
        size = _largest(check, min(rows - 1, asked or _most(plan)))
        if refusal.needed <= largest or size < 2 or rows > MOST_ROWS.get(SPECS[plan.algorithm], rows):
            raise
        if asked is not None:
            raise TooLittleMemory(f"{reason}: set sample_size to {size:,} or less", refusal.needed) from refusal
        return Sample(size, [f"{reason}: {_told(plan, size)}; set sample_size, or use a worker with more memory"])
    return Sample(asked, [])


def _most(plan: Plan) -> int:
    if plan.algorithm == "kmeans":
        return int(max(STARTS, STARTS_A_GROUP * plan.params["n_clusters"]))
    return MOST_CHOSEN


def _told(plan: Plan, size: int) -> str:
    if plan.algorithm == "kmeans":
        return f"it began on a sample of {size:,}, and went on over all in {ROUNDS} rounds at most"
    return f"a sample of {size:,} was fitted, and the rest assigned to its groups"


def _largest(check: Callable[[int], None], most: int) -> int:
    """The largest size up to `most` that passes; 0 if none does."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        try:
            check(middle)
            low = middle
        except JobFailed:
            high = middle - 1
    return low
