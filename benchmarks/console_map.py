"""The console's map beside Apple's embedding-atlas: the same points in the same browser, one after the other.

Both are looked at from outside, by pictures of the page and the network's own count: neither tells its own time.
embedding-atlas is its wheel's built pages with the data as `embedding-atlas --export-application` writes it;
`COTERIE_ATLAS` is the wheel. `COTERIE_POINTS` are how many points (100000,1000000).
"""

import io
import json
import os
import shutil
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.machine import Running, describe, service
from coterie.client import Client
from coterie.runs.artifacts import ROW_GROUP
from coterie.runs.drawing import write_map

POINTS = [int(each) for each in os.environ.get("COTERIE_POINTS", "100000,1000000").split(",")]
ATLAS = os.environ.get("COTERIE_ATLAS")
GROUPS = 50
DRAWN_PIXELS = 3_000
"""Coloured pixels that are points and no button or spinner."""

COLOURED = 40
"""How far apart the channels of a coloured pixel are, of 255."""

QUIET_SECONDS = 3
MOST_SECONDS = 180
PAN_STEPS = 90
ARGUMENTS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]


class Seen(NamedTuple):
    """Seconds until points are seen and until the picture stays as it is, new pictures a second and the longest wait
    for one while panning, and bytes before and of the data."""

    first: float
    still: float
    frames: float
    longest: float
    page: int
    data: int


def main() -> None:
    """Print what each of the two takes, for each number of points."""
    print(describe())
    with sync_playwright() as playwright:
        path = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        print("Chromium", browser.version, "on SwiftShader")
        for count in POINTS:
            table = made(count)
            with service() as running:
                address = prepared(running, table)
                tell("coterie", count, look(browser, address, "/map", running.key))
            if ATLAS is None:
                print("without embedding-atlas: COTERIE_ATLAS names no wheel")
                continue
            with atlas(Path(ATLAS), table) as (address, sent):
                seen = look(browser, address, "/data/")
                of_data = sum(size for path, size in sent if path.startswith("/data/"))
                # Its workers fetch too, of which the page's network knows nothing: its server counts instead.
                seen = seen._replace(page=sum(size for _, size in sent) - of_data, data=of_data)
                tell("embedding-atlas", count, seen)
        browser.close()


def made(count: int) -> pa.Table:
    """Members of groups of many sizes and some noise, as a run writes them: group by group, nearest first."""
    rng = np.random.default_rng(0)
    shares = np.append(rng.dirichlet(np.ones(GROUPS)) * 0.9, 0.1)
    owners = np.sort(rng.choice(GROUPS + 1, count, p=shares))
    middles, radii = rng.normal(size=(GROUPS + 1, 2)) * 8, np.append(rng.uniform(0.2, 0.9, GROUPS), 8)
    middles[GROUPS] = 0
    away = rng.normal(size=(count, 2)) * radii[owners, None]
    order = np.lexsort((np.linalg.norm(away, axis=1), owners))
    places = (middles[owners] + away)[order].astype(np.float32)
    names = np.array([*(f"cl_{number}" for number in range(GROUPS)), "-1"])
    return pa.table({"cluster_id": names[owners], "x": places[:, 0], "y": places[:, 1]})


def prepared(running: Running, table: pa.Table) -> str:
    """The map's address on a service where a small run has been given the map of those members."""
    rows = np.random.default_rng(0).normal(size=(GROUPS * 20, 8)).astype(np.float32)
    with closing(Client(running.url, running.key)) as client:
        client.create_collection("points")
        documents = [{"metadata": {}, "vectors": {"bring_your_own": row.tolist()}} for row in rows]
        for start in range(0, len(documents), 100):
            client.write_documents("points", documents[start : start + 100])
        config = {"feature_extractor_name": "bring_your_own", "clustering_method": "kmeans"}
        config |= {"kmeans_parameters": {"n_clusters": GROUPS}}
        client.create_cluster({"cluster_name": "map", "collection_ids": ["points"], "vector_config": config})
        task = client.wait(client.run_cluster("map")["task_id"])
    run_id = task["additional_data"]["run_id"]
    [drawn] = running.folder.rglob(f"{run_id}/map.arrows.gz")
    members = drawn.with_name("drawn.parquet")
    pq.write_table(table, members, row_group_size=ROW_GROUP)
    write_map(drawn, run_id, [f"cl_{number}" for number in range(GROUPS)], [members])
    return f"{running.url}/clusters/map/map"


