"""Vectors in Lance: one dataset a vector space, rows of (key, vector).

A key is a number from `db.reserve` that is used once. Rows are appended before the SQL commit that makes
a document point at its key: a row without a document is invisible and harmless, a document without its row
cannot be. An upsert appends a new row and retires the old key, which is deleted later (`documents.upkeep`): whoever has
read the key just before still finds its row.
"""

import hashlib
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coterie.store.parts import SCAN_ROWS, Snapshot

if TYPE_CHECKING:
    import lance

log = logging.getLogger("coterie.store")

Keys = NDArray[np.int64]
Matrix = NDArray[np.float32]

POINT_READS = 5_000
"""Up to so many keys are looked up by a filter, which reads the keys of all rows but only the vectors that are wanted:
2,000 of 200,000 (of 384 numbers) took 0.06 s, and a scan of all 0.4 s. More are found in such a scan."""

APPEND_TRIES = 20
DELETED_AT_ONCE = 5_000

FRAGMENTS = 16
"""A dataset of more files than this is compacted."""

VERSIONS_KEPT = timedelta(hours=1)
"""Older states of a dataset go, unless they are pinned: no one reads one for so long."""


@dataclass(frozen=True)
class Space:
    """Where the vectors of one name in one collection live."""

    namespace_id: str
    collection_id: str
    name: str


class MissingVectors(LookupError):
    """Keys that no row has: the store was changed behind the service's back."""


