"""Two runs of a definition side by side: what became of the groups, and which documents went where."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coterie import engine
from coterie.kit.errors import BadRequest
from coterie.runs.artifacts import NOISE_ID, Artifacts

DOCUMENT = ["collection_id", "point_id"]
"""What tells documents apart: an id is its own within its collection only."""

MAX_MEMBERS = 5_000_000
MAX_FLOWS = 10_000
"""Flows that are listed, the largest; `flows_total` says how many there are."""


def compare(before: Artifacts, after: Artifacts) -> dict[str, Any]:
    """What changed from one run to the other. Raises BadRequest for runs that are too large to be laid side by side."""
    if max(before.count(), after.count()) > MAX_MEMBERS:
        raise BadRequest(f"runs of more than {MAX_MEMBERS:,} documents are not compared")
    tables = [each.memberships([*DOCUMENT, "cluster_id"]) for each in (before, after)]
    leaves = [_leaves(each) for each in (before, after)]
    names = [list(each) for each in leaves]
    several = any(_shares_documents(each) for each in (before, after))
    if several:  # a pair of groups for each document that both have would be a product: a membership is what stays
        tables = [table.append_column("membership", table["cluster_id"]) for table in tables]
    keys = [*DOCUMENT, *(["membership"] if several else [])]
    joined = tables[0].join(tables[1], keys, join_type="full outer", right_suffix="_after")
    sides = [_codes(joined[column], own) for column, own in zip(("cluster_id", "cluster_id_after"), names, strict=True)]
    both = (sides[0] != _ABSENT) & (sides[1] != _ABSENT)
    shared = [side[both] for side in sides]
    groupings = [_grouping(each) for each in leaves]
    told = engine.changes(groupings[0], groupings[1], names[0], names[1], shared[0], shared[1])
    flows = _flows(sides, names)
    labels = [{name: row["label"] for name, row in each.items()} for each in leaves]
    parts = [{"cluster_id": name, "label": labels[0][name], "parts": each} for name, each in told.split.items()]
    sources = [{"cluster_id": name, "label": labels[1][name], "sources": each} for name, each in told.merged.items()]
    return {
        "documents": _documents(tables),
        "agreement": {"ari": None, "ami": None} if several else engine.agreement(shared[0], shared[1]),
        "born": [{"cluster_id": name, "label": labels[1][name]} for name in told.born],
        "died": [{"cluster_id": name, "label": labels[0][name]} for name in told.died],
        "split": parts,
        "merged": sources,
        "grown": _sizes(told.grown, labels[1]),
        "shrunk": _sizes(told.shrunk, labels[1]),
        "drifted": [{"cluster_id": name, "label": labels[1][name], "radii": far} for name, far in told.drifted.items()],
        "relabeled": [
            {"cluster_id": name, "before": labels[0][name], "after": label}
            for name, label in labels[1].items()
            if name in labels[0] and labels[0][name] != label
        ],
        "flows": flows[:MAX_FLOWS],
        "flows_total": len(flows),
    }


_ABSENT, _NOISE = -2, -1


def _shares_documents(artifacts: Artifacts) -> bool:
    """Whether documents are in several groups."""
    run = artifacts.manifest["run"]
    return bool(run.get("memberships", 0) > run["num_points"])


def _documents(tables: Sequence[pa.Table]) -> dict[str, int]:
    """How many documents both runs have, and how many one has alone."""
    before, after = (table.group_by(DOCUMENT).aggregate([]) for table in tables)
    both = before.join(after, DOCUMENT, join_type="inner").num_rows
    return {"in_both": both, "only_before": before.num_rows - both, "only_after": after.num_rows - both}


def _leaves(artifacts: Artifacts) -> dict[str, dict[str, Any]]:
    """The groups that documents are in, by id."""
    rows = artifacts.groups(["cluster_id", "label", "num_members", "variance", "centroid_vector", "parent_cluster_id"])
    branches = {row["parent_cluster_id"] for row in rows}
    return {row["cluster_id"]: row for row in rows if row["cluster_id"] not in branches}


def _grouping(rows: dict[str, dict[str, Any]]) -> "engine.Grouping":
    width = max((len(row["centroid_vector"]) for row in rows.values()), default=0)
    centroids = np.array([row["centroid_vector"] for row in rows.values()], float).reshape(len(rows), width)
    sizes = np.array([row["num_members"] for row in rows.values()], np.int64)
    return engine.Grouping(sizes, centroids, np.sqrt(np.array([row["variance"] for row in rows.values()], float)))


def _codes(column: pa.ChunkedArray, names: list[str]) -> NDArray[np.int32]:
    numbers = {name: number for number, name in enumerate(names)} | {NOISE_ID: _NOISE}
    held = column.combine_chunks().dictionary_encode()
    codes = pa.array([numbers.get(name, _NOISE) for name in held.dictionary.to_pylist()], pa.int32())
    return np.asarray(codes.take(held.indices).fill_null(_ABSENT), np.int32)


def _flows(sides: list[NDArray[np.int32]], names: list[list[str]]) -> list[dict[str, Any]]:
    """How many documents went from which group to which, the most first; null where a run had not the document."""
    pairs = Counter(dict(zip(*_counted(sides), strict=True)))
    shown = [{_ABSENT: None, _NOISE: NOISE_ID, **dict(enumerate(each))} for each in names]
    ordered = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))
    return [{"from": shown[0][a], "to": shown[1][b], "documents": many} for (a, b), many in ordered]


def _counted(sides: list[NDArray[np.int32]]) -> tuple[list[tuple[int, int]], list[int]]:
    pairs, counts = np.unique(np.column_stack(sides), axis=0, return_counts=True)
    return [(int(a), int(b)) for a, b in pairs], counts.tolist()


def _sizes(changed: dict[str, tuple[int, int]], labels: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"cluster_id": name, "label": labels[name], "before": pair[0], "after": pair[1]}
        for name, pair in changed.items()
    ]
