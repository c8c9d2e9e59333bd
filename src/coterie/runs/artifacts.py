"""A run's files: `clusters.parquet`, `members.parquet`, `map.arrows.gz` (see `drawing`) and last `manifest.json`;
without it the others don't count.

Members are sorted by group (noise last), nearest to the centroid first, in row groups of ROW_GROUP rows: a page is read
from the row groups that it touches.

A run that only assigned new documents holds these, and its manifest names the run, its `base`, that holds the rest: the
two are read as one. What people said of the groups since is laid over both as they are read.

Where documents are in several groups (arrays of a grouping by attributes), a group above these has rows of its own
after all others, each document once: `total_members` does not count them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sqlalchemy import Row

from coterie.api.context import Services, Tenant
from coterie.kit.errors import NotFound
from coterie.runs.splits import Splits, take_out
from coterie.store.storage import Storage

ROW_GROUP = 10_000
NOISE_ID = "-1"
RUNS, RUN_DEPTH = "engine_cluster_build", 4
"""The third name of a run's prefix, and how many it has."""

_KEPT = "kept"
"""The file that marks those of a run whose record its request did not want."""

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
        ("x", pa.float32()),
        ("y", pa.float32()),
        ("z", pa.float32()),
        ("distance_quantiles", pa.list_(pa.float32())),
        ("proposed", pa.bool_()),
        ("label_source", pa.string()),
        ("attribute_values", pa.string()),
        ("aggregates", pa.string()),
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
    """What people said of a run's groups: the `labels` that they gave, by group; `merged`, for each group that was
    merged the one that it is in; and `split`, for each that was split off the one that it came from, as they were
    made."""

    labels: Mapping[str, str] = field(default_factory=dict)
    merged: Mapping[str, str] = field(default_factory=dict)
    split: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """Members in a file, which is a `part` of the run's: `count` that stand together from the `first` on, or those of
    some `rows`, which rise."""

    key: str
    part: int
    first: int
    count: int
    rows: NDArray[np.int64] | None = None


