"""Collections in the console: made, filled by dropping a file, searched, filtered, looked into, deleted."""

import base64
import io
import json
import re
from collections.abc import Callable
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from conftest import Service
from console.conftest import Visit

Visitor = Callable[..., Visit]
ROWS = [("007", [0.5, 1.0], "Ada, the first", 1815), ("b", [2.0, 3.0], "Grace", 1906), ("c", [4.0, 5.0], "Mary", 1947)]
CSV = "key,vec,name,year\n" + "".join(f'{key},"{vec}","{name}",{year}\n' for key, vec, name, year in ROWS)

DROP = """([name, content]) => {
    const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name));
    const target = document.querySelector(".drop");
    for (const kind of ["dragover", "drop"])
        target.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


def drop(page: Page, name: str, content: bytes) -> None:
    """Let a file fall on the page."""
    page.locator(".drop").wait_for()
    page.evaluate(DROP, [name, base64.b64encode(content).decode()])


def parquet() -> bytes:
    keys, vectors, names, years = zip(*ROWS, strict=True)
    columns = {"id": keys, "embedding": vectors, "name": names, "year": years, "raw": [b"1", b"2", b"3"]}
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="snappy")
    return sink.getvalue()


def ndjson() -> bytes:
    rows = [{"id": key, "embedding": vec, "name": name, "year": year} for key, vec, name, year in ROWS]
    return "\n".join(map(json.dumps, rows)).encode()


@pytest.fixture
def collection(digits: Service, request: pytest.FixtureRequest) -> str:
    name = f"of {request.node.name}"[:60]
    with digits.client() as client:
        assert client.post("/v1/collections", json={"collection_name": name}).status_code == 200
    return name


def test_a_csv_file_is_dropped_mapped_and_arrives(visit: Visitor, digits: Service) -> None:
    page = visit("/data").page
    page.get_by_role("button", name="New collection").click()
    page.get_by_label("Name", exact=True).fill("people")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="people")).to_be_visible()
    expect(page.get_by_role("heading", name="No documents yet")).to_be_visible()
    drop(page, "people.csv", CSV.encode())
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("What vec becomes")).to_have_value("vector")
    expect(dialog.get_by_text("Ada, the first")).to_be_visible()
    dialog.get_by_label("What key becomes").select_option("id")
    dialog.get_by_label("What year becomes").select_option("skip")
    dialog.get_by_label("Name of the vector in vec").fill("portrait")
    dialog.get_by_role("button", name="Import").click()
    expect(dialog.get_by_role("status")).to_contain_text("3 documents imported")
    dialog.get_by_role("button", name="Done").click()
    expect(page.get_by_text("1–3 of 3 documents")).to_be_visible()
    with digits.client() as client:
        found = client.get("/v1/collections/people/documents/007", params={"return_vectors": True}).json()
    assert (found["metadata"], found["vectors"]) == ({"name": "Ada, the first"}, {"portrait": [0.5, 1.0]})


@pytest.mark.parametrize(("name", "content"), [("p.parquet", parquet()), ("p.ndjson", ndjson())])
def test_other_files_are_known_by_their_columns(visit: Visitor, collection: str, name: str, content: bytes) -> None:
    page = visit(f"/data/{quote(collection)}").page
    drop(page, name, content)
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("What id becomes")).to_have_value("id")
    expect(dialog.get_by_label("What embedding becomes")).to_have_value("vector")
    expect(dialog.get_by_label("Name of the vector in embedding")).to_have_value("bring_your_own")
    dialog.get_by_label("What embedding becomes").select_option("metadata")
    expect(dialog.get_by_role("alert")).to_contain_text("would be taken for a vector")
    expect(dialog.get_by_role("button", name="Import")).to_be_disabled()
    dialog.get_by_label("What embedding becomes").select_option("vector")
    dialog.get_by_role("button", name="Import").click()
    dialog.get_by_role("button", name="Done").click()
    expect(page.locator("dd", has_text="bring_your_own (2)")).to_be_visible()
    expect(page.get_by_role("cell", name="Ada, the first")).to_be_visible()


def test_faulty_rows_are_told_and_a_strict_import_keeps_all_out(visit: Visitor, collection: str) -> None:
    opened = visit(f"/data/{quote(collection)}")
    page = opened.page
    drop(page, "faulty.csv", b'id,vec\na,"[1, 2]"\nb,nonsense\n')
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("All rows or none").check()
    dialog.get_by_role("button", name="Import").click()
    expect(dialog.get_by_role("alert")).to_contain_text("nothing was imported")
    expect(dialog.get_by_role("cell", name="vector 'vec' is null")).to_be_visible()
    dialog.get_by_label("All rows or none").uncheck()
    dialog.get_by_role("button", name="Import").click()
    expect(dialog.get_by_role("status")).to_contain_text("1 document imported, 1 row failed")
    opened.complaints.clear()  # the browser tells the 400


def test_a_file_that_is_none_is_refused_before_it_is_sent(visit: Visitor, collection: str) -> None:
    opened = visit(f"/data/{quote(collection)}")
    for name, content, said in (
        ("notes.txt", b"x", "use .parquet"),
        ("p.parquet", b"not parquet at all", "is no Parquet file"),
        ("p.ndjson", b"[1]\n", "not JSON objects"),
    ):
        drop(opened.page, name, content)
        expect(opened.page.get_by_role("dialog").get_by_role("alert")).to_contain_text(said)
        opened.page.keyboard.press("Escape")
        expect(opened.page.get_by_role("dialog")).to_have_count(0)
    assert not any("/import" in url for url in opened.asked)


def test_documents_are_searched_filtered_looked_into_and_deleted(visit: Visitor, collection: str) -> None:
    page = visit(f"/data/{quote(collection)}").page
    drop(page, "p.ndjson", ndjson())
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_role("button", name="Done").click()
    page.get_by_label("Search documents").fill("grace")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Search documents").fill("")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_role("button", name="Filter").click()
    page.get_by_label("Field", exact=True).fill("metadata.year")
    page.get_by_label("Operator").select_option("gte")
    page.get_by_label("Value", exact=True).fill("1900")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("link", name="b", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("region", name="The document as JSON")).to_contain_text('"name": "Grace"')
    expect(dialog.get_by_text("2.000, 3.000")).to_be_visible()
    page.reload()
    dialog.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Yes, delete it for good").click()
    expect(dialog).to_have_count(0)
    expect(page.locator("tbody tr")).to_have_count(1)


def test_collections_are_searched_and_deleted(visit: Visitor, collection: str) -> None:
    page = visit(f"/data?q={quote(collection)}").page
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name=collection).click()
    page.get_by_role("button", name="Delete the collection").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the collection").click()
    expect(page).to_have_url(re.compile("/data$"))
    page.get_by_label("Search collections").fill(collection)
    expect(page.get_by_role("heading", name="No collection matches")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_and_360_pixels_are_enough(visit: Visitor, scheme: str) -> None:
    page = visit("/data/digits?build=1", color_scheme=scheme).page
    expect(page.locator("tbody tr")).to_have_count(25)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    drop(page, "p.parquet", parquet())
    expect(page.get_by_role("dialog").get_by_label("What id becomes")).to_be_visible()
    faults = Axe().run(page).response["violations"]
    assert [fault["id"] for fault in faults if fault["impact"] in ("serious", "critical")] == []
