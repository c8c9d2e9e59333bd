"""What a run leaves behind: its groups with their names, its members, and the summary for run and definition."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

import coterie
from coterie.api.context import Services, Tenant
from coterie.kit.files import whole
from coterie.labeling.answers import Answer
from coterie.labeling.keywords import keywords_of
from coterie.labeling.options import fields_of
from coterie.labeling.terms import Terms
from coterie.labeling.unique import told_apart, unique_labels
from coterie.runs.artifacts import CLUSTERS, MEMBERS, NOISE_ID, Artifacts, write_table
from coterie.runs.drawing import write_map
from coterie.runs.group_schemas import KEYWORDS, LLM, VALUES
from coterie.runs.known import Known, given_out, known_groups, named_by_values
from coterie.runs.members import Placement, documents_of, member_columns
from coterie.runs.plan import Plan
from coterie.runs.recognition import read_recognized
from coterie.runs.summary import definition_summary, run_text

REPRESENTATIVES = 10
ENGINE = ("numpy", "scipy", "scikit-learn", "numba")
"""The libraries that what a run finds depends on."""

_MEMBERS, _MAP = "members.parquet", "map.arrows.gz"
_KNOWN, _KEYWORDS, _ANSWERS = "known.json", "keywords.json", "answers.json"
"""What the steps of naming leave for each other in the scratch folder."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class RunFiles:
    """Which run, of which definition, since when, its scratch folder, and the prefix of its artifacts."""

    run_id: str
    cluster_id: str | None
    created_at: str
    folder: Path
    prefix: str


@dataclass
class Group:
    """A group on its way to the files: its id, its rows nearest first, and what is known of it."""

    id: str
    rows: Rows
    centroid: list[float] = field(default_factory=list)
    variance: float = 0.0
    stability: float | None = None
    quantiles: list[float] | None = None
    values: dict[str, Any] | None = None
    aggregates: dict[str, float | None] | None = None
    label: str | None = None
    source: str = KEYWORDS
    keywords: list[str] = field(default_factory=list)
    summary: str | None = None
    parent: str | None = None
    level: int = 0
    leaf: bool = True


@dataclass(frozen=True)
class Result:
    """The groups in the order of the files, the rows that are in none, and per row a distance, a strength, how it
    came to its group, and where it stands on the map (n, 2 or 3)."""

    groups: list[Group]
    noise: Rows
    distances: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    origin: NDArray[np.int8]
    coordinates: NDArray[np.float32] | None = None


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
    with whole(files.folder / _KEYWORDS) as file:
        file.write(orjson.dumps(keywords_of(terms, _parents(result.groups))))
    return {"groups": len(result.groups)}


def read_result(services: Services, plan: Plan, files: RunFiles) -> tuple[Result, Known]:
    """The groups that the run found, and what the definition knew when it was first asked: people may say more between
    two steps, and that is laid over the run when it is published."""
    snapshot = files.folder / _KNOWN
    if snapshot.exists():
        known = Known(**orjson.loads(snapshot.read_bytes()))
    else:
        with services.db.read() as tx:
            known = known_groups(tx, files.cluster_id)
        with whole(snapshot) as file:
            file.write(orjson.dumps({"resources": known.resources, "merged": known.merged}))
    return (_attribute_result if plan.attributes else _vector_result)(files.folder, known), known


def read_keywords(folder: Path) -> list[list[str]]:
    """The keywords of each group."""
    found: list[list[str]] = orjson.loads((folder / _KEYWORDS).read_bytes())
    return found


def save_answers(folder: Path, answers: Mapping[str, Answer]) -> None:
    """What a language model said of groups, by id, for `write_results`."""
    with whole(folder / _ANSWERS) as file:
        file.write(orjson.dumps({name: each.model_dump() for name, each in answers.items()}))


