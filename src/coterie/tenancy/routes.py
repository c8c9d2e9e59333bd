"""Routes of organizations, users, keys and namespaces."""

from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Query, Request, Response

from coterie.api.bodies import StrictRoute
from coterie.api.context import (
    AccountCreator,
    AccountDeleter,
    AccountReader,
    AccountUpdater,
    Context,
    UserManager,
)
from coterie.api.errors import CONFLICT, ERRORS, json_response
from coterie.api.schemas import DocumentedAs, GenericSuccessResponse
from coterie.kit.clock import iso
from coterie.kit.errors import invalid
from coterie.listing.answer import write_answer
from coterie.listing.syntax import parse_list
from coterie.tenancy import namespaces, service
from coterie.tenancy.namespace_schemas import (
    CreateNamespaceRequest,
    ListNamespacesRequest,
    ListNamespacesResponse,
    NamespaceModel,
    UpdateNamespaceRequest,
)
from coterie.tenancy.schemas import (
    APIKey,
    APIKeyUpdate,
    CreateUserRequest,
    OrganizationModelResponse,
    Permission,
    UserModel,
)

organization = APIRouter(prefix="/v1/organizations", tags=["Organizations"], route_class=StrictRoute, responses=ERRORS)
namespace = APIRouter(prefix="/v1/namespaces", tags=["Namespaces"], route_class=StrictRoute, responses=ERRORS)
KEYS = "/users/{user_email}/api-keys"


@organization.get("", response_model=OrganizationModelResponse)
def get_organization(account: AccountReader, services: Context) -> Response:
    """The organization of the key, with users and the hints of their keys."""
    with services.db.read() as tx:
        return json_response(service.get_organization(tx, account))


@organization.post("/users", response_model=UserModel, responses=CONFLICT)
def create_user(body: CreateUserRequest, account: UserManager, services: Context) -> Response:
    """Add a user."""
    with services.db.write() as tx:
        now = iso(services.clock.now())
        return json_response(service.create_user(tx, account, body.email, body.user_name, now))


@organization.get("/users/{user_email}", response_model=UserModel)
def get_user(user_email: str, account: AccountReader, services: Context) -> Response:
    """One user."""
    with services.db.read() as tx:
        return json_response(service.get_user(tx, account, user_email))


@organization.delete("/users/{user_email}", response_model=GenericSuccessResponse)
def delete_user(user_email: str, account: UserManager, services: Context) -> Response:
    """Delete a user and revoke their keys."""
    with services.db.write() as tx:
        service.delete_user(tx, account, user_email)
        return json_response(GenericSuccessResponse().model_dump())


@organization.post(KEYS, response_model=APIKey, responses=CONFLICT)
def create_api_key(
    user_email: str,
    account: UserManager,
    services: Context,
    key_name: Annotated[str, Query()] = "default",
    permissions: Annotated[list[Permission] | None, Query(max_length=15)] = None,
    expires_at: Annotated[datetime | None, Query()] = None,
) -> Response:
    """A new key; this answer alone holds its text."""
    with services.db.write() as tx:
        wanted = [str(permission) for permission in permissions or ()]
        now = services.clock.now()
        expires = _aware(expires_at, "query")
        return json_response(service.create_key(tx, account, user_email, key_name, wanted, expires, now))


@organization.patch(KEYS + "/{key_name}", response_model=APIKey, responses=CONFLICT)
def update_api_key(
    user_email: str, key_name: str, body: APIKeyUpdate, account: UserManager, services: Context
) -> Response:
    """Rename a key, change its permissions or its expiry."""
    with services.db.write() as tx:
        changes = body.model_dump(exclude_unset=True)
        if "expires_at" in changes:
            changes["expires_at"] = _aware(changes["expires_at"], "body")
        return json_response(service.update_key(tx, account, user_email, key_name, changes))


@organization.delete(KEYS + "/{key_name}", response_model=GenericSuccessResponse)
def delete_api_key(user_email: str, key_name: str, account: UserManager, services: Context) -> Response:
    """Revoke a key: the next request with it is refused."""
    with services.db.write() as tx:
        service.revoke_key(tx, account, user_email, key_name)
        return json_response(GenericSuccessResponse().model_dump())


@namespace.post("", response_model=NamespaceModel, responses=CONFLICT)
def create_namespace(body: CreateNamespaceRequest, account: AccountCreator, services: Context) -> Response:
    """A new namespace."""
    with services.db.write() as tx:
        made = namespaces.create_namespace(tx, account, body.model_dump(mode="json"), iso(services.clock.now()))
        return Response(made, media_type="application/json")


@namespace.post("/list", response_model=ListNamespacesResponse)
def list_namespaces(
    request: Request,
    account: AccountReader,
    services: Context,
    body: Annotated[Any, Body(), DocumentedAs(ListNamespacesRequest)] = None,
    limit: int | None = None,
    offset: int | None = None,
) -> Response:
    """The organization's namespaces by the list language."""
    with services.db.read() as tx:
        query = parse_list(body, profile=namespaces.PROFILE, limit=limit, offset=offset)
        listed = namespaces.list_namespaces(tx, account, query)
        answer = write_answer(listed, query, request.url.path, namespaces.PROFILE)
        return Response(answer, media_type="application/json")


@namespace.get("", response_model=ListNamespacesResponse)
def list_namespaces_get(
    request: Request,
    account: AccountReader,
    services: Context,
    limit: int | None = None,
    offset: int | None = None,
) -> Response:
    """The organization's namespaces, newest first."""
    return list_namespaces(request, account, services, None, limit, offset)


@namespace.get("/{namespace_identifier}", response_model=NamespaceModel)
def get_namespace(namespace_identifier: str, account: AccountReader, services: Context) -> Response:
    """One namespace, by id or name."""
    with services.db.read() as tx:
        row = namespaces.find_namespace(tx, account, namespace_identifier)
        return Response(row.resource, media_type="application/json")


@namespace.put("/{namespace_identifier}", response_model=NamespaceModel, responses=CONFLICT)
@namespace.patch("/{namespace_identifier}", response_model=NamespaceModel, responses=CONFLICT)
def update_namespace(
    namespace_identifier: str,
    body: UpdateNamespaceRequest,
    account: AccountUpdater,
    services: Context,
) -> Response:
    """Rename a namespace or replace its payload indexes."""
    with services.db.write() as tx:
        changes = body.model_dump(mode="json", exclude_unset=True)
        now = iso(services.clock.now())
        changed = namespaces.update_namespace(tx, account, namespace_identifier, changes, now)
    if changes.get("payload_indexes") is not None:
        services.on_indexes_declared(services.db, orjson.loads(changed)["namespace_id"])
    return Response(changed, media_type="application/json")


@namespace.delete("/{namespace_identifier}", status_code=204)
def delete_namespace(namespace_identifier: str, account: AccountDeleter, services: Context) -> Response:
    """Delete a namespace: it is gone at once, and a job removes everything in it."""
    with services.db.write() as tx:
        namespaces.delete_namespace(tx, account, namespace_identifier, iso(services.clock.now()))
        return Response(status_code=204)


def _aware(moment: datetime | None, place: str) -> datetime | None:
    """The instant in UTC, which it is already in without an offset. Raises Invalid at the end of time."""
    if moment is None:
        return None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise invalid((place, "expires_at"), "the expiry lies outside the years 1 to 9999") from error
