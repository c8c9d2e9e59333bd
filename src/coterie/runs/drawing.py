"""A run's map as a file to draw from while it arrives: an Arrow stream, compressed, written once with the run.

Every batch is the members `first, first + stride, …` in the order of `members.parquet`. That file goes group by group,
nearest first, so each batch alone holds every group in proportion, near and far: after the first one the whole map can
be seen, coarsely. Within a batch a group's members stand together, which leaves next to nothing of its column, and
which member a point is follows from its place: no column tells it.
"""

import zlib
from collections.abc import Iterator, Sequence
from math import gcd
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from coterie.runs.artifacts import NOISE_ID

BATCH = 10_000
"""Points of a batch, about 40 KB: what the first look at a map waits for."""

MAX_POINTS = 1_000_000
"""Of more members, so many batches are written as hold this many points."""

STEPS = 65_535
"""A place is told in so many steps of the map's width and height."""

METADATA = b"coterie"
"""The key of the stream's own description, JSON, in its schema."""

GOLDEN = 0.618034
CHUNK = 65_536


class Members(NamedTuple):
    """Of every member its group's number in `names`, and its place: (n) and (n, 2)."""

    names: Sequence[str]
    owners: NDArray[np.int32]
    places: NDArray[np.float32]


def write_map(path: Path, run_id: str, groups: Sequence[str], members: Sequence[Path | pa.NativeFile]) -> None:
    """The map of the members in those files, one after the other, who belong to `groups` or to none."""
    found = _read([*groups, NOISE_ID], members)
    total = len(found.owners)
    stride = max(1, -(-total // BATCH))
    low, high = (edge(found.places, axis=0).astype(float) for edge in (np.min, np.max))
    widths = high - low
    steps = np.where(widths > 0, widths, widths.max() or 1.0) / STEPS
    hop = _hop(stride)
    index = pa.int16() if len(found.names) <= np.iinfo(np.int16).max else pa.int32()
    described = {
        "run_id": run_id,
        "members": total,
        "points": sum(len(range(first, total, stride)) for first in _firsts(stride, hop)),
        "stride": stride,
        "hop": hop,
        "x": [float(low[0]), float(steps[0])],
        "y": [float(low[1]), float(steps[1])],
    }
    fields = [("x", pa.uint16()), ("y", pa.uint16()), ("cluster_id", pa.dictionary(index, pa.string()))]
    schema = pa.schema(fields, {METADATA: orjson.dumps(described)})
    names = pa.array(found.names, pa.string())
    with path.open("wb") as file, _Compressed(file) as sink, pa.ipc.new_stream(sink, schema) as writer:
        for first in _firsts(stride, hop):
            places = np.rint((found.places[first::stride] - low) / steps).astype(np.uint16)
            owners = pa.array(found.owners[first::stride], index)
            columns = [*map(pa.array, np.ascontiguousarray(places.T)), pa.DictionaryArray.from_arrays(owners, names)]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            sink.flush()


def read_map(file: pa.NativeFile, compressed: bool) -> Iterator[bytes]:
    """The file's bytes, as gzip or plain."""
    return _chunks(file) if compressed else _plain(file)


def _read(names: Sequence[str], files: Sequence[Path | pa.NativeFile]) -> Members:
    """Two columns of numbers and one of groups; no more than a row group of it is ever text."""
    known, owners, places = pa.array(names, pa.string()), [], []
    for path in files:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=["cluster_id", "x", "y"]):
                owners.append(pc.index_in(batch["cluster_id"], known).to_numpy())
                places.append(np.column_stack([batch["x"].to_numpy(), batch["y"].to_numpy()]))
    if not owners:
        return Members(names, np.empty(0, np.int32), np.zeros((1, 2), np.float32))
    return Members(names, np.concatenate(owners), np.concatenate(places))


def _hop(stride: int) -> int:
    """How far it is from a batch's first member to the next batch's: near the golden section, so that any few batches
    are spread evenly, and without a factor in common with `stride`, so that all come up."""
    hop = max(1, round(stride * GOLDEN))
    while gcd(hop, stride) > 1:
        hop -= 1
    return hop


def _firsts(stride: int, hop: int) -> list[int]:
    """The first member of each batch."""
    return [number * hop % stride for number in range(min(stride, MAX_POINTS // BATCH))]


class _Compressed:
    """A file that gzips what it is given; what was given before a `flush` can be read before what comes after."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._gzip = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)

    def __enter__(self) -> "_Compressed":
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.write(self._gzip.flush())

    def write(self, data: Any) -> int:
        self._file.write(self._gzip.compress(data))
        return len(data)

    def flush(self) -> None:
        self._file.write(self._gzip.flush(zlib.Z_SYNC_FLUSH))


def _chunks(file: pa.NativeFile) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk


def _plain(file: pa.NativeFile) -> Iterator[bytes]:
    unzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    for chunk in _chunks(file):
        if plain := unzip.decompress(chunk):
            yield plain
