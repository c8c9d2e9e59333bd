"""The built pages in memory: each with its ETag and as gzip, so that serving one reads and compresses nothing."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

STATIC = Path(__file__).parent / "static"
INDEX = "index.html"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}
"""What the build may hold, by the end of a name; nothing else is served."""


@dataclass(frozen=True)
class Page:
    """A file as it is sent."""

    kind: str
    etag: str
    plain: bytes
    packed: bytes


def find(name: str) -> Page | None:
    """The file of that name below `static`, None if the build has none such.

    Names come from the build's own list, never from a path that a caller joins.
    """
    path = _names().get(name)
    return None if path is None else _page(path)


@cache
def _page(path: Path) -> Page:
    content = path.read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return Page(KINDS[path.suffix], etag, content, gzip.compress(content, 9, mtime=0))


@cache
def _names() -> dict[str, Path]:
    found = (path for path in STATIC.rglob("*") if path.is_file() and path.suffix in KINDS)
    return {path.relative_to(STATIC).as_posix(): path for path in found}
