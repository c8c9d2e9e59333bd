"""The pictures of the docs, taken from the digits. `make pictures` keeps them in docs/images; a test drops them."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from console.conftest import DIGITS, Visit

KEPT = os.environ.get("COTERIE_PICTURES")
MOST_BYTES = 150_000
FILTER = (
    "%7B%22AND%22%3A%5B%7B%22field%22%3A%22cluster_type%22%2C%22operator%22%3A%22eq%22%2C%22value%22%3A%22vector%22%7D%2C"
    "%7B%22OR%22%3A%5B%7B%22field%22%3A%22num_clusters%22%2C%22operator%22%3A%22gte%22%2C%22value%22%3A10%7D%2C"
    "%7B%22field%22%3A%22status%22%2C%22operator%22%3A%22ne%22%2C%22value%22%3A%22COMPLETED%22%7D%5D%7D%5D%7D"
)


def clusters(page: Page) -> None:
    expect(page.locator("tbody tr")).to_have_count(2)


def definition(page: Page) -> None:
    expect(page.get_by_role("img")).to_be_visible()


def create(page: Page) -> None:
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("digits").check()
    dialog.get_by_label("Method", exact=True).select_option("kmeans")
    dialog.get_by_label("N clusters").fill("10")
    dialog.get_by_role("button", name="Preview").click()
    expect(dialog.get_by_text("10 groups")).to_be_visible(timeout=60_000)
    dialog.evaluate("dialog => dialog.scrollTo(0, dialog.scrollHeight)")


def drawn(page: Page) -> None:
    page.wait_for_selector('canvas[data-whole="true"]', state="attached")


PICTURES: dict[str, tuple[str, str, Callable[[Page], None]]] = {
    "clusters": (f"/clusters?build=1&sort=cluster_name&filters={FILTER}", "light", clusters),
    "definition": (f"/clusters/{DIGITS}", "dark", definition),
    "map": (f"/clusters/{DIGITS}/map", "dark", drawn),
    "create": ("/clusters?new=1", "light", create),
}
"""The address of each, the colours, and what makes it ready."""


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_taken(visit: Callable[..., Visit], tmp_path: Path, name: str) -> None:
    path, scheme, ready = PICTURES[name]
    page = visit(path, color_scheme=scheme).page
    ready(page)
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    file = Path(KEPT or tmp_path) / f"console-{name}.png"
    image.save(file, optimize=True)
    assert 5_000 < file.stat().st_size < MOST_BYTES
