"""The rules of organizations, users and keys.

A key's text exists in the answer that creates it and nowhere else: the store keeps its SHA-256 and last four
letters. No one grants what they do not hold themselves.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from coterie.api.context import Account
from coterie.kit.clock import iso
from coterie.kit.errors import AlreadyExists, BadRequest, Forbidden, NotFound, invalid
from coterie.kit.ids import hash_key, new_id, new_key
from coterie.kit.names import check_name
from coterie.store.tables import api_keys, organizations, users

DEFAULT_PERMISSIONS = ("read", "write", "delete")
MAX_KEYS_PER_USER = 100
MAX_USERS = 1000
_OWNERS = {"admin", "super"}


def get_organization(tx: Connection, account: Account) -> dict[str, Any]:
    """The organization with its users and their keys, as the API shows it."""
    row = tx.execute(select(organizations).where(organizations.c.id == account.org_id)).one()
    members = tx.execute(select(users).where(users.c.org_id == account.org_id).order_by(users.c.created_at))
    return {
        "internal_id": row.internal_id,
        "organization_name": row.name,
        "organization_id": row.id,
        "account_type": "enterprise",
        "credit_count": 0,
        "metadata": orjson.loads(row.metadata),
        "users": [_show_user(tx, member) for member in members.all()],
        "rate_limits": {"default": 0, "search": 0, "upload": 0, "delete": 0},
    }


def get_user(tx: Connection, account: Account, email: str) -> dict[str, Any]:
    """A user with the keys' hints. Raises NotFound."""
    return _show_user(tx, _find_user(tx, account.org_id, email))


def create_user(tx: Connection, account: Account, email: str, name: str | None, now: str) -> dict[str, Any]:
    """A new user without keys. Raises AlreadyExists."""
    count = select(func.count()).select_from(users).where(users.c.org_id == account.org_id)
    if (tx.scalar(count) or 0) >= MAX_USERS:
        raise BadRequest(f"an organization has at most {MAX_USERS} users")
    if tx.scalar(select(users.c.id).where(users.c.org_id == account.org_id, users.c.email == email)):
        raise AlreadyExists(f"user '{email}' already exists")
    add_user(tx, account.org_id, email, name or email, now)
    return get_user(tx, account, email)


def add_user(tx: Connection, org_id: str, email: str, name: str, now: str) -> str:
    """Write a user; its id."""
    user_id = new_id("usr")
    tx.execute(insert(users).values(id=user_id, org_id=org_id, name=name, email=email, metadata="{}", created_at=now))
    return user_id


def delete_user(tx: Connection, account: Account, email: str) -> None:
    """Delete a user and their keys. Raises BadRequest for oneself: someone must be left who can ask."""
    user = _find_user(tx, account.org_id, email)
    if user.id == account.user_id:
        raise BadRequest("a key cannot delete its own user; use another user's key")
    keys = tx.execute(select(api_keys).where(api_keys.c.user_id == user.id)).all()
    for row in keys:
        _check_power(account, row)
    _check_owner_left(tx, account, [row.id for row in keys])
    tx.execute(delete(users).where(users.c.id == user.id))


def create_key(
    tx: Connection,
    account: Account,
    email: str,
    name: str,
    permissions: Collection[str] | None,
    expires_at: datetime | None,
    now: datetime,
) -> dict[str, Any]:
    """A new key of a user, its text included for this once. Raises AlreadyExists, Forbidden, Invalid."""
    user = _find_user(tx, account.org_id, email)
    wanted = tuple(permissions or (p for p in DEFAULT_PERMISSIONS if _may_grant(account, [p])))
    if not _may_grant(account, wanted):
        raise Forbidden("a key can only grant permissions that it has itself")
    if expires_at is not None and expires_at <= now:
        raise invalid(("query", "expires_at"), "the expiry lies in the past")
    _check_expiry(account, expires_at)
    _check_key_name(tx, user.id, name, ("query", "key_name"))
    expires = None if expires_at is None else iso(expires_at)
    return add_key(tx, account.org_id, user.id, name, wanted, iso(now), expires)


def add_key(
    tx: Connection,
    org_id: str,
    user_id: str,
    name: str,
    permissions: Iterable[str],
    now: str,
    expires: str | None,
) -> dict[str, Any]:
    """Write a key; it as the API shows it once, with its text."""
    key = new_key()
    tx.execute(
        insert(api_keys).values(
            id=new_id("key"),
            org_id=org_id,
            user_id=user_id,
            name=name,
            hash=hash_key(key),
            hint=key[-4:],
            permissions=orjson.dumps(list(permissions)).decode(),
            created_at=now,
            expires_at=expires,
        )
    )
    row = tx.execute(select(api_keys).where(api_keys.c.user_id == user_id, api_keys.c.name == name)).one()
    return {**_show_key(row), "key": key}


