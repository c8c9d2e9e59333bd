"""Routes of groups over a definition's runs: rename, pin, merge, their history; and two runs compared."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy import Row

from coterie.api.bodies import StrictRoute
from coterie.api.context import Context, Reader, Services, Tenant, Updater
from coterie.api.errors import CONFLICT, ERRORS, json_response
from coterie.clusters.queries import find_cluster
from coterie.kit.clock import iso
from coterie.runs import editing, splitting
from coterie.runs.artifacts import artifacts_of, still_there
from coterie.runs.compare import compare
from coterie.runs.group_schemas import (
    CompareResponse,
    GroupHistoryResponse,
    GroupResponse,
    MergeGroupRequest,
    PatchGroupRequest,
    PatchLabelsRequest,
    PatchLabelsResponse,
    SplitGroupRequest,
)
from coterie.runs.queries import find_completed, find_results

router = APIRouter(prefix="/v1/clusters", tags=["Clusters"], route_class=StrictRoute, responses={**ERRORS, **CONFLICT})


@router.patch("/{cluster_id}/executions/{run_id}/labels", response_model=PatchLabelsResponse)
def patch_execution_labels(
    cluster_id: str, run_id: str, body: PatchLabelsRequest, tenant: Updater, services: Context
) -> Response:
    """Rename groups of a run. In the definition's newest run the names are for good: later runs keep them."""
    with services.db.read() as tx:
        run = find_completed(tx, tenant, cluster_id, run_id)
    with still_there(run.id):
        rows = artifacts_of(services, tenant, run).groups()
    labels = {group: label.strip() for group, label in body.labels.items()}
    with services.db.write() as tx:
        overrides = editing.label_groups(tx, tenant, run, rows, labels, iso(services.clock.now()))
    return json_response({"cluster_id": run.cluster_id, "run_id": run.id, "label_overrides": overrides})


@router.get("/{cluster_id}/executions/{run_id}/compare/{other_run_id}", response_model=CompareResponse)
def compare_executions(cluster_id: str, run_id: str, other_run_id: str, tenant: Reader, services: Context) -> Response:
    """What changed from one run of a definition to another: groups born, died, split, merged, grown and drifted, and
    which documents went where."""
    with services.db.read() as tx:
        runs = [find_completed(tx, tenant, cluster_id, each) for each in (run_id, other_run_id)]
    with still_there(run_id):
        found = compare(*(artifacts_of(services, tenant, run) for run in runs))
    return json_response({"cluster_id": runs[0].cluster_id, "before": run_id, "after": other_run_id, **found})


@router.get("/{cluster_id}/groups/{group_id}", response_model=GroupResponse)
def get_group(cluster_id: str, group_id: str, tenant: Reader, services: Context) -> Response:
    """A group over the definition's life, with the labels that it had."""
    run, rows = _newest(services, tenant, cluster_id)
    return _shown(services, run, group_id, rows)


@router.patch("/{cluster_id}/groups/{group_id}", response_model=GroupResponse)
def patch_group(
    cluster_id: str, group_id: str, body: PatchGroupRequest, tenant: Updater, services: Context
) -> Response:
    """Rename a group, or pin its label. Both hold in the newest run and in all that come."""
    run, rows = _newest(services, tenant, cluster_id)
    given = body.model_dump(exclude_unset=True)
    with services.db.write() as tx:
        editing.patch_group(tx, tenant, run, rows, group_id, given, iso(services.clock.now()))
    return _shown(services, run, group_id, rows)


@router.post("/{cluster_id}/groups/{group_id}/merge", response_model=GroupResponse)
def merge_group(
    cluster_id: str, group_id: str, body: MergeGroupRequest, tenant: Updater, services: Context
) -> Response:
    """Make a group a part of another, in the newest run and in all that come. The answer is the other one."""
    run, rows = _newest(services, tenant, cluster_id)
    with services.db.write() as tx:
        editing.merge_groups(tx, run, rows, group_id, body.into, iso(services.clock.now()))
    run, rows = _newest(services, tenant, cluster_id)
    return _shown(services, run, body.into, rows)


