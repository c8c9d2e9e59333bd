"""Groups that people split off from groups of a run, laid over its files as they are read.

A split is a file `splits/{group}.json` beside the run's: which rows of the members' files are the new group's, and the
new group as `clusters.parquet` would have it. The files of the run itself stay as they were published.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from coterie.store.storage import Storage

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """The group that was split off, as a row of the groups; its rows in each part of the members; the groups whose
    places in the files these are; and of the source's representatives those that went with it."""

    group: dict[str, Any]
    rows: list[list[int]]
    sections: list[str]
    representatives: list[str]


def split_key(prefix: str, name: str) -> str:
    """Where a split of a run is."""
    return f"{prefix}/splits/{name}.json"


class Splits:
    """All splits of a run, in the order in which they were made: a row that was split off twice is the last one's."""

    def __init__(self, blobs: Storage, prefix: str, names: Sequence[str]) -> None:
        self.all = [Split(**orjson.loads(blobs.read(split_key(prefix, name)))) for name in names]
        self.sections = {name for split in self.all for name in split.sections}
        self._names = pa.array([split.group["cluster_id"] for split in self.all], pa.string())
        self._owners = [self._of_part(part) for part in range(max((len(split.rows) for split in self.all), default=0))]

    def rows_of(self, part: int, name: str) -> Rows:
        """The rows of a split-off group in a part of the members, rising."""
        rows, owners = self._owners[part]
        own: Rows = rows[owners == self._names.index(name).as_py()]
        return own

    def rest_of(self, part: int, first: int, count: int) -> Rows:
        """The rows of a section that no one split off."""
        return np.setdiff1d(np.arange(first, first + count), self._owners[part][0], assume_unique=True)

    def relabel(self, part: int, rows: Rows, table: pa.Table) -> pa.Table:
        """Members that stand in those rows, as members of the groups that were split off."""
        held, owners = self._owners[part]
        at = np.searchsorted(held, rows)
        inside = at < len(held)
        inside[inside] = held[at[inside]] == rows[inside]
        if not inside.any():
            return table
        codes = np.where(inside, owners[np.minimum(at, len(held) - 1)], 0)
        theirs = self._names.take(pa.array(codes, mask=~inside))
        column = table.schema.get_field_index("cluster_id")
        return table.set_column(column, "cluster_id", pc.coalesce(theirs, table["cluster_id"].combine_chunks()))

    def _of_part(self, part: int) -> tuple[Rows, Rows]:
        owner: dict[int, int] = {}
        for number, split in enumerate(self.all):
            owner.update(dict.fromkeys(split.rows[part], number))
        rows = np.array(sorted(owner), np.int64)
        return rows, np.array([owner[row] for row in rows.tolist()], np.int64)


def take_out(source: dict[str, Any], split: Split) -> None:
    """Leave in a group's row what is not in the split: counts, centre, place and spread exactly so."""
    part = split.group
    rest = source["num_members"] - part["num_members"]
    centre, theirs = np.array(source["centroid_vector"]), np.array(part["centroid_vector"])
    own = (source["num_members"] * centre - part["num_members"] * theirs) / rest
    squares = source["num_members"] * source["variance"]
    squares -= part["num_members"] * (part["variance"] + ((theirs - centre) ** 2).sum())
    gone = set(split.representatives)
    source.update(
        num_members=rest,
        centroid_vector=own.tolist(),
        variance=max(float(squares / rest - ((own - centre) ** 2).sum()), 0.0),
        representatives=[each for each in source["representatives"] if each not in gone],
        stability=None,
        **{axis: _apart(source, part, axis, rest) for axis in "xyz" if source[axis] is not None},
    )


def _apart(source: Mapping[str, Any], part: Mapping[str, Any], axis: str, rest: int) -> float:
    whole: float = source["num_members"] * source[axis] - part["num_members"] * part[axis]
    return whole / rest
