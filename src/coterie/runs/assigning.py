"""A run that assigns: documents that came since the newest run join its groups, at the cost of these documents alone.

What the newest run in full, the base, holds stays where it is; the run's own `members.parquet` holds what came since,
that of earlier assignments included, so that base and newest run are always the whole. Documents that fit nowhere wait
in a pool, the noise of that file; where they are dense enough they are proposed as new groups.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sqlalchemy import Row

from coterie.api.context import Services, Tenant
from coterie.compute.memory import usable
from coterie.config import MIB
from coterie.documents import queries as documents
from coterie.documents.collections import spaces_of
from coterie.documents.waiting import missing_advice
from coterie.engine.describe import QUANTILES
from coterie.jobs.job import JobFailed, TooLittleMemory
from coterie.labeling.keywords import keywords_of
from coterie.labeling.options import fields_of
from coterie.labeling.terms import Terms
from coterie.labeling.unique import unique_labels
from coterie.runs.artifacts import CLUSTERS, MEMBERS, NOISE_ID, ROW_GROUP, Artifacts
from coterie.runs.drawing import write_map
from coterie.runs.found import RunFiles
from coterie.runs.group_schemas import KEYWORDS
from coterie.runs.known import given_out, known_groups
from coterie.runs.loading import check_collections, save_vectors, where_of
from coterie.runs.members import Placement, documents_of, member_columns, save_rows
from coterie.runs.plan import Plan
from coterie.runs.queries import run_before
from coterie.runs.results import REPRESENTATIVES
from coterie.runs.summary import definition_summary, run_text

COPIES = 3
"""How many times the vectors of what is assigned are held at once."""

RUN_IN_FULL = "POST …/execute with the mode 'full' first"


@dataclass(frozen=True)
class Before:
    """The run that is added to: its raw files, and where its base is."""

    run_id: str
    base_id: str
    artifacts: Artifacts

    @property
    def adds(self) -> bool:
        """Whether it is an assignment itself."""
        return self.run_id != self.base_id


def find_before(services: Services, run: Row[Any], prefix: str) -> Before:
    """The newest completed run of the definition. Raises JobFailed."""
    with services.db.read() as tx:
        before = run_before(tx, run)
    if before is None:
        raise JobFailed(f"there is no completed run to add to: {RUN_IN_FULL}")
    if orjson.loads(before.resource).get("split_groups"):
        raise JobFailed(f"a group of the newest run was split since: {RUN_IN_FULL}, which takes the split over")
    artifacts = Artifacts(services.blobs, f"{prefix.rpartition('/')[0]}/{before.id}")
    if not artifacts.manifest.get("data"):
        raise JobFailed(f"the newest run cannot be added to: {RUN_IN_FULL}")
    return Before(before.id, artifacts.manifest.get("base", before.id), artifacts)


def load_arrivals(services: Services, tenant: Tenant, plan: Plan, before: Before, folder: Path) -> dict[str, Any]:
    """The pool and what came since to `vectors.npy` (n, d), `pks.npy` and `rows.json`; the groups to `groups.npz`, and
    documents with their places on the map to `landmarks.npz`. Raises JobFailed."""
    folder.mkdir(parents=True, exist_ok=True)
    seen: dict[str, int] = before.artifacts.manifest["data"]["last_pks"]
    pool = _pool(before)
    where = where_of(plan.filters)
    parts, last, advice = [], {}, list[str]()
    with services.db.read() as tx:
        check_collections(tx, tenant, plan.collection_ids)
        for identity in plan.collection_ids:
            present = spaces_of(tx, identity)
            name = next((name for name in plan.vector_names if name in present), plan.vector_names[-1])
            waiting = documents.members_named(tx, tenant, identity, name, pool.get(identity, []))
            arrived = documents.load_members(tx, tenant, identity, name, where, seen.get(identity, 0))
            parts += [waiting, arrived]
            last[identity] = arrived.last_pk
            advice += missing_advice(tx, {identity: arrived.without}, plan.vector_names)
    groups = before.artifacts.group_table(["cluster_id", "centroid_vector", "variance", "distance_quantiles"])
    _save_groups(groups, folder)
    base = before.artifacts.parts[0]
    (folder / "landmarks.npz").write_bytes(services.blobs.read(base.landmarks_key))
    width = np.load(folder / "landmarks.npz")["vectors"].shape[1]
    if {each.dimensions for each in parts if len(each.pks)} - {width}:
        raise JobFailed(f"the vectors have other dimensions than the run's: {RUN_IN_FULL}")
    total = sum(len(each.pks) for each in parts)
    if (need := 4 * COPIES * total * width) > (limit := usable(services.settings)):
        raise TooLittleMemory(
            f"{total:,} documents to be assigned need about {need // MIB:,} MiB and the worker may take "
            f"{limit // MIB:,}: {RUN_IN_FULL}, with a sample_size",
            need,
        )
    if total:
        save_vectors(services, parts, folder)
    else:
        np.save(folder / "vectors.npy", np.zeros((0, width), np.float32))
    save_rows(folder, [(each.space.collection_id, each.pks, each.ids) for each in parts])
    return {
        "arrived": sum(len(each.pks) for each in parts[1::2]),
        "waiting": sum(len(each.pks) for each in parts[::2]),
        "without_vector": sum(each.without for each in parts[1::2]),
        "last_pks": {**seen, **last},
        "advice": advice,
    }


def write_assigned(
    services: Services, tenant: Tenant, plan: Plan, files: RunFiles, before: Before, found: Mapping[str, Any]
) -> dict[str, Any]:
    """Name what is proposed and publish the files, the manifest last; the summary that `publish` makes visible."""
    with services.db.read() as tx:
        known = known_groups(tx, files.cluster_id)
    rows = before.artifacts.groups()
    labels = np.load(files.folder / "labels.npy")
    names = np.load(files.folder / "groups.npz")["names"].tolist()
    fresh = given_out("cl_", [None] * found["proposed"], known)
    placed = _placement(files.folder, [*names, *fresh])
    terms = Terms(len(names) + len(fresh), fields_of(plan.llm_labeling))
    blocks = member_columns(services, tenant, files.folder, placed, terms)
    new = pa.concat_tables([MEMBERS.empty_table(), *(pa.table(dict(block), schema=MEMBERS) for block in blocks)])
    taken = {*(row["label"] for row in rows), *known.given_labels().values()}
    rows += _proposed(files, labels, len(names), fresh, rows, terms, taken)
    order = [row["cluster_id"] for row in rows]
    members, spans = _arranged(_kept(before), new, order)
    _count(rows, before, spans)
    for row in rows:
        row.update(run_id=files.run_id, created_at=files.created_at)
    return _publish(services, plan, files, before, found, rows, members, spans)


def _placement(folder: Path, names: list[str]) -> Placement:
    labels = np.load(folder / "labels.npy").astype(np.int64)
    held = [np.load(folder / f"{name}.npy") for name in ("distances", "probabilities", "origin", "coordinates")]
    return Placement(names, np.arange(len(labels)), labels, *held)


def _pool(before: Before) -> dict[str, list[str]]:
    """Ids of the documents that wait, by collection."""
    if not before.adds:
        return {}
    columns = ["collection_id", "point_id"]
    waiting = before.artifacts.members(columns, pc.field("cluster_id") == NOISE_ID)
    found: dict[str, list[str]] = {}
    for collection_id, identity in zip(*(waiting[name].to_pylist() for name in columns), strict=True):
        found.setdefault(collection_id, []).append(identity)
    return found


def _kept(before: Before) -> pa.Table:
    """What earlier assignments placed; the pool is looked at again."""
    if not before.adds:
        return MEMBERS.empty_table()
    return before.artifacts.members(filters=pc.field("cluster_id") != NOISE_ID)


def _save_groups(table: pa.Table, folder: Path) -> None:
    """The groups that documents can join, to `groups.npz`. Raises JobFailed for a run that holds too little for it."""
    rows = [row for row in table.to_pylist() if row["distance_quantiles"]]
    if table.num_rows and not rows:
        raise JobFailed(f"the newest run cannot be added to: {RUN_IN_FULL}")
    width = len(rows[0]["centroid_vector"]) if rows else 0
    np.savez(
        folder / "groups.npz",
        names=np.array([row["cluster_id"] for row in rows], str),
        centroids=np.array([row["centroid_vector"] for row in rows], np.float32).reshape(len(rows), width),
        radii=np.sqrt(np.array([row["variance"] for row in rows], float)),
        quantiles=np.array([row["distance_quantiles"] for row in rows], np.float32).reshape(len(rows), len(QUANTILES)),
    )


def _proposed(
    files: RunFiles,
    labels: NDArray[np.int32],
    first: int,
    names: list[str],
    rows: list[dict[str, Any]],
    terms: Terms,
    taken: set[str],
) -> list[dict[str, Any]]:
    """The rows of new groups, with none of the labels `taken`; what they share with the others is as these have it."""
    ids, _ = documents_of(files.folder)
    keywords = keywords_of(terms)[first:]
    given = unique_labels(keywords, taken)
    with np.load(files.folder / "proposed.npz") as held:
        made = {name: held[name] for name in ("centroids", "variances", "quantiles", "places")}
    distances = np.load(files.folder / "distances.npy")
    common = rows[0] if rows else dict.fromkeys(CLUSTERS.names)
    found = []
    for number, name in enumerate(names):
        own = np.flatnonzero(labels == first + number)
        nearest = own[np.argsort(distances[own], kind="stable")][:REPRESENTATIVES]
        found.append(
            {
                **common,
                "cluster_id": name,
                "centroid_vector": made["centroids"][number].tolist(),
                "num_members": 0,
                "variance": float(made["variances"][number]),
                "label": given[number],
                "label_source": KEYWORDS,
                "summary": None,
                "keywords": keywords[number],
                "parent_cluster_id": None,
                "hierarchy_level": 0,
                "representatives": [ids[row] for row in nearest],
                "stability": None,
                "distance_quantiles": made["quantiles"][number].tolist(),
                "proposed": True,
                "attribute_values": None,
                **dict.fromkeys("xyz"),
                **dict(zip("xyz", made["places"][number].tolist(), strict=False)),
            }
        )
    return found


def _arranged(kept: pa.Table, new: pa.Table, order: list[str]) -> tuple[pa.Table, dict[str, list[int]]]:
    """All members group by group, the nearest first, and where each group is: [first, count]."""
    table = pa.concat_tables([kept.select(MEMBERS.names), new])
    ranks = pc.index_in(table["cluster_id"], pa.array([*order, NOISE_ID], pa.string()))
    ranked = table.append_column("rank", ranks)
    ranked = ranked.sort_by([("rank", "ascending"), ("distance_to_centroid", "ascending"), ("point_id", "ascending")])
    counts = np.bincount(ranked["rank"].to_numpy(), minlength=len(order) + 1)
    starts = np.concatenate([[0], np.cumsum(counts)])
    spans = {name: [int(starts[at]), int(counts[at])] for at, name in enumerate([*order, NOISE_ID])}
    return ranked.drop_columns("rank"), spans


def _count(rows: list[dict[str, Any]], before: Before, spans: Mapping[str, list[int]]) -> None:
    """Bring the groups' sizes along, and those of what is above them."""
    earlier = before.artifacts.manifest["members"] if before.adds else {}
    numbered = {row["cluster_id"]: row for row in rows}
    branches = {row["parent_cluster_id"] for row in rows}
    for name in [name for name in numbered if name not in branches]:
        more = spans[name][1] - earlier.get(name, [0, 0])[1]
        above: str | None = name
        while above is not None:
            numbered[above]["num_members"] += more
            above = numbered[above]["parent_cluster_id"]


