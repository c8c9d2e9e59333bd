"""The first start: an organization, its administrator, a namespace named `default` and one key."""

import os
from pathlib import Path

from sqlalchemy import Connection, insert, select

from coterie.api.context import DEFAULT_NAMESPACE, Account
from coterie.kit.clock import Clock, iso
from coterie.kit.ids import new_id
from coterie.store.db import Db
from coterie.store.tables import organizations, users
from coterie.tenancy.namespaces import add_namespace
from coterie.tenancy.service import add_key, add_user

ADMIN_EMAIL = "admin@coterie.local"
KEY_NAME = "bootstrap"


def bootstrap(db: Db, clock: Clock, key_path: Path) -> str | None:
    """On a store without an organization make one; the text of its administrator's key, else None.

    The key is also left in a file that only its owner can read, written before the commit: no start ends with
    an account that no one can open.
    """
    with db.write() as tx:
        if tx.scalar(select(organizations.c.id).limit(1)) is not None:
            return None
        org_id = create_organization(tx, "default", iso(clock.now()))
        user_id = add_user(tx, org_id, ADMIN_EMAIL, "admin", iso(clock.now()))
        key: str = add_key(tx, org_id, user_id, KEY_NAME, ["admin"], iso(clock.now()), None)["key"]
        _write_private(key_path, key)
    return key


def create_organization(tx: Connection, name: str, now: str) -> str:
    """A new organization with its default namespace; its id."""
    org_id = new_id("org")
    tx.execute(
        insert(organizations).values(id=org_id, internal_id=new_id("int"), name=name, metadata="{}", created_at=now)
    )
    add_namespace(tx, org_id, {"namespace_name": DEFAULT_NAMESPACE}, now)
    return org_id


def administrator(tx: Connection) -> tuple[Account, str]:
    """The account and email of the first organization's first user: whom the CLI acts for on the machine itself."""
    row = tx.execute(
        select(organizations.c.id, organizations.c.internal_id, users.c.id.label("user_id"), users.c.email)
        .join(users, users.c.org_id == organizations.c.id)
        .order_by(organizations.c.created_at, users.c.created_at)
        .limit(1)
    ).one()
    return Account(row.id, row.internal_id, row.user_id, frozenset({"admin"})), row.email


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text + "\n")
