"""The console's views of definitions, driven in Chromium over a real service."""

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from conftest import Service
from console.conftest import DIGITS, Visit

Visitor = Callable[..., Visit]
RUN_MILLISECONDS = 60_000


def names(page: Page) -> list[str]:
    return page.locator("tbody .main").all_inner_texts()


def build(page: Page, field: str, operator: str, value: str) -> None:
    page.get_by_label("Field", exact=True).last.fill(field)
    page.get_by_label("Operator").last.select_option(operator)
    page.get_by_label("Value", exact=True).last.fill(value)


def test_a_filter_is_built_shown_as_json_and_in_the_address(visit: Visitor) -> None:
    page = visit().page
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_role("button", name="Filter").click()
    build(page, "cluster_type", "eq", "vector")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("button", name="Group", exact=True).click()
    build(page, "num_clusters", "gte", "10")
    expect(page.locator("tbody tr")).to_have_count(1)
    shown = json.loads(page.get_by_label("As JSON").input_value())
    expected = {
        "AND": [
            {"field": "cluster_type", "operator": "eq", "value": "vector"},
            {"OR": [{"field": "num_clusters", "operator": "gte", "value": 10}]},
        ]
    }
    assert shown == expected
    again = visit(page.url.removeprefix(page.url.split("/clusters")[0])).page
    expect(again.locator("tbody tr")).to_have_count(1)
    assert json.loads(again.get_by_label("As JSON").input_value()) == expected
    again.get_by_role("button", name="Clear").click()
    expect(again.locator("tbody tr")).to_have_count(3)


def test_json_that_is_written_becomes_the_filter_and_faults_in_it_are_told(visit: Visitor) -> None:
    page = visit("/clusters?build=1").page
    page.get_by_label("As JSON").fill('{"NOT": {"cluster_type": "vector"}}')
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.get_by_label("Field", exact=True)).to_have_value("cluster_type")
    page.get_by_label("As JSON").fill('{"AND": [{"field": "x", "operator": "near", "value": 1}]}')
    expect(page.get_by_text("'near' is no operator")).to_be_visible()


def test_search_sort_and_pages_stand_in_the_address(visit: Visitor) -> None:
    page = visit("/clusters?sort=cluster_name").page
    expect(page.locator("tbody tr")).to_have_count(3)
    assert names(page) == ["digits_by_label", "digits_hdbscan", "digits_kmeans"]
    page.get_by_role("button", name="Name").click()
    expect(page.locator("tbody .main").first).to_have_text("digits_kmeans")
    page.keyboard.press("/")
    page.keyboard.type("label")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert "q=label" in page.url
    assert "sort=-cluster_name" in page.url
    page.get_by_role("searchbox").fill("nothing like it")
    expect(page.get_by_role("heading", name="None of them matches")).to_be_visible()
    page.get_by_role("button", name="Show all 3").click()
    expect(page.locator("tbody tr")).to_have_count(3)


def test_the_request_is_shown_as_code_that_works_and_holds_no_key(
    visit: Visitor, digits: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit("/clusters?q=kmeans").page
    page.get_by_role("button", name="As code").click()
    curl = page.get_by_role("dialog").locator("pre").inner_text()
    assert f"{digits.url}/v1/clusters/list" in curl
    page.get_by_role("button", name="Python").click()
    python = page.get_by_role("dialog").locator("pre").inner_text()
    assert digits.key not in curl + python
    told: dict[str, object] = {}
    monkeypatch.setenv("COTERIE_API_KEY", digits.key)
    exec(python, told)  # noqa: S102
    answer = told["answer"]
    assert isinstance(answer, dict)
    assert [row["cluster_name"] for row in answer["results"]] == [DIGITS]


def test_a_definition_is_tried_created_run_edited_and_deleted(visit: Visitor) -> None:
    page = visit().page
    page.get_by_role("button", name="New cluster").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Choose a collection.")).to_be_visible()
    dialog.get_by_label("digits").check()
    expect(dialog.get_by_text("64 dimensions")).to_be_visible()
    dialog.get_by_label("Name", exact=True).fill("ten <b>groups")
    dialog.get_by_label("Method", exact=True).select_option("kmeans")
    dialog.get_by_label("N clusters").fill("7")
    dialog.get_by_role("button", name="Preview").click()
    expect(dialog.get_by_text("7 groups")).to_be_visible(timeout=RUN_MILLISECONDS)
    dialog.get_by_label("N clusters").fill("6")
    expect(dialog.get_by_text("6 groups")).to_be_visible(timeout=RUN_MILLISECONDS)
    dialog.get_by_role("button", name="Create and run").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("ten <b>groups")
    expect(page.get_by_role("region", name="Run under way").get_by_role("progressbar")).to_be_visible()
    expect(page.locator(".head .badge")).to_have_text("completed", timeout=RUN_MILLISECONDS)
    expect(page.get_by_role("region", name="Groups", exact=True).first.locator("tbody tr")).to_have_count(6)
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Description").fill("of digits")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".head p")).to_have_text("of digits")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete the definition").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Clusters")
    expect(page.locator("tbody tr")).to_have_count(3)


