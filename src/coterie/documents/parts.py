"""Parts of a document: enrichments; and source files and lineage, which the API names and this version leaves empty."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from coterie.documents.collection_schemas import SourceType

Uri = Annotated[str, Field(min_length=1, json_schema_extra={"format": "uri"})]


class BlobURLRef(BaseModel):
    field: str
    role: Literal["source", "thumbnail", "artifact", "aux"] = "source"
    type: Literal["video", "image", "audio", "text", "pdf", "other"] = "other"
    url: str
    object_key: str | None = None
    filename: str | None = None
    size_bytes: int | None = None
    content_type: str | None = None
    checksum: str | None = None
    created_at: datetime | None = None
    source_blob_id: str | None = None
    presigned_url: Uri | None = None


class PresignedURLModel(BaseModel):
    key_name: str
    object_key: str
    presigned_url: Uri


class SourceDetails(BaseModel):
    type: SourceType
    source_id: str


class ClusterMember(BaseModel):
    """What a write-back says of the document's group. `features` hold `clustering_id`, which is the entry's key,
    `run_id`, `cluster_label`, `member_count` and `probability`."""

    document_id: str
    cluster_id: str
    distance_to_centroid: float
    coordinates: list[float]
    source_details: SourceDetails
    features: dict[str, Any] = Field(default_factory=dict)


class TaxonomyAssignment(BaseModel):
    taxonomy_id: str
    node_id: str
    path: list[str] = Field(default_factory=list)
    label: str | None = None
    score: float | None = None


class Enrichments(BaseModel):
    clusters: list[ClusterMember] = Field(default_factory=list)
    taxonomies: list[TaxonomyAssignment] = Field(default_factory=list)
