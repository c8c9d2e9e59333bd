"""The map in a browser, over the digits: drawn, hovered, looped, renamed, merged, restored by its address."""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from conftest import Service, start_service, wait_for_task
from console.conftest import Visit
from coterie.demo.digits import documents

WHOLE = 'canvas[data-whole="true"]'
DIGITS = 1_797
RUN_SECONDS = 600


@pytest.fixture(scope="module")
def digits(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that has grouped the digits twice over: `flat`, and with groups of groups as `levels`."""
    running = start_service(tmp_path_factory.mktemp("map"))
    try:
        with running.client() as client:
            group_digits(client)
        yield running
    finally:
        status = running.stop()
    assert status == 0


def group_digits(client: httpx.Client) -> None:
    client.post("/v1/collections", json={"collection_name": "digits"})
    rows = list(documents())
    for start in range(0, len(rows), 100):
        body = {"documents": rows[start : start + 100]}
        assert client.post("/v1/collections/digits/documents/batch", json=body).is_success
    for name, more in (
        ("flat", {"clustering_method": "kmeans", "kmeans_parameters": {"n_clusters": 10}}),
        ("levels", {"clustering_method": "hdbscan", "hierarchical": True, "max_hierarchy_depth": 3}),
    ):
        config = {"feature_extractor_name": "bring_your_own", **more}
        body = {"cluster_name": name, "collection_ids": ["digits"], "vector_config": config}
        assert client.post("/v1/clusters", json=body).is_success
        task = client.post(f"/v1/clusters/{name}/execute", json={}).json()
        assert wait_for_task(client, task["task_id"], RUN_SECONDS)["status"] == "COMPLETED"


@pytest.fixture
def page(visit: Callable[..., Visit]) -> Page:
    return visit().page


def show(page: Page, address: str = "/clusters/flat/map") -> None:
    page.goto(address)
    page.wait_for_selector(WHOLE, state="attached")


def painted(page: Page) -> int:
    """How many pixels of the picture are not empty."""
    count: int = page.evaluate(
        """() => {
          const gl = document.querySelector(".stage canvas").getContext("webgl2");
          const pixels = new Uint8Array(4 * gl.drawingBufferWidth * gl.drawingBufferHeight);
          gl.readPixels(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
          let count = 0;
          for (let at = 3; at < pixels.length; at += 4) count += pixels[at] > 0;
          return count;
        }"""
    )
    return count


def name_of(page: Page, label: str) -> Any:
    return page.locator(".stage .name", has_text=label).first


def middle(page: Page, label: str) -> tuple[float, float]:
    """Of a name on the map, which stands on a point of its group."""
    box = name_of(page, label).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def first_label(page: Page) -> str:
    return page.locator(".groups button .cut").first.inner_text()


def group_of(service: Service, label: str) -> dict[str, Any]:
    with service.client() as client:
        found = client.get("/v1/clusters/flat/groups").json()["groups"]
    return next(group for group in found if group["label"] == label)


def test_all_points_and_the_names_of_their_groups_are_drawn(page: Page) -> None:
    show(page)
    stage = page.locator(".stage")
    assert stage.get_attribute("data-loaded") == stage.get_attribute("data-total") == str(DIGITS)
    assert page.locator("canvas").get_attribute("data-drawn") == str(DIGITS)
    assert painted(page) > DIGITS
    expect(page.locator(".groups button")).to_have_count(10)
    assert page.locator(".stage .name:visible").count() >= 8
    boxes = [name.bounding_box() for name in page.locator(".stage .name:visible").all()]
    for number, one in enumerate(boxes):
        for other in boxes[:number]:
            beside = (
                abs(one["x"] + one["width"] / 2 - other["x"] - other["width"] / 2)
                >= (one["width"] + other["width"]) / 2
            )
            assert beside or abs(one["y"] - other["y"]) >= 16


def test_hovering_shows_the_document_and_a_click_its_group(page: Page) -> None:
    show(page)
    label = first_label(page)
    page.mouse.move(*middle(page, label))
    card = page.locator(".hover-card")
    expect(card.locator("[data-document]")).to_be_visible()
    assert card.locator("[data-document]").get_attribute("data-document").startswith("digit-")
    assert card.locator("img").get_attribute("src").startswith("data:image/png;base64,")
    assert card.locator("img").evaluate("image => image.naturalWidth") == 32
    page.locator(".groups button").first.click()
    panel = page.locator("[data-chosen]")
    expect(panel.locator("h2")).to_have_text(label)
    assert "group=cl_" in page.url
    expect(panel.locator(".cards .document")).to_have_count(4)
    first = panel.locator(".cards .document").first
    expect(first).to_have_attribute("data-document", re.compile("digit-"))  # its document is there
    nearest = first.get_attribute("data-document")
    panel.get_by_role("button", name="Farthest").click()
    expect(first).to_have_attribute("data-document", re.compile(f"digit-(?!{nearest.removeprefix('digit-')}$)"))
    page.locator(".stage").press("Escape")
    expect(page.locator("[data-chosen]")).to_have_count(0)


def test_a_point_is_picked_by_a_click(page: Page) -> None:
    show(page)
    page.locator(".groups button").first.click()
    page.locator(".stage .name.strong").wait_for()
    page.wait_for_url("**zoom=**")
    page.wait_for_selector(WHOLE, state="attached")
    box = page.locator(".stage .name.strong").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    ring = page.locator(".ring:not(.picked)")
    for step in range(60):  # around the name, which is a button of its own
        page.mouse.move(x + (60 + step) * math.cos(step), y + (16 + step) * math.sin(step))
        page.wait_for_timeout(100)  # until the move has been seen
        if ring.is_visible():
            break
    page.mouse.down()
    page.mouse.up()
    expect(page.locator(".picked-card [data-document]")).to_be_visible()
    expect(page.locator(".ring.picked")).to_be_visible()


def test_a_loop_selects_and_tells_the_shares_and_the_members(page: Page) -> None:
    show(page)
    box = page.locator(".stage").bounding_box()
    x, y, radius = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box["height"] * 0.45
    page.get_by_role("button", name="Select with a loop").click()
    page.mouse.move(x + radius, y)
    page.mouse.down()
    for step in range(1, 40):
        page.mouse.move(x + radius * math.cos(step * math.pi / 20), y + radius * math.sin(step * math.pi / 20))
    page.mouse.up()
    selection = page.locator("[data-selected]")
    expect(selection).to_be_visible()
    total = int(selection.get_attribute("data-selected"))
    assert 0 < total <= DIGITS
    counts = [int(text.split(" ")[0].replace(",", "")) for text in selection.locator(".groups .num").all_inner_texts()]
    assert (sum(counts), counts) == (total, sorted(counts, reverse=True))
    selection.locator("summary").first.click()
    expect(selection.locator("[data-document]").first).to_be_visible()
    page.keyboard.press("Escape")
    page.locator(".stage").press("Escape")
    expect(selection).to_have_count(0)


def test_members_are_filtered_by_their_payload(page: Page) -> None:
    show(page)
    page.locator(".groups button").first.click()
    panel = page.locator("[data-chosen]")
    expect(panel.locator(".members li")).to_have_count(12)
    before = panel.locator(".pages .num").inner_text()
    panel.get_by_label("Field of the payload").fill("digit")
    panel.get_by_label("Comparison").select_option("eq")
    panel.get_by_label("Value", exact=True).fill("12")
    expect(panel.get_by_text("No member is so")).to_be_visible()
    panel.get_by_label("Value", exact=True).fill("")
    expect(panel.locator(".pages .num")).to_have_text(before)


def test_a_rename_shows_at_once_and_is_kept(page: Page, digits: Service) -> None:
    show(page)
    page.locator(".groups button").nth(1).click()
    panel = page.locator("[data-chosen]")
    identity = panel.get_attribute("data-chosen")
    panel.get_by_role("button", name="Rename").click()
    panel.get_by_label("Label").fill("<b>ours</b>")
    panel.get_by_role("button", name="Save").click()
    expect(panel.locator("h2")).to_have_text("<b>ours</b>")
    expect(name_of(page, "<b>ours</b>")).to_be_visible()
    assert group_of(digits, "<b>ours</b>")["cluster_id"] == identity
    panel.get_by_role("button", name="Pin", exact=True).click()
    expect(panel.get_by_role("button", name="Pinned")).to_be_visible()
    with digits.client() as client:
        assert client.get(f"/v1/clusters/flat/groups/{identity}").json()["pinned"] is True


def test_a_merge_joins_two_groups_on_the_map_and_can_be_taken_back(page: Page, digits: Service) -> None:
    show(page)
    page.locator(".groups button").last.click()
    panel = page.locator("[data-chosen]")
    merged = panel.get_attribute("data-chosen")
    panel.get_by_role("button", name="Merge…").click()
    into = page.get_by_role("dialog").get_by_label("Into")
    whole = into.input_value()
    page.get_by_role("dialog").get_by_role("button", name="Merge", exact=True).click()
    expect(panel).to_have_attribute("data-chosen", whole)
    with digits.client() as client:
        assert client.get("/v1/clusters/flat/groups").json()["total_groups"] == 9
    panel.get_by_role("button", name="All groups").click()
    expect(page.locator(".groups button")).to_have_count(9)
    page.locator(f'.groups button[data-id="{whole}"]').click()
    panel.get_by_role("button", name=f"Take {merged} out").click()
    panel.get_by_role("button", name="All groups").click()
    expect(page.locator(".groups button")).to_have_count(10)


def test_the_address_restores_the_map(page: Page) -> None:
    show(page)
    page.locator(".stage").focus()
    for key in ("+", "+", "ArrowLeft"):
        page.keyboard.press(key)
    page.wait_for_url("**zoom=2.25**")
    page.locator(".groups button").first.click()
    page.wait_for_url("**group=cl_**")
    chosen = page.locator("[data-chosen]").get_attribute("data-chosen")
    page.wait_for_timeout(800)
    address = page.url
    show(page, address)
    expect(page.locator("[data-chosen]")).to_have_attribute("data-chosen", chosen)
    page.wait_for_timeout(400)
    assert page.url == address


def test_levels_are_told_apart(page: Page) -> None:
    show(page, "/clusters/levels/map?level=0")
    broad = page.locator(".groups button").count()
    page.get_by_label("Level of groups").select_option(
        index=-1 + page.get_by_label("Level of groups").locator("option").count()
    )
    expect(page.locator(".groups button")).not_to_have_count(broad)
    assert page.locator(".groups button").count() > broad
    assert "level=" in page.url


def test_without_webgl_the_list_still_serves(page: Page) -> None:
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.goto("/clusters/flat/map")
    expect(page.get_by_text("The map cannot be drawn")).to_be_visible()
    page.locator(".groups button").first.click()
    expect(page.locator(".members li").first).to_be_visible()


def test_a_lost_graphics_processor_comes_back(page: Page) -> None:
    show(page)
    page.evaluate(
        """() => {
          const gl = document.querySelector(".stage canvas").getContext("webgl2");
          window.lost = gl.getExtension("WEBGL_lose_context");
          window.lost.loseContext();
        }"""
    )
    expect(page.get_by_text("The graphics processor was lost")).to_be_visible()
    page.evaluate("window.lost.restoreContext()")
    expect(page.get_by_text("The graphics processor was lost")).to_have_count(0)
    page.wait_for_selector(WHOLE, state="attached")
    assert painted(page) > DIGITS


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (360, 740)])
def test_axe_finds_no_serious_fault(visit: Callable[..., Visit], width: int, height: int) -> None:
    page = visit(viewport={"width": width, "height": height}).page
    show(page)
    assert serious(page) == []
    page.locator(".groups button").first.click()
    expect(page.locator(".cards .document")).to_have_count(4)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def serious(page: Page) -> list[tuple[str, list[Any]]]:
    found = Axe().run(page).response["violations"]
    return [
        (fault["id"], [node["target"] for node in fault["nodes"]])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]
