"""A run over runs: their groups take the place of documents, the centroids that of vectors."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson

from coterie.api.context import Services, Tenant
from coterie.jobs.job import JobFailed
from coterie.kit.errors import NotFound
from coterie.runs.artifacts import artifacts_of
from coterie.runs.loading import check_size
from coterie.runs.members import save_rows
from coterie.runs.plan import Plan
from coterie.runs.queries import get_run

COLUMNS = ["cluster_id", "centroid_vector", "num_members", "label", "keywords", "parent_cluster_id"]


def load_groups(services: Services, tenant: Tenant, plan: Plan, folder: Path) -> dict[str, Any]:
    """The groups of the plan's runs to `rows.json` (definitions for collections, groups for documents), their centroids
    to `vectors.npy` (n, d), and what they are called to `payloads.json`. Raises JobFailed."""
    parts, centroids, payloads = [], [], []
    for run_id in plan.source_runs:
        owner, rows = _leaves(services, tenant, run_id)
        parts.append((owner, np.zeros(len(rows), np.int64), [row["cluster_id"] for row in rows]))
        centroids += [row["centroid_vector"] for row in rows]
        payloads += [
            {
                "label": row["label"],
                "keywords": ", ".join(row["keywords"]),
                "member_count": row["num_members"],
                "run_id": run_id,
            }
            for row in rows
        ]
    widths = {len(each) for each in centroids}
    if len(widths) > 1:
        raise JobFailed(f"the runs' vectors differ in dimension ({sorted(widths)}): name runs over the same vectors")
    if not centroids:
        raise JobFailed("the runs have no groups: name runs that found some")
    check_size(services.settings, plan, len(centroids), widths.pop())
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "vectors.npy", np.array(centroids, np.float32))
    save_rows(folder, parts)
    (folder / "payloads.json").write_bytes(orjson.dumps(payloads))
    return {"documents": len(centroids), "without_vector": 0, "feature": plan.vector_names[-1]}


def _leaves(services: Services, tenant: Tenant, run_id: str) -> tuple[str, list[dict[str, Any]]]:
    """The id of a run's definition, or its own, and the groups that hold documents. Raises JobFailed."""
    try:
        with services.db.read() as tx:
            run = get_run(tx, tenant, run_id)
        rows = artifacts_of(services, tenant, run).groups(COLUMNS)
    except (NotFound, FileNotFoundError) as error:
        raise JobFailed(f"run '{run_id}' was deleted: name runs that exist") from error
    branches = {row["parent_cluster_id"] for row in rows}
    return run.cluster_id or run.id, [row for row in rows if row["cluster_id"] not in branches]
