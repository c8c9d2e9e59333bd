"""Exports behind links that open without a key, for a while: for a browser, a notebook, a colleague without an account.

The file is written once and lies beside the runs of its namespace. An object store serves it by a link that it signed;
out of a folder the service serves it itself, to whoever knows the secret in the link, of which only a hash is kept.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile

import pyarrow as pa

from coterie.api.context import Services, Tenant
from coterie.kit.errors import Conflict, NotFound
from coterie.runs.artifacts import RUN_DEPTH
from coterie.store.storage import Storage

EXPORTS = "exports"
MOST = 100
"""Files that a namespace has behind links at once."""

CHUNK = 1024 * 1024
_PART = re.compile(r"[A-Za-z0-9_-]+(\.[a-z]+)?")
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


def make_link(
    services: Services, tenant: Tenant, chunks: Iterable[bytes], filename: str, seconds: int, address: str
) -> tuple[str, int]:
    """A URL of a new file, and when (UNIX time) it ends; `address` is where the service serves such files.

    Raises Conflict when the namespace has too many.
    """
    blobs, folder = services.blobs, f"{tenant.internal_id}/{tenant.namespace_id}/{EXPORTS}"
    if sum(1 for _ in blobs.folders(1, folder)) >= MOST:
        raise Conflict(f"there are {MOST} files behind links: wait until some have expired, or export without a link")
    secret, expires = secrets.token_urlsafe(32), int(time.time()) + seconds
    key = f"{folder}/{expires}-{_hash(secret)}/{filename}"
    with NamedTemporaryFile(dir=services.settings.scratch_dir, prefix="export-", delete=False) as file:
        written = Path(file.name)
        try:
            file.writelines(chunks)
            file.flush()
            blobs.publish(key, written)
        finally:
            written.unlink(missing_ok=True)
    own = f"{address}/{tenant.internal_id}/{tenant.namespace_id}/{expires}/{secret}/{filename}"
    return blobs.link(key, seconds) or own, expires


def open_link(
    blobs: Storage, internal_id: str, namespace_id: str, expires: int, secret: str, filename: str
) -> tuple[Iterator[bytes], int]:
    """The bytes behind a link that the service serves, and how many. Raises NotFound."""
    gone = NotFound("there is no such file, or its link has expired")
    parts = (internal_id, namespace_id, filename)
    if expires < time.time() or not _SECRET.fullmatch(secret) or not all(map(_PART.fullmatch, parts)):
        raise gone
    key = f"{internal_id}/{namespace_id}/{EXPORTS}/{expires}-{_hash(secret)}/{filename}"
    try:
        return _chunks(blobs.open(key)), blobs.size(key)
    except FileNotFoundError:
        raise gone from None


def sweep_links(blobs: Storage) -> None:
    """Delete the files whose links have expired."""
    for prefix in blobs.folders(RUN_DEPTH):
        _, _, kind, name = prefix.split("/")
        if kind == EXPORTS and int(name.partition("-")[0]) < time.time():
            blobs.drop(prefix)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _chunks(file: pa.NativeFile) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk
