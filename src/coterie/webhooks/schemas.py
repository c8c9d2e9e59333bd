"""Webhooks and their deliveries as the API takes and shows them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from coterie.api.schemas import DocumentedAs, PaginationResponse, RequestModel
from coterie.kit.addresses import MAX_URL, check_url
from coterie.kit.clock import utc_now
from coterie.kit.names import check_name
from coterie.tenancy.schemas import EMAIL
from coterie.webhooks.events import WebhookEventType
from coterie.webhooks.headers import MAX_HEADERS, check_headers
from coterie.webhooks.secrecy import is_masked
from coterie.webhooks.templates import MAX_TEMPLATE, check_blocks, check_payload, check_text

MAX_CHANNELS = 5
MAX_ADDRESSES = 20
MAX_SECONDS = 30
"""How long an endpoint may take to answer."""


def _check_slack_url(url: str) -> str:
    return url if is_masked(url) else check_url(url)


Url = Annotated[str, Field(max_length=MAX_URL), AfterValidator(check_url)]
SlackUrl = Annotated[str, Field(max_length=MAX_URL), AfterValidator(_check_slack_url)]
Headers = Annotated[dict[str, str], Field(max_length=MAX_HEADERS), AfterValidator(check_headers)]
Payload = Annotated[dict[str, Any], AfterValidator(check_payload)]
Blocks = Annotated[str, Field(max_length=MAX_TEMPLATE), AfterValidator(check_blocks)]
Template = Annotated[str, Field(max_length=MAX_TEMPLATE), AfterValidator(check_text)]
Subject = Annotated[str, Field(max_length=200), AfterValidator(check_text)]
Address = Annotated[str, Field(min_length=3, max_length=254, pattern=EMAIL)]
Addresses = Annotated[list[Address], Field(max_length=MAX_ADDRESSES)]


class NotificationChannel(StrEnum):
    """The ways to tell. `sms` is the API's, and is refused here."""

    EMAIL = "email"
    SLACK = "slack"
    WEBHOOK = "webhook"
    SMS = "sms"


class NotificationContentType(StrEnum):
    """What an email's body is."""

    PLAIN_TEXT = "plain_text"
    HTML = "html"
    MARKDOWN = "markdown"
    JSON = "json"


class EmailConfig(RequestModel):
    """An email. In the templates `{{event_type}}`, `{{data.cluster_name}}` and so on stand for parts of the event."""

    to_addresses: Annotated[list[Address], Field(min_length=1, max_length=MAX_ADDRESSES)]
    subject_template: Subject | None = None
    body_template: Template | None = None
    content_type: NotificationContentType = NotificationContentType.HTML
    cc_addresses: Addresses = Field(default_factory=list)
    bcc_addresses: Addresses = Field(default_factory=list)


class SlackConfig(RequestModel):
    """A message to an incoming webhook. Its URL is a secret and is shown masked. `blocks_template` is a JSON list of
    blocks with placeholders in its strings.
    """

    webhook_url: SlackUrl
    channel: str | None = Field(None, max_length=100)
    username: str | None = Field(None, max_length=100)
    icon_emoji: str | None = Field(None, max_length=100)
    icon_url: str | None = Field(None, max_length=MAX_URL)
    blocks_template: Blocks | None = None


class WebhookConfig(RequestModel):
    """A signed POST. The headers' values are secrets and are shown as `…`. `payload_template` is sent in the event's
    place, with placeholders in its strings: a string that is one placeholder becomes the value itself.
    """

    url: Url
    headers: Headers = Field(default_factory=dict)
    payload_template: Payload | None = None
    timeout: float = Field(10.0, gt=0, le=MAX_SECONDS, description="Seconds for the whole exchange.")


class SmsConfig(RequestModel):
    """Refused: the service sends no text messages."""

    phone_numbers: list[str] = Field(max_length=MAX_ADDRESSES)
    message_template: str | None = Field(None, max_length=MAX_TEMPLATE)


Configs = EmailConfig | SlackConfig | WebhookConfig | SmsConfig


class WebhookChannel(RequestModel):
    """A way to tell, and its settings. `number` names it in deliveries: send it back to change a channel in place."""

    channel: NotificationChannel
    configs: Annotated[Any, DocumentedAs(Configs)]
    number: int | None = Field(None, ge=0, le=2**31 - 1)


EventTypes = Annotated[list[WebhookEventType], Field(min_length=1, max_length=100)]
Channels = Annotated[list[WebhookChannel], Field(min_length=1, max_length=MAX_CHANNELS)]


class WebhookRequest(RequestModel):
    """A whole webhook. What the service gives (ids, times) may be sent back as it was shown."""

    webhook_id: str = Field(default_factory=str)
    webhook_name: Annotated[str, AfterValidator(check_name)]
    internal_id: str | None = None
    event_types: EventTypes
    channels: Channels
    is_active: bool = True
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now)


class Webhook(BaseModel):
    """A webhook. `secret` signs what is sent; it is in the answers that make it (create, rotate) and in no other."""

    webhook_id: str = Field(default_factory=str)
    webhook_name: str
    event_types: list[WebhookEventType]
    channels: list[WebhookChannel]
    is_active: bool = Field(True, description="Whether new events are sent; those that wait are sent anyway.")
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now)
    secret: str | None = Field(None, description="Shown once.")


class DeliveryStatus(StrEnum):
    """`failed` is the end, after the last attempt."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"


class DeliveryAttempt(BaseModel):
    """One attempt: what the other side answered, or why there was no answer."""

    attempt: int
    started_at: datetime
    duration_ms: int | None = None
    status_code: int | None = None
    error: str | None = None
    response_excerpt: str | None = Field(None, description="The first kibibyte of the answer's body.")


class WebhookDelivery(BaseModel):
    """An event on its way to one channel, with a log of the attempts."""

    delivery_id: str
    webhook_id: str
    channel: int = Field(description="The channel's `number`.")
    channel_type: NotificationChannel
    event_id: str
    event_type: str
    namespace_id: str | None = None
    status: DeliveryStatus
    attempts: int
    next_attempt_at: datetime | None = None
    log: list[DeliveryAttempt]
    created_at: datetime
    updated_at: datetime


class WebhookDeliveryDetail(WebhookDelivery):
    """A delivery with its event."""

    event: dict[str, Any]


class PingResponse(BaseModel):
    """The test's deliveries, one a channel."""

    deliveries: list[WebhookDelivery]


class ListDeliveriesResponse(BaseModel):
    results: list[WebhookDelivery]
    pagination: PaginationResponse
    total_count: int
