"""What a run leaves behind: its groups with their names, its members, and the summary for run and definition."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
import orjson

import coterie
from coterie.api.context import Services, Tenant
from coterie.labeling.keywords import keywords_of
from coterie.labeling.options import fields_of
from coterie.labeling.terms import Terms
from coterie.runs.artifacts import CLUSTERS, MEMBERS, NOISE_ID, Artifacts, write_table
from coterie.runs.drawing import write_map
from coterie.runs.found import Group, Result, Rows, RunFiles, overlapping, parents_of, read_result
from coterie.runs.labels import name_groups, read_answers, read_keywords, save_keywords
from coterie.runs.members import Placement, documents_of, member_columns
from coterie.runs.plan import Plan
from coterie.runs.summary import definition_summary, run_text

REPRESENTATIVES = 10
ENGINE = ("numpy", "scipy", "scikit-learn", "numba")
"""The libraries that what a run finds depends on."""

_MEMBERS, _MAP = "members.parquet", "map.arrows.gz"


def write_members(services: Services, tenant: Tenant, plan: Plan, files: RunFiles) -> dict[str, Any]:
    """The members and the map to their files, and the groups' keywords for the steps to come."""
    result, _ = read_result(services, plan, files)
    terms = Terms(len(result.groups), fields_of(plan.llm_labeling))
    placed = _placement(result)
    blocks = member_columns(services, tenant, files.folder, placed, terms)
    write_table(str(files.folder / _MEMBERS), MEMBERS, blocks)
    if result.coordinates is not None:
        groups = [group.id for group in result.groups]
        write_map(files.folder / _MAP, files.run_id, groups, [files.folder / _MEMBERS])
    save_keywords(files.folder, keywords_of(terms, parents_of(result.groups)))
    return {"groups": len(result.groups)}


def write_results(services: Services, plan: Plan, files: RunFiles, found: Mapping[str, Any]) -> dict[str, Any]:
    """Name the groups and publish the files, the manifest last; the summary that `publish` makes visible."""
    result, known = read_result(services, plan, files)
    artifacts = Artifacts(services.blobs, files.prefix)
    name_groups(result.groups, read_keywords(files.folder), read_answers(files.folder), known)
    groups = files.folder / "clusters.parquet"
    ids, _ = documents_of(files.folder)
    write_table(str(groups), CLUSTERS, iter([_cluster_columns(plan, files, found, result, ids)]))
    manifest = files.folder / "manifest.json"
    summary = _summary(plan, found, result, artifacts)
    manifest.write_bytes(orjson.dumps({"run_id": files.run_id, **_manifest(plan, found, result, summary)}))
    names = ("landmarks.npz", "labels.jsonl", groups.name, _MEMBERS, _MAP, manifest.name)
    files.publish(services.blobs, {name: files.folder / name for name in names})
    return summary


def _placement(result: Result) -> Placement:
    leaves = [(number, group) for number, group in enumerate(result.groups) if group.leaf]
    owners = [*(number for number, _ in leaves), -1]
    again = [(group.rows, _first_leaves(result.groups, number)) for number, group in overlapping(result.groups)]
    return Placement(
        [group.id for group in result.groups],
        np.concatenate([*(group.rows for _, group in leaves), result.noise, *(rows for rows, _ in again)]),
        np.concatenate(
            [
                np.repeat(owners, [*(len(group.rows) for _, group in leaves), len(result.noise)]),
                *(first for _, first in again),
            ]
        ),
        result.distances,
        result.probabilities,
        result.origin,
        result.coordinates,
        sum(len(rows) for rows, _ in again),
    )


def _first_leaves(groups: Sequence[Group], branch: int) -> Rows:
    """Of each of a branch's rows the number of the first group of documents below it that has the row."""
    rows, inside, leaves = groups[branch].rows, {groups[branch].id}, []
    for number in range(branch + 1, len(groups)):
        if groups[number].parent not in inside:
            break
        inside.add(groups[number].id)
        if groups[number].leaf:
            leaves.append(number)
    first = np.empty(len(rows), np.int64)
    for number in reversed(leaves):
        first[np.searchsorted(rows, groups[number].rows)] = number
    return first


