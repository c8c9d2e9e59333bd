"""Vectors in Lance: one dataset a vector space, rows of (key, vector).

A key is a number from `db.reserve` that is used once. Rows are appended before the SQL commit that makes
a document point at its key: a row without a document is invisible and harmless, a document without its row
cannot be. An upsert appends a new row and retires the old key, which is deleted later (`documents.upkeep`): whoever has
read the key just before still finds its row.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coterie.store.parts import SCAN_ROWS, Snapshot
from coterie.store.storage import LanceOptions, Storage, StorageFailed, first_line

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

FRAGMENTS, SIZES = 16, (2**13, 2**17, 2**20)
"""More than so many files between two of these numbers of rows are put together to files of the larger one: in three
steps, so that a row is written anew a few times at most, however small the appends were that it came with."""

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
    """Lance datasets in a storage."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def append(self, space: Space, keys: Keys, matrix: Matrix) -> None:
        """Add rows: `keys` (n), `matrix` (n, d) float32. Durable when it returns."""
        rows, dimensions = matrix.shape
        if rows == 0:
            return
        flat = pa.array(np.ascontiguousarray(matrix, dtype=np.float32).reshape(-1))
        vectors = pa.FixedSizeListArray.from_arrays(flat, dimensions)
        table = pa.table({"key": pa.array(keys, pa.int64()), "vector": vectors})
        with _failing():
            dataset = self._open(space) or self._create(space, table.schema)
            for attempt in range(APPEND_TRIES):
                try:
                    _lance().write_dataset(table, dataset, mode="append")
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
        with _failing():
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
        dataset = self._open(space) if len(keys) else None
        if dataset is None:
            return
        for start in range(0, len(keys), DELETED_AT_ONCE):
            listed = ",".join(str(int(key)) for key in keys[start : start + DELETED_AT_ONCE])
            dataset.delete(f"key IN ({listed})")

    def drop(self, namespace_id: str, collection_id: str | None = None) -> None:
        """Delete every vector of a collection, or of a whole namespace."""
        self.storage.drop(f"{namespace_id}/{collection_id}" if collection_id else namespace_id)

    def collections(self) -> Iterator[tuple[str, str]]:
        """The namespace and the id of every collection with vectors."""
        for prefix in self.storage.folders(2):
            namespace_id, _, collection_id = prefix.partition("/")
            yield namespace_id, collection_id

    def added(self, namespace_id: str, collection_id: str) -> float:
        """When (UNIX time) something was last added to a collection's vectors."""
        return self.storage.added(f"{namespace_id}/{collection_id}")

    def copy(self, key: str, other: "VectorStore") -> int:
        """Copy the newest state of the dataset at a key to another store, some rows at a time; how many there were.

        Raises FileNotFoundError where there is none.
        """
        dataset = _open(*self.storage.lance(key))
        if dataset is None:
            raise FileNotFoundError(key)
        other.storage.drop(key)
        uri, options = other.storage.lance(key)
        rows = dataset.scanner(batch_size=SCAN_ROWS).to_reader()
        _lance().write_dataset(rows, uri, mode="create", storage_options=options)
        return int(dataset.count_rows())

    def compact(self, in_use: Callable[[], Container[str]] = frozenset) -> None:
        """Put small files together, take deleted rows out of the rest, and let go of old states, those included that
        were pinned under a name that is no longer `in_use`: this is asked after the names were read."""
        for key in self.storage.folders(3):
            try:
                dataset = _open(*self.storage.lance(key))
                if dataset is None:
                    continue
                if pinned := list(dataset.tags.list()):
                    used = in_use()
                    for name in pinned:
                        if name not in used:
                            dataset.tags.delete(name)
                if (size := _size_to_reach(dataset)) is not None:
                    dataset.optimize.compact_files(target_rows_per_fragment=size)
                dataset.cleanup_old_versions(older_than=VERSIONS_KEPT, error_if_tagged_old_versions=False)
            except (OSError, ValueError):  # it was dropped, or written to, meanwhile: the next round finds it
                log.info("%s was not compacted this time", key, exc_info=True)

    def _batches(self, space: Space, ascending: Keys) -> Iterator[tuple[Keys, Matrix]]:
        dataset = self._open(space) if len(ascending) else None
        if dataset is None:
            return
        listed = ",".join(str(int(key)) for key in ascending[:POINT_READS])
        predicate = f"key IN ({listed})" if len(ascending) <= POINT_READS else None
        for batch in dataset.to_batches(columns=["key", "vector"], filter=predicate, batch_size=SCAN_ROWS):
            vectors = batch.column("vector")
            flat = vectors.flatten().to_numpy(zero_copy_only=False)
            yield batch.column("key").to_numpy(), flat.reshape(len(vectors), -1)

    def _open(self, space: Space) -> "lance.LanceDataset | None":
        return _open(*self.storage.lance(_key(space)))

    def snapshot(self, space: Space, name: str) -> Snapshot | None:
        """Pin the vectors of a space as they are now under a name, so that they stay readable until `release`; None
        where there are none. What was pinned under that name before is let go."""
        dataset = self._open(space)
        if dataset is None:
            return None
        if name in dataset.tags.list():
            dataset.tags.delete(name)
        dataset.tags.create(name, dataset.version)
        rows = [(fragment.fragment_id, fragment.count_rows()) for fragment in dataset.get_fragments()]
        uri, options = self.storage.lance(_key(space))
        return Snapshot(uri, dataset.version, dict(options or {}), rows)

    def release(self, space: Space, name: str) -> None:
        """Let go of what was pinned under a name, if it is."""
        dataset = self._open(space)
        if dataset is not None and name in dataset.tags.list():
            dataset.tags.delete(name)

    def _create(self, space: Space, schema: pa.Schema) -> "lance.LanceDataset":
        """An empty dataset, of which one comes into being however many make it: the first version is committed without
        another try, for Lance would overwrite what it finds (and with it the first one's rows)."""
        uri, options = self.storage.lance(_key(space))
        first = _lance().LanceOperation.Overwrite(schema, [])
        try:
            return _lance().LanceDataset.commit(uri, first, read_version=0, max_retries=0, storage_options=options)
        except OSError:
            made = self._open(space)
            if made is None:
                raise
            return made


