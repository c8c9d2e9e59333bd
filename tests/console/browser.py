"""A page of the browser, signed in to a service."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page

from conftest import Service


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
