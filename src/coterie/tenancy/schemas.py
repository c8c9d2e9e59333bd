"""Organizations, users and keys as the API shows them."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from coterie.api.schemas import RequestModel
from coterie.kit.clock import utc_now

_ATOM = r"[A-Za-z0-9!#$%&*+=?^_{|}~-]+"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
EMAIL = rf"^{_ATOM}(\.{_ATOM})*@{_LABEL}(\.{_LABEL})*$"


class Permission(StrEnum):
    """What a key may do; `api.context.GRANTS` says which routes each one opens."""

    READ = "read"
    WRITE = "write"
    VIEW = "view"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    SUPER = "super"
    ADMIN = "admin"
    MANAGE_USERS = "manage_users"
    MANAGE_BILLING = "manage_billing"
    MANAGE_SETTINGS = "manage_settings"
    READ_PUBLIC = "read_public"
    READ_PRIVATE = "read_private"
    WRITE_PUBLIC = "write_public"
    WRITE_PRIVATE = "write_private"


class APIKey(BaseModel):
    """A key. `key` is whole in the answer that creates it and never again: later it is `sk_…` and four letters."""

    key: str = Field(default_factory=str)
    name: str = Field(default_factory=str)
    created_at: datetime = Field(default_factory=utc_now)
    permissions: list[Permission] = Field(default_factory=list)
    expires_at: datetime | None = Field(None, description="After this instant the key is refused.")


class APIKeyUpdate(RequestModel):
    name: str | None = None
    permissions: list[Permission] | None = Field(None, max_length=15)
    expires_at: datetime | None = None


class CreateUserRequest(RequestModel):
    email: str = Field(min_length=3, max_length=254, pattern=EMAIL)
    user_name: str | None = Field(None, max_length=255)


class UserModel(BaseModel):
    user_id: str = Field(default_factory=str)
    user_name: str = Field(default_factory=str)
    email: str = Field(json_schema_extra={"format": "email"})
    api_keys: list[APIKey] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)
    created_at: datetime = Field(default_factory=utc_now)


class AccountTier(StrEnum):
    """The API's tiers. A self-hosted service has one: `enterprise`, without limits."""

    FREE = "free"
    PRO = "pro"
    ENTERPRISE = "enterprise"


class BaseRateLimits(BaseModel):
    """Requests a second; 0 means that there is no limit."""

    default: int = 10
    search: int = 10
    upload: int = 10
    delete: int = 10


class OrganizationModelResponse(BaseModel):
    internal_id: str
    organization_name: str
    organization_id: str
    account_type: AccountTier
    credit_count: int
    metadata: dict[str, Any]
    users: list[UserModel]
    rate_limits: BaseRateLimits
