"""Whether a conditional trigger's condition holds, by its last run and by what came since.

A run that left its groups is compared with the documents as they are now, cheaply: from counters, from the run's own
measures, and for drift from a bounded sample.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import orjson
from sqlalchemy import Connection, Row

from coterie.api.context import Services, Tenant
from coterie.documents.collections import counters_of
from coterie.engine.arrays import Matrix, unit_rows
from coterie.engine.nearest import distances_to, nearest
from coterie.runs.artifacts import artifacts_of
from coterie.runs.loading import sample_of
from coterie.runs.plan import Plan
from coterie.triggers.queries import last_run, newest_members

LOOKED = 20_000
"""Of the documents that came since a run, so many of the newest are drawn from."""

SAMPLE = 2_000
LEAST_NEW = 20
"""Fewer new documents than this say nothing of a drift."""

REACH = 0.95
"""Of a run's documents so large a share counts as near: without any drift 5% of the new ones lie beyond."""

_HIGHER_IS_WORSE = frozenset({"davies_bouldin_score", "noise_ratio"})
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def holds(services: Services, tenant: Tenant, resource: Mapping[str, Any], state: Mapping[str, Any]) -> bool:
    """Whether a conditional trigger is to fire now."""
    schedule = resource["schedule_config"]
    kind, threshold = schedule["condition_type"], schedule["threshold"]
    with services.db.read() as tx:
        run = last_run(tx, tenant, resource, state)
        changed = _changed(tx, resource["execution_config"]["collection_ids"], run)
    if changed == 0:
        return False
    if kind == "volume" and schedule["metric"] == "documents":
        return bool(changed >= threshold)
    if run is None:
        return bool(kind == "volume")  # any share of nothing
    if kind == "volume":
        return bool(changed >= threshold * orjson.loads(run.resource)["num_points"])
    if kind == "drift":
        share = drift(services, tenant, run)
        return share is not None and share >= threshold
    value = _number(orjson.loads(run.resource), schedule["metric"])
    if value is None:
        return False
    if kind == "quality":
        worse = operator.gt if schedule["metric"] in _HIGHER_IS_WORSE else operator.lt
        return bool(worse(value, threshold))
    return _OPERATORS[schedule["operator"]](value, threshold)


def drift(services: Services, tenant: Tenant, run: Row[Any]) -> float | None:
    """What share of the documents that came since a run is farther from its nearest centroid than REACH of the run's
    own are from theirs. None where that cannot be said: no groups, too few new documents, no files any more."""
    plan = Plan(**orjson.loads(run.plan))
    artifacts = artifacts_of(services, tenant, run)
    try:
        groups, distances = artifacts.groups(), artifacts.distances()
    except FileNotFoundError:
        return None
    parents = {group["parent_cluster_id"] for group in groups}
    leaves = [group["centroid_vector"] for group in groups if group["cluster_id"] not in parents]
    if plan.attributes or not leaves:
        return None
    centroids = np.array(leaves, np.float32)
    vectors = _new_vectors(services, tenant, plan, run.created_at, centroids.shape[1])
    if vectors is None:
        return None
    if plan.normalize:
        vectors = unit_rows(vectors)
    found = distances_to(vectors, centroids, nearest(vectors, centroids))
    return float((found > np.quantile(distances, REACH)).mean())


def _changed(tx: Connection, collection_ids: list[str], run: Row[Any] | None) -> int:
    """How many documents came or were written anew since a run was started; before there is one, in all."""
    before = {} if run is None else orjson.loads(run.resource).get("collection_counters", {})
    nothing = {"added": 0, "updated": 0}
    return sum(
        counters[name] - before.get(identity, nothing)[name]
        for identity, counters in counters_of(tx, collection_ids).items()
        for name in nothing
    )


def _number(run: Mapping[str, Any], name: str) -> float | None:
    """A measure of a run or, beside those, a count such as `num_clusters`."""
    value = run["metrics"].get(name, run.get(name))
    return None if isinstance(value, bool) or not isinstance(value, int | float) else value


def _new_vectors(services: Services, tenant: Tenant, plan: Plan, since: str, dimensions: int) -> Matrix | None:
    """At most SAMPLE vectors of documents that came after an instant, drawn by the run's seed; None where there are
    fewer than LEAST_NEW."""
    most = -(-LOOKED // len(plan.collection_ids))
    with services.db.read() as tx:
        found = [
            newest_members(tx, tenant, identity, plan.vector_names, since, most) for identity in plan.collection_ids
        ]
    members = [each for each in found if len(each.pks) and each.dimensions == dimensions]
    if sum(len(each.pks) for each in members) < LEAST_NEW:
        return None
    return np.vstack([services.vectors.read(each.space, each.keys) for each in sample_of(members, SAMPLE, plan.seed)])