@contextmanager
def atlas(wheel: Path, table: pa.Table) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """The address of embedding-atlas' own pages over those points, and the paths and sizes of what they were sent."""
    folder = Path(tempfile.mkdtemp(prefix="coterie-bench-"))
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder, [name for name in packed.namelist() if name.startswith("embedding_atlas/static/")])
    root = folder / "embedding_atlas/static"
    (root / "data").mkdir()
    pq.write_table(table.append_column("row", pa.array(range(len(table)))), root / "data/dataset.parquet")
    props = {"data": {"id": "row", "projection": {"x": "x", "y": "y"}}}
    metadata = {"props": props, "isStatic": True, "database": {"type": "wasm", "load": True}}
    (root / "data/metadata.json").write_text(json.dumps(metadata))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Counting, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _Counting.sent = []
    yield f"http://127.0.0.1:{server.server_port}/", _Counting.sent
    server.shutdown()
    server.server_close()
    shutil.rmtree(folder)


class _Counting(SimpleHTTPRequestHandler):
    sent: ClassVar[list[tuple[str, int]]] = []

    def copyfile(self, source: Any, outputfile: Any) -> None:
        content = source.read()
        outputfile.write(content)
        self.sent.append((self.path, len(content)))

    def log_message(self, *_arguments: Any) -> None:
        return


def look(browser: Browser, address: str, data: str, key: str = "") -> Seen:
    """Open a page and wait for its picture; then drag it about. `data` is what the data's URLs hold."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_init_script(f"sessionStorage.setItem('coterie-key', '{key}')")
    page = context.new_page()
    sent = _count_bytes(page)
    begun = time.perf_counter()
    page.goto(address, wait_until="commit")
    first, still = _watch(page, begun)
    frames, longest = _pan(page)
    context.close()
    of_data = sum(size for url, size in sent.values() if data in url)
    return Seen(first, still, frames, longest, sum(size for _, size in sent.values()) - of_data, of_data)


def _count_bytes(page: Page) -> dict[str, tuple[str, int]]:
    """Each request's URL and how many bytes its answer was on the wire, while they come."""
    found: dict[str, tuple[str, int]] = {}
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.requestWillBeSent", lambda told: found.update({told["requestId"]: (told["request"]["url"], 0)}))

    def finished(told: dict[str, Any]) -> None:
        url, _ = found.get(told["requestId"], ("", 0))
        found[told["requestId"]] = (url, int(told["encodedDataLength"]))

    session.on("Network.loadingFinished", finished)
    return found


def _watch(page: Page, begun: float) -> tuple[float, float]:
    """When points were first seen, and when the picture became what it stays."""
    first, still, before = None, 0.0, b""
    now = 0.0
    while now < MOST_SECONDS:
        shot = page.screenshot()
        now = time.perf_counter() - begun
        pixels = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)
        drawn = int((np.ptp(pixels, axis=2) > COLOURED).sum()) > DRAWN_PIXELS
        if drawn and first is None:
            first = now
        if shot != before:
            before, still = shot, now
        elif first is not None and now - still > QUIET_SECONDS:
            return first, still
    return first or float("nan"), still


def _pan(page: Page) -> tuple[float, float]:
    """New pictures a second that the browser shows while it is dragged about, and the longest wait (ms) for one."""
    shown: list[float] = []
    session = page.context.new_cdp_session(page)

    def arrived(told: dict[str, Any]) -> None:
        shown.append(time.perf_counter())
        session.send("Page.screencastFrameAck", {"sessionId": told["sessionId"]})

    session.on("Page.screencastFrame", arrived)
    page.mouse.move(500, 400)
    page.mouse.down()
    session.send("Page.startScreencast", {"format": "jpeg", "quality": 20})
    begun = time.perf_counter()
    for step in range(PAN_STEPS):
        page.mouse.move(500 + 120 * np.sin(step / 8), 400 + 90 * np.cos(step / 8))
        page.wait_for_timeout(16)
    ended = time.perf_counter()
    session.send("Page.stopScreencast")
    page.mouse.up()
    waits = np.diff([begun, *(at for at in shown if at < ended), ended])
    return (len(waits) - 1) / (ended - begun), 1_000 * float(waits.max())


def tell(name: str, count: int, seen: Seen) -> None:
    """A line of it."""
    print(
        f"{count:,} points, {name}: first seen {seen.first:.2f} s, whole {seen.still:.2f} s, "
        f"{seen.frames:.1f} pictures/s while panning (longest wait {seen.longest:.0f} ms), "
        f"page {seen.page / 1000:,.0f} kB, data {seen.data / count:.2f} bytes a point"
    )
