"""Storage in a bucket of S3, of a store that speaks its language, or of Google Cloud Storage.

The client is `object_store`, Lance's own, so that one set of settings and credentials serves vectors and files: the
standard variables (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL;
GOOGLE_APPLICATION_CREDENTIALS), else the role of the machine, the container or the pod.
"""

import io
import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import obstore
import pyarrow as pa
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import GCSStore, S3Store

from coterie.store.storage import LanceOptions, Storage, StorageFailed, UnfitStorage, first_line

if TYPE_CHECKING:
    from obstore import ObjectMeta

log = logging.getLogger("coterie.store")

Bucket = S3Store | GCSStore

TAIL = 64 * 1024
"""Bytes that are read with the first look at a file: a Parquet file's footer, or all of a small file."""

PART = 16 * 1024 * 1024
"""Larger files are sent in parts of so many bytes, which count once the last one is there."""

REQUEST_SECONDS = 120
RETRIES, RETRY_SECONDS = 8, 60
"""A store that does not answer after so many tries, or for so long, has failed."""

HEALTH_SECONDS = 3
"""A look at its health waits no longer, and asks once."""

DELETED_AT_ONCE = 1_000
PARAMETERS = {
    "s3": {
        "endpoint": "aws_endpoint",
        "region": "aws_region",
        "virtual_host": "aws_virtual_hosted_style_request",
    },
    "gs": {},
}
"""What the URL of a bucket may say besides where it is, and object_store's names for it."""


def open_bucket(url: str) -> Storage:
    """The storage that a URL names. Raises UnfitStorage for one that means nothing."""
    parts = urlsplit(url)
    said = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = PARAMETERS.get(parts.scheme)
    if known is None or not parts.netloc or "@" in parts.netloc or not said.keys() <= known.keys():
        raise UnfitStorage(
            "the URL of the storage must be s3://bucket/prefix or gs://bucket/prefix; of s3:// it may go on with "
            f"?{'=…&'.join(PARAMETERS['s3'])}=…, and keys go into the environment (AWS_ACCESS_KEY_ID, …)"
        )
    try:
        return BucketStorage(parts.scheme, parts.netloc, parts.path.strip("/"), _options(parts.scheme, said))
    except BaseError as error:
        raise UnfitStorage(
            f"the storage {parts.scheme}://{parts.netloc} cannot be used: {first_line(error)}"
        ) from error


class BucketStorage:
    """Objects below a prefix of a bucket. `options` are object_store's."""

    def __init__(self, scheme: str, bucket: str, prefix: str, options: Mapping[str, str]) -> None:
        self._place = (scheme, bucket, prefix)
        self._options = options
        self._bucket = _bucket(scheme, bucket, prefix, options)

    def below(self, name: str) -> "BucketStorage":
        scheme, bucket, prefix = self._place
        return BucketStorage(scheme, bucket, f"{prefix}/{name}".lstrip("/"), self._options)

    def lance(self, key: str) -> tuple[str, LanceOptions]:
        scheme, bucket, prefix = self._place
        return f"{scheme}://{bucket}/{f'{prefix}/{key}'.lstrip('/')}", self._options

    def check(self) -> None:
        """Lance commits a version by making an object that must not be there yet: of two writers at once one has to be
        refused, or the other's rows are lost. A store that lets both pass is refused."""
        key = f"probe-{secrets.token_hex(8)}"
        try:
            obstore.put(self._bucket, key, b"", mode="create")
            obstore.put(self._bucket, key, b"", mode="create")
        except AlreadyExistsError:
            return
        except (BaseError, OSError) as error:
            raise UnfitStorage(
                f"the storage {self} cannot be written: {first_line(error)}{_without_keys(self)}"
            ) from error
        finally:
            with suppress(BaseError, OSError):
                obstore.delete(self._bucket, key)
        raise UnfitStorage(
            f"the storage {self} has no conditional writes (If-None-Match), without which vectors of writers at the "
            "same time are lost: use S3, or a store that has them (MinIO, SeaweedFS, Ceph, R2)"
        )

    def is_usable(self) -> bool:
        quick = _bucket(*self._place, self._options, seconds=HEALTH_SECONDS, retries=0)
        try:
            next(iter(obstore.list(quick, chunk_size=1)), None)
        except (BaseError, OSError):
            return False
        return True

    def open(self, key: str) -> pa.NativeFile:
        return pa.PythonFile(_Object(self._bucket, key), mode="r")

    def read(self, key: str) -> bytes:
        with _failing():
            return obstore.get(self._bucket, key).bytes().to_bytes()

    def write(self, key: str, data: bytes) -> None:
        with _failing():
            obstore.put(self._bucket, key, data)

    def publish(self, key: str, written: Path) -> None:
        with _failing():
            obstore.put(self._bucket, key, written, chunk_size=PART)
        written.unlink()

    def exists(self, key: str) -> bool:
        try:
            self.size(key)
        except FileNotFoundError:
            return False
        return True

    def size(self, key: str) -> int:
        with _failing():
            return obstore.head(self._bucket, key)["size"]

    def folders(self, depth: int, prefix: str = "") -> Iterator[str]:
        with _failing():
            yield from self._below(f"{prefix}/" if prefix else None, depth)

    def files(self, prefix: str = "") -> Iterator[str]:
        with _failing():
            yield from (each["path"] for each in self._held(prefix))

    def added(self, prefix: str) -> float:
        with _failing():
            return max((each["last_modified"].timestamp() for each in self._held(prefix)), default=0.0)

    def drop(self, prefix: str) -> None:
        try:
            for page in obstore.list(self._bucket, prefix=f"{prefix}/", chunk_size=DELETED_AT_ONCE):
                obstore.delete(self._bucket, [each["path"] for each in page])
        except (BaseError, OSError) as error:
            log.warning("%s/%s was not deleted; the next sweep tries again: %s", self, prefix, first_line(error))

    def link(self, key: str, seconds: int) -> str | None:
        try:
            return obstore.sign(self._bucket, "GET", key, timedelta(seconds=seconds))
        except (BaseError, OSError) as error:  # whoever has a role and no key of his own may be unable to sign
            log.warning("no link to an object could be signed; the service serves it itself: %s", first_line(error))
            return None

    def __str__(self) -> str:
        scheme, bucket, prefix = self._place
        return f"{scheme}://{bucket}/{prefix}".rstrip("/")

    def _held(self, prefix: str) -> "Iterator[ObjectMeta]":
        for page in obstore.list(self._bucket, prefix=f"{prefix}/" if prefix else None):
            yield from page

    def _below(self, prefix: str | None, depth: int) -> Iterator[str]:
        for found in obstore.list_with_delimiter(self._bucket, prefix=prefix)["common_prefixes"]:
            path = found.rstrip("/")
            if depth > 1:
                yield from self._below(f"{path}/", depth - 1)
            else:
                yield path


