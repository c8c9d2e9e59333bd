"""Storage in a folder of this machine, or of a file system that several machines mount."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from coterie.store.storage import LanceOptions, UnfitStorage


class FolderStorage:
    """Files below a folder, which is made as it is needed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def below(self, name: str) -> "FolderStorage":
        return FolderStorage(self.root / name)

    def lance(self, key: str) -> tuple[str, LanceOptions]:
        return str(self.path(key)), None

    def check(self) -> None:
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UnfitStorage(f"{self.root} cannot be made: {error.strerror}") from error
        if not self.is_usable():
            raise UnfitStorage(f"{self.root} cannot be written by this user: change its owner, or name another folder")

    def is_usable(self) -> bool:
        nearest = next(path for path in (self.root, *self.root.parents) if path.exists())
        return os.access(nearest, os.W_OK)

    def path(self, key: str) -> Path:
        """Where the file of a key is. Raises ValueError for a key that would leave the folder."""
        path = (self.root / key).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise ValueError("an artifact's key stays below its folder")
        return path

    def open(self, key: str) -> pa.NativeFile:
        return pa.OSFile(str(self.path(key)))

    def read(self, key: str) -> bytes:
        return self.path(key).read_bytes()

    def write(self, key: str, data: bytes) -> None:
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix="new-", delete=False) as file:
            file.write(data)
        self.publish(key, Path(file.name))

    def publish(self, key: str, written: Path) -> None:
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        if written.stat().st_dev != target.parent.stat().st_dev:  # nothing moves between file systems in one step
            with tempfile.NamedTemporaryFile(dir=target.parent, prefix="new-", delete=False) as file:
                shutil.copyfile(written, file.name)
            written.unlink()
            written = Path(file.name)
        _sync(written)
        os.replace(written, target)
        _sync(target.parent)

    def exists(self, key: str) -> bool:
        return self.path(key).is_file()

    def size(self, key: str) -> int:
        return self.path(key).stat().st_size

    def folders(self, depth: int, prefix: str = "") -> Iterator[str]:
        root = self.root.resolve()
        for path in self.path(prefix).glob("/".join("*" * depth)):
            if path.is_dir():
                yield path.relative_to(root).as_posix()

    def files(self, prefix: str = "") -> Iterator[str]:
        root = self.root.resolve()
        for folder, _, names in os.walk(self.path(prefix)):  # which passes over what is deleted meanwhile
            yield from ((Path(folder) / name).relative_to(root).as_posix() for name in names)

    def added(self, prefix: str) -> float:
        try:
            return self.path(prefix).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def drop(self, prefix: str) -> None:
        shutil.rmtree(self.path(prefix), ignore_errors=True)

    def link(self, key: str, seconds: int) -> str | None:
        return None


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
