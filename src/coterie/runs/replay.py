"""A run carried out again from its manifest: the same documents and vectors, plan and seed give the same labels."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select

import coterie
from coterie.api.context import Services, Tenant
from coterie.compute.executor import Executor
from coterie.compute.local import LocalExecutor
from coterie.documents.queries import Members
from coterie.jobs import queue
from coterie.jobs.job import JobFailed
from coterie.kit.errors import BadRequest, Conflict, NotFound
from coterie.kit.ids import new_id
from coterie.runs.artifacts import artifacts_of, still_there
from coterie.runs.loading import digest_of, find_vectors, save_vectors, until
from coterie.runs.located import release
from coterie.runs.passes import Passes
from coterie.runs.plan import Plan
from coterie.runs.sampling import load_sample
from coterie.store.tables import namespaces, organizations, runs


@dataclass(frozen=True)
class Replayed:
    """What came of it: whether the labels are the `same`, over how many documents and groups, and the libraries whose
    versions differ, (then, now) by name."""

    same: bool
    documents: int
    groups: int
    versions: Mapping[str, tuple[str, str]]

    @property
    def verdict(self) -> str:
        """In words."""
        return "the labels are the same" if self.same else "the labels DIFFER"


def replay(services: Services, run_id: str) -> Replayed:
    """Fit a run again. Raises NotFound; BadRequest for a run that is not one by vectors, in full; Conflict where the
    data is no longer what it was."""
    run, tenant = _find(services, run_id)
    with still_there(run_id):
        manifest = artifacts_of(services, tenant, run).manifest
    plan = Plan(**manifest["plan"])
    if not manifest.get("data") or plan.mode != "full":
        raise BadRequest("only a run by vectors, in full, is replayed: the others follow from the documents themselves")
    try:
        members = find_vectors(services, tenant, plan.collection_ids, plan.vector_names, plan.filters)
    except JobFailed as error:
        raise Conflict(f"the data has changed since: {error}") from error
    members = until(members, manifest["data"]["last_pks"])
    total = sum(len(each.pks) for each in members)
    if digest_of(members) != manifest["data"]["digest"]:
        raise Conflict(
            f"the data has changed since: the run saw {manifest['run']['num_points']:,} documents, of those "
            f"{total:,} are there, and some were written anew or deleted"
        )
    folder = services.settings.scratch_dir / new_id("replay")
    executor = LocalExecutor()
    try:
        found = _fitted(services, executor, members, plan, folder, manifest["data"].get("sample"))
    finally:
        release(services.vectors, folder)
        executor.close()
        shutil.rmtree(folder, ignore_errors=True)
    return Replayed(found["fit"] == manifest["fit"], total, found["found"], _differing(manifest["versions"]))


def _fitted(
    services: Services, executor: Executor, members: Sequence[Members], plan: Plan, folder: Path, sample: int | None
) -> dict[str, Any]:
    """What the fit says, as the run made it: over all vectors in memory, or on a sample of so many."""
    if sample is not None:
        passes = Passes(executor, lambda *_: _ignored, plan, folder)
        load_sample(services, members, sample, passes)
        return passes.fit()
    save_vectors(services, members, folder)
    arguments = {"folder": str(folder), "plan": asdict(plan)}
    found: dict[str, Any] = executor.run("coterie.runs.stages:fit", arguments, _ignored)
    return found


def _ignored(share: float | None) -> None:
    """No one waits to hear how far it is."""


def _find(services: Services, run_id: str) -> tuple[Row[Any], Tenant]:
    """A completed run of any tenant, for whoever holds the data folder. Raises NotFound."""
    owner = (
        select(runs, namespaces.c.org_id, organizations.c.internal_id, namespaces.c.name.label("namespace_name"))
        .join(namespaces, namespaces.c.id == runs.c.namespace_id)
        .join(organizations, organizations.c.id == namespaces.c.org_id)
        .where(runs.c.id == run_id, runs.c.status == queue.COMPLETED)
    )
    with services.db.read() as tx:
        run = tx.execute(owner).first()
    if run is None:
        raise NotFound(f"run '{run_id}' does not exist, or has not completed")
    return run, Tenant(run.org_id, run.internal_id, "", frozenset(), run.namespace_id, run.namespace_name)


def _differing(then: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    found = {}
    for name, before in then.items():
        now = coterie.__version__ if name == "coterie" else _installed(name)
        if now != before:
            found[name] = (before, now)
    return found


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
