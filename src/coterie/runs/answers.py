"""Artifacts to responses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import repeat
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from sqlalchemy import Row

from coterie.kit.errors import BadRequest, NotFound
from coterie.listing.scan import page_of, within_time
from coterie.listing.syntax import parse_list
from coterie.listing.tree import Listable
from coterie.runs.artifacts import MEMBERS as FIELDS
from coterie.runs.artifacts import NOISE_ID, Artifacts, Span
from coterie.runs.result_schemas import DEFAULT_PAGE, MAX_PAGE, ClusterDataRequest

MEMBERS = Listable("document_id", "document_id", frozenset())


def execution(run: Row[Any], artifacts: Artifacts, seconds: float, *, members: bool, kept: bool) -> dict[str, Any]:
    """The answer of a synchronous run."""
    shown = orjson.loads(run.resource)
    page = _page(artifacts, artifacts.spans() or [], 0, MAX_PAGE) if members else None
    return {
        "success": True,
        "run_id": run.id,
        "algorithm": shown["algorithm"],
        "num_clusters": shown["num_clusters"],
        "num_documents": shown["num_points"],
        "centroids": _centroids(artifacts.groups()),
        "metrics": shown["metrics"],
        "parquet_path": artifacts.clusters_key if kept else None,
        "members_key": artifacts.members_key if kept else None,
        "execution_time_ms": round(seconds * 1000),
        "created_at": run.created_at,
        "members": page,
        "warnings": shown["warnings"],
        "llm_labeling_errors": shown["llm_labeling_errors"] or [],
    }


def of_execution(run: dict[str, Any], artifacts: Artifacts, *, vectors: bool) -> dict[str, Any]:
    """A run with its groups, without their vectors unless these are wanted."""
    if run["status"] != "completed":
        return {**run, "centroids": None}
    columns = ["cluster_id", "num_members", "label", "summary", "keywords", "parent_cluster_id", "hierarchy_level"]
    columns += ["centroid_vector"] if vectors else []
    by_attributes = "memberships" in run
    rows = artifacts.groups([*columns, "attribute_values", "aggregates"] if by_attributes else columns)
    shown = [{**{name: row[name] for name in columns}, **_of_attributes(row)} for row in rows]
    return {**run, "centroids": shown}


def data(name: str, identifier: str, artifacts: Artifacts, request: ClusterDataRequest) -> dict[str, Any]:
    """The answer of `/data`: all groups or one, and a page of members. Raises NotFound for no such group."""
    group = None if request.cluster_id in (None, name, identifier) else request.cluster_id
    spans = artifacts.spans(group)
    if spans is None:
        raise NotFound(f"group '{group}' is not in this run; GET /v1/clusters/{name}/groups lists them")
    rows = artifacts.groups() if request.include_centroids else []
    count = sum(span.count for span in spans)
    limit = request.limit or DEFAULT_PAGE
    query = parse_list(request.asked(), profile=MEMBERS)
    if query.is_plain or not request.include_members:
        page = max(0, min(limit, count - request.offset)) if request.include_members else 0
        members = _page(artifacts, spans, request.offset, page) if page else []
    else:
        tables = within_time(artifacts.tables(spans, 0, count))
        every = ((shown, shown["document_id"], shown, None) for table in tables for shown in members_of(table))
        members, count = page_of(every, replace(query, limit=limit, offset=request.offset))
    shown = [row for row in rows if group is None or row["cluster_id"] == group]
    return {
        "cluster_id": name,
        "centroids": [_centroid_data(row) for row in shown],
        "members": members,
        "total_clusters": artifacts.group_count,
        "total_members": count,
    }


def numbered(artifacts: Artifacts, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Members by their numbers, in the order asked. Raises BadRequest for a number that there is not."""
    total = artifacts.count()
    if beyond := [number for number in numbers if number >= total]:
        raise BadRequest(f"there is no member {beyond[0]}: the run has {total:,}, numbered from 0")
    chosen, places = np.unique(np.array(numbers, np.int64), return_inverse=True)
    found = list(members_of(artifacts.chosen_members(chosen, FIELDS.names)))
    return [{"number": number, **found[place]} for number, place in zip(numbers, places, strict=True)]


