"""What a request is given: the services, a transaction, and the tenant that its key opens.

Every query of the service takes the tenant that is made here and nowhere else. A route opens its transaction in
its own body: as a dependency it would be opened in one thread of the pool and used in another, and forty
requests that wait for SQLite's one writer would leave no thread for the one that has it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import orjson
from fastapi import Depends, Header, Request
from sqlalchemy import BindParameter, Connection, and_, bindparam, or_, select
from starlette.concurrency import run_in_threadpool

from coterie.config import Settings
from coterie.kit import logs
from coterie.kit.clock import Clock, iso
from coterie.kit.errors import Forbidden, NotFound, Unauthorized
from coterie.kit.ids import hash_key
from coterie.store.db import Db
from coterie.store.storage import Storage
from coterie.store.tables import api_keys, namespaces, organizations
from coterie.store.vectors import VectorStore

DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True)
class Services:
    """What the process was wired with. Chosen in `wiring` alone."""

    settings: Settings
    db: Db
    vectors: VectorStore
    blobs: Storage
    clock: Clock
    on_collection_renamed: Callable[[Connection, str], None]
    """Called with a collection's id in the transaction that renames it: others keep its name to be found by."""
    on_indexes_declared: Callable[[Db, str], None]
    """Called with a namespace's id after its payload indexes were declared anew."""
    on_definition_written: "Callable[[Connection, Tenant, Mapping[str, Any], str], None]"
    """Called with a definition's resource in the transaction that makes or changes it: it may have a trigger."""
    on_run_completed: Callable[[Connection, str, str], None]
    """Called with a run's id and the time in the transaction that completes it, for what follows from it."""


@dataclass(frozen=True)
class Account:
    """Who asks: an organization, one of its users, what the key may do, when it ends (None: never), and which it is."""

    org_id: str
    internal_id: str
    user_id: str
    permissions: frozenset[str]
    expires_at: str | None = field(default=None, kw_only=True)
    key_id: str | None = field(default=None, kw_only=True)

    def require(self, need: str) -> None:
        """Raise Forbidden unless the key may do `need` (one of `GRANTS`)."""
        if not self.permissions & GRANTS[need]:
            raise Forbidden(f"this API key lacks the permission '{need}'; use a key that has it")


@dataclass(frozen=True)
class Tenant(Account):
    """An account within one of its namespaces: what every query on a namespace's things takes."""

    namespace_id: str
    namespace_name: str


_ALL = frozenset({"admin", "super"})
GRANTS: dict[str, frozenset[str]] = {
    "read": _ALL | {"read", "view", "read_private", "read_public"},
    "create": _ALL | {"write", "create", "write_private", "write_public"},
    "update": _ALL | {"write", "update", "write_private", "write_public"},
    "delete": _ALL | {"delete"},
    "manage_users": _ALL | {"manage_users"},
    "manage_settings": _ALL | {"manage_settings"},
}
"""For each thing a route needs, the permissions any one of which grants it."""

_wanted: BindParameter[str] = bindparam("wanted")
_AUTHENTICATE = (
    select(
        api_keys.c.org_id,
        organizations.c.internal_id,
        api_keys.c.user_id,
        api_keys.c.permissions,
        api_keys.c.expires_at,
        namespaces.c.id,
        namespaces.c.name,
        api_keys.c.id,
    )
    .select_from(
        api_keys.join(organizations, organizations.c.id == api_keys.c.org_id).outerjoin(
            namespaces,
            and_(
                namespaces.c.org_id == api_keys.c.org_id,
                namespaces.c.deleting.is_(False),
                or_(namespaces.c.id == _wanted, namespaces.c.name == _wanted),
            ),
        )
    )
    .where(api_keys.c.hash == bindparam("hash"))
    .order_by((namespaces.c.id == _wanted).desc())
    .limit(1)
)
"""The key's account and the wanted namespace in one look-up; a namespace's id wins over another's name."""


async def get_services(request: Request) -> Services:
    """The services of this process."""
    services: Services = request.app.state.services
    return services


Context = Annotated[Services, Depends(get_services)]
AuthorizationHeader = Annotated[str | None, Header(alias="Authorization")]
NamespaceHeader = Annotated[str | None, Header(alias="X-Namespace")]


