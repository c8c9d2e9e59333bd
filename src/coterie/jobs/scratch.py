"""The identity of a scratch folder: workers that read the same one there see each other's files."""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from coterie.kit.ids import new_id

NAME = ".identity"


def identity_of(folder: Path) -> str:
    """The folder's id, given to it by whoever asks first."""
    path = folder / NAME
    if not path.exists():
        _write_once(path, new_id("scratch"))
    return path.read_text()


def _write_once(path: Path, text: str) -> None:
    """Write a file, whole or not at all, unless someone else does at the same time."""
    with NamedTemporaryFile("w", dir=path.parent, prefix=NAME) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(file.name, path)
