"""Routes of groups over a definition's runs: rename, pin, merge, their history; and two runs compared."""

from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy import Row

from coterie.api.bodies import StrictRoute
from coterie.api.context import Context, Reader, Services, Tenant, Updater
from coterie.api.errors import CONFLICT, ERRORS, json_response
from coterie.clusters.queries import find_cluster
from coterie.kit.clock import iso
from coterie.runs import editing
from coterie.runs.artifacts import artifacts_of, still_there
from coterie.runs.compare import compare
from coterie.runs.group_schemas import (
    CompareResponse,
    GroupResponse,
    MergeGroupRequest,
    PatchGroupRequest,
    PatchLabelsRequest,
    PatchLabelsResponse,
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