class _Object(io.RawIOBase):
    """An object to be read from anywhere in it; the bytes at its end are read with the first look."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        self._bucket, self._key = bucket, key
        self._at = 0
        with _failing():
            found = obstore.get(bucket, key, options={"range": {"suffix": TAIL}})
            self._tail = found.bytes().to_bytes()
        self._size: int = found.meta["size"]

    def size(self) -> int:
        return self._size

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        end = self._size if size < 0 else min(self._at + size, self._size)
        begin, self._at = self._at, max(end, self._at)
        held = self._size - len(self._tail)
        if begin >= end:
            return b""
        if begin >= held:
            return self._tail[begin - held : end - held]
        with _failing():
            return obstore.get_range(self._bucket, self._key, start=begin, end=end).to_bytes()


def _options(scheme: str, said: Mapping[str, str]) -> dict[str, str]:
    endpoint = said.get("endpoint", "")
    if endpoint and (not endpoint.startswith(("http://", "https://")) or "@" in endpoint):
        raise UnfitStorage("the endpoint of the storage must be http://… or https://…, without keys")
    options = {PARAMETERS[scheme][name]: value for name, value in said.items() if value}
    if endpoint.startswith("http://"):
        options["allow_http"] = "true"
    return options


def _bucket(
    scheme: str,
    bucket: str,
    prefix: str,
    options: Mapping[str, str],
    *,
    seconds: float = REQUEST_SECONDS,
    retries: int | None = None,
) -> Bucket:
    kind: Any = {"s3": S3Store, "gs": GCSStore}[scheme]
    config = {name: value for name, value in options.items() if name != "allow_http"}
    client = {"timeout": timedelta(seconds=seconds), "allow_http": "allow_http" in options}
    retry = {"max_retries": RETRIES if retries is None else retries, "retry_timeout": timedelta(seconds=RETRY_SECONDS)}
    found: Bucket = kind(bucket, prefix=prefix or None, config=config, client_options=client, retry_config=retry)
    return found


@contextmanager
def _failing() -> Iterator[None]:
    """Within it, a store that fails is a StorageFailed."""
    try:
        yield
    except BaseError as error:
        raise StorageFailed(f"the object store failed: {first_line(error)}") from error


def _without_keys(storage: BucketStorage) -> str:
    """What to add where there are no keys to be refused."""
    if str(storage).startswith("s3://") and not os.environ.get("AWS_ACCESS_KEY_ID"):
        return " (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, and this machine gives no role)"
    return ""
