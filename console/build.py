"""Builds the console: types from the API's own document, then the pages, then the note of what they were made from.

`make console` runs it. `static/SOURCE` holds a hash over everything that the build reads, so that a test without Node
notices pages that are older than their source.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from coterie.app import create_app
from coterie.config import Settings
from coterie.console.files import STATIC
from coterie.wiring import open_services

HERE = Path(__file__).parent
TYPES = HERE / "src/api/schema.d.ts"
READ = ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "public", "src")


def source_hash() -> str:
    """SHA-256 over the names and contents of all that the build reads, but for the types: they leave no trace in it."""
    found = hashlib.sha256()
    for path in sorted(path for name in READ for path in _files(HERE / name) if path != TYPES):
        content = path.read_bytes()
        found.update(f"{path.relative_to(HERE).as_posix()}\0{len(content)}\0".encode() + content)
    return found.hexdigest()


def write_document(path: Path) -> None:
    """Leave the API's OpenAPI document in a file."""
    with tempfile.TemporaryDirectory() as folder:
        services, _ = open_services(Settings(data_dir=Path(folder)))
        path.write_text(json.dumps(create_app(services).openapi()))
        services.db.close()


def write_types() -> None:
    """Turn that document into types. Raises CalledProcessError."""
    _npm("types")


def build(out: Path) -> None:
    """Check the types and leave the pages in a folder, which is emptied first. Raises CalledProcessError."""
    _npm("check")
    _npm("build", "--outDir", str(out.resolve()), "--emptyOutDir")


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]


def _npm(script: str, *options: str) -> None:
    subprocess.run(["npm", "run", "--silent", script, "--", *options], cwd=HERE, check=True)


def main() -> None:
    write_document(HERE / "openapi.json")
    write_types()
    build(STATIC)
    (STATIC / "SOURCE").write_text(source_hash() + "\n")


if __name__ == "__main__":
    sys.exit(main())