def _cluster_columns(
    plan: Plan, files: RunFiles, found: Mapping[str, Any], result: Result, ids: Sequence[str]
) -> Mapping[str, Sequence[Any]]:
    groups = result.groups
    count = len(groups)
    return {
        "cluster_id": [group.id for group in groups],
        "centroid_vector": [group.centroid for group in groups],
        "num_members": [len(group.rows) for group in groups],
        "variance": [group.variance for group in groups],
        "label": [group.label for group in groups],
        "summary": [group.summary for group in groups],
        "keywords": [group.keywords for group in groups],
        "feature_name": [found["feature"]] * count,
        "feature_dimensions": [len(group.centroid) for group in groups],
        "parent_cluster_id": [group.parent for group in groups],
        "hierarchy_level": [group.level for group in groups],
        "reduction_method": [plan.reduction and plan.reduction["method"]] * count,
        "parameters": [orjson.dumps(plan.params).decode()] * count,
        "algorithm": [plan.algorithm] * count,
        "run_id": [files.run_id] * count,
        "created_at": [files.created_at] * count,
        "stability": [group.stability for group in groups],
        "distance_quantiles": [group.quantiles for group in groups],
        "proposed": [False] * count,
        "label_source": [group.source for group in groups],
        "attribute_values": [group.values and orjson.dumps(group.values).decode() for group in groups],
        "aggregates": [group.aggregates and orjson.dumps(group.aggregates).decode() for group in groups],
        "representatives": [[ids[row] for row in group.rows[:REPRESENTATIVES]] for group in groups],
        **_places(result),
    }


def _places(result: Result) -> Mapping[str, Sequence[Any]]:
    """Where the groups stand on the map: amid their members."""
    places: dict[str, Sequence[Any]] = {axis: [None] * len(result.groups) for axis in "xyz"}
    if result.coordinates is not None and result.groups:
        centres = [result.coordinates[group.rows].mean(axis=0, dtype=np.float64) for group in result.groups]
        places.update(zip("xyz", np.array(centres, np.float32).T, strict=False))
    return places


def _summary(plan: Plan, found: Mapping[str, Any], result: Result, artifacts: Artifacts) -> dict[str, Any]:
    labeling = found["labeling"]
    documents, noise = found["documents"], len(result.noise)
    run = {
        "num_clusters": len(result.groups),
        "parquet_path": artifacts.clusters_key,
        "members_key": artifacts.members_key,
        "llm_labeling_errors": labeling["errors"] or None,
        "llm_labeling_usage": labeling["usage"],
        "num_points": documents,
        "noise_points": noise,
        "source_documents": documents + found["without_vector"],
        "vectors_retrieved": None if plan.attributes else documents,
        "vectors_clustered": None if plan.attributes else documents - noise,
        "documents_without_vector": found["without_vector"],
        "documents_fitted": found["sampled"],
        "changes": found["changes"],
        **found["map"],
        "metrics": found["metrics"],
        "warnings": found["warnings"],
    }
    if plan.attributes:
        run["memberships"] = sum(len(group.rows) for group in result.groups if group.leaf)
        run.update(aggregation_method=plan.aggregation_method, aggregates=found["aggregates"])
    return {
        "parquet_path": artifacts.clusters_key,
        "members_key": artifacts.members_key,
        "text": run_text((group.label, group.keywords) for group in result.groups),
        "run": run,
        "cluster": definition_summary(run),
    }


def _manifest(plan: Plan, found: Mapping[str, Any], result: Result, summary: Mapping[str, Any]) -> dict[str, Any]:
    """The plan and the counts, the versions, and where in the members each group begins: [first, count]."""
    parents = {group.id: group.parent for group in result.groups}
    spans: dict[str, list[int]] = {}
    start = 0
    for group in result.groups:
        spans[group.id] = [start, 0]
        if not group.leaf:
            continue
        start += len(group.rows)
        above: str | None = group.id
        while above is not None:
            spans[above][1] += len(group.rows)
            above = parents[above]
    spans[NOISE_ID] = [start, len(result.noise)]
    total = start + len(result.noise)
    end = total
    for _, group in overlapping(result.groups):  # a document that is in several groups below is in it once
        spans[group.id] = [end, len(group.rows)]
        end += len(group.rows)
    return {
        "plan": asdict(plan),
        "run": summary["run"],
        "feature": found["feature"],
        "members": spans,
        "total_members": total,
        "data": found.get("data"),
        "fit": found.get("fit"),
        "threads": os.cpu_count(),
        "versions": {"coterie": coterie.__version__, **{name: version(name) for name in ENGINE}},
    }
