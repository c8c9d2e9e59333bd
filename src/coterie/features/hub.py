"""Files of a repository on a model hub: of one revision, each with the checksum that it must have.

This alone asks the network for a model, and only when one is added.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import httpx

from coterie.features.manifest import BadModel, inside

SECONDS = 60
"""Silence after which a download is given up."""

_REPOSITORY = re.compile(r"[\w.\-]{1,96}/[\w.\-]{1,96}", re.ASCII)
_REVISION = re.compile(r"[0-9a-f]{40}")
_SUM = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Hub:
    """A repository (`owner/name`) at a revision (40 hexadecimal digits), and its files' SHA-256 by their paths."""

    url: str
    repository: str
    revision: str
    files: Mapping[str, str] = field(default_factory=dict)


def fetch_files(hub: Hub, target: Path, transport: httpx.BaseTransport | None = None) -> Path:
    """Download the files below a folder; the folder. Raises BadModel for one that is not what its checksum says."""
    _check(hub)
    with httpx.Client(follow_redirects=True, timeout=SECONDS, transport=transport) as client:
        for path, wanted in hub.files.items():
            place = target / path
            place.parent.mkdir(parents=True, exist_ok=True)
            url = f"{hub.url.rstrip('/')}/{hub.repository}/resolve/{hub.revision}/{path}"
            try:
                found = _download(client, url, place)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise BadModel(f"{path} could not be downloaded: {type(error).__name__}: {error}"[:400]) from error
            if found != wanted:
                raise BadModel(f"{path} has the SHA-256 {found}, not {wanted}: nothing was added")
    return target


def _check(hub: Hub) -> None:
    if not _REPOSITORY.fullmatch(hub.repository):
        raise BadModel("a repository is named as owner/name")
    if not _REVISION.fullmatch(hub.revision):
        raise BadModel("a revision is a commit: 40 hexadecimal digits; a branch may change under its name")
    if not hub.files:
        raise BadModel("name the repository's files, each with its SHA-256: --file model.onnx=<64 hexadecimal digits>")
    for path, wanted in hub.files.items():
        try:
            inside(path)
        except ValueError as error:
            raise BadModel(f"'{path}': {error}") from error
        if not _SUM.fullmatch(wanted):
            raise BadModel(f"the SHA-256 of {path} has 64 hexadecimal digits")


def _download(client: httpx.Client, url: str, place: Path) -> str:
    """The SHA-256 of what came."""
    found = sha256()
    with client.stream("GET", url) as response, place.open("wb") as file:
        response.raise_for_status()
        for chunk in response.iter_bytes():
            found.update(chunk)
            file.write(chunk)
    return found.hexdigest()
