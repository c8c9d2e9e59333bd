"""Collections as the API shows them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from coterie.api.schemas import CaseListRequest, PaginationResponse, RequestModel
from coterie.features.schemas import BucketSchemaFieldType, VectorIndex
from coterie.kit.names import check_name

Name = Annotated[str, AfterValidator(check_name)]


class SourceType(StrEnum):
    """Where a collection's documents come from; the service takes them directly."""

    BUCKET = "bucket"
    COLLECTION = "collection"
    TAXONOMY = "taxonomy"
    CLUSTER = "cluster"


class SourceConfig(RequestModel):
    type: SourceType
    bucket_id: str | None = Field(None, max_length=255)
    collection_id: str | None = Field(None, max_length=255)
    bucket_ids: list[str] | None = Field(None, max_length=100)


class BucketSchemaField(BaseModel):
    model_config = ConfigDict(extra="allow")

    type: BucketSchemaFieldType
    default: Any | None = None
    items: "BucketSchemaField | None" = None
    properties: dict[str, "BucketSchemaField"] | None = None
    example: Any | None = None
    description: str | None = None
    enum: list[Any] | None = None
    required: bool | None = False


class BucketSchema(BaseModel):
    model_config = ConfigDict(extra="allow")

    properties: dict[str, BucketSchemaField]


class ParameterType(StrEnum):
    """Whether a parameter is given or filled in."""

    FIXED = "fixed"
    DYNAMIC = "dynamic"


class ParameterConfig(BaseModel):
    type: ParameterType
    value: Any


class InputSourceType(StrEnum):
    """Where an extractor's input comes from."""

    PAYLOAD = "payload"
    LITERAL = "literal"
    VECTOR = "vector"


class InputMapping(BaseModel):
    input_key: str
    source_type: InputSourceType | None = None
    path: str | None = None
    override: Any | None = None


class FeatureExtractorConfig(BaseModel):
    feature_extractor_name: str = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.\-]+$")
    version: str = Field(min_length=1, max_length=32)
    parameters: dict[str, ParameterConfig | Any] = Field(default_factory=dict)
    input_mappings: dict[str, str] | list[InputMapping] = Field(default_factory=dict)


class CollectionFeatureExtractor(FeatureExtractorConfig):
    feature_extractor_id: str


class CreateCollectionRequest(RequestModel):
    """`source` may be left out: documents are then added directly. `feature_extractor` stands for a list of one."""

    collection_name: Name
    description: str | None = Field(None, max_length=4096)
    source: SourceConfig | None = None
    input_schema: BucketSchema | None = None
    feature_extractors: list[FeatureExtractorConfig] = Field(default_factory=list, max_length=32)
    feature_extractor: FeatureExtractorConfig | None = None
    enabled: Literal[True] = Field(True, description="Collections cannot be switched off.")
    metadata: dict[str, Any] | None = None


class SingleLineageEntry(BaseModel):
    source_config: SourceConfig
    feature_extractors: list[CollectionFeatureExtractor] = Field(default_factory=list)
    output_schema: BucketSchema


class CollectionResponse(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    collection_id: str = ""
    collection_name: str
    description: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    input_schema: BucketSchema | None = None
    output_schema: BucketSchema | None = None
    feature_extractors: list[CollectionFeatureExtractor] = Field(default_factory=list)
    feature_extractor: CollectionFeatureExtractor | None = None
    source: SourceConfig
    source_lineage: list[SingleLineageEntry] = Field(default_factory=list)
    vector_indexes: list[Any] = Field(default_factory=list)
    payload_indexes: list[Any] = Field(default_factory=list)
    enabled: bool = True
    metadata: dict[str, Any] | None = None
    taxonomy_applications: list[dict[str, Any]] | None = None
    document_count: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class ListCollectionsRequest(CaseListRequest):
    """Lists of collections speak the list language like every other."""


class ListCollectionsResponse(BaseModel):
    results: list[CollectionResponse]
    pagination: PaginationResponse
    total_count: int


class CollectionFeatureDescriptor(BaseModel):
    feature_address: str
    feature_extractor_name: str
    version: str
    vector_index: VectorIndex
    primary: bool = False


class DescribeCollectionFeaturesResponse(BaseModel):
    features: list[CollectionFeatureDescriptor]