def _publish(
    services: Services,
    plan: Plan,
    files: RunFiles,
    before: Before,
    found: Mapping[str, Any],
    rows: list[dict[str, Any]],
    members: pa.Table,
    spans: dict[str, list[int]],
) -> dict[str, Any]:
    artifacts = Artifacts(services.blobs, files.prefix)
    base = before.artifacts.parts[0].manifest
    run = {
        **before.artifacts.manifest["run"],
        "num_clusters": len(rows),
        "parquet_path": artifacts.clusters_key,
        "members_key": artifacts.members_key,
        "num_points": base["total_members"] + len(members),
        "noise_points": base["members"][NOISE_ID][1] + spans[NOISE_ID][1],
        "base_run_id": before.base_id,
        "documents_arrived": found["arrived"],
        "documents_assigned": found["assigned"],
        "documents_waiting": spans[NOISE_ID][1],
        "groups_proposed": found["proposed"],
        "documents_without_vector": found["without_vector"],
        "changes": None,
        "metrics": found["metrics"],
        "warnings": found["advice"],
    }
    run["source_documents"] = run["num_points"] + found["without_vector"]
    run["vectors_retrieved"] = run["num_points"]
    run["vectors_clustered"] = run["num_points"] - run["noise_points"]
    manifest = {
        **before.artifacts.manifest,
        "run_id": files.run_id,
        "plan": {**before.artifacts.manifest["plan"], "mode": plan.mode},
        "run": run,
        "base": before.base_id,
        "data": {"digest": None, "last_pks": found["last_pks"]},
        "members": _with_branches(spans, rows),
        "total_members": len(members),
    }
    names = ("clusters.parquet", "members.parquet", "map.arrows.gz", "manifest.json")
    paths = {name: files.folder / name for name in names}
    pq.write_table(pa.Table.from_pylist(rows, schema=CLUSTERS), paths["clusters.parquet"], compression="zstd")
    pq.write_table(members, paths["members.parquet"], compression="zstd", row_group_size=ROW_GROUP)
    whole = [services.blobs.open(before.artifacts.parts[0].members_key), paths["members.parquet"]]
    write_map(paths["map.arrows.gz"], files.run_id, [row["cluster_id"] for row in rows], whole)
    paths["manifest.json"].write_bytes(orjson.dumps(manifest))
    if services.blobs.exists(before.artifacts.labels_key):  # for the next run in full
        paths = {"labels.jsonl": files.folder / "labels.jsonl", **paths}
        paths["labels.jsonl"].write_bytes(services.blobs.read(before.artifacts.labels_key))
    files.publish(services.blobs, paths)
    return {
        "parquet_path": artifacts.clusters_key,
        "members_key": artifacts.members_key,
        "text": run_text((row["label"], row["keywords"]) for row in rows),
        "run": run,
        "cluster": definition_summary(run),
    }


def _with_branches(spans: dict[str, list[int]], rows: list[dict[str, Any]]) -> dict[str, list[int]]:
    """Of a branch all that is below it: the groups stand depth first."""
    whole = {name: list(span) for name, span in spans.items()}
    numbered = {row["cluster_id"]: row for row in rows}
    for row in rows:
        above = row["parent_cluster_id"]
        while above is not None:
            whole[above][1] += spans[row["cluster_id"]][1]
            above = numbered[above]["parent_cluster_id"]
    return whole
