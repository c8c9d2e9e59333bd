"""Two runs side by side in the console: a planted split and merge are drawn, told in tables, and linked to the map."""

import re
from collections.abc import Callable, Iterator

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from conftest import Service, wait_for_task
from console.conftest import Visit

Visitor = Callable[..., Visit]
HDBSCAN = {
    "feature_extractor_name": "bring_your_own",
    "clustering_method": "hdbscan",
    "hdbscan_parameters": {"min_cluster_size": 5},
}


def put(client: httpx.Client, word: str, place: tuple[float, float], numbers: range) -> None:
    """Documents that say a word, around a place; the same numbers are the same documents again."""
    noise = np.random.default_rng(sum(map(ord, word))).normal(size=(100, 2))
    documents = [
        {
            "document_id": f"{word}{number}",
            "metadata": {"text": word},
            "vectors": {"bring_your_own": (np.array(place) + noise[number]).tolist()},
        }
        for number in numbers
    ]
    assert client.post("/v1/collections/planted/documents/batch", json={"documents": documents}).json()["failed"] == 0


@pytest.fixture(scope="module")
def runs(digits: Service) -> Iterator[tuple[str, str, str]]:
    """A definition, a run, and one after `apple` fell apart and `river` and `piano` came together."""
    with digits.client() as client:
        client.post("/v1/collections", json={"collection_name": "planted"}).raise_for_status()
        put(client, "apple", (0, 0), range(40))
        put(client, "river", (90, 0), range(30))
        put(client, "piano", (0, 90), range(25))
        body = {"cluster_name": "planted", "collection_ids": ["planted"], "vector_config": HDBSCAN}
        client.post("/v1/clusters", json=body).raise_for_status()
        before = ran(client)
        put(client, "apple", (-90, 0), range(20))
        put(client, "river", (90, 90), range(30))
        put(client, "piano", (90, 90), range(25))
        after = ran(client)
        client.get(f"/v1/clusters/planted/executions/{before}/compare/{after}").raise_for_status()  # the first is slow
        yield "planted", before, after
        client.delete("/v1/clusters/planted").raise_for_status()
        client.delete("/v1/collections/planted").raise_for_status()


def ran(client: httpx.Client) -> str:
    task = wait_for_task(client, client.post("/v1/clusters/planted/execute").json()["task_id"])
    assert task["status"] == "COMPLETED", task
    latest: str = client.get("/v1/clusters/planted/executions").json()["run_id"]
    return latest


def path(runs: tuple[str, str, str]) -> str:
    return "/clusters/{}/compare/{}/{}".format(*runs)


def test_a_split_and_a_merge_are_drawn_and_told(visit: Visitor, runs: tuple[str, str, str]) -> None:
    page = visit(path(runs)).page
    flow = page.locator(".flow svg")
    expect(flow.locator("path.band.split")).to_have_count(2)
    expect(flow.locator("path.band.merged")).to_have_count(2)
    assert sorted(flow.locator("path.band.split title").all_text_contents())[0].endswith("20 documents")
    changes = page.get_by_role("region", name="What changed")
    expect(changes.get_by_role("row", name=re.compile("^Split apple into apple"))).to_be_visible()
    expect(changes.get_by_role("row", name=re.compile("^Merged .* out of"))).to_be_visible()
    flows = page.get_by_role("region", name="Flows of documents between the runs")
    assert sorted(flows.locator("td.right").all_text_contents()) == ["20", "20", "25", "30"]
    expect(page.locator("dd").first).to_have_text(re.compile(r"^0\.\d{3}$"))


def test_pointing_at_a_group_tells_where_its_documents_went(visit: Visitor, runs: tuple[str, str, str]) -> None:
    page = visit(path(runs)).page
    apple = page.get_by_role("link", name=re.compile("^apple.*, splits: 40 documents"))
    apple.focus()
    expect(page.locator("figcaption")).to_contain_text("20 to apple")
    expect(page.locator("path.band.dim")).to_have_count(2)
    apple.press("Enter")
    expect(page).to_have_url(re.compile(rf"/clusters/planted/map\?run={runs[1]}&group=cl_\d+$"))


def test_runs_are_chosen_and_swapped(visit: Visitor, runs: tuple[str, str, str]) -> None:
    name, before, after = runs
    page = visit(f"/clusters/{name}/compare/{before}/{before}").page
    expect(page.get_by_text("No group changed")).to_be_visible()
    page.get_by_label("Later run").select_option(after)
    expect(page).to_have_url(re.compile(f"{before}/{after}$"))
    expect(page.locator("path.band.split")).to_have_count(2)
    page.get_by_label("Swap the runs").click()
    expect(page).to_have_url(re.compile(f"{after}/{before}$"))
    expect(page.locator("path.band.merged")).to_have_count(2)


@pytest.mark.usefixtures("runs")  # for whose sake the server has compared before
def test_only_what_changed_is_drawn_where_asked(visit: Visitor) -> None:
    page = visit("/clusters/digits_kmeans").page
    ids = page.evaluate(
        """async () => (await (await fetch("/v1/clusters/digits_kmeans/executions/list", {method: "POST", headers: {
            Authorization: `Bearer ${sessionStorage.getItem("coterie-key")}`, "X-Namespace": "default"}})).json())
            .results.map((each) => each.run_id)"""
    )
    page.goto(f"/clusters/digits_kmeans/compare/{ids[1]}/{ids[0]}")
    expect(page.locator("path.band")).to_have_count(10)
    page.get_by_label("Only what changed").check()
    expect(page.locator("path.band")).to_have_count(0)
    page.reload()
    expect(page.get_by_label("Only what changed")).to_be_checked()


def test_a_run_that_is_not_there_is_told(visit: Visitor) -> None:
    opened = visit("/clusters/digits_kmeans/compare/run_a/run_b")
    expect(opened.page.get_by_role("heading", name="Not here")).to_be_visible()
    opened.page.wait_for_load_state("networkidle")
    opened.complaints.clear()  # the browser tells each 404


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_and_360_pixels_are_enough(
    visit: Visitor, runs: tuple[str, str, str], scheme: str
) -> None:
    page: Page = visit(path(runs), color_scheme=scheme).page
    expect(page.locator("path.band.split")).to_have_count(2)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    faults = Axe().run(page).response["violations"]
    assert [fault["id"] for fault in faults if fault["impact"] in ("serious", "critical")] == []
