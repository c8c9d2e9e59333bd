"""The console's frame in Chromium: signing in, keys and focus, colours, narrow screens, access, hostile texts."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from urllib.parse import quote

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from conftest import Service
from console.conftest import DIGITS, Visit

Visitor = Callable[..., Visit]
VIEWS = ("/clusters", "/clusters?build=1&new=1", f"/clusters/{DIGITS}", "/data", "/automation")
HOSTILE = (
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 2'>",
    '"><svg onload="window.hit = 3">',
    "javascript:window.hit=4",
    "{{constructor.constructor('window.hit=5')()}}",
    "‮txt.exe <b>&amp;lt;</b>",
)


def sign_in_link(service: Service) -> str:
    command = [sys.executable, "-m", "coterie", "key", "sign-in", "--data-dir", str(service.data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
    return done.stdout.strip()


def test_a_key_signs_this_tab_in(visit: Visitor, digits: Service) -> None:
    opened = visit(key=False)
    page = opened.page
    page.get_by_label("API key").fill("sk_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("This key is unknown, revoked or expired.")
    page.get_by_label("API key").fill(digits.key)
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(3)
    assert page.context.cookies() == []
    other = page.context.new_page()
    other.goto("/clusters")
    expect(other.get_by_role("heading", name="Sign in to Coterie")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to Coterie")).to_be_visible()
    opened.complaints.clear()  # the browser tells the 401


def test_a_link_signs_a_browser_in_once_and_leaves_no_trace(visit: Visitor, digits: Service) -> None:
    link = sign_in_link(digits)
    opened = visit(link, key=False)
    page = opened.page
    expect(page.locator("tbody tr")).to_have_count(3)
    assert page.url == f"{digits.url}/clusters"
    assert page.evaluate("document.cookie + JSON.stringify({...sessionStorage, ...localStorage})") == "{}"
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    token = link.partition("#")[2]
    assert not any(token in url.partition("#")[0] for url in opened.asked)
    second = page.context.new_page()
    second.goto(f"/clusters/{DIGITS}")
    expect(second.get_by_role("heading", level=1)).to_have_text(DIGITS)
    second.get_by_role("button", name="Sign out").click()
    expect(second.get_by_role("heading", name="Sign in to Coterie")).to_be_visible()
    page.get_by_role("link", name="Data").click()
    expect(page.get_by_text("You are signed out")).to_be_visible()
    page.goto(link)
    expect(page.get_by_role("alert")).to_contain_text("coterie key sign-in")
    opened.complaints.clear()  # the browser tells each 401


def test_progress_is_followed_with_the_cookie_too(visit: Visitor, digits: Service) -> None:
    page = visit(sign_in_link(digits), key=False).page
    expect(page.locator("tbody tr")).to_have_count(3)
    page.goto("/clusters/digits_by_label")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_count(0, timeout=60_000)
    expect(page.locator(".head .badge")).to_have_text("completed")


def test_the_keyboard_is_enough(visit: Visitor) -> None:
    page = visit().page
    expect(page.locator("tbody tr")).to_have_count(3)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.locator("#main").focus()
    button = page.get_by_role("button", name="New cluster")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(button).to_be_focused()
    for keys, title in (("gd", "Data"), ("ga", "Automation"), ("gc", "Clusters")):
        page.keyboard.type(keys)
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        expect(page.locator("#main")).to_be_focused()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Automation")


def test_colours_follow_the_system_until_one_is_chosen(visit: Visitor) -> None:
    def background(page: Page) -> int:
        colour: str = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        return int(colour.removeprefix("rgb(").split(",")[0])

    page = visit(color_scheme="dark").page
    expect(page.locator("tbody tr")).to_have_count(3)
    assert background(page) < 64
    page.get_by_role("button", name="Colours: system").click()
    page.get_by_role("button", name="Colours: light").wait_for()
    assert background(page) > 192
    page.reload()
    page.get_by_role("button", name="Colours: light").click()
    page.get_by_role("button", name="Colours: dark").wait_for()
    page.emulate_media(color_scheme="light")
    assert background(page) < 64


@pytest.mark.parametrize("path", VIEWS)
def test_a_narrow_screen_scrolls_in_one_direction_only(visit: Visitor, path: str) -> None:
    page = visit(path).page
    page.set_viewport_size({"width": 360, "height": 740})
    page.get_by_role("heading").first.wait_for()
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [*VIEWS, "/sign-in"])
def test_nothing_shuts_anyone_out(visit: Visitor, path: str, scheme: str) -> None:
    page = visit(path, color_scheme=scheme).page
    page.get_by_role("heading").first.wait_for()
    page.wait_for_load_state("networkidle")
    found = Axe().run(page).response["violations"]
    grave = [each for each in found if each["impact"] in ("serious", "critical")]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in grave] == []


@pytest.fixture
def hostile(digits: Service) -> Iterator[httpx.Client]:
    """A namespace whose every text is markup."""
    with digits.client(**{"X-Namespace": "hostile"}) as client:
        client.post("/v1/namespaces", json={"namespace_name": "hostile"}, headers={"X-Namespace": "default"})
        for number, text in enumerate(HOSTILE):
            name = text.replace("/", "_")
            made = client.post("/v1/collections", json={"collection_name": f"{number} {name}"})
            collection = made.json()["collection_id"]
            documents = {"documents": [{"metadata": {text: text}}]}
            client.post(f"/v1/collections/{collection}/documents/batch", json=documents)
            config = {"attributes": [text]}
            body = {"cluster_name": f"{number} {name}", "description": text, "collection_ids": [collection]}
            body |= {"cluster_type": "attribute", "attribute_config": config, "metadata": {text: text}}
            made = client.post("/v1/clusters", json=body)
            assert made.status_code == 200, made.text
        yield client


def test_texts_are_texts_whatever_stands_in_them(visit: Visitor, hostile: httpx.Client) -> None:
    page = visit("/clusters?ns=hostile&sort=cluster_name&build=1&q=").page
    expect(page.locator("tbody tr")).to_have_count(len(HOSTILE))
    expected = [f"{number} {text.replace('/', '_')}" for number, text in enumerate(HOSTILE)]
    assert page.locator("tbody .main").all_text_contents() == expected
    for row in hostile.post("/v1/clusters/list", json={}).json()["results"]:
        page.goto(f"/clusters/{row['cluster_id']}?ns=hostile")
        expect(page.get_by_role("heading", level=1)).to_have_text(row["cluster_name"])
        assert page.locator(".head p").text_content() == row["description"]
        assert page.evaluate("window.hit") is None
    named = quote(f"1 {HOSTILE[1]}", safe="")
    for path in ("/data?ns=hostile", "/clusters?ns=hostile&new=1", f"/clusters/{named}?ns=hostile"):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.hit") is None
        assert page.locator("main script, main img[src=x]").count() == 0


def test_an_address_cannot_smuggle_markup_or_another_host(visit: Visitor) -> None:
    opened = visit("/clusters?q=%3Cimg%20src=x%20onerror=%22window.hit=1%22%3E&filters=%7B%22%3Cb%3E%22:1%7D&build=1")
    page = opened.page
    expect(page.get_by_role("heading", name="None of them matches")).to_be_visible()
    page.goto("//evil.example/%2e%2e//clusters".replace("//evil.example", "/clusters//evil.example"))
    expect(page.get_by_role("heading").first).to_be_visible()
    assert page.url.startswith("http://127.0.0.1:")
    assert page.evaluate("window.hit") is None
    opened.complaints.clear()  # the browser tells the 404