def write_results(services: Services, plan: Plan, files: RunFiles, found: Mapping[str, Any]) -> dict[str, Any]:
    """Name the groups and publish the files, the manifest last; the summary that `publish` makes visible."""
    result, known = read_result(services, plan, files)
    artifacts = Artifacts(services.blobs, files.prefix)
    answers = orjson.loads((files.folder / _ANSWERS).read_bytes()) if (files.folder / _ANSWERS).exists() else {}
    _name(result.groups, read_keywords(files.folder), answers, known)
    groups = files.folder / "clusters.parquet"
    ids, _ = documents_of(files.folder)
    write_table(str(groups), CLUSTERS, iter([_cluster_columns(plan, files, found, result, ids)]))
    manifest = files.folder / "manifest.json"
    summary = _summary(plan, found, result, artifacts)
    manifest.write_bytes(orjson.dumps({"run_id": files.run_id, **_manifest(plan, found, result, summary)}))
    for key, path in (
        (artifacts.landmarks_key, files.folder / "landmarks.npz"),
        (artifacts.labels_key, files.folder / "labels.jsonl"),
        (artifacts.clusters_key, groups),
        (artifacts.members_key, files.folder / _MEMBERS),
        (artifacts.map_key, files.folder / _MAP),
        (artifacts.manifest_key, manifest),
    ):
        if path.exists():  # a repeated step finds what it moved before
            services.blobs.publish(key, path)
    return summary


def _vector_result(folder: Path, known: Known) -> Result:
    labels = np.load(folder / "labels.npy")
    distances, centroids = np.load(folder / "distances.npy"), np.load(folder / "centroids.npy")
    described = orjson.loads((folder / "groups.json").read_bytes())
    recognized = read_recognized(folder / "recognized.json")
    order = _by_distance(folder / "order.npy", distances, labels)
    starts = np.searchsorted(labels[order], np.arange(len(centroids) + 1))
    names = given_out("cl_", [each.name for each in recognized], known)
    groups = [
        Group(
            names[number],
            order[starts[number] : starts[number + 1]],
            centroids[number].tolist(),
            each["variance"],
            each["stability"],
            each["distance_quantiles"],
            **known.kept_label(names[number], recognized[number].weight),
        )
        for number, each in enumerate(described)
    ]
    if (folder / "branches.json").exists():
        branches = orjson.loads((folder / "branches.json").read_bytes())
        seen = read_recognized(folder / "recognized_branches.json")
        above = _branches(branches, groups, given_out("br_", [each.name for each in seen], known))
        for branch, each in zip(above, seen, strict=True):
            kept = known.kept_label(branch.id, each.weight)
            branch.label, branch.source = kept.get("label"), kept.get("source", KEYWORDS)
        groups = _depth_first([*above, *groups])
    probabilities, origin = np.load(folder / "probabilities.npy"), np.load(folder / "origin.npy")
    return Result(groups, order[: starts[0]], distances, probabilities, origin, np.load(folder / "coordinates.npy"))


def _by_distance(kept: Path, distances: NDArray[np.float32], labels: NDArray[np.int32]) -> Rows:
    """The rows group by group, noise first, the nearest first in each; sorted once a run."""
    if not kept.exists():
        with whole(kept) as file:
            np.save(file, np.lexsort((np.arange(len(labels)), distances, labels)))
    order: Rows = np.load(kept)
    return order


def _branches(found: Sequence[Mapping[str, Any]], leaves: Sequence[Group], names: Sequence[str]) -> list[Group]:
    """Groups of groups; the leaves are told where they belong. A branch is represented by its leaves, each in turn."""
    branches = []
    for number, each in enumerate(found):
        own = [leaves[leaf] for leaf in each["leaves"]]
        places = np.concatenate([np.arange(len(leaf.rows)) for leaf in own])
        rows = np.concatenate([leaf.rows for leaf in own])[np.argsort(places, kind="stable")]
        parent = None if each["parent"] is None else names[each["parent"]]
        branches.append(
            Group(
                names[number],
                rows,
                each["centroid"],
                each["variance"],
                parent=parent,
                level=each["level"],
                leaf=False,
            )
        )
        for leaf in own:
            leaf.parent, leaf.level = names[number], each["level"] + 1
    return branches


def _attribute_result(folder: Path, known: Known) -> Result:
    rows = len(np.load(folder / "pks.npy"))
    found = orjson.loads((folder / "attribute_groups.json").read_bytes())
    own = np.split(np.load(folder / "attribute_rows.npy"), np.cumsum([each["size"] for each in found])[:-1])
    parents = {each["parent"] for each in found}
    names = named_by_values(found, known)
    groups = [
        Group(
            names[each["id"]],
            rows_of_group,
            values=each["values"],
            aggregates=each["aggregates"],
            label=each["label"],
            source=VALUES,
            parent=each["parent"] and names[each["parent"]],
            level=each["level"],
            leaf=each["id"] not in parents,
        )
        for each, rows_of_group in zip(found, own, strict=True)
    ]
    ordered = _depth_first(groups)
    fitted = np.zeros(rows, np.int8)
    return Result(ordered, np.empty(0, np.int64), np.zeros(rows, np.float32), np.ones(rows, np.float32), fitted)


def _depth_first(groups: Sequence[Group]) -> list[Group]:
    """Each group followed by those below it, so that the members of a whole branch stand together."""
    below: dict[str | None, list[Group]] = {}
    for group in groups:
        below.setdefault(group.parent, []).append(group)
    stack, ordered = list(reversed(below.get(None, []))), []
    while stack:
        group = stack.pop()
        ordered.append(group)
        stack += reversed(below.get(group.id, []))
    return ordered


def _placement(result: Result) -> Placement:
    leaves = [(number, group) for number, group in enumerate(result.groups) if group.leaf]
    owners = [*(number for number, _ in leaves), -1]
    again = [(group.rows, _first_leaves(result.groups, number)) for number, group in _overlapping(result.groups)]
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


def _overlapping(groups: Sequence[Group]) -> list[tuple[int, Group]]:
    """Groups above others that share documents, so that the members of those are more than its own: their numbers, and
    they."""
    below = Counter[str | None]()
    for group in reversed(groups):  # depth first: what is below a group comes after it
        below[group.parent] += len(group.rows) if group.leaf else below[group.id]
    return [
        (number, group) for number, group in enumerate(groups) if not group.leaf and below[group.id] > len(group.rows)
    ]


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


def _parents(groups: Sequence[Group]) -> list[int]:
    """The number of the group above each one, or -1."""
    numbers = {group.id: number for number, group in enumerate(groups)}
    return [-1 if group.parent is None else numbers[group.parent] for group in groups]


def _name(
    groups: Sequence[Group],
    keywords: Sequence[list[str]],
    answers: Mapping[str, Mapping[str, Any]],
    known: Known,
) -> None:
    """Labels by what stands highest: a pin or the values that the group is, a model's answer, the label that it had,
    its keywords."""
    given = {identity: label.casefold() for identity, label in known.given_labels().items()}
    taken = set(given.values())
    for group, words in zip(groups, keywords, strict=True):
        answer = answers.get(group.id)
        group.keywords = words
        if answer is not None:
            group.summary, group.keywords = answer["summary"], answer["keywords"] or words
            if not keeps_label(group, known):
                group.label, group.source = answer["label"], LLM
        if group.label is None:
            continue
        if not known.is_pinned(group.id) and group.label.casefold() != given.get(group.id):
            group.label = told_apart(group.label, words, taken)
        taken.add(group.label.casefold())
    nameless = [number for number, group in enumerate(groups) if group.label is None]
    labels = unique_labels([keywords[number] for number in nameless], taken)
    for number, label in zip(nameless, labels, strict=True):
        groups[number].label = label


def keeps_label(group: Group, known: Known) -> bool:
    """Whether no model gives this group its label: it is pinned, or its values are its name."""
    return group.source == VALUES or known.is_pinned(group.id)


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
    for _, group in _overlapping(result.groups):  # a document that is in several groups below is in it once
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
