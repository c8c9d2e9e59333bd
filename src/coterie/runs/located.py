"""Where the documents of a run are in the vector store: the parts of a pinned state, and which of the run's rows each
of their rows is. A part has rows of other documents too: what filters left out, and what was deleted or written anew.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from coterie.store.parts import Part, divide, read_keys
from coterie.store.vectors import MissingVectors, Space, VectorStore

if TYPE_CHECKING:  # the child that computes has no use for records
    from coterie.documents.queries import Members

log = logging.getLogger("coterie.runs")

_PINNED, _PARTS, _ROWS = "pinned.json", "parts.json", "located.npz"


@dataclass(frozen=True)
class Located:
    """A part, which of its rows are `chosen` (None for all), and in their order the `rows` (m) of the run that they
    are."""

    part: Part
    chosen: NDArray[np.bool_] | None
    rows: NDArray[np.int64]

    def among(self, wanted: NDArray[np.bool_]) -> "Located":
        """The same for those of the run's rows only that are `wanted` (n)."""
        kept = wanted[self.rows]
        chosen = np.ones(self.part.rows, bool) if self.chosen is None else self.chosen.copy()
        chosen[chosen] = kept
        return Located(self.part, chosen, self.rows[kept])


def locate(store: VectorStore, members: "Sequence[Members]", folder: Path, name: str) -> None:
    """Pin the members' vectors under a name, and write down where they are. Raises MissingVectors."""
    spaces = [each.space for each in members if len(each.pks)]
    (folder / _PINNED).write_bytes(orjson.dumps({"name": name, "spaces": [asdict(space) for space in spaces]}))
    snapshots = [store.snapshot(space, name) for space in spaces]
    dimensions = next(each.dimensions for each in members if len(each.pks)) or 1
    parts = [part for snapshot in snapshots if snapshot is not None for part in divide(snapshot, dimensions)]
    keys = np.concatenate([each.keys for each in members])
    order = np.argsort(keys)
    found = [part for part in (_find(part, keys[order], order) for part in parts) if len(part.rows)]
    missing = len(keys) - sum(len(each.rows) for each in found)
    if missing:
        raise MissingVectors(f"{missing} of {len(keys)} vectors are missing")
    arrays: dict[str, Any] = {f"rows{number}": each.rows for number, each in enumerate(found)}
    arrays |= {f"chosen{number}": each.chosen for number, each in enumerate(found) if each.chosen is not None}
    np.savez(folder / _ROWS, **arrays)
    (folder / _PARTS).write_bytes(orjson.dumps([asdict(each.part) for each in found]))


def is_located(folder: Path) -> bool:
    """Whether a run goes over parts, rather than over all vectors in memory."""
    return (folder / _PARTS).exists()


def read_located(folder: Path) -> list[Located]:
    """What `locate` wrote."""
    parts = [_part(each) for each in orjson.loads((folder / _PARTS).read_bytes())]
    with np.load(folder / _ROWS) as held:
        return [Located(part, held.get(f"chosen{number}"), held[f"rows{number}"]) for number, part in enumerate(parts)]


def release(store: VectorStore, folder: Path) -> None:
    """Let go of what a run has pinned, if it has. A store that does not answer is left to the upkeep."""
    if not (folder / _PINNED).exists():
        return
    pinned = orjson.loads((folder / _PINNED).read_bytes())
    try:
        for space in pinned["spaces"]:
            store.release(Space(**space), pinned["name"])
    except OSError:
        log.warning("what %s has pinned stays until the next upkeep", pinned["name"], exc_info=True)


def _find(part: Part, ascending: NDArray[np.int64], order: NDArray[np.int64]) -> Located:
    keys = read_keys(part)
    at = np.minimum(np.searchsorted(ascending, keys), len(ascending) - 1)
    chosen = ascending[at] == keys
    return Located(part, None if chosen.all() else chosen, order[at[chosen]])


def _part(fields: dict[str, Any]) -> Part:
    stretches = [(fragment, first, rows) for fragment, first, rows in fields["stretches"]]
    return Part(fields["uri"], fields["version"], fields["options"], stretches)
