"""Namespaces as the API shows them."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, Field, computed_field

from coterie.api.schemas import CaseListRequest, PaginationResponse, RequestModel
from coterie.kit.names import check_name

NamespaceName = Annotated[str, AfterValidator(check_name)]


class PayloadSchemaType(StrEnum):
    """What a payload field holds, for its index."""

    KEYWORD = "keyword"
    INTEGER = "integer"
    FLOAT = "float"
    BOOL = "bool"
    GEO = "geo"
    DATETIME = "datetime"
    TEXT = "text"
    UUID = "uuid"


class TokenizerType(StrEnum):
    """How an indexed text is split."""

    WORD = "word"
    WHITESPACE = "whitespace"
    PREFIX = "prefix"
    MULTILINGUAL = "multilingual"


class TextIndexParams(BaseModel):
    type: str = "text"
    tokenizer: TokenizerType = TokenizerType.WORD
    min_token_len: int = 2
    max_token_len: int = 15
    lowercase: bool = True


class IntegerIndexParams(BaseModel):
    type: str = "integer"
    lookup: bool = True
    range: bool = True


class KeywordIndexParams(BaseModel):
    type: str = "keyword"
    is_tenant: bool = False


class FloatIndexParams(BaseModel):
    type: str = "float"


class GeoIndexParams(BaseModel):
    type: str = "geo"


class DatetimeIndexParams(BaseModel):
    type: str = "datetime"


class UuidIndexParams(BaseModel):
    type: str = "uuid"
    is_tenant: bool = False


class BoolIndexParams(BaseModel):
    type: str = "bool"


class PayloadIndexConfig(BaseModel):
    field_name: str = Field(min_length=1, max_length=255)
    type: PayloadSchemaType
    field_schema: (
        TextIndexParams
        | IntegerIndexParams
        | KeywordIndexParams
        | FloatIndexParams
        | GeoIndexParams
        | DatetimeIndexParams
        | UuidIndexParams
        | BoolIndexParams
        | None
    ) = None


class BaseFeatureExtractorModel(BaseModel):
    feature_extractor_name: str = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.\-]+$")
    version: str = Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9_.\-]+$")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def feature_extractor_id(self) -> str:
        """Name and version in one; the API adds it."""
        return f"{self.feature_extractor_name}_{self.version}"


class CreateNamespaceRequest(RequestModel):
    NEUTRAL: ClassVar[Mapping[str, Any]] = {"mode": "managed"}

    namespace_name: NamespaceName
    description: str | None = Field(None, max_length=4096)
    feature_extractors: list[BaseFeatureExtractorModel] | None = Field(
        None, max_length=100, description="Absent: bring_your_own."
    )
    payload_indexes: list[PayloadIndexConfig] | None = Field(None, max_length=100)


class UpdateNamespaceRequest(RequestModel):
    namespace_name: NamespaceName | None = None
    payload_indexes: list[PayloadIndexConfig] | None = Field(None, max_length=100)


class NamespaceModel(BaseModel):
    namespace_id: str = Field(default_factory=str)
    namespace_name: str
    description: str | None = None
    feature_extractors: list[BaseFeatureExtractorModel] = Field(default_factory=list)
    payload_indexes: list[PayloadIndexConfig] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class ListNamespacesRequest(CaseListRequest):
    """Lists of namespaces speak the list language like every other."""


class ListNamespacesResponse(BaseModel):
    results: list[NamespaceModel]
    pagination: PaginationResponse
    total_count: int
