"""Triggers as the API takes and shows them, and what a schedule holds for each type."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from coterie.api.schemas import RequestModel
from coterie.clusters.schemas import CollectionIds
from coterie.kit.clock import utc_now
from coterie.kit.errors import Invalid, Issue, invalid
from coterie.triggers.schedule import LEAST_INTERVAL, check_cron, check_timezone

YEAR_SECONDS = 366 * 24 * 3600
MAX_COUNT = 1_000_000_000
MAX_OFFSET = 2**31


class TriggerType(StrEnum):
    """At times of the wall clock, every so often, after so many events, or when a condition holds."""

    CRON = "cron"
    INTERVAL = "interval"
    EVENT = "event"
    CONDITIONAL = "conditional"


class TriggerStatus(StrEnum):
    """`failed` is set after five failures in a row, `disabled` by deletion; `resume` makes each active again."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"
    FAILED = "failed"


class CronSchedule(RequestModel):
    """By the wall clock of a time zone."""

    cron_expression: Annotated[str, AfterValidator(check_cron)]
    timezone: Annotated[str, AfterValidator(check_timezone)] = "UTC"


class IntervalSchedule(RequestModel):
    """Every so many seconds; `start_immediately` makes the first time now."""

    interval_seconds: int = Field(ge=LEAST_INTERVAL, le=YEAR_SECONDS)
    start_immediately: bool = False


class EventSchedule(RequestModel):
    """After `event_threshold` events in one collection or, without `collection_id`, in all that are clustered; not
    before these hold `min_documents`."""

    event_type: Literal["documents_added", "documents_updated", "batch_completed"]
    event_threshold: int = Field(1, ge=1, le=MAX_COUNT)
    collection_id: str | None = Field(None, max_length=255)
    cooldown_seconds: int = Field(300, ge=0, le=YEAR_SECONDS)
    min_documents: int = Field(0, ge=0, le=MAX_COUNT)


class Condition(RequestModel):
    """What all conditions have: how often they are looked at."""

    check_interval_seconds: int = Field(3600, ge=60, le=YEAR_SECONDS)


class VolumeCondition(Condition):
    """So many documents came or changed since the last run, or such a share of those that it clustered."""

    condition_type: Literal["volume"]
    threshold: float = Field(gt=0, le=MAX_COUNT)
    metric: Literal["documents", "share"] = "documents"


class QualityCondition(Condition):
    """A measure of the last run is worse than the threshold."""

    condition_type: Literal["quality"]
    threshold: float = Field(allow_inf_nan=False)
    metric: Literal[
        "silhouette_score", "dbcv_score", "calinski_harabasz_score", "davies_bouldin_score", "noise_ratio"
    ] = "silhouette_score"


class DriftCondition(Condition):
    """At least this share of the documents that came since the last run lies farther out than 95% of those in it."""

    condition_type: Literal["drift"]
    threshold: float = Field(gt=0, le=1)
    metric: Literal["distance"] = "distance"


class CustomCondition(Condition):
    """A number that the last run left, compared with the threshold."""

    condition_type: Literal["custom"]
    threshold: float = Field(allow_inf_nan=False)
    metric: str = Field(min_length=1, max_length=255)
    operator: Literal["gt", "gte", "lt", "lte"] = "gte"


SCHEDULES: dict[str, type[RequestModel]] = {
    "cron": CronSchedule,
    "interval": IntervalSchedule,
    "event": EventSchedule,
}
CONDITIONS: dict[str, type[Condition]] = {
    "volume": VolumeCondition,
    "quality": QualityCondition,
    "drift": DriftCondition,
    "custom": CustomCondition,
}


def read_schedule(trigger_type: TriggerType, given: Mapping[str, Any]) -> dict[str, Any]:
    """A `schedule_config` with all that it leaves out; null means the default. Raises Invalid naming the field."""
    loc = ("body", "schedule_config")
    asked = {name: value for name, value in given.items() if value is not None}
    if trigger_type is TriggerType.CONDITIONAL:
        kind = asked.get("condition_type")
        if not isinstance(kind, str) or kind not in CONDITIONS:
            raise invalid((*loc, "condition_type"), f"Input should be one of {', '.join(CONDITIONS)}", "enum")
        model: type[RequestModel] = CONDITIONS[kind]
    else:
        model = SCHEDULES[trigger_type]
    try:
        return model.model_validate(asked).model_dump(mode="json")
    except ValidationError as error:
        raise Invalid(
            [Issue((*loc, *fault["loc"]), fault["msg"], fault["type"]) for fault in error.errors()]
        ) from error


