"""A run's files: `clusters.parquet`, `members.parquet`, and last `manifest.json`; without it the others don't count.

Members are sorted by group (noise last), nearest to the centroid first, in row groups of ROW_GROUP rows: a page is read
from the row groups that it touches. `docs/artifacts.md` lists the columns.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from coterie.api.context import Services, Tenant
from coterie.kit.errors import NotFound
from coterie.store.blobs import BlobStore

ROW_GROUP = 10_000
NOISE_ID = "-1"
RUN_FOLDERS = "*/*/engine_cluster_build/*"
"""Where the files of runs are, as a pattern of `artifact_prefix`."""

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


class Artifacts:
    """The files of one run, to read."""

    def __init__(self, blobs: BlobStore, prefix: str) -> None:
        self.blobs = blobs
        self.clusters_key = f"{prefix}/clusters.parquet"
        self.members_key = f"{prefix}/members.parquet"
        self.manifest_key = f"{prefix}/manifest.json"

    def files(self) -> list[dict[str, Any]]:
        """Keys and sizes in bytes."""
        keys = (self.clusters_key, self.members_key, self.manifest_key)
        return [{"key": key, "size_bytes": self.blobs.size(key)} for key in keys]

    def groups(self, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """The rows of `clusters.parquet`, in the run's order."""
        rows: list[dict[str, Any]] = self.group_table(columns).to_pylist()
        return rows

    def group_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The same as a table."""
        return pq.read_table(self.blobs.path(self.clusters_key), columns=columns)

    def open_members(self) -> pq.ParquetFile:
        """`members.parquet`, which can be read to its end from here on even if it is deleted."""
        return pq.ParquetFile(self.blobs.path(self.members_key))

    def chosen_members(self, chosen: NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """Some columns of the members of those numbers, which rise."""
        with self.open_members() as file:
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

    def members(self, offset: int, limit: int) -> Iterator[pa.Table]:
        """A page of `members.parquet`, a row group at a time."""
        with self.open_members() as file:
            yield from slices(file, offset, limit)

    def places(self) -> pa.Table | None:
        """Every member's ids and place on the map; None without the file."""
        path = self.blobs.path(self.members_key)
        return pq.read_table(path, columns=["point_id", "collection_id", "x", "y", "z"]) if path.exists() else None

    def manifest(self) -> dict[str, Any]:
        """What the run was: its plan, counts and versions."""
        read: dict[str, Any] = orjson.loads(self.blobs.path(self.manifest_key).read_bytes())
        return read


def artifact_prefix(internal_id: str, namespace_id: str, run_id: str) -> str:
    """Where the files of a run are."""
    return f"{internal_id}/{namespace_id}/engine_cluster_build/{run_id}"


def artifacts_of(services: Services, tenant: Tenant, run_id: str) -> Artifacts:
    """The files of one of the tenant's runs."""
    return Artifacts(services.blobs, artifact_prefix(tenant.internal_id, tenant.namespace_id, run_id))


@contextmanager
def still_there(run_id: str) -> Iterator[None]:
    """Within it, files that are deleted under a reader are a run that is not found. Raises NotFound."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"run '{run_id}' was deleted") from error


def keep(blobs: BlobStore, prefix: str) -> None:
    """Have the files of a run stay though its record goes."""
    blobs.touch(f"{prefix}/{_KEPT}")


def is_kept(blobs: BlobStore, prefix: str) -> bool:
    """Whether the files of a run stay without a record."""
    return blobs.exists(f"{prefix}/{_KEPT}")


def slices(file: pq.ParquetFile, offset: int, limit: int) -> Iterator[pa.Table]:
    """Some rows of a file, a row group at a time."""
    start = 0
    for number in range(file.num_row_groups):
        size = file.metadata.row_group(number).num_rows
        first, last = max(offset - start, 0), min(offset + limit - start, size)
        if first < last:
            head = next(
                file.iter_batches(batch_size=last, row_groups=[number], use_threads=False)
            )  # what comes after is not decoded
            yield pa.Table.from_batches([head.slice(first)])
        start += size


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
