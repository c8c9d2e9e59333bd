"""Artifacts as files: Parquet under keys such as `{org}/{namespace}/engine_cluster_build/{run}/clusters.parquet`."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile


class BlobStore:
    """Files below a folder, addressed by keys with `/`. Keys are made by the service, never by a caller."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        """Where the file of a key is. Raises ValueError for a key that would leave the folder."""
        path = (self.root / key).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise ValueError("an artifact's key stays below its folder")
        return path

    def publish(self, key: str, written: Path) -> None:
        """Move a finished file to its key, whole or not at all, and make the move durable."""
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        if written.stat().st_dev != target.parent.stat().st_dev:
            written = _brought(written, target)
        _sync(written)
        os.replace(written, target)
        _sync(target.parent)

    def exists(self, key: str) -> bool:
        """Whether a file is there."""
        return self.path(key).is_file()

    def size(self, key: str) -> int:
        """Its bytes."""
        return self.path(key).stat().st_size

    def touch(self, key: str) -> None:
        """Make an empty file."""
        self.path(key).touch()

    def folders(self, pattern: str) -> Iterator[tuple[str, float]]:
        """The prefixes that match, and when (UNIX time) a file was last added below each."""
        for path in self.root.glob(pattern):
            try:
                yield path.relative_to(self.root).as_posix(), path.stat().st_mtime
            except FileNotFoundError:  # it was dropped meanwhile
                continue

    def drop(self, prefix: str) -> None:
        """Delete everything under a prefix."""
        shutil.rmtree(self.path(prefix), ignore_errors=True)


def _brought(written: Path, target: Path) -> Path:
    """A file of another disk, moved to that of its target, under a name that is not given out."""
    with NamedTemporaryFile(dir=target.parent, prefix=".", delete=False) as copy:
        shutil.move(written, copy.name)
    return Path(copy.name)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
