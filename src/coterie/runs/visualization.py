"""A run's map to draw: where its groups and a seeded sample of its documents stand."""

from typing import Any, NamedTuple

import orjson
from sqlalchemy import Row

from coterie.engine.arrays import drawn
from coterie.kit.errors import BadRequest
from coterie.runs.artifacts import NOISE_ID, Artifacts

MAX_POINTS = 100_000
DEFAULT_POINTS = 10_000


class Wanted(NamedTuple):
    """How many documents are drawn, by which seed, and whether they come as one object each or as parallel lists."""

    max_points: int
    centroids_only: bool
    compact: bool
    seed: int


def dimensions_of(run: Row[Any]) -> int:
    """Of the run's map; 0 where it has none."""
    plan = orjson.loads(run.plan)
    return 0 if plan["attributes"] else plan.get("vis_n_components", 2)


def axes_of(run: Row[Any]) -> str:
    """The names of the map's axes. Raises BadRequest for a run without a map."""
    axes = "xyz"[: dimensions_of(run)]
    if not axes:
        raise BadRequest("a grouping by attributes has no map")
    return axes


def visualization(name: str, run: Row[Any], artifacts: Artifacts, asked: Wanted) -> dict[str, Any]:
    """The answer of `/visualization`. Raises BadRequest for a run without a map."""
    axes = axes_of(run)
    groups = artifacts.groups(["cluster_id", "label", "num_members", "parent_cluster_id", "hierarchy_level", *axes])
    total = artifacts.count()
    columns = ["document_id", "collection_id", "cluster_id", *axes]
    points: dict[str, list[Any]] = {name: [] for name in columns}
    if not asked.centroids_only:
        chosen = drawn(total, asked.max_points, asked.seed)
        table = artifacts.chosen_members(chosen, ["point_id", *columns[1:]])
        points = dict(zip(columns, (column.to_pylist() for column in table.columns), strict=True))
    labels = {group["cluster_id"]: group["label"] for group in groups}
    points["cluster_label"] = [labels.get(identity) for identity in points["cluster_id"]]
    return {
        "cluster_id": name,
        "run_id": run.id,
        "dimensions": len(axes),
        "total_points": total,
        "noise_points": artifacts.count(NOISE_ID),
        "centroids": [_centroid(group, axes) for group in groups],
        "members": _compact(points) if asked.compact else _objects(points),
    }


def _centroid(group: dict[str, Any], axes: str) -> dict[str, Any]:
    keys = ("cluster_id", "num_members", "parent_cluster_id", "hierarchy_level", *axes)
    return {"cluster_label": group["label"], **{key: group[key] for key in keys}}


def _compact(points: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {key if len(key) == 1 else f"{key}s": values for key, values in points.items()}


def _objects(points: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(points, row, strict=True)) for row in zip(*points.values(), strict=True)]