class VectorStore:
    """Lance datasets below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def append(self, space: Space, keys: Keys, matrix: Matrix) -> None:
        """Add rows: `keys` (n), `matrix` (n, d) float32. Durable when it returns."""
        rows, dimensions = matrix.shape
        if rows == 0:
            return
        flat = pa.array(np.ascontiguousarray(matrix, dtype=np.float32).reshape(-1))
        vectors = pa.FixedSizeListArray.from_arrays(flat, dimensions)
        table = pa.table({"key": pa.array(keys, pa.int64()), "vector": vectors})
        path = self._path(space)
        if not path.exists():
            _create(path, table.schema)
        for attempt in range(APPEND_TRIES):
            try:
                _lance().write_dataset(table, str(path), mode="append")
                return
            except OSError as error:
                if not _was_preempted(error) or attempt == APPEND_TRIES - 1:
                    raise
                time.sleep(0.01 * (attempt + 1))

    def read(self, space: Space, keys: Keys, out: Matrix | None = None) -> Matrix:
        """The vectors of `keys` (n) in their order, as (n, d) float32; into `out` where given.

        Raises MissingVectors when a key has no row.
        """
        out, here = self.look_up(space, keys, out)
        if out is None or not here.all():
            raise MissingVectors(f"{len(keys) - int(here.sum())} of {len(keys)} vectors are missing")
        return out

    def look_up(self, space: Space, keys: Keys, out: Matrix | None = None) -> tuple[Matrix | None, NDArray[np.bool_]]:
        """As `read`, and for each key whether it has a row; where it has none, what the matrix holds means nothing.
        No matrix comes when no row was seen and none was given.
        """
        order = np.argsort(keys, kind="stable")
        ascending = keys[order]
        here = np.zeros(len(keys), np.bool_)
        for batch_keys, batch in self._batches(space, ascending):
            if out is None:
                out = np.empty((len(keys), batch.shape[1]), np.float32)
            at = np.searchsorted(ascending, batch_keys)
            at[at == len(ascending)] = 0
            wanted = ascending[at] == batch_keys
            out[order[at[wanted]]] = batch[wanted]
            here[order[at[wanted]]] = True
        return out, here

    def delete(self, space: Space, keys: Keys) -> None:
        """Delete rows that no document points at."""
        path = self._path(space)
        if len(keys) == 0 or not path.exists():
            return
        dataset = self._open(path)
        for start in range(0, len(keys), DELETED_AT_ONCE):
            listed = ",".join(str(int(key)) for key in keys[start : start + DELETED_AT_ONCE])
            dataset.delete(f"key IN ({listed})")

    def drop(self, namespace_id: str, collection_id: str | None = None) -> None:
        """Delete every vector of a collection, or of a whole namespace."""
        folder = self.root / namespace_id
        shutil.rmtree(folder / collection_id if collection_id else folder, ignore_errors=True)

    def collections(self) -> Iterator[tuple[str, str, float]]:
        """Of every collection with vectors: its namespace, its id, and when (UNIX time) a name was last added to it."""
        for folder in self.root.glob("*/*"):
            yield folder.parent.name, folder.name, folder.stat().st_mtime

    def compact(self) -> None:
        """Put small files together, take deleted rows out of the rest, and let go of old states."""
        for path in self.root.glob("*/*/*.lance"):
            try:
                dataset = self._open(path)
                if len(dataset.get_fragments()) > FRAGMENTS:
                    dataset.optimize.compact_files()
                dataset.cleanup_old_versions(older_than=VERSIONS_KEPT, error_if_tagged_old_versions=False)
            except (OSError, ValueError):  # it was dropped, or written to, meanwhile: the next round finds it
                log.info("%s was not compacted this time", path.name, exc_info=True)

    def _batches(self, space: Space, ascending: Keys) -> Iterator[tuple[Keys, Matrix]]:
        path = self._path(space)
        if len(ascending) == 0 or not path.exists():
            return
        dataset = self._open(path)
        listed = ",".join(str(int(key)) for key in ascending[:POINT_READS])
        predicate = f"key IN ({listed})" if len(ascending) <= POINT_READS else None
        for batch in dataset.to_batches(columns=["key", "vector"], filter=predicate, batch_size=SCAN_ROWS):
            vectors = batch.column("vector")
            flat = vectors.flatten().to_numpy(zero_copy_only=False)
            yield batch.column("key").to_numpy(), flat.reshape(len(vectors), -1)

    def _open(self, path: Path) -> "lance.LanceDataset":
        return _lance().dataset(str(path))

    def _path(self, space: Space) -> Path:
        # A vector's name is the caller's text; its hash is safe as a folder's name on every file system.
        digest = hashlib.sha256(space.name.encode()).hexdigest()[:32]
        return self.root / space.namespace_id / space.collection_id / f"{digest}.lance"

    def snapshot(self, space: Space, name: str) -> Snapshot | None:
        """Pin the vectors of a space as they are now under a name, so that they stay readable until `release`; None
        where there are none. What was pinned under that name before is let go."""
        path = self._path(space)
        if not path.exists():
            return None
        self.release(space, name)
        dataset = self._open(path)
        dataset.tags.create(name, dataset.version)
        rows = [(fragment.fragment_id, fragment.count_rows()) for fragment in dataset.get_fragments()]
        return Snapshot(str(path.resolve()), dataset.version, {}, rows)

    def release(self, space: Space, name: str) -> None:
        """Let go of what was pinned under a name, if it is."""
        path = self._path(space)
        if path.exists() and name in (tags := self._open(path).tags).list():
            tags.delete(name)


def _create(path: Path, schema: pa.Schema) -> None:
    """Make an empty dataset, of which one comes into being however many make it: of two that Lance creates at once in
    one place, the later one overwrites the rows of the first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="new-", ignore_cleanup_errors=True) as folder:
        made = Path(folder) / "dataset"
        _lance().write_dataset(schema.empty_table(), str(made), mode="create")
        try:
            made.rename(path)
        except OSError:
            if not path.exists():
                raise


def _was_preempted(error: OSError) -> bool:
    """Whether someone else changed the dataset at the same moment: then nothing was written."""
    return "commit conflict" in str(error)


def _lance() -> Any:
    # Imported where it works: it costs a tenth of a second, which a server's start would pay for nothing.
    import lance  # noqa: PLC0415

    return lance
