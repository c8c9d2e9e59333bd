"""A run's files: `clusters.parquet`, `members.parquet`, and last `manifest.json`; without it the others don't count.

Members are sorted by group (noise last), nearest to the centroid first, in row groups of ROW_GROUP rows: a page is read
from the row groups that it touches. `docs/artifacts.md` lists the columns.

A run that only assigned new documents holds these, and its manifest names the run, its `base`, that holds the rest: the
two are read as one. What people said of the groups since is laid over both as they are read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Row

from coterie.api.context import Services, Tenant
from coterie.store.blobs import BlobStore

ROW_GROUP = 10_000
NOISE_ID = "-1"

CLUSTERS = pa.schema(
    [
        ("cluster_id", pa.string()),
        ("centroid_vector", pa.list_(pa.float32())),
        ("num_members", pa.int64()),
        ("variance", pa.float64()),
        ("label", pa.string()),
        ("summary", pa.string()),
        ("keywords", pa.list_(pa.string())),
        ("feature_name", pa.string()),
        ("feature_dimensions", pa.int32()),
        ("parent_cluster_id", pa.string()),
        ("hierarchy_level", pa.int32()),
        ("reduction_method", pa.string()),
        ("parameters", pa.string()),
        ("algorithm", pa.string()),
        ("run_id", pa.string()),
        ("created_at", pa.string()),
        ("representatives", pa.list_(pa.string())),
        ("stability", pa.float64()),
        ("distance_quantiles", pa.list_(pa.float32())),
        ("proposed", pa.bool_()),
        ("label_source", pa.string()),
        ("attribute_values", pa.string()),
    ]
)
MEMBERS = pa.schema(
    [
        ("point_id", pa.string()),
        ("collection_id", pa.string()),
        ("cluster_id", pa.string()),
        ("distance_to_centroid", pa.float32()),
        ("probability", pa.float32()),
        ("x", pa.float32()),
        ("y", pa.float32()),
        ("z", pa.float32()),
        ("payload", pa.string()),
        ("origin", pa.string()),
    ]
)


@dataclass(frozen=True)
class Edits:
    """What people said of a run's groups: the `labels` that they gave, by group, and `merged`, for each group that was
    merged the one that it is in."""

    labels: Mapping[str, str] = field(default_factory=dict)
    merged: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """Members that stand together in a file."""

    path: str
    first: int
    count: int


class Artifacts:
    """The files of one run, to read."""

    def __init__(self, blobs: BlobStore, prefix: str, edits: Edits | None = None) -> None:
        self.blobs = blobs
        self.prefix = prefix
        self.edits = edits or Edits()
        self.clusters_key = f"{prefix}/clusters.parquet"
        self.members_key = f"{prefix}/members.parquet"
        self.manifest_key = f"{prefix}/manifest.json"
        self.landmarks_key = f"{prefix}/landmarks.npz"

    def files(self) -> list[dict[str, Any]]:
        """Keys and sizes in bytes."""
        keys = [self.clusters_key, *(part.members_key for part in self.parts), self.manifest_key]
        return [{"key": key, "size_bytes": self.blobs.size(key)} for key in keys]

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What the run was: its plan, counts and versions."""
        read: dict[str, Any] = orjson.loads(self.blobs.path(self.manifest_key).read_bytes())
        return read

    @cached_property
    def parts(self) -> list["Artifacts"]:
        """The files that hold the members: those of the run that this one added to, if any, and its own."""
        base = self.manifest.get("base")
        if base is None:
            return [self]
        folder = self.prefix.rpartition("/")[0]
        return [Artifacts(self.blobs, f"{folder}/{base}"), self]

    def groups(self) -> list[dict[str, Any]]:
        """The groups, in the run's order: the rows of `clusters.parquet`, those that were merged as one."""
        rows = pq.read_table(self.blobs.path(self.clusters_key)).to_pylist()
        found: dict[str, dict[str, Any]] = {row["cluster_id"]: row for row in rows}
        for merged, into in self.edits.merged.items():
            if merged in found and into in found:
                _join(found[into], found.pop(merged))
        for identity, label in self.edits.labels.items():
            if identity in found:
                found[identity]["label"] = label
        return list(found.values())

    def spans(self, group: str | None = None) -> list[Span] | None:
        """Where the members of a group are, or those of all; None for a group that there is not."""
        if group in self.edits.merged:
            return None
        if group is None:
            return [_span(part, [0, part.manifest["total_members"]]) for part in self.parts]
        joined = [group, *(merged for merged, into in self.edits.merged.items() if into == group)]
        held = [(part, part.manifest["members"].get(name)) for name in joined for part in self.parts]
        return [_span(part, span) for part, span in held if span is not None] or None

    def members(self, spans: Sequence[Span], offset: int, limit: int) -> list[dict[str, Any]]:
        """A page of the members in some spans."""
        return [row for block in self.blocks(spans, offset, limit) for row in block]

    def blocks(self, spans: Sequence[Span], offset: int, limit: int) -> Iterator[list[dict[str, Any]]]:
        """The same, a row group at a time."""
        merged = self.edits.merged
        for span in spans:
            first, last = max(offset, 0), min(offset + limit, span.count)
            if first < last:
                for block in _blocks(span.path, span.first + first, last - first):
                    for row in block:
                        row["cluster_id"] = merged.get(row["cluster_id"], row["cluster_id"])
                    yield block
            offset -= span.count

    def memberships(self) -> pa.Table:
        """Every member's `collection_id`, `point_id` and `cluster_id`, and its place on the map; no rows without the
        files."""
        columns = ["collection_id", "point_id", "cluster_id", "x", "y", "z"]
        if not self.blobs.exists(self.manifest_key):
            return pa.schema([MEMBERS.field(name) for name in columns]).empty_table()
        table = pa.concat_tables(
            [pq.read_table(self.blobs.path(part.members_key), columns=columns) for part in self.parts]
        )
        names = table["cluster_id"].combine_chunks().dictionary_encode()
        known = [self.edits.merged.get(name, name) for name in names.dictionary.to_pylist()]
        return table.set_column(2, "cluster_id", pa.array(known, pa.string()).take(names.indices))


