"""A browser, and a service with the demo's digits in it, for the tests that drive the console."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from conftest import Service, start_service
from coterie.client import Client
from coterie.demo import story

ARGUMENTS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
"""The tests run as root in containers, and on machines without a GPU."""

HASTE_MILLISECONDS = 15_000
KEPT_KEY = "sessionStorage.setItem('coterie-key', {!r})"

DIGITS = "digits_kmeans"
"""The definition that has run twice."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on the path: the console is driven by Debian's")
    with sync_playwright() as playwright:
        expect.set_options(timeout=HASTE_MILLISECONDS)
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that holds 1,797 digits, a definition that ran twice and one by label that ran once."""
    service, told = start_service(tmp_path_factory.mktemp("console")), story.of_digits()
    try:
        with Client(service.url, service.key) as client:
            story.load(client, told, lambda share: None)
            story.define(client, told)
            for name in (DIGITS, DIGITS, "digits_by_label"):
                client.wait(client.run_cluster(name)["task_id"])
        yield service
    finally:
        status = service.stop()
    assert status == 0


class Visit:
    """A page, all that it asked for, and all that it complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)


@pytest.fixture
def visit(browser: Browser, digits: Service) -> Iterator[Callable[..., Visit]]:
    """Opens a path of the console, signed in by key in a browser of its own; at the end nothing may have broken."""
    visits: list[Visit] = []

    def open_page(path: str = "/clusters", *, key: bool = True, service: Service = digits, **options: object) -> Visit:
        usual = {"base_url": service.url, "viewport": {"width": 1280, "height": 860}}
        context = browser.new_context(**{**usual, **options})
        context.set_default_timeout(HASTE_MILLISECONDS)
        if key:
            context.add_init_script(KEPT_KEY.format(service.key))
        made = Visit(context.new_page())
        visits.append(made)
        made.page.goto(path)
        return made

    yield open_page
    for each in visits:
        each.page.context.close()
        assert each.complaints == []
        assert [url for url in each.asked if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))] == []