def _size_to_reach(dataset: "lance.LanceDataset") -> int | None:
    """The rows of the files that small ones are to be put together to; None where there are few."""
    rows = np.array([fragment.count_rows() for fragment in dataset.get_fragments()])
    steps = zip((0, *SIZES), SIZES, strict=False)
    return next((size for least, size in steps if ((least <= rows) & (rows < size)).sum() > FRAGMENTS), None)


@contextmanager
def _failing() -> Iterator[None]:
    """Within it, Lance that cannot read or write is a StorageFailed."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise StorageFailed(f"the vectors cannot be reached: {first_line(error)}") from error


def _key(space: Space) -> str:
    # A vector's name is the caller's text; its hash is safe as a folder's name on every file system.
    digest = hashlib.sha256(space.name.encode()).hexdigest()[:32]
    return f"{space.namespace_id}/{space.collection_id}/{digest}.lance"


def _open(uri: str, options: LanceOptions) -> "lance.LanceDataset | None":
    try:
        return _lance().dataset(uri, storage_options=options)
    except ValueError as error:
        if "was not found" in str(error):
            return None
        raise StorageFailed(f"the vectors cannot be reached: {first_line(error)}") from error


def _was_preempted(error: OSError) -> bool:
    """Whether someone else changed the dataset at the same moment: then nothing was written."""
    return "commit conflict" in str(error)


def _lance() -> Any:
    # Imported where it works: it costs a tenth of a second, which a server's start would pay for nothing.
    import lance  # noqa: PLC0415

    return lance
