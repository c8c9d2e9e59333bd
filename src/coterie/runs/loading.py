"""From collections to arrays: the documents that have the vectors asked for, and whether a worker can take them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from coterie.api.context import Services, Tenant
from coterie.compute.memory import usable
from coterie.config import Settings
from coterie.documents import queries as documents
from coterie.documents.collections import spaces_of
from coterie.engine.arrays import drawn
from coterie.engine.errors import EngineError
from coterie.engine.memory import fit_bytes, layout_bytes, mib, preflight, reduction_bytes
from coterie.engine.specs import REDUCTIONS, SPECS, by_cosine, is_map
from coterie.jobs.job import JobFailed, TooLittleMemory
from coterie.kit.metrics import vectors_read
from coterie.listing.filters import parse_filters
from coterie.listing.tree import And, Node
from coterie.runs.plan import Plan
from coterie.store.tables import collections


def find_vectors(
    services: Services,
    tenant: Tenant,
    collection_ids: Sequence[str],
    names: Sequence[str],
    filters: Sequence[Mapping[str, Any]] = (),
) -> list[documents.Members]:
    """Of each collection the documents that match all filters and have a vector, of the first of `names` that it has.

    Raises JobFailed, naming what is missing, or when the vectors differ in dimension.
    """
    where = where_of(filters)
    with services.db.read() as tx:
        check_collections(tx, tenant, collection_ids)
        members = [_members(tx, tenant, identity, names, where) for identity in collection_ids]
    if where is not None and not any(len(each.pks) + each.without for each in members):
        raise JobFailed(nothing_matches(collection_ids))
    if not any(len(each.pks) for each in members):
        raise JobFailed(
            f"no document of {', '.join(collection_ids)} has a vector '{names[-1]}': "
            "add vectors of that name, or name those that are there (GET /v1/collections/{id}/features)"
        )
    sizes = {each.dimensions for each in members if len(each.pks)}
    if len(sizes) > 1:
        raise JobFailed(
            f"the collections' '{names[-1]}' vectors differ in dimension ({sizes}): cluster them one by one"
        )
    return members


def until(members: Sequence[documents.Members], last_pks: Mapping[str, int]) -> list[documents.Members]:
    """Of each collection the documents up to a key: what came later is left out."""
    found = []
    for each in members:
        seen = each.pks <= last_pks.get(each.space.collection_id, 0)
        ids = [identity for identity, known in zip(each.ids, seen, strict=True) if known]
        found.append(replace(each, pks=each.pks[seen], ids=ids, keys=each.keys[seen]))
    return found


def digest_of(members: Sequence[documents.Members]) -> str:
    """What tells one state of the data from another: a vector that is written anew has another key."""
    found = blake2b(digest_size=16)
    for each in members:
        found.update(each.space.collection_id.encode())
        found.update(each.pks.tobytes())
        found.update(each.keys.tobytes())
    return found.hexdigest()


def save_vectors(services: Services, members: Sequence[documents.Members], folder: Path) -> None:
    """The members' vectors to `vectors.npy`."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = (sum(len(each.pks) for each in members), dimensions_of(members))
    out = np.lib.format.open_memmap(folder / "vectors.npy", mode="w+", dtype=np.float32, shape=shape)
    documents.read_matrix(services.vectors, members, out)
    out.flush()
    vectors_read.inc(len(out))


def sample_of(members: Sequence[documents.Members], size: int, seed: int) -> list[documents.Members]:
    """At most so many of all members together, drawn by a seed."""
    ends = np.cumsum([len(each.pks) for each in members])
    chosen = drawn(int(ends[-1]), size, seed)
    parts = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
    starts = ends - [len(each.pks) for each in members]
    return [
        replace(each, pks=each.pks[part], ids=[each.ids[at] for at in part], keys=each.keys[part])
        for each, part in zip(members, (part - start for part, start in zip(parts, starts, strict=True)), strict=True)
    ]


def dimensions_of(members: Sequence[documents.Members]) -> int:
    """The vectors' length."""
    return next(each.dimensions for each in members if len(each.pks)) or 0


def check_size(settings: Settings, plan: Plan, rows: int, dimensions: int) -> None:
    """Raise JobFailed, before anything is loaded, if the run would take hours, and TooLittleMemory if this worker has
    not the memory for it."""
    check_map(settings, plan, rows, dimensions)
    check_fit(settings, plan, rows, dimensions)


def check_fit(settings: Settings, plan: Plan, rows: int, dimensions: int) -> None:
    """The same, of what comes before the map."""
    spec, whole = SPECS[plan.algorithm](**plan.params), usable(settings)
    reduction = None if plan.reduction is None else REDUCTIONS[plan.reduction["method"]](**plan.reduction)
    beside = 4 * rows * dimensions * (plan.normalize + (plan.whitening is not None))
    if reduction is not None:
        beside += 4 * rows * dimensions + reduction_bytes(rows, dimensions, reduction)
        dimensions = getattr(reduction, "n_components", dimensions)
    try:
        preflight(rows, dimensions, spec, sample_size=plan.sample_size, limit=whole - beside)
    except EngineError as error:
        if error.code != "too_little_memory":
            raise JobFailed(error.message) from error
        needed = beside + fit_bytes(rows, dimensions, spec, sample_size=plan.sample_size)
        raise TooLittleMemory(error.message, needed) from error


def check_map(settings: Settings, plan: Plan, rows: int, dimensions: int) -> None:
    """Raise TooLittleMemory if this worker has not the memory for a map of so many vectors."""
    if plan.reduction is not None and is_map(
        REDUCTIONS[plan.reduction["method"]](**plan.reduction), plan.vis_n_components
    ):
        return
    copies = by_cosine(SPECS[plan.algorithm](**plan.params)) + (plan.layout_stability == "transform")
    needed, limit = layout_bytes(rows, dimensions, plan.vis_n_components, copies=copies), usable(settings)
    if needed > limit:
        raise TooLittleMemory(
            f"the map of {rows:,} vectors of {dimensions} takes up to {mib(needed)} and this worker may use "
            f"{mib(limit)}: use a worker with more memory, or let filters take fewer documents",
            needed,
        )


def check_collections(tx: Connection, tenant: Tenant, collection_ids: Sequence[str]) -> None:
    """Raise JobFailed if one of a run's collections was deleted."""
    own = select(collections.c.id).where(
        collections.c.id.in_(collection_ids), collections.c.namespace_id == tenant.namespace_id
    )
    present = set(tx.scalars(own))
    for collection_id in collection_ids:
        if collection_id not in present:
            raise JobFailed(f"collection '{collection_id}' was deleted: make a definition of collections that exist")


def where_of(filters: Sequence[Mapping[str, Any]]) -> Node | None:
    """What a document must satisfy to take part in a run with these filters; None if there are none."""
    nodes = (parse_filters(each, documents.PROFILE, False, ("filters",)) for each in filters)
    wanted = tuple(node for node in nodes if node is not None)
    if len(wanted) > 1:
        return And(wanted)
    return wanted[0] if wanted else None


def nothing_matches(collection_ids: Sequence[str]) -> str:
    """Why a run whose filters leave no document fails."""
    return (
        f"no document of {', '.join(collection_ids)} matches the run's filters: POST "
        "/v1/collections/{id}/documents/list with the same filters shows what they find (payload fields are metadata.…)"
    )


def _members(
    tx: Connection, tenant: Tenant, collection_id: str, names: Sequence[str], where: Node | None
) -> documents.Members:
    present = spaces_of(tx, collection_id)
    name = next((name for name in names if name in present), names[-1])
    return documents.load_members(tx, tenant, collection_id, name, where)
