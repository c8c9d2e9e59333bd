"""Debian's Chromium, drawing by SwiftShader, signed in to a service."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from conftest import Service

ARGUMENTS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for the tests of a module, which are skipped without one."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def signed_in(browser: Browser, service: Service, *, width: int = 1280, height: int = 800) -> Iterator[Page]:
    """A page whose scripts must not fail, and that must ask its own origin only."""
    context = browser.new_context(base_url=service.url, viewport={"width": width, "height": height})
    context.add_init_script(f"sessionStorage.setItem('coterie-key', '{service.key}')")
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda told: faults.append(told.text) if told.type == "error" else None)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    yield page
    context.close()
    assert faults == []
    assert [url for url in asked if not url.startswith((service.url, "data:", "blob:"))] == []
