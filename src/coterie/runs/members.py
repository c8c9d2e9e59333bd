"""The members of a run on their way to its file: each row's document, group, place and a slice of its payload."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from coterie.api.context import Services, Tenant
from coterie.documents.queries import iterate_documents
from coterie.engine.arrays import ORIGINS
from coterie.labeling.terms import Terms
from coterie.runs.artifacts import NOISE_ID, ROW_GROUP, payload_slice

DESCRIBED_ROWS = 200_000
LEAST_DESCRIBED = 20
"""Documents whose words are counted: so many of all groups together, each group having an equal part and at least
LEAST_DESCRIBED. Of a larger group it is every so many-th, from the nearest to the centroid to the farthest."""


Payloads = Callable[[NDArray[np.int64]], Iterable[tuple[int, dict[str, Any]]]]


@dataclass(frozen=True)
class Placement:
    """The rows in the `order` (m) of the file and the number of the group of each, `owners` (m), -1 for noise. The
    groups have `names`. Per row of the run (n) how far it is, how strongly it belongs, how it came to its group, and
    where it stands on the map (n, 2 or 3). The last `again` of the order stand there a second time, for a group above
    several that share documents."""

    names: Sequence[str]
    order: NDArray[np.int64]
    owners: NDArray[np.int64]
    distances: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    origin: NDArray[np.int8]
    coordinates: NDArray[np.float32] | None
    again: int = 0


def save_rows(folder: Path, parts: Sequence[tuple[str, Any, Sequence[str]]]) -> None:
    """Which document stands in which row, by collection: `pks.npy` and `rows.json`."""
    np.save(folder / "pks.npy", np.concatenate([pks for _, pks, _ in parts]))
    spans = [{"collection_id": collection_id, "ids": ids} for collection_id, _, ids in parts]
    (folder / "rows.json").write_bytes(orjson.dumps(spans))


def documents_of(folder: Path) -> tuple[list[str], list[str]]:
    """Of every row the document's id and its collection's."""
    spans = orjson.loads((folder / "rows.json").read_bytes())
    ids = [identity for span in spans for identity in span["ids"]]
    return ids, [span["collection_id"] for span in spans for _ in span["ids"]]


def member_columns(
    services: Services, tenant: Tenant, folder: Path, placed: Placement, terms: Terms
) -> Iterator[Mapping[str, Any]]:
    """The members' columns, a row group at a time; each payload is read once, for its slice and for keywords."""
    ids, of_collection = documents_of(folder)
    read = payload_reader(services, tenant, folder)
    described = _described(placed)
    for start in range(0, len(placed.order), ROW_GROUP):
        rows, owners = placed.order[start : start + ROW_GROUP], placed.owners[start : start + ROW_GROUP]
        payloads = ["{}"] * len(rows)
        for number, payload in read(rows):
            payloads[number] = payload_slice(payload)
            if described[start + number]:
                terms.add(int(owners[number]), payload)
        places: list[Sequence[Any]] = [[None] * len(rows)] * 3
        if placed.coordinates is not None:
            places[: placed.coordinates.shape[1]] = placed.coordinates[rows].T
        yield {
            "point_id": [ids[row] for row in rows],
            "collection_id": [of_collection[row] for row in rows],
            "cluster_id": [placed.names[number] if number >= 0 else NOISE_ID for number in owners],
            "distance_to_centroid": placed.distances[rows],
            "probability": placed.probabilities[rows],
            "x": places[0],
            "y": places[1],
            "z": places[2],
            "payload": payloads,
            "origin": [ORIGINS[code] for code in placed.origin[rows]],
        }


def payload_reader(services: Services, tenant: Tenant, folder: Path) -> Payloads:
    """A function from rows to (position, payload) of each: the documents', but for those that were deleted meanwhile,
    or what `payloads.json` says of rows that are no documents."""
    given = folder / "payloads.json"
    if given.exists():
        payloads = orjson.loads(given.read_bytes())
        return lambda rows: [(number, payloads[row]) for number, row in enumerate(rows.tolist())]
    pks = np.load(folder / "pks.npy")

    def read(rows: NDArray[np.int64]) -> Iterator[tuple[int, dict[str, Any]]]:
        with services.db.read() as tx:
            for number, resource in iterate_documents(tx, tenant, pks[rows]):
                yield number, resource["metadata"]

    return read


def _described(placed: Placement) -> NDArray[np.bool_]:
    """Which rows of the file, (m), have their words counted."""
    chosen = np.zeros(len(placed.owners), bool)
    most = max(LEAST_DESCRIBED, DESCRIBED_ROWS // max(len(placed.names), 1))
    order = np.argsort(placed.owners[: len(chosen) - placed.again], kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(placed.owners[order])) + 1):
        if len(rows) and placed.owners[rows[0]] >= 0:
            chosen[rows[:: -(-len(rows) // most)]] = True
    return chosen
