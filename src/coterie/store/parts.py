"""A state of a vector space in parts that can be read anywhere: plain descriptions, which need no store.

How a snapshot is divided follows from the snapshot alone, so that whatever is added up part by part comes to the same
sum wherever the parts are read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PART_BYTES = 2**26
"""The vectors of a part take at most so much; a few times as much is what a process needs that works on one."""

SCAN_ROWS = 8192
"""Rows of a batch while reading: bounds the memory beside the result."""

READ_AHEAD = 4
"""Batches that are read while one is looked at."""


@dataclass(frozen=True)
class Snapshot:
    """A pinned `version` of the Lance dataset at `uri`, with the `options` that its storage needs: its fragments as
    (id, rows)."""

    uri: str
    version: int
    options: dict[str, str]
    fragments: list[tuple[int, int]]


@dataclass(frozen=True)
class Part:
    """Stretches of a snapshot's fragments: (fragment, first row, rows)."""

    uri: str
    version: int
    options: dict[str, str]
    stretches: list[tuple[int, int, int]]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(rows for _, _, rows in self.stretches)


def divide(snapshot: Snapshot, dimensions: int) -> list[Part]:
    """The snapshot in parts of PART_BYTES at most, in the order of its rows."""
    most = max(1, PART_BYTES // (4 * dimensions))
    parts: list[list[tuple[int, int, int]]] = []
    room = 0
    for fragment, rows in snapshot.fragments:
        first = 0
        while first < rows:
            if room == 0:
                parts.append([])
                room = most
            taken = min(room, rows - first)
            parts[-1].append((fragment, first, taken))
            first, room = first + taken, room - taken
    return [Part(snapshot.uri, snapshot.version, snapshot.options, stretches) for stretches in parts]


def read_keys(part: Part) -> NDArray[np.int64]:
    """The keys (n) of a part's rows."""
    keys = [batch.column("key").to_numpy() for batch in _batches(part, "key")]
    return np.concatenate([np.empty(0, np.int64), *keys])


def read_vectors(part: Part, chosen: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """The vectors (n, d) of a part's rows, or (m, d) of those that are `chosen` (n)."""
    out: NDArray[np.float32] | None = None
    read = written = 0
    for batch in _batches(part, "vector"):
        column = batch.column("vector")
        matrix = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)
        if out is None:
            out = np.empty((part.rows if chosen is None else int(chosen.sum()), matrix.shape[1]), np.float32)
        kept = matrix if chosen is None else matrix[chosen[read : read + len(matrix)]]
        out[written : written + len(kept)] = kept
        read, written = read + len(matrix), written + len(kept)
    if out is None:
        raise LookupError(f"a part without rows cannot be read: {part}")
    return out


def _batches(part: Part, column: str) -> Iterator[Any]:
    import lance  # noqa: PLC0415  # a tenth of a second, which a server's start would pay for nothing

    dataset = lance.dataset(part.uri, version=part.version, storage_options=part.options or None)
    for fragment, first, rows in part.stretches:
        reading = dataset.get_fragment(fragment)
        yield from reading.to_batches(
            columns=[column], offset=first, limit=rows, batch_size=SCAN_ROWS, batch_readahead=READ_AHEAD
        )