@router.post("/{cluster_id}/groups/{group_id}/unmerge", response_model=GroupResponse)
def unmerge_group(cluster_id: str, group_id: str, tenant: Updater, services: Context) -> Response:
    """Take a merge back. A run that was made after it stays as it is; the next one finds the two apart."""
    run, _ = _newest(services, tenant, cluster_id)
    with services.db.write() as tx:
        editing.unmerge_group(tx, run, group_id, iso(services.clock.now()))
    run, rows = _newest(services, tenant, cluster_id)
    return _shown(services, run, group_id, rows)


@router.post("/{cluster_id}/groups/{group_id}/split", response_model=GroupResponse)
def split_group(
    cluster_id: str, group_id: str, body: SplitGroupRequest, tenant: Updater, services: Context
) -> Response:
    """Make a group of some members of another, in the newest run and in all that come. The answer is the new one."""
    run, _ = _newest(services, tenant, cluster_id)
    artifacts = artifacts_of(services, tenant, run)
    with still_there(run.id):
        found = splitting.find_split(services, tenant, run, artifacts, group_id, body)
    now = iso(services.clock.now())
    with services.db.write() as tx:
        identity = splitting.split_group(tx, services, tenant, run, artifacts.prefix, group_id, found, now)
    run, rows = _newest(services, tenant, cluster_id)
    if body.label is not None and body.label.strip():
        with services.db.write() as tx:
            editing.patch_group(tx, tenant, run, rows, identity, {"label": body.label}, now)
    return _shown(services, run, identity, rows)


@router.post("/{cluster_id}/groups/{group_id}/unsplit", response_model=GroupResponse)
def unsplit_group(cluster_id: str, group_id: str, tenant: Updater, services: Context) -> Response:
    """Take a split back. In the run that it was made in all is as before; in a later one the group is merged into the
    one that it came from. The answer is the group that was split off."""
    run, rows = _newest(services, tenant, cluster_id)
    now = iso(services.clock.now())
    with services.db.write() as tx:
        source = splitting.unsplit_group(tx, run, group_id, now)
        if source is not None:
            editing.merge_groups(tx, run, rows, group_id, source, now)
    run, rows = _newest(services, tenant, cluster_id)
    return _shown(services, run, group_id, rows)


@router.get("/{cluster_id}/groups/{group_id}/history", response_model=GroupHistoryResponse)
def get_group_history(
    cluster_id: str,
    group_id: str,
    tenant: Reader,
    services: Context,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> Response:
    """Every change of a group's label: who made it, when, from what to what; the newest first."""
    with services.db.read() as tx:
        cluster = find_cluster(tx, tenant, cluster_id)
        return json_response(editing.show_history(tx, cluster.id, group_id, limit, offset))


@router.delete("/{cluster_id}/groups/{group_id}/label", response_model=GroupResponse)
def delete_group_label(cluster_id: str, group_id: str, tenant: Updater, services: Context) -> Response:
    """Take back the label that people gave: the group has the one that runs give it. The answer is the group."""
    run, rows = _newest(services, tenant, cluster_id)
    with services.db.write() as tx:
        editing.patch_group(tx, tenant, run, rows, group_id, {"label": None}, iso(services.clock.now()))
    return _shown(services, run, group_id, rows)


def _newest(services: Services, tenant: Tenant, identifier: str) -> tuple[Row[Any], list[dict[str, Any]]]:
    """The newest completed run of a definition, and its groups."""
    with services.db.read() as tx:
        cluster = find_cluster(tx, tenant, identifier)
        _, run = find_results(tx, tenant, cluster.id)
    with still_there(run.id):
        return run, artifacts_of(services, tenant, run).groups()


def _shown(services: Services, run: Row[Any], group_id: str, rows: list[dict[str, Any]]) -> Response:
    present = next((row for row in rows if row["cluster_id"] == group_id), None)
    with services.db.read() as tx:
        return json_response(editing.show_group(tx, run, group_id, present))
