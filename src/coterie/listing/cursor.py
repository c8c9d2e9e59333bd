"""Cursors: a list's next page by the last row of this one, which rows that come and go do not move.

A cursor names the request it belongs to, so that it is not used for another, and holds what the row is ordered by. It
holds nothing that the row itself does not show.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from coterie.kit.errors import invalid
from coterie.listing.evaluate import MISSING, sort_value
from coterie.listing.operands import Loc
from coterie.listing.tree import ListQuery, Position, dump_node

MAX_CURSOR = 8_192
_FAULT = "The cursor is not one that this service gave for this request: take 'next_cursor' of its last answer"


def write_cursor(query: ListQuery, resource: Mapping[str, Any], identity: str) -> str | None:
    """The cursor of the page after a resource; None where its sort values are too long for one."""
    keys = [list(sort_value(key, resource)) for key in query.order]
    text = orjson.dumps([_fingerprint(query), keys, resource.get("created_at"), identity])
    cursor = base64.urlsafe_b64encode(text).decode().rstrip("=")
    return cursor if len(cursor) <= MAX_CURSOR else None


def read_cursor(given: object, query: ListQuery, loc: Loc) -> Position:
    """The position that a cursor names. Raises Invalid for what is no cursor, or another request's."""
    if not isinstance(given, str) or len(given) > MAX_CURSOR:
        raise invalid(loc, _FAULT, "cursor")
    try:
        fingerprint, keys, created_at, identity = orjson.loads(
            base64.urlsafe_b64decode(given + "=" * (-len(given) % 4))
        )
        position = Position(tuple((rank, value) for rank, value in keys), created_at, identity)
    except (ValueError, TypeError) as error:
        raise invalid(loc, _FAULT, "cursor") from error
    if fingerprint != _fingerprint(query) or not _is_sound(position, len(query.order)):
        raise invalid(loc, _FAULT, "cursor")
    return position


def _is_sound(position: Position, keys: int) -> bool:
    texts = (position.created_at, position.id)
    kinds = {0: (int, float), 1: (str,), 2: (bool,), MISSING: (int,)}
    return (
        len(position.keys) == keys
        and all(isinstance(text, str) and "\x00" not in text for text in texts)
        and all(type(rank) is int and type(value) in kinds.get(rank, ()) for rank, value in position.keys)
        and all("\x00" not in value for _, value in position.keys if isinstance(value, str))
        and all(-(2**63) <= value < 2**63 for _, value in position.keys if type(value) is int)
    )


def _fingerprint(query: ListQuery) -> str:
    where = None if query.where is None else dump_node(query.where)
    text = orjson.dumps([where, [list(key) for key in query.order], list(query.words)])
    return hashlib.sha256(text).hexdigest()[:16]