class TriggerExecutionConfig(RequestModel):
    """What to run without a definition: `config` is that of `POST /v1/clusters/execute`. Of a trigger on a definition,
    the definition's collections and its config."""

    collection_ids: CollectionIds
    config: dict[str, Any]


class CreateTriggerRequest(RequestModel):
    """Either `cluster_id` or `execution_config` says what to run; `schedule_config` goes by `trigger_type`."""

    cluster_id: str | None = Field(None, max_length=255)
    execution_config: TriggerExecutionConfig | None = None
    trigger_type: TriggerType
    schedule_config: dict[str, Any]
    mode: Literal["full", "assign"] = Field(
        "full", description="Of a definition: all anew, or only what came since joins the groups there are."
    )
    assignment_threshold: float | None = Field(None, ge=0, le=1, description="Of `assign`, as in execute.")
    description: str | None = Field(None, max_length=4096)
    status: TriggerStatus = Field(TriggerStatus.ACTIVE, description="`active` or `paused`.")


class PreviewTriggerRequest(RequestModel):
    """A schedule as it would be created with, and how many of its times to tell."""

    trigger_type: TriggerType
    schedule_config: dict[str, Any]
    count: int = Field(5, ge=1, le=50)


class PreviewTriggerResponse(BaseModel):
    """The schedule with all that it leaves out, and the times at which it would fire or, where it waits for a
    condition, be looked at; events come when they come."""

    schedule_config: dict[str, Any]
    times: list[datetime]


class UpdateTriggerRequest(RequestModel):
    """`schedule_config` is merged into the present one, null for a default; `status` pauses, resumes or deletes."""

    schedule_config: dict[str, Any] | None = None
    description: str | None = Field(None, max_length=4096)
    status: TriggerStatus | None = None


class TriggerModel(BaseModel):
    trigger_id: str = Field(default_factory=str)
    cluster_id: str | None = None
    namespace_id: str
    internal_id: str
    execution_config: TriggerExecutionConfig
    mode: Literal["full", "assign"] = "full"
    assignment_threshold: float | None = None
    trigger_type: TriggerType
    schedule_config: dict[str, Any]
    status: TriggerStatus = TriggerStatus.ACTIVE
    last_triggered_at: datetime | None = None
    last_execution_job_id: str | None = None
    next_scheduled_at: datetime | None = Field(None, description="Null for events and where it is not active.")
    execution_count: int = 0
    consecutive_failures: int = 0
    last_execution_status: str | None = None
    last_execution_error: str | None = None
    event_counter: int = Field(0, description="Events since its last run began, or since it was made or resumed.")
    last_cooldown_at: datetime | None = None
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now)
    created_by: str | None = None
    description: str | None = None


class ListTriggersRequest(RequestModel):
    cluster_id: str | None = Field(None, max_length=255, description="A definition's id or name.")
    trigger_type: TriggerType | None = None
    status: TriggerStatus | None = None
    offset: int = Field(0, ge=0, le=MAX_OFFSET)
    limit: int = Field(50, ge=1, le=1000)
    sort_by: str = Field("created_at", max_length=255)
    direction: Literal["asc", "desc"] = "desc"


class ListTriggersResponse(BaseModel):
    triggers: list[TriggerModel]
    results: list[TriggerModel] = Field(description="The same as `triggers`, as later clients call them.")
    total: int
    offset: int
    limit: int


class TriggerHistoryRequest(RequestModel):
    offset: int = Field(0, ge=0, le=MAX_OFFSET)
    limit: int = Field(50, ge=1, le=1000)
    status_filter: str | None = Field(None, max_length=64)


class TriggerExecutionHistoryItem(BaseModel):
    """One firing: `running`, then `completed`, `failed` or `canceled`; or `skipped`. `job_id` is the task's, empty
    where none was started."""

    job_id: str
    triggered_at: datetime
    status: str
    execution_time_ms: int | None = None
    error: str | None = None
    num_clusters: int | None = None
    num_documents: int | None = None
    run_id: str | None = None
    due_at: datetime | None = None


class TriggerHistoryResponse(BaseModel):
    trigger_id: str
    executions: list[TriggerExecutionHistoryItem]
    total: int
    offset: int
    limit: int