class Artifacts:
    """The files of one run, to read."""

    def __init__(self, blobs: Storage, prefix: str, edits: Edits | None = None) -> None:
        self.blobs = blobs
        self.prefix = prefix
        self.edits = edits or Edits()
        self.clusters_key = f"{prefix}/clusters.parquet"
        self.members_key = f"{prefix}/members.parquet"
        self.manifest_key = f"{prefix}/manifest.json"
        self.landmarks_key = f"{prefix}/landmarks.npz"
        self.labels_key = f"{prefix}/labels.jsonl"
        self.map_key = f"{prefix}/map.arrows.gz"

    def files(self) -> list[dict[str, Any]]:
        """Keys and sizes in bytes."""
        keys = [self.clusters_key, *(part.members_key for part in self.parts), self.manifest_key]
        return [{"key": key, "size_bytes": self.blobs.size(key)} for key in keys]

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What the run was: its plan, counts and versions."""
        read: dict[str, Any] = orjson.loads(self.blobs.read(self.manifest_key))
        return read

    @cached_property
    def parts(self) -> list["Artifacts"]:
        """The files that hold the members: those of the run that this one added to, if any, and its own."""
        base = self.manifest.get("base")
        if base is None:
            return [self]
        folder = self.prefix.rpartition("/")[0]
        return [Artifacts(self.blobs, f"{folder}/{base}"), self]

    @property
    def group_count(self) -> int:
        """How many groups there are, merged ones being one."""
        found: int = self.manifest["run"]["num_clusters"]
        return found - len(self.edits.merged) + len(self.edits.split)

    @cached_property
    def splits(self) -> Splits:
        """What was split off. Raises FileNotFoundError."""
        return Splits(self.blobs, self.prefix, list(self.edits.split))

    def group_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The groups in the run's order, those that were merged as one: all columns, or some."""
        if self.edits.merged or self.edits.split:
            table = self._clusters()
            joined = pa.Table.from_pylist(self._joined(table.to_pylist()), schema=table.schema)
            return joined if columns is None else joined.select(columns)
        table = self._clusters(columns)
        if self.edits.labels and "label" in table.column_names:
            names = self._clusters(["cluster_id"])["cluster_id"].to_pylist()
            labels = map(self.edits.labels.get, names, table["label"].to_pylist())
            at = table.schema.get_field_index("label")
            table = table.set_column(at, "label", pa.array(labels, pa.string()))
        return table

    def groups(self, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """The same as rows."""
        rows: list[dict[str, Any]] = self.group_table(columns).to_pylist()
        return rows

    def spans(self, group: str | None = None) -> list[Span] | None:
        """Where the members of a group are, or those of all; None for a group that there is not."""
        if group in self.edits.merged:
            return None
        if group is None:
            return [_span(part, number, [0, part.manifest["total_members"]]) for number, part in enumerate(self.parts)]
        joined = [group, *(merged for merged, into in self.edits.merged.items() if into == group)]
        held = [self._section(part, number, name) for name in joined for number, part in enumerate(self.parts)]
        return [span for span in held if span is not None] or None

    def _section(self, part: "Artifacts", number: int, name: str) -> Span | None:
        """Where a group's own members are in a part; None where there are none."""
        if name in self.edits.split:
            rows = self.splits.rows_of(number, name)
        else:
            held = part.manifest["members"].get(name)
            if held is None or not self.edits.split or name not in self.splits.sections:
                return held and _span(part, number, held)
            rows = self.splits.rest_of(number, *held)
        return Span(part.members_key, number, 0, len(rows), rows) if len(rows) else None

    def count(self, group: str | None = None) -> int:
        """How many members a group has, or how many there are; of a group that there is not, none."""
        return sum(span.count for span in self.spans(group) or [])

    def tables(self, spans: Sequence[Span], offset: int, limit: int) -> Iterator[pa.Table]:
        """A page of the members in some spans, a row group at a time. All files are opened before the first is read:
        in a folder they can be read to their ends even if they are deleted meanwhile. Raises FileNotFoundError."""
        with ExitStack() as stack:
            files = {key: stack.enter_context(parquet(self.blobs, key)) for key in {span.key for span in spans}}
            for span in spans:
                first, last = max(offset, 0), min(offset + limit, span.count)
                if first < last:
                    for rows, table in _read(files[span.key], span, first, last):
                        yield self._by_whole(self._by_split(span.part, rows, table))
                offset -= span.count

    def chosen_members(self, chosen: NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """Some columns, `cluster_id` among them, of the members of those numbers, which rise."""
        found, start = [], 0
        for number, part in enumerate(self.parts):
            own = chosen[(chosen >= start) & (chosen < start + part.manifest["total_members"])] - start
            with parquet(self.blobs, part.members_key) as file:
                found.append(self._by_split(number, own, _chosen(file, own, columns)))
            start += part.manifest["total_members"]
        return self._by_whole(pa.concat_tables(found))

    def distances(self) -> NDArray[np.float32]:
        """Every member's distance to its centroid (n), noise's to the nearest one. Raises FileNotFoundError."""
        tables = [part.members(["distance_to_centroid"]) for part in self.parts]
        distances: NDArray[np.float32] = pa.concat_tables(tables)["distance_to_centroid"].to_numpy()
        return distances

    def memberships(self, columns: Sequence[str]) -> pa.Table:
        """Some columns of every member, `cluster_id` among them; no rows without the files."""
        if not self.blobs.exists(self.manifest_key):
            return pa.schema([MEMBERS.field(name) for name in columns]).empty_table()
        held = [part.members(columns).slice(0, part.manifest["total_members"]) for part in self.parts]
        split = [self._by_split(number, np.arange(len(table)), table) for number, table in enumerate(held)]
        return self._by_whole(pa.concat_tables(split))

    def members(self, columns: Sequence[str] | None = None, filters: pc.Expression | None = None) -> pa.Table:
        """The members in this run's own file, those that stand there twice as well: all columns, or some."""
        return pq.read_table(self.blobs.open(self.members_key), columns=columns, filters=filters)

    def _clusters(self, columns: Sequence[str] | None = None) -> pa.Table:
        return pq.read_table(self.blobs.open(self.clusters_key), columns=columns)

    def _joined(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        found = {row["cluster_id"]: row for row in rows}
        merged = self.edits.merged
        self._join_all(found)
        for split in self.splits.all if self.edits.split else ():
            source = self.edits.split[split.group["cluster_id"]]
            take_out(found[source if source in found else merged[source]], split)
            found[split.group["cluster_id"]] = dict(split.group)
        self._join_all(found)  # those that were split off before they were merged
        for identity, label in self.edits.labels.items():
            if identity in found:
                found[identity]["label"] = label
        return list(found.values())

    def _join_all(self, found: dict[str, dict[str, Any]]) -> None:
        for merged, into in self.edits.merged.items():
            if merged in found and into in found:
                _join(found[into], found.pop(merged))

    def _by_split(self, part: int, rows: NDArray[np.int64], table: pa.Table) -> pa.Table:
        """Members in some rows of a part as members of what was split off."""
        return self.splits.relabel(part, rows, table) if self.edits.split else table

    def _by_whole(self, table: pa.Table) -> pa.Table:
        """Members of merged groups as members of what these are in."""
        if not self.edits.merged:
            return table
        names = table["cluster_id"].combine_chunks().dictionary_encode()
        known = [self.edits.merged.get(name, name) for name in names.dictionary.to_pylist()]
        at = table.schema.get_field_index("cluster_id")
        return table.set_column(at, "cluster_id", pa.array(known, pa.string()).take(names.indices))


def artifact_prefix(internal_id: str, namespace_id: str, run_id: str) -> str:
    """Where the files of a run are."""
    return f"{internal_id}/{namespace_id}/{RUNS}/{run_id}"


def artifacts_of(services: Services, tenant: Tenant, run: Row[Any] | Mapping[str, Any]) -> Artifacts:
    """The files of one of the tenant's runs, by its row or by what the API shows of it, with what people said of its
    groups."""
    shown = run if isinstance(run, Mapping) else orjson.loads(run.resource)
    said = (shown.get(name) or {} for name in ("label_overrides", "merged_groups", "split_groups"))
    edits = Edits(*said)
    return Artifacts(services.blobs, artifact_prefix(tenant.internal_id, tenant.namespace_id, shown["run_id"]), edits)


def _span(part: Artifacts, number: int, held: Sequence[int]) -> Span:
    first, count = held
    return Span(part.members_key, number, first, count)


def _join(group: dict[str, Any], merged: Mapping[str, Any]) -> None:
    """Make one row of two: counts, centre and spread exactly so, the words of the one that stays."""
    sizes = np.array([group["num_members"], merged["num_members"]], float)
    centres = np.array([group["centroid_vector"], merged["centroid_vector"]])
    shares = sizes / max(sizes.sum(), 1.0)
    places = {axis: float(shares @ [group[axis], merged[axis]]) for axis in "xyz" if group[axis] is not None}
    centre = shares @ centres
    spread = np.array([group["variance"], merged["variance"]]) + ((centres - centre) ** 2).sum(axis=1)
    group.update(
        num_members=int(sizes.sum()),
        centroid_vector=centre.tolist(),
        variance=float(shares @ spread),
        representatives=[*group["representatives"], *merged["representatives"]][: len(group["representatives"])],
        stability=None,
        **places,
    )


@contextmanager
def still_there(run_id: str) -> Iterator[None]:
    """Within it, files that are deleted under a reader are a run that is not found. Raises NotFound."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"run '{run_id}' was deleted") from error


def keep(blobs: Storage, prefix: str) -> None:
    """Have the files of a run stay though its record goes."""
    blobs.write(f"{prefix}/{_KEPT}", b"")


def is_kept(blobs: Storage, prefix: str) -> bool:
    """Whether the files of a run stay without a record."""
    return blobs.exists(f"{prefix}/{_KEPT}")


def _read(file: pq.ParquetFile, span: Span, begin: int, end: int) -> Iterator[tuple[NDArray[np.int64], pa.Table]]:
    """The rows of a span from the number `begin` on, and their members, a row group at a time."""
    if span.rows is None:
        yield from _slices(file, span.first + begin, end - begin)
        return
    for start in range(begin, end, ROW_GROUP):
        rows = span.rows[start : min(start + ROW_GROUP, end)]
        yield rows, _chosen(file, rows, file.schema_arrow.names)


def _slices(file: pq.ParquetFile, offset: int, limit: int) -> Iterator[tuple[NDArray[np.int64], pa.Table]]:
    """Some rows of a file that stand together, a row group at a time."""
    start = 0
    for number in range(file.num_row_groups):
        size = file.metadata.row_group(number).num_rows
        first, last = max(offset - start, 0), min(offset + limit - start, size)
        if first < last:
            head = next(
                file.iter_batches(batch_size=last, row_groups=[number], use_threads=False)
            )  # what comes after is not decoded
            yield np.arange(start + first, start + last), pa.Table.from_batches([head.slice(first)])
        start += size


def _chosen(file: pq.ParquetFile, chosen: NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
    """Some columns of the rows of those numbers, which rise, in a file."""
    ends = np.cumsum([file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)])
    parts = np.split(chosen, np.searchsorted(chosen, ends[:-1])) if len(ends) else []
    starts = [0, *ends[:-1]]
    tables = [
        file.read_row_group(number, columns=columns).take(part - start)
        for number, (part, start) in enumerate(zip(parts, starts, strict=True))
        if len(part)
    ]
    found = pa.concat_tables(tables) if tables else file.schema_arrow.empty_table()
    return found.select(columns)


@contextmanager
def parquet(blobs: Storage, key: str) -> Iterator[pq.ParquetFile]:
    """A Parquet file, whose columns are asked for together: an object store takes its time for each request."""
    with blobs.open(key) as file:
        yield pq.ParquetFile(file, pre_buffer=True)


def read_names(blobs: Storage, key: str) -> list[dict[str, Any]]:
    """Ids, labels and values of the groups in a `clusters.parquet`. Raises FileNotFoundError."""
    columns = ["cluster_id", "label", "label_source", "attribute_values"]
    rows: list[dict[str, Any]] = pq.read_table(blobs.open(key), columns=columns).to_pylist()
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
