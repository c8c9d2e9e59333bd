"""Extractors and vector indexes as the API shows them."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, Field

from coterie.tenancy.namespace_schemas import PayloadIndexConfig


class BucketSchemaFieldType(StrEnum):
    """What a field of a document's source holds."""

    STRING = "string"
    NUMBER = "number"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    OBJECT = "object"
    ARRAY = "array"
    DATE = "date"
    DATETIME = "datetime"
    JSON = "json"
    FILE = "file"
    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    PDF = "pdf"
    DOCUMENT = "document"
    SPREADSHEET = "spreadsheet"
    PRESENTATION = "presentation"
    DENSE_VECTOR = "dense_vector"
    SPARSE_VECTOR = "sparse_vector"
    INT8_VECTOR = "int8_vector"


class VectorType(StrEnum):
    """How a vector is made up; the service keeps dense ones."""

    DENSE = "dense"
    SPARSE = "sparse"
    MULTI_DENSE = "multi_dense"


class VectorDataType(StrEnum):
    """What a vector's components are; the service keeps float32."""

    FLOAT32 = "float32"
    UINT8 = "uint8"


class VectorIndex(BaseModel):
    name: str
    description: str
    dimensions: int
    type: VectorType
    distance: str | None = "cosine"
    datatype: VectorDataType | None = VectorDataType.FLOAT32
    on_disk: bool | None = None
    supported_inputs: list[BucketSchemaFieldType] | None = None
    inference_name: str | None = None


class MultiVectorIndex(BaseModel):
    name: str
    description: str
    vectors: dict[str, VectorIndex]


class VectorIndexDefinition(BaseModel):
    name: str
    description: str
    type: Literal["single", "multi"]
    index: VectorIndex | MultiVectorIndex


class DocumentOutputType(StrEnum):
    """How many documents an input makes."""

    SINGLE = "single"
    MULTIPLE = "multiple"


class DocumentInputHandling(StrEnum):
    """Whether inputs are taken one by one."""

    INDIVIDUAL = "individual"
    GROUPED = "grouped"


class FeatureExtractorResponseModel(BaseModel):
    feature_extractor_name: str
    version: str
    feature_extractor_id: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    parameter_schema: dict[str, Any] | None
    supported_input_types: list[str]
    max_inputs: dict[str, int]
    default_parameters: dict[str, Any]
    document_output_type: DocumentOutputType
    document_input_handling: DocumentInputHandling
    required_vector_indexes: list[VectorIndexDefinition] | None
    required_payload_indexes: list[PayloadIndexConfig] | None
    icon: str = "vector"
    installed: bool = Field(False, description="Whether this installation can make such vectors itself.")
