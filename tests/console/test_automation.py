"""Triggers and webhooks in the console: made, looked at, paused, fired, delivered and deleted."""

import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from conftest import Service, start_service
from console.conftest import Visit

Visitor = Callable[..., Visit]
WORKER_MILLISECONDS = 60_000
"""A worker that has just started compiles first."""


class Answering(BaseHTTPRequestHandler):
    """Answers 200 to what is signed."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if "Coterie-Signature" in self.headers else 401)
        self.end_headers()
        self.wfile.write(b"thanks")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def receiver() -> Iterator[str]:
    """The address of a server that takes webhooks."""
    server = HTTPServer(("127.0.0.1", 0), Answering)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that may send to this machine, with a definition that runs in no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COTERIE_WEBHOOK_PRIVATE_ADDRESSES", "true")
        running = start_service(tmp_path_factory.mktemp("automation"))
    with running.client() as client:
        client.post("/v1/collections", json={"collection_name": "things"}).raise_for_status()
        documents = [{"metadata": {"kind": kind}} for kind in "aabbb"]
        client.post("/v1/collections/things/documents/batch", json={"documents": documents}).raise_for_status()
        attributes = {"attributes": ["kind"]}
        body = {"cluster_name": "kinds", "collection_ids": ["things"], "attribute_config": attributes}
        client.post("/v1/clusters", json={**body, "cluster_type": "attribute"}).raise_for_status()
    yield running
    assert running.stop() == 0


def test_a_cron_trigger_shows_its_next_times_before_it_is_made(visit: Visitor, service: Service) -> None:
    opened = visit("/automation", service=service, timezone_id="Europe/Berlin", locale="en-GB")
    page = opened.page
    page.get_by_role("button", name="New trigger").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Time zone")).to_have_value("Europe/Berlin")
    dialog.get_by_label("Cron expression").fill("30 7 * * mon")
    expect(dialog.locator(".times li").first).to_contain_text("07:30")
    expect(dialog.locator(".times li")).to_have_count(5)
    for time in dialog.locator(".times li").all_text_contents():
        assert re.match(r"Mon, .* 07:30 (CET|CEST|GMT\+[12])$", time)
    dialog.get_by_label("Cron expression").fill("0 0 30 2 *")
    expect(dialog.get_by_text("never comes")).to_be_visible()
    dialog.get_by_label("Cron expression").fill("0 6 * * *")
    expect(dialog.locator(".times li").first).to_contain_text("06:00")
    dialog.get_by_label("Description").fill("each morning")
    dialog.get_by_role("button", name="Create").click()
    expect(page.get_by_role("dialog", name="Trigger").get_by_text("It has not fired yet.")).to_be_visible()
    page.keyboard.press("Escape")
    row = page.locator("tbody tr", has_text="0 6 * * * (Europe/Berlin)")
    expect(row).to_contain_text("kinds")
    expect(row).to_contain_text("active")
    opened.complaints.clear()  # the browser tells the 422


def test_a_trigger_fires_is_paused_resumed_and_deleted(visit: Visitor, service: Service) -> None:
    page = visit("/automation?new=1", service=service).page
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("When").select_option("interval")
    dialog.get_by_label("The first time at once").check()
    dialog.get_by_role("button", name="Create").click()
    opened = page.get_by_role("dialog", name="Trigger")
    expect(opened.get_by_role("button", name="Pause")).to_be_visible()
    address = page.url
    for _ in range(60):
        if opened.get_by_text("completed").count():
            break
        page.wait_for_timeout(500)
        page.goto(address)
        expect(opened.get_by_role("button", name="Pause")).to_be_visible()
    row = opened.get_by_role("region", name="History of the trigger").locator("tbody tr").first
    expect(row).to_contain_text("completed")
    expect(row.get_by_role("link")).to_have_text(re.compile("^run_"))
    opened.get_by_role("button", name="Pause").click()
    opened.get_by_role("button", name="Resume").click()
    opened.get_by_role("button", name="Delete").click()
    opened.get_by_role("button", name="Yes, delete it").click()
    expect(opened.locator("dd .badge")).to_have_text("deleted")
    page.goto("/automation?status=disabled")
    expect(page.locator("tbody tr")).to_have_count(1)


@pytest.mark.parametrize("kind", ["event", "conditional"])
def test_triggers_by_events_and_conditions_are_made(visit: Visitor, service: Service, kind: str) -> None:
    page = visit("/automation?new=1", service=service).page
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("When").select_option(kind)
    if kind == "conditional":
        dialog.get_by_label("Condition").select_option("custom")
        dialog.get_by_label("Threshold").fill("9")
        expect(dialog.get_by_text("It is looked at first at")).to_be_visible()
    dialog.get_by_role("button", name="Create").click()
    words = {"event": "after 100 documents added", "conditional": "custom: 9 num_clusters at least"}[kind]
    expect(page.get_by_role("dialog", name="Trigger").locator("dd", has_text=words)).to_be_visible()


def test_a_webhook_is_made_tested_replayed_and_deleted(visit: Visitor, service: Service, receiver: str) -> None:
    page = visit("/automation?tab=webhooks", service=service).page
    page.get_by_role("button", name="New webhook").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("hook")
    dialog.get_by_label("URL").fill(receiver)
    dialog.get_by_role("button", name="Create").click()
    secret = page.get_by_role("region", name="The webhook's secret").text_content()
    assert secret is not None
    assert len(secret) > 30
    page.get_by_role("button", name="I have kept it").click()
    page.get_by_role("button", name="Send a test").click()
    log = page.get_by_role("region", name="Deliveries")
    delivered = log.get_by_role("row", name=re.compile("^ping delivered 1"))
    expect(delivered).to_be_visible(timeout=WORKER_MILLISECONDS)
    log.get_by_role("link", name="ping").click()
    expect(page.get_by_role("region", name="Attempts")).to_contain_text("thanks")
    expect(page.get_by_role("region", name="The event")).to_contain_text('"event_type": "ping"')
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("It is sent again")).to_be_visible()
    page.get_by_role("button", name="← All deliveries").click()
    expect(log.locator("tbody tr")).to_have_count(2)
    page.reload()
    assert secret not in page.content()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("dialog").locator("dd", has_text="Paused")).to_be_visible()
    page.get_by_role("button", name="New secret").click()
    page.get_by_role("button", name="Yes, the old one ends at once").click()
    expect(page.get_by_role("region", name="The webhook's secret")).not_to_have_text(secret)
    page.get_by_role("button", name="I have kept it").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Yes, delete it and its log").click()
    expect(page.get_by_role("heading", name="No webhooks yet")).to_be_visible()


def test_what_the_service_refuses_is_told_in_the_form(visit: Visitor, service: Service) -> None:
    opened = visit("/automation?tab=webhooks&new=1", service=service)
    dialog = opened.page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("bad")
    dialog.get_by_label("URL").fill("ftp://example.org")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.get_by_role("alert")).to_contain_text("http")
    opened.complaints.clear()  # the browser tells the 422


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("query", ["?new=1", "?tab=webhooks&new=1"])
def test_axe_finds_no_serious_fault_and_360_pixels_are_enough(
    visit: Visitor, service: Service, scheme: str, query: str
) -> None:
    page = visit(f"/automation{query}", service=service, color_scheme=scheme).page
    expect(page.get_by_role("dialog").get_by_role("button", name="Create")).to_be_visible()
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    faults = Axe().run(page).response["violations"]
    assert [fault["id"] for fault in faults if fault["impact"] in ("serious", "critical")] == []
