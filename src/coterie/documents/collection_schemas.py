"""Collections as the API shows them."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, computed_field

from coterie.api.schemas import CaseListRequest, LogicalOperator, PaginationResponse, RequestModel
from coterie.features.schemas import BucketSchemaFieldType, VectorIndex
from coterie.kit.names import check_name

Name = Annotated[str, AfterValidator(check_name)]


class SourceType(StrEnum):
    """Where a collection's documents come from; the service takes them directly."""

    BUCKET = "bucket"
    COLLECTION = "collection"
    TAXONOMY = "taxonomy"
    CLUSTER = "cluster"
    DIRECT_UPSERT = "direct_upsert"
    NONE = "none"


class SourceConfig(RequestModel):
    NEUTRAL: ClassVar[Mapping[str, Any]] = {"field_map": {}}

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

    @computed_field  # type: ignore[prop-decorator]
    @property
    def feature_extractor_id(self) -> str:
        """Name and version in one; the API adds it."""
        return f"{self.feature_extractor_name}_{self.version}"


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
    feature_extractors: list[FeatureExtractorConfig] = Field(default_factory=list)
    output_schema: BucketSchema


class TaxonomyExecutionMode(StrEnum):
    """When a taxonomy is applied."""

    ON_DEMAND = "on_demand"
    MATERIALIZE = "materialize"


class TaxonomyApplicationConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")

    taxonomy_id: str
    execution_mode: TaxonomyExecutionMode = TaxonomyExecutionMode.ON_DEMAND
    target_collection_id: str | None = None
    scroll_filters: LogicalOperator | None = None


class CollectionResponse(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    collection_id: str = Field(default_factory=str)
    collection_name: str
    description: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    input_schema: BucketSchema | None = None
    output_schema: BucketSchema | None = None
    feature_extractors: list[FeatureExtractorConfig] = Field(default_factory=list)
    feature_extractor: FeatureExtractorConfig | None = None
    source: SourceConfig
    source_lineage: list[SingleLineageEntry] = Field(default_factory=list)
    vector_indexes: list[Any] = Field(default_factory=list)
    payload_indexes: list[Any] = Field(default_factory=list)
    enabled: bool = True
    metadata: dict[str, Any] | None = None
    taxonomy_applications: list[TaxonomyApplicationConfig] | None = None
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
    feature_uri: str
    feature_extractor_name: str
    version: str
    vector_index: VectorIndex
    primary: bool = False


class DescribeCollectionFeaturesResponse(BaseModel):
    features: list[CollectionFeatureDescriptor]