def artifact_prefix(internal_id: str, namespace_id: str, run_id: str) -> str:
    """Where the files of a run are."""
    return f"{internal_id}/{namespace_id}/engine_cluster_build/{run_id}"


def artifacts_of(services: Services, tenant: Tenant, run: Row[Any]) -> Artifacts:
    """The files of one of the tenant's runs, with what people said of its groups."""
    shown = orjson.loads(run.resource)
    edits = Edits(shown.get("label_overrides") or {}, shown.get("merged_groups") or {})
    return Artifacts(services.blobs, artifact_prefix(tenant.internal_id, tenant.namespace_id, run.id), edits)


def _span(part: Artifacts, held: Sequence[int]) -> Span:
    return Span(str(part.blobs.path(part.members_key)), *held)


def _join(group: dict[str, Any], merged: Mapping[str, Any]) -> None:
    """Make one row of two: counts, centre and spread exactly so, the words of the one that stays."""
    sizes = np.array([group["num_members"], merged["num_members"]], float)
    centres = np.array([group["centroid_vector"], merged["centroid_vector"]])
    shares = sizes / max(sizes.sum(), 1.0)
    centre = shares @ centres
    spread = np.array([group["variance"], merged["variance"]]) + ((centres - centre) ** 2).sum(axis=1)
    group.update(
        num_members=int(sizes.sum()),
        centroid_vector=centre.tolist(),
        variance=float(shares @ spread),
        representatives=[*group["representatives"], *merged["representatives"]][: len(group["representatives"])],
        stability=None,
    )


def _blocks(path: str, offset: int, limit: int) -> Iterator[list[dict[str, Any]]]:
    with pq.ParquetFile(path) as file:
        start = 0
        for number in range(file.num_row_groups):
            size = file.metadata.row_group(number).num_rows
            first, last = max(offset - start, 0), min(offset + limit - start, size)
            if first < last:
                yield file.read_row_group(number).slice(first, last - first).to_pylist()
            start += size


def read_names(path: Path) -> list[dict[str, Any]]:
    """Ids, labels and values of the groups in a `clusters.parquet`."""
    columns = ["cluster_id", "label", "label_source", "attribute_values"]
    rows: list[dict[str, Any]] = pq.read_table(path, columns=columns).to_pylist()
    return rows


def write_table(path: str, schema: pa.Schema, blocks: Iterator[Mapping[str, Sequence[Any]]]) -> None:
    """Blocks of columns to a Parquet file, a row group a block."""
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for block in blocks:
            writer.write_table(pa.table(dict(block), schema=schema))


def payload_slice(metadata: Mapping[str, Any], limit: int = 256) -> str:
    """What of a payload goes with a member: scalars, and texts up to `limit` characters, as JSON."""
    kept = {
        key: value
        for key, value in metadata.items()
        if (isinstance(value, str) and len(value) <= limit) or isinstance(value, bool | int | float)
    }
    return orjson.dumps(kept).decode()
