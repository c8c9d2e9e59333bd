"""Signing a browser in: one-time links, and the sessions that they are exchanged for.

A link is made on the server's machine and carries a random token behind its `#`, which browsers send to no one. It
works once, within minutes; the store keeps its SHA-256. The session that it opens is an API key that ends by itself
(`console …` in the list of keys, revoked like any other), whose text is in an HttpOnly cookie and nowhere else.
"""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert

from coterie.api.context import Account
from coterie.kit.clock import iso
from coterie.kit.errors import Unauthorized
from coterie.kit.ids import hash_key
from coterie.store.tables import api_keys, sign_in_links
from coterie.tenancy.service import add_key

LINK_LASTS = timedelta(minutes=15)
SESSION_LASTS = timedelta(hours=12)
NAME = "console "
"""How the names of sessions begin among the keys of a user."""

PERMISSIONS = ("admin",)
"""Of a session: links are made by who has the data folder in hand, and with it everything."""


def make_link(tx: Connection, account: Account, url: str, now: datetime) -> str:
    """The address of a sign-in page that opens one session of the account's user, within LINK_LASTS."""
    token = secrets.token_urlsafe(32)
    tx.execute(delete(sign_in_links).where(sign_in_links.c.expires_at <= iso(now)))
    tx.execute(
        insert(sign_in_links).values(
            hash=hash_key(token),
            org_id=account.org_id,
            user_id=account.user_id,
            expires_at=iso(now + LINK_LASTS),
            created_at=iso(now),
        )
    )
    return f"{url}/sign-in#{token}"


def exchange(tx: Connection, token: str, now: datetime) -> tuple[str, str]:
    """The key of a new session for a link's token, and when it ends. Raises Unauthorized.

    The link is deleted by the statement that reads it, so that of two who come with it one is refused.
    """
    taken = delete(sign_in_links).where(sign_in_links.c.hash == hash_key(token)).returning(*sign_in_links.c)
    link = tx.execute(taken).first()
    if link is None or link.expires_at <= iso(now):
        raise Unauthorized("this link was used already or has expired: `coterie key sign-in` prints another one")
    _forget_ended(tx, link.user_id, iso(now))
    ends = iso(now + SESSION_LASTS)
    name = NAME + secrets.token_hex(4)
    key = add_key(tx, link.org_id, link.user_id, name, PERMISSIONS, iso(now), ends)["key"]
    return key, ends


def end(tx: Connection, key: str) -> None:
    """Revoke a session. Other keys are not ended this way."""
    tx.execute(delete(api_keys).where(api_keys.c.hash == hash_key(key), *_SESSIONS))


_SESSIONS = (api_keys.c.name.startswith(NAME, autoescape=True), api_keys.c.expires_at.is_not(None))


def _forget_ended(tx: Connection, user_id: str, now: str) -> None:
    """Sessions that ended leave the list of keys at the next sign-in."""
    tx.execute(delete(api_keys).where(api_keys.c.user_id == user_id, api_keys.c.expires_at <= now, *_SESSIONS))
