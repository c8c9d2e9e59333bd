"""The task resource."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from coterie.api.schemas import PaginationResponse


class TaskStatusEnum(StrEnum):
    """Where a task or a cluster definition stands. Coterie sets the first five; the rest are the API's."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    DRAFT = "DRAFT"
    IN_PROGRESS = "IN_PROGRESS"
    UNKNOWN = "UNKNOWN"
    SKIPPED = "SKIPPED"
    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"
    SUSPENDED = "SUSPENDED"


class TaskType(StrEnum):
    """What a task does. Coterie makes `engine_cluster_build` (a run, a suggestion), `materialize` (a write-back, its
    undoing) and `api_namespaces_delete`."""

    API_NAMESPACES_CREATE = "api_namespaces_create"
    API_NAMESPACES_DELETE = "api_namespaces_delete"
    API_BUCKETS_OBJECTS_CREATE = "api_buckets_objects_create"
    API_BUCKETS_DELETE = "api_buckets_delete"
    API_BUCKETS_BATCHES_PROCESS = "api_buckets_batches_process"
    API_BUCKETS_BATCHES_SUBMIT = "api_buckets_batches_submit"
    API_TAXONOMIES_CREATE = "api_taxonomies_create"
    API_TAXONOMIES_EXECUTE = "api_taxonomies_execute"
    API_TAXONOMIES_MATERIALIZE = "api_taxonomies_materialize"
    ENGINE_FEATURE_EXTRACTOR_RUN = "engine_feature_extractor_run"
    ENGINE_INFERENCE_RUN = "engine_inference_run"
    ENGINE_OBJECT_PROCESSING = "engine_object_processing"
    ENGINE_CLUSTER_BUILD = "engine_cluster_build"
    THUMBNAIL = "thumbnail"
    MATERIALIZE = "materialize"


class TaskResponse(BaseModel):
    """A job: `additional_data` holds `stage`, `progress` (0 to 1) and, of a run, `run_id` and `cluster_id`."""

    task_id: str
    task_type: TaskType
    status: TaskStatusEnum
    inputs: list[str | dict[str, Any]] | None = None
    outputs: list[str | dict[str, Any]] | None = None
    additional_data: dict[str, Any] | None = None
    error_message: str | None = None
    error: str | None = Field(None, description="The same as `error_message`.")
    created_at: datetime | None = None
    updated_at: datetime | None = None


class ListTasksResponse(BaseModel):
    results: list[TaskResponse]
    pagination: PaginationResponse
