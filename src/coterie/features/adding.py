"""Adding a model: its files are put together beside the models' folder, checked, and moved to their place at once."""

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from coterie.features.hub import Hub, fetch_files
from coterie.features.manifest import FILE, BadModel, Manifest
from coterie.features.models import Model, check_files, hash_file, open_model, package_folder

MAX_UNPACKED = 8 * 1024**3
"""Bytes of a wheel, unpacked."""

Try = Callable[[Model], None]
"""Has a model make a vector. Raises BadModel."""


@dataclass(frozen=True)
class Sources:
    """Where a model's files are: folders, wheels, installed packages, a repository. Of two the first counts."""

    paths: Sequence[Path] = ()
    packages: Sequence[str] = ()
    hub: Hub | None = None


def add_model(folder: Path, name: str | None, sources: Sources, trial: Try, *, replace: bool = False) -> Manifest:
    """Put a model's files into the models' folder, with a manifest that has the checksum of each.

    Nothing is left of a model that is refused. Raises BadModel saying why.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as scratch:
        places = [_unpacked(path, Path(scratch) / f"source-{at}") for at, path in enumerate(sources.paths)]
        places += [_package(package) for package in sources.packages]
        if sources.hub is not None:
            places.append(fetch_files(sources.hub, Path(scratch) / "hub"))
        found = open_model(places, name, "folder")
        check_files(found)
        made = Path(scratch) / "model"
        manifest = _copy(found, made)
        trial(open_model([made], manifest.name, "folder"))
        _publish(made, folder / manifest.name, replace)
    return manifest


def _unpacked(path: Path, target: Path) -> Path:
    """A folder as it is; a wheel's content. Raises BadModel for anything else."""
    if path.is_dir():
        return path
    if not zipfile.is_zipfile(path):
        raise BadModel(f"{path} is neither a folder nor a wheel")
    with zipfile.ZipFile(path) as archive:
        if sum(each.file_size for each in archive.infolist()) > MAX_UNPACKED:
            raise BadModel(f"{path} holds more than {MAX_UNPACKED} bytes")
        archive.extractall(target)  # which keeps every member below the target
    return target


def _package(name: str) -> Path:
    found = package_folder(name)
    if found is None:
        raise BadModel(f"package '{name}' is not installed here")
    return found


def _copy(model: Model, target: Path) -> Manifest:
    """The files under their names in the manifest, and the manifest itself, with their checksums."""
    for path in model.manifest.files:
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model.files[path], place)
    sums = {path: hash_file(target / path) for path in model.manifest.files}
    manifest = model.manifest.model_copy(update={"sha256": sums})
    text: dict[str, Any] = manifest.model_dump(mode="json", exclude_none=True)
    (target / FILE).write_bytes(orjson.dumps(text, option=orjson.OPT_INDENT_2))
    return manifest


def _publish(made: Path, target: Path, replace: bool) -> None:
    """Move a finished folder to its place, whole or not at all."""
    if not target.exists():
        made.rename(target)
        return
    if not replace:
        raise BadModel(f"model '{target.name}' is there already: --replace puts the new one in its place")
    old = target.rename(made.parent / "old")
    try:
        made.rename(target)
    except OSError:
        old.rename(target)
        raise
