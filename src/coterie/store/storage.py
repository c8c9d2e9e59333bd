"""Where vectors and artifacts are: a folder, or a prefix in a bucket of an object store.

Both hold files under keys with `/`, made by the service, never by a caller. A file is there whole or not at all, and
whatever counts is named by a record or a manifest that is written after it: what an interrupted upload leaves is swept.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from coterie.kit.errors import CannotStart

LanceOptions = Mapping[str, str] | None
"""What Lance has to know to reach a place; None for a folder."""


class UnfitStorage(CannotStart):
    """The place cannot be used; the message says why and what to do."""


class StorageFailed(OSError):
    """The store did not do what it was asked, though it was asked more than once."""


class Storage(Protocol):
    """Files under keys. Everything that reads raises FileNotFoundError for a key that has no file."""

    def below(self, name: str) -> "Storage":
        """The part under a name."""
        ...

    def lance(self, key: str) -> tuple[str, LanceOptions]:
        """How Lance names a dataset at a key, and what it needs to reach it."""
        ...

    def check(self) -> None:
        """Raise UnfitStorage where vectors would not be safe, or nothing can be written."""
        ...

    def is_usable(self) -> bool:
        """Whether it answers, for a look at its health."""
        ...

    def open(self, key: str) -> pa.NativeFile:
        """The file, to be read from anywhere in it."""
        ...

    def read(self, key: str) -> bytes:
        """All of a small file."""
        ...

    def write(self, key: str, data: bytes) -> None:
        """Make a small file, or make it anew."""
        ...

    def publish(self, key: str, written: Path) -> None:
        """Move a finished file of this machine to a key."""
        ...

    def exists(self, key: str) -> bool:
        """Whether there is a file."""
        ...

    def size(self, key: str) -> int:
        """Its bytes."""
        ...

    def folders(self, depth: int, prefix: str = "") -> Iterator[str]:
        """The prefixes of so many names more than `prefix` that have files."""
        ...

    def files(self, prefix: str = "") -> Iterator[str]:
        """The keys of all files under a prefix."""
        ...

    def added(self, prefix: str) -> float:
        """When (UNIX time) a file was last added under a prefix; 0 where there is none."""
        ...

    def drop(self, prefix: str) -> None:
        """Delete everything under a prefix, as far as it can be: a sweep finds what was left."""
        ...

    def link(self, key: str, seconds: int) -> str | None:
        """A URL that gives the file to whoever has it, for so long; None where only the service can serve it."""
        ...


def first_line(error: Exception) -> str:
    """What an error says, without the stack that the clients of stores add."""
    return str(error).partition("\n")[0][:300]


def open_storage(url: str | Path) -> Storage:
    """A folder by its path, or a bucket by its URL: `s3://bucket/prefix`, `gs://bucket/prefix`.

    Raises UnfitStorage for a URL that means nothing.
    """
    # Imported where it works: no one who keeps a folder pays for the client of object stores.
    if isinstance(url, str) and "://" in url:
        from coterie.store.bucket import open_bucket  # noqa: PLC0415

        return open_bucket(url)
    if re.match(r"(s3|gs)[:/]", str(url)):
        raise UnfitStorage("the storage is neither a URL nor the path of a folder: write s3://bucket/prefix")
    from coterie.store.folder import FolderStorage  # noqa: PLC0415

    return FolderStorage(Path(url))
