"""What is never shown: the secret that signs, the values of headers, the path of a Slack URL."""

import hashlib
import hmac
import secrets

import httpx

MASK = "…"
"""Stands for a secret in what is shown. It is no ASCII, so it can be neither a header's value nor in a sound URL."""


LONG = 20


def new_secret() -> str:
    """A new secret to sign with, `whsec_…`, of 256 random bits."""
    return "whsec_" + secrets.token_hex(32)


def sign(secret: str, seconds: int, body: bytes) -> str:
    """The header `Coterie-Signature` of a body that is sent at an instant: `t=…,v1=…`."""
    digest = hmac.new(secret.encode(), b"%d.%b" % (seconds, body), hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def mask_url(url: str) -> str:
    """The origin of a URL and, of a long one, its last four characters, to tell URLs apart."""
    parsed = httpx.URL(url)
    path = parsed.raw_path.decode()
    return f"{parsed.scheme}://{parsed.netloc.decode()}/{MASK}{path[-4:] if len(path) >= LONG else ''}"


def is_masked(text: str) -> bool:
    """Whether a text holds the mask."""
    return MASK in text