def groups(name: str, run_id: str, artifacts: Artifacts) -> dict[str, Any]:
    """The answer of `/groups`."""
    rows = artifacts.groups()
    return {
        "cluster_id": name,
        "run_id": run_id,
        "total_groups": len(rows),
        "total_documents": artifacts.manifest["run"]["num_points"],
        "noise_documents": artifacts.count(NOISE_ID),
        "groups": [
            {
                "cluster_id": row["cluster_id"],
                "label": row["label"],
                "summary": row["summary"],
                "keywords": row["keywords"],
                "member_count": row["num_members"],
                "parent_cluster_id": row["parent_cluster_id"],
                "hierarchy_level": row["hierarchy_level"],
                "representative_documents": row["representatives"],
                "proposed": bool(row.get("proposed")),
                **_of_attributes(row),
            }
            for row in rows
        ],
    }


def artifacts(
    name: str, run_id: str, files: Artifacts, centroids: bool, page: tuple[int, int] | None, axes: str
) -> dict[str, Any]:
    """The answer of `/artifacts`; `page` is (offset, limit) where members are wanted, on the `axes` of the map."""
    return {
        "cluster_id": name,
        "run_id": run_id,
        "parquet_path": files.clusters_key,
        "members_key": files.members_key,
        "files": files.files(),
        "centroids": _centroids(files.groups()) if centroids else [],
        "members": _points(files, page, axes) if page else [],
    }


def _centroids(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    children: dict[str, list[str]] = {}
    for row in rows:
        if row["parent_cluster_id"] is not None:
            children.setdefault(row["parent_cluster_id"], []).append(row["cluster_id"])
    return [
        {
            "cluster_id": row["cluster_id"],
            "centroid_vector": row["centroid_vector"],
            "feature_name": row["feature_name"],
            "feature_dimensions": row["feature_dimensions"],
            "num_members": row["num_members"],
            "variance": row["variance"],
            "label": row["label"],
            "summary": row["summary"],
            "keywords": row["keywords"],
            "effective_features": {},
            "feature_statistics": {},
            "parent_cluster_id": row["parent_cluster_id"],
            "child_cluster_ids": children.get(row["cluster_id"], []),
            "hierarchy_level": row["hierarchy_level"],
            "metadata": {
                "representatives": row["representatives"],
                "stability": row.get("stability"),
                "proposed": bool(row.get("proposed")),
                **_of_attributes(row),
            },
        }
        for row in rows
    ]


def _of_attributes(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a group by attributes has besides: its values, and what was aggregated; null for other groups."""
    held = {"values": row.get("attribute_values"), "aggregates": row.get("aggregates")}
    return {name: text and orjson.loads(text) for name, text in held.items()}


def _centroid_data(row: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("label", "summary", "keywords", "variance", "parent_cluster_id", "hierarchy_level", "representatives")
    return {
        "cluster_label": row["cluster_id"],
        "centroid_vector": row["centroid_vector"],
        "num_members": row["num_members"],
        "metadata": {**{key: row[key] for key in keys}, "stability": row.get("stability"), **_of_attributes(row)},
    }


def _page(artifacts: Artifacts, spans: Sequence[Span], offset: int, limit: int) -> list[dict[str, Any]]:
    return [member for table in artifacts.tables(spans, offset, limit) for member in members_of(table)]


def members_of(table: pa.Table) -> Iterator[dict[str, Any]]:
    """The members column by column: a row as a dictionary would cost as much as all the rest."""
    if "origin" not in table.column_names:  # files of before it was told
        table = table.append_column("origin", pa.array(["fitted"] * table.num_rows))
    axes = [axis for axis in "xyz" if table[axis].null_count == 0]
    places = zip(*(table[axis].to_pylist() for axis in axes), strict=True) if axes else repeat(())
    names = ("point_id", "cluster_id", "distance_to_centroid", "payload", "collection_id", "probability", "origin")
    columns = (table[name].to_pylist() for name in names)
    for identity, group, distance, payload, collection_id, probability, origin, place in zip(*columns, places):  # noqa: B905
        yield {
            "document_id": identity,
            "cluster_label": group,
            "distance_to_centroid": distance,
            "coordinates": list(place),
            "metadata": {
                **orjson.loads(payload),
                "collection_id": collection_id,
                "probability": probability,
                "origin": origin,
            },
        }


def _points(files: Artifacts, page: tuple[int, int], axes: str) -> list[dict[str, Any]]:
    tables = files.tables(files.spans() or [], *page)
    return [_point(row, axes) for table in tables for row in table.to_pylist()]


def _point(row: Mapping[str, Any], axes: str) -> dict[str, Any]:
    return {
        "point_id": row["point_id"],
        "cluster_id": row["cluster_id"],
        **{axis: row[axis] for axis in axes},
        "payload": orjson.loads(row["payload"]),
    }
