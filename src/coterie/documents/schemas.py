"""Documents as the API shows them."""

from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from coterie.api.schemas import ListRequest, PaginationResponse, RequestModel
from coterie.documents.parts import BlobURLRef, Enrichments, PresignedURLModel

MAX_BATCH = 1000
MAX_VECTORS = 32
"""Named vectors of one document."""

VectorList = list[float]


class SparseVector(BaseModel):
    indices: list[int | float]
    values: list[float]


class FeatureModel(BaseModel):
    """A document's vectors by extractor: a list of numbers, or several by name. Sparse ones are not kept."""

    model_config = ConfigDict(extra="allow")

    feature_extractor_id: str = Field(min_length=1, max_length=120)
    payload: dict[str, Any] = Field(default_factory=dict)
    vectors: VectorList | SparseVector | dict[str, VectorList] | list[VectorList] | None = None


class DocumentFields(RequestModel):
    NEUTRAL: ClassVar[dict[str, Any]] = {"additional_properties": {}}

    metadata: dict[str, Any] | None = None
    features: list[FeatureModel] = Field(default_factory=list, max_length=MAX_VECTORS)
    vectors: dict[str, VectorList] = Field(default_factory=dict, max_length=MAX_VECTORS)


class DocumentCreateRequest(DocumentFields):
    """`collection_id`, where given, is the path's. `vectors` is short for features: {extractor name: numbers}."""

    collection_id: str | None = Field(None, max_length=255)
    object_id: str | None = Field(None, min_length=1, max_length=255)
    document_id: str | None = Field(None, min_length=1, max_length=255, pattern=r"^[^/\x00-\x1f\x7f]+$")


class DocumentUpdateRequest(DocumentFields):
    """`metadata` replaces the payload; vectors that are given replace those of their names."""


class BatchRequest(RequestModel):
    documents: list[dict[str, Any]] = Field(
        max_length=MAX_BATCH, description="Items of DocumentCreateRequest; each is taken or refused on its own."
    )


class BatchItem(BaseModel):
    document_id: str | None = None
    status: str = Field(description="`created`, `updated` or `failed`.")
    error: str | None = None


class BatchResponse(BaseModel):
    results: list[BatchItem]
    succeeded: int
    failed: int


class ImportFault(BaseModel):
    row: int = Field(description="The row in the file, from 1.")
    error: str


class ImportResponse(BaseModel):
    collection_id: str
    imported: int
    failed: int
    errors: list[ImportFault] = Field(description="The first 1,000 faults.")


class DocumentResponse(BaseModel):
    model_config = ConfigDict(extra="allow")

    document_id: str
    collection_id: str
    object_id: str
    enrichments: Enrichments | None = None
    source_blobs: list[dict[str, Any]] = Field(default_factory=list)
    internal_metadata: dict[str, Any] = Field(default_factory=dict)
    metadata: dict[str, Any] = Field(default_factory=dict)
    vector: list[float] | None = None
    vectors: dict[str, list[float]] | None = None
    presigned_url: str | None = None
    document_blobs: list[BlobURLRef] = Field(default_factory=list)
    presigned_urls: list[PresignedURLModel] = Field(default_factory=list)
    created_at: datetime | None = None
    updated_at: datetime | None = None


class ListDocumentsRequest(ListRequest):
    return_url: bool | None = False
    return_vectors: bool | None = False


class ListDocumentsResponse(BaseModel):
    results: list[DocumentResponse]
    pagination: PaginationResponse
