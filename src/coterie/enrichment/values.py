"""What a run says of a member, as the fields of a document."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from coterie.clusters.write_back import PAYLOAD
from coterie.enrichment.fields import Path
from coterie.runs.artifacts import NOISE_ID, Artifacts

Row = Mapping[str, Any]
Fields = list[tuple[Path, Any]]
NOISE: Row = {"label": None, "summary": None, "keywords": [], "num_members": None}
"""Of the members that are in no group."""

_OF_MEMBER = ("cluster_id", "distance_to_centroid", "probability", "x", "y", "z")
_OF_GROUP = {"cluster_label": "label", "summary": "summary", "keywords": "keywords", "member_count": "num_members"}


class Values:
    """The fields that each member of a run is given."""

    def __init__(self, clustering: Row, mappings: Sequence[Row] | None, artifacts: Artifacts) -> None:
        self.clustering_id: str = clustering["clustering_id"]
        self.run_id: str = clustering["run_id"]
        self.mappings = mappings
        wanted = ["cluster_id", *_OF_GROUP.values()]
        self.groups: dict[str, Row] = {row["cluster_id"]: row for row in artifacts.groups(wanted)}
        self.groups[NOISE_ID] = NOISE

    def of(self, member: Row) -> Fields:
        """Paths into the document, and what is to be there."""
        if self.mappings is None:
            return [(("clusters", self.clustering_id), self._entry(member))]
        return list(self._mapped(self.mappings, member))

    def _mapped(self, mappings: Sequence[Row], member: Row) -> Iterator[tuple[Path, Any]]:
        payload: dict[str, Any] = {}
        if any(mapping["source_field"].startswith(PAYLOAD) for mapping in mappings):
            payload = orjson.loads(member["payload"])
        for mapping in mappings:
            source = mapping["source_field"]
            of_payload = source.startswith(PAYLOAD)
            value = payload.get(source.removeprefix(PAYLOAD)) if of_payload else self._value(source, member)
            yield ("metadata", *mapping["target_field"].split(".")), value

    def _value(self, source: str, member: Row) -> Any:
        if source in _OF_MEMBER:
            return member[source]
        return self.run_id if source == "run_id" else self.groups[member["cluster_id"]][_OF_GROUP[source]]

    def _entry(self, member: Row) -> dict[str, Any]:
        features = ("cluster_label", "member_count", "probability")
        return {
            "document_id": member["point_id"],
            "cluster_id": member["cluster_id"],
            "distance_to_centroid": member["distance_to_centroid"],
            "coordinates": [member[axis] for axis in "xyz" if member[axis] is not None],
            "source_details": {"type": "collection", "source_id": member["collection_id"]},
            "features": {
                "clustering_id": self.clustering_id,
                "run_id": self.run_id,
                **{name: self._value(name, member) for name in features},
            },
        }


def mappings_of(clustering_id: str, mappings: Sequence[Row] | None) -> Sequence[Row] | None:
    """Those of the mappings that are of a clustering."""
    return None if mappings is None else [each for each in mappings if each["clustering_id"] == clustering_id]