def test_what_the_api_refuses_is_told_beside_the_field(visit: Visitor) -> None:
    opened = visit("/clusters?new=1")
    dialog = opened.page.get_by_role("dialog")
    dialog.get_by_label("digits").check()
    dialog.get_by_label("Min cluster size").fill("1")
    dialog.get_by_role("button", name="Create", exact=True).click()
    expect(
        dialog.locator(".field", has=opened.page.get_by_label("Min cluster size")).get_by_role("alert")
    ).to_be_visible()
    opened.complaints.clear()  # the browser tells the 422


def test_two_runs_are_chosen_to_be_compared_the_older_one_first(visit: Visitor, digits: Service) -> None:
    page = visit(f"/clusters/{DIGITS}").page
    ticks = page.get_by_role("checkbox")
    expect(ticks).to_have_count(2)
    expect(page.get_by_role("img", name=re.compile("Silhouette over 2 runs"))).to_be_visible()
    ticks.nth(0).check()
    ticks.nth(1).check()
    with digits.client() as client:
        runs = client.post(f"/v1/clusters/{DIGITS}/executions/list", json={}).json()["results"]
    link = page.get_by_role("link", name="Compare the two")
    cluster = runs[0]["cluster_id"]
    expect(link).to_have_attribute("href", f"/clusters/{cluster}/compare/{runs[1]['run_id']}/{runs[0]['run_id']}")
    page.reload()
    expect(page.get_by_role("link", name="Compare the two")).to_be_visible()


def test_a_run_is_canceled(visit: Visitor) -> None:
    page = visit("/clusters/digits_hdbscan").page
    expect(page.get_by_role("heading", name="Never run")).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".head .badge")).to_have_text("canceled", timeout=RUN_MILLISECONDS)
    expect(page.get_by_role("region", name="Runs, the newest first").locator("tbody tr")).to_have_count(1)


def test_without_documents_or_definitions_the_next_step_is_told(visit: Visitor, digits: Service) -> None:
    with digits.client() as client:
        client.post("/v1/namespaces", json={"namespace_name": "Häuser"})
    page = visit("/clusters").page
    page.get_by_label("Namespace").select_option("Häuser")
    expect(page.get_by_role("heading", name="No definitions yet")).to_be_visible()
    assert "ns=H%C3%A4user" in page.url
    page.get_by_role("button", name="New cluster").last.click()
    expect(page.get_by_role("heading", name="There are no documents yet")).to_be_visible()
    page.get_by_role("link", name="Import documents", exact=True).click()
    expect(page).to_have_url(re.compile(r"/data\?ns="))
    page.get_by_label("Namespace").select_option("default")
    expect(page).to_have_url(re.compile(r"/data$"))


def test_a_server_that_does_not_answer_is_told_and_asked_again(visit: Visitor) -> None:
    opened = visit("/clusters/" + DIGITS)
    page = opened.page
    expect(page.get_by_role("heading", level=1)).to_have_text(DIGITS)
    page.route("**/v1/clusters/list*", lambda route: route.abort())
    page.get_by_role("link", name="Clusters").first.click()
    expect(page.get_by_role("heading", name="No answer")).to_be_visible()
    page.unroute("**/v1/clusters/list*")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    opened.complaints.clear()  # the browser tells the broken request


def test_an_address_of_nothing_says_so(visit: Visitor) -> None:
    opened = visit("/clusters/no-such-definition")
    expect(opened.page.get_by_role("heading", name="Not here")).to_be_visible()
    opened.page.goto("/clusters/a/b/c/d")
    expect(opened.page.get_by_role("heading", name="Nothing is at this address")).to_be_visible()
    opened.complaints.clear()  # the browser tells the 404
