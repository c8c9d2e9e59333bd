"""Shapes that several resources show: errors, pages, deletions, filters and sorts.

The list language is parsed by `listing.syntax`, not by Pydantic; the filter models here only document it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema


class RequestModel(BaseModel):
    """A request's body: every field is honoured, or refused by its name.

    A field that the service does not know is let pass only where it asks for nothing: null, or the value in
    `NEUTRAL`, which clients of the API's later versions send unasked.
    """

    model_config = ConfigDict(extra="forbid")
    NEUTRAL: ClassVar[Mapping[str, Any]] = {}

    @model_validator(mode="before")
    @classmethod
    def _drop_neutral(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        known = {name for key, field in cls.model_fields.items() for name in (key, field.alias)}
        return {key: value for key, value in data.items() if key in known or not cls._asks_nothing(key, value)}

    @classmethod
    def _asks_nothing(cls, key: str, value: Any) -> bool:
        return value is None or (key in cls.NEUTRAL and bool(value == cls.NEUTRAL[key]))


class ErrorDetail(BaseModel):
    message: str
    type: str
    details: dict[str, Any] | None = None


class ErrorResponse(BaseModel):
    success: bool = False
    status: int
    error: ErrorDetail


class ValidationIssue(BaseModel):
    loc: list[str | int]
    msg: str
    type: str


class ValidationErrorResponse(ErrorResponse):
    """An `ErrorResponse` that also lists every fault with the place of its node."""

    detail: list[ValidationIssue]


class PaginationResponse(BaseModel):
    total: int
    page: int
    page_size: int
    total_pages: int
    next_page: str | None = None
    previous_page: str | None = None
    next_cursor: str | None = Field(None, description="For the body's `cursor`: the rows after this page's last one.")


class GenericDeleteResponse(BaseModel):
    message: str = "Successfully deleted"
    success: bool = True


class GenericSuccessResponse(BaseModel):
    message: str = "Successfully completed"
    success: bool = True


class FilterOperator(StrEnum):
    """How a field is compared with a value."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    LT = "lt"
    GTE = "gte"
    LTE = "lte"
    IN = "in"
    NIN = "nin"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    REGEX = "regex"
    EXISTS = "exists"
    IS_NULL = "is_null"
    TEXT = "text"


class DynamicValue(BaseModel):
    type: Literal["dynamic"] = "dynamic"
    field: str


class FilterCondition(BaseModel):
    field: str
    operator: FilterOperator = FilterOperator.EQ
    value: DynamicValue | Any


class LogicalOperator(BaseModel):
    """All of AND, at least one of OR and none of NOT hold. Any other key is a field that must equal its value."""

    model_config = ConfigDict(extra="allow")

    AND: list["LogicalOperator | FilterCondition"] | None = None
    OR: list["LogicalOperator | FilterCondition"] | None = None
    NOT: list["LogicalOperator | FilterCondition"] | None = None
    case_sensitive: bool | None = False


class SortDirection(StrEnum):
    """Ascending or descending; missing values come last in both."""

    ASC = "asc"
    DESC = "desc"


class SortOption(BaseModel):
    field: str
    direction: SortDirection = SortDirection.ASC


class ListRequest(BaseModel):
    """The body of every list: what to keep, in which order, and words to find."""

    filters: LogicalOperator | None = None
    sort: SortOption | None = None
    search: str | None = None
    cursor: str | None = Field(None, description="A `next_cursor`: go on after that page, whatever came or went since.")


class CaseListRequest(ListRequest):
    case_sensitive: bool = Field(False, description="For filters that do not say it themselves.")


class DocumentedAs:
    """`Annotated[Any, DocumentedAs(Type)]`: the value stays as it came, the OpenAPI page shows `Type`."""

    def __init__(self, shown: Any) -> None:
        self.shown = shown

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            lambda value, _handler: value, handler.generate_schema(self.shown)
        )