def update_key(
    tx: Connection,
    account: Account,
    email: str,
    key_name: str,
    changes: dict[str, Any],
) -> dict[str, Any]:
    """Rename a key, change what it may do or when it ends. Raises NotFound, AlreadyExists, Forbidden."""
    user = _find_user(tx, account.org_id, email)
    row = _find_key(tx, user, key_name)
    _check_power(account, row)
    values: dict[str, Any] = {}
    if (name := changes.get("name")) is not None and name != row.name:
        _check_key_name(tx, user.id, name, ("body", "name"))
        values["name"] = name
    if (permissions := changes.get("permissions")) is not None:
        if not _may_grant(account, permissions):
            raise Forbidden("a key can only grant permissions that it has itself")
        values["permissions"] = orjson.dumps([str(p) for p in permissions]).decode()
        if not _OWNERS & set(permissions):
            _check_owner_left(tx, account, [row.id])
    if "expires_at" in changes:
        expires = changes["expires_at"]
        _check_expiry(account, expires)
        if expires is not None:
            _check_owner_left(tx, account, [row.id])
        values["expires_at"] = expires and iso(expires)
    if values:
        tx.execute(update(api_keys).where(api_keys.c.id == row.id).values(**values))
    return _show_key(tx.execute(select(api_keys).where(api_keys.c.id == row.id)).one())


def revoke_key(tx: Connection, account: Account, email: str, key_name: str) -> None:
    """Delete a key: the next request with it is refused. Raises NotFound."""
    row = _find_key(tx, _find_user(tx, account.org_id, email), key_name)
    _check_power(account, row)
    _check_owner_left(tx, account, [row.id])
    tx.execute(delete(api_keys).where(api_keys.c.id == row.id))


def _may_grant(account: Account, permissions: Iterable[str]) -> bool:
    return bool(account.permissions & _OWNERS) or set(permissions) <= account.permissions


def _check_power(account: Account, row: Row[Any]) -> None:
    """No one changes or takes away a key that may do more than theirs."""
    if not _may_grant(account, orjson.loads(row.permissions)):
        raise Forbidden(f"key '{row.name}' has permissions that this key lacks: only a key that has them can change it")


def _check_expiry(account: Account, expires_at: datetime | None) -> None:
    """A key that ends makes none that outlives it."""
    if account.expires_at is not None and (expires_at is None or iso(expires_at) > account.expires_at):
        raise Forbidden(f"this key ends at {account.expires_at}; it can only give keys an 'expires_at' up to then")


def _check_owner_left(tx: Connection, account: Account, going: Collection[str]) -> None:
    """Refuse to take the last key with all permissions, and without an end, out of an organization's hands."""
    rows = tx.execute(
        select(api_keys.c.id, api_keys.c.permissions).where(
            api_keys.c.org_id == account.org_id, api_keys.c.expires_at.is_(None)
        )
    )
    owners = {row.id for row in rows if _OWNERS & set(orjson.loads(row.permissions))}
    if owners and owners <= set(going):
        raise BadRequest("this is the organization's last lasting admin key: create another one first")


def _check_key_name(tx: Connection, user_id: str, name: str, loc: tuple[str, str]) -> None:
    try:
        check_name(name, "key name")
    except ValueError as error:
        raise invalid(loc, str(error)) from error
    names = tx.scalars(select(api_keys.c.name).where(api_keys.c.user_id == user_id)).all()
    if name in names:
        raise AlreadyExists(f"this user already has a key named '{name}'; revoke it or choose another name")
    if len(names) >= MAX_KEYS_PER_USER:
        raise BadRequest(f"a user has at most {MAX_KEYS_PER_USER} keys; revoke one")


def _find_user(tx: Connection, org_id: str, email: str) -> Row[Any]:
    row = tx.execute(select(users).where(users.c.org_id == org_id, users.c.email == email)).first()
    if row is None:
        raise NotFound(f"user '{email}' does not exist in this organization")
    return row


def _find_key(tx: Connection, user: Row[Any], name: str) -> Row[Any]:
    row = tx.execute(select(api_keys).where(api_keys.c.user_id == user.id, api_keys.c.name == name)).first()
    if row is None:
        raise NotFound(f"user '{user.email}' has no key named '{name}'")
    return row


def _show_user(tx: Connection, row: Row[Any]) -> dict[str, Any]:
    keys = tx.execute(select(api_keys).where(api_keys.c.user_id == row.id).order_by(api_keys.c.created_at))
    return {
        "user_id": row.id,
        "user_name": row.name,
        "email": row.email,
        "api_keys": [_show_key(key) for key in keys.all()],
        "metadata": orjson.loads(row.metadata),
        "created_at": row.created_at,
    }


def _show_key(row: Row[Any]) -> dict[str, Any]:
    return {
        "key": f"sk_…{row.hint}",
        "name": row.name,
        "created_at": row.created_at,
        "permissions": orjson.loads(row.permissions),
        "expires_at": row.expires_at,
    }
