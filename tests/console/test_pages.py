"""The console's pages as the server sends them: what is there, how it is cached, what it may load."""

import gzip
import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from starlette.testclient import TestClient

from coterie.console.files import STATIC

SOURCES = Path(__file__).parents[2] / "console"
HTML = {"Accept": "text/html,*/*;q=0.8"}
BUDGET = 400_000
"""Bytes of the whole console, compressed; what one view loads is less."""


@pytest.mark.parametrize("path", ["/", "/clusters", "/clusters/x/map?run=y", "/data/a%2Fb", "/automation", "/sign-in"])
def test_every_view_has_an_address(client: TestClient, path: str) -> None:
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert client.get(path, headers={"Accept": "application/json"}).json()["error"]["type"] == "NotFoundError"


def test_what_is_no_view_is_not_there(client: TestClient) -> None:
    for path in (
        "/nothing",
        "/assets/nothing.js",
        "/assets/../files.py",
        "/assets/%2e%2e/SOURCE",
        "/static/index.html",
    ):
        assert client.get(path, headers=HTML).status_code == 404
    assert client.post("/clusters", headers=HTML).status_code == 405


def test_nothing_is_loaded_from_elsewhere_and_nothing_stands_inline(client: TestClient) -> None:
    answer = client.get("/clusters", headers=HTML)
    policy = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert all("unsafe-inline" not in sources and "http" not in sources for sources in policy.values())
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<style|<script(?![^>]* src=)| style=| on\w+=|(src|href)=\"(?!/)", answer.text)


def test_parts_are_cached_for_good_and_the_page_is_asked_for_again(client: TestClient) -> None:
    page = client.get("/clusters", headers=HTML)
    assert page.headers["cache-control"] == "no-cache"
    same = client.get("/clusters", headers={**HTML, "If-None-Match": page.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    for path in re.findall(r'(?:src|href)="(/assets/[^"]+)"', page.text):
        part = client.get(path)
        assert part.status_code == 200
        assert "immutable" in part.headers["cache-control"]
        assert part.headers["content-encoding"] == "gzip"
        plain = client.get(path, headers={"Accept-Encoding": "identity"})
        assert plain.content == part.content
        assert "content-encoding" not in plain.headers


def test_the_console_keeps_within_its_budget() -> None:
    sizes = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in STATIC.rglob("*") if path.is_file()}
    assert sum(sizes.values()) < BUDGET, sizes


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that builds the console."""
    monkeypatch.syspath_prepend(str(SOURCES))
    monkeypatch.delitem(sys.modules, "build", raising=False)
    return import_module("build")


def test_the_pages_are_those_of_the_source(build: ModuleType) -> None:
    noted = (STATIC / "SOURCE").read_text().strip()
    assert noted == build.source_hash(), "console/ has changed since the pages were built: run `make console`"


@pytest.mark.slow
def test_a_build_makes_the_same_bytes(build: ModuleType, tmp_path: Path) -> None:
    if not (SOURCES / "node_modules").is_dir():
        pytest.skip("the console's packages are not installed: run `make console`")
    build.write_document(SOURCES / "openapi.json")
    build.write_types()
    build.build(tmp_path)

    def contents(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file() and path.name != "SOURCE")
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    assert contents(tmp_path) == contents(STATIC)


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (SOURCES / "package-lock.json").read_text()