def identify(
    read: Callable[[Any, dict[str, str]], Any], authorization: str | None, wanted: str, now: str
) -> tuple[Account, Any]:
    """The account that a header's key opens, and id and name of the namespace `wanted` (None, None if there is none).

    Raises Unauthorized; an unknown, a revoked and an expired key are told apart by nothing.
    """
    scheme, _, key = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthorized("an API key is needed: send the header 'Authorization: Bearer sk_…'")
    row = next(iter(read(_AUTHENTICATE, {"hash": hash_key(key.strip()), "wanted": wanted})), None)
    if row is None or (row[4] is not None and row[4] <= now):
        raise Unauthorized("this API key is not valid: it is unknown, revoked or expired")
    org_id, internal_id, user_id, permissions, expires_at, namespace_id, namespace_name, key_id = row
    logs.note(organization_id=org_id, namespace_id=namespace_id)
    granted = frozenset(orjson.loads(permissions))
    account = Account(org_id, internal_id, user_id, granted, expires_at=expires_at, key_id=key_id)
    return account, (namespace_id, namespace_name)


def find_tenant(
    read: Callable[[Any, dict[str, str]], Any], authorization: str | None, namespace: str | None, now: str
) -> Tenant:
    """The tenant of a request. Raises Unauthorized, or NotFound for a namespace that is not this account's."""
    wanted = _as_utf8(namespace or DEFAULT_NAMESPACE)
    account, (namespace_id, name) = identify(read, authorization, wanted, now)
    if namespace_id is None:
        raise NotFound(f"namespace '{wanted}' does not exist; POST /v1/namespaces/list shows yours")
    owner = (account.org_id, account.internal_id, account.user_id, account.permissions)
    return Tenant(*owner, namespace_id, name, key_id=account.key_id)


def _as_utf8(value: str) -> str:
    """A header's text: the framework reads bytes as Latin-1, clients write names of other scripts in UTF-8."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


class NeedsAccount:
    """Dependency: the account, holding the permission `need`."""

    def __init__(self, need: str) -> None:
        self.need = need

    def __call__(self, services: Context, authorization: AuthorizationHeader = None) -> Account:
        with services.db.read() as tx:
            account, _ = identify(tx.execute, authorization, "", iso(services.clock.now()))
        account.require(self.need)
        return account


class NeedsTenant:
    """Dependency: the tenant (account and namespace), holding the permission `need`."""

    def __init__(self, need: str) -> None:
        self.need = need

    def __call__(
        self,
        services: Context,
        authorization: AuthorizationHeader = None,
        x_namespace: NamespaceHeader = None,
    ) -> Tenant:
        with services.db.read() as tx:
            tenant = find_tenant(tx.execute, authorization, x_namespace, iso(services.clock.now()))
        tenant.require(self.need)
        return tenant


async def inline_reader(request: Request) -> Tenant:
    """Dependency: the tenant, who may read, looked up on the event loop: for a route that answers there.

    It reads the headers itself, which saves the framework's handling of each; `HEADERS` documents them.
    """
    services: Services = request.app.state.services
    headers = request.headers
    inline, given = services.db.inline, (headers.get("authorization"), headers.get("x-namespace"))
    if inline is None:
        return await run_in_threadpool(NeedsTenant("read"), services, *given)
    tenant = find_tenant(inline.execute, *given, iso(services.clock.now()))
    tenant.require("read")
    return tenant


def _header(name: str) -> dict[str, Any]:
    kinds = [{"type": "string"}, {"type": "null"}]
    return {"name": name, "in": "header", "required": False, "schema": {"anyOf": kinds, "title": name}}


HEADERS: dict[str, Any] = {"parameters": [_header("Authorization"), _header("X-Namespace")]}


class NeedsScope:
    """Dependency: the tenant where `X-Namespace` is sent, else the account: for what is looked at across namespaces."""

    def __init__(self, need: str) -> None:
        self.need = need

    def __call__(
        self, services: Context, authorization: AuthorizationHeader = None, x_namespace: NamespaceHeader = None
    ) -> Account:
        if x_namespace is None:
            return NeedsAccount(self.need)(services, authorization)
        return NeedsTenant(self.need)(services, authorization, x_namespace)


Reader = Annotated[Tenant, Depends(NeedsTenant("read"))]
InlineReader = Annotated[Tenant, Depends(inline_reader)]
Creator = Annotated[Tenant, Depends(NeedsTenant("create"))]
Updater = Annotated[Tenant, Depends(NeedsTenant("update"))]
Deleter = Annotated[Tenant, Depends(NeedsTenant("delete"))]
AccountReader = Annotated[Account, Depends(NeedsAccount("read"))]
AccountCreator = Annotated[Account, Depends(NeedsAccount("create"))]
AccountUpdater = Annotated[Account, Depends(NeedsAccount("update"))]
AccountDeleter = Annotated[Account, Depends(NeedsAccount("delete"))]
TaskReader = Annotated[Account, Depends(NeedsScope("read"))]
TaskDeleter = Annotated[Account, Depends(NeedsScope("delete"))]
UserManager = Annotated[Account, Depends(NeedsAccount("manage_users"))]
