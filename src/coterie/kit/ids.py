"""Identifiers and API keys: a prefix that tells the kind, then alphanumerics from the system's random source."""

import hashlib
import secrets
import string
from datetime import UTC, datetime, timedelta

from coterie.kit.clock import parse_iso

ALPHABET = string.ascii_lowercase + string.digits
KEY_ALPHABET = string.ascii_letters + string.digits

ID_LENGTH = 20
"""Characters after the prefix: 36^20 is about 2^103, so that ids can be neither guessed nor met twice."""

TIME_LENGTH = 10
"""Of those, in an ordered identifier, for its moment in microseconds: enough until 2085."""

_ORDERED = "".join(sorted(ALPHABET))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

KEY_LENGTH = 43
"""Characters after `sk_`: 62^43 is about 2^256. Keys are random, so a plain SHA-256 stores them safely."""


def new_id(prefix: str) -> str:
    """A new identifier such as `col_4fz0…`."""
    return f"{prefix}_" + "".join(secrets.choice(ALPHABET) for _ in range(ID_LENGTH))


def ordered_id(prefix: str, moment: str) -> str:
    """A new identifier that sorts after all of earlier moments (`kit.clock.iso`) and can still not be guessed."""
    micros = (parse_iso(moment) - EPOCH) // timedelta(microseconds=1)
    digits = ""
    for _ in range(TIME_LENGTH):
        micros, digit = divmod(micros, len(_ORDERED))
        digits = _ORDERED[digit] + digits
    return f"{prefix}_{digits}" + "".join(secrets.choice(ALPHABET) for _ in range(ID_LENGTH - TIME_LENGTH))


def new_key() -> str:
    """A new API key, `sk_…`. It is shown once; only `hash_key` of it is kept."""
    return "sk_" + "".join(secrets.choice(KEY_ALPHABET) for _ in range(KEY_LENGTH))


def hash_key(key: str) -> str:
    """The SHA-256 of a key in hexadecimal: what the store keeps and looks up."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
