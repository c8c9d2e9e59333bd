"""List requests a second with 32 connections over 1,000 definitions, beside an empty FastAPI route with the same bytes.

The peers are bare FastAPI apps (no middleware) on the same uvicorn: one `async def` route, which answers inline and is
the faster, and one `def` route, which answers from a thread as the service's other routes do.
"""

import asyncio
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.machine import describe, service, spread

CONNECTIONS = 32
SECONDS = 4.0
ROUNDS = 5
DEFINITIONS = 1_000

PEER = """
import sys
from fastapi import FastAPI, Response
import uvicorn
body = open(sys.argv[1], "rb").read()
app = FastAPI()

@app.post("/inline")
async def inline() -> Response:
    return Response(body, media_type="application/json")

@app.post("/thread")
def thread() -> Response:
    return Response(body, media_type="application/json")

uvicorn.run(app, port=int(sys.argv[2]), log_level="error", access_log=False)
"""


def main() -> None:
    import socket
    import subprocess
    import sys

    print(f"## List requests a second\n\n{describe()}\n")
    with service("--workers", "0") as running, tempfile.TemporaryDirectory() as folder:
        fill(running.url, running.key)
        headers = {"Authorization": f"Bearer {running.key}"}
        sample = httpx.post(f"{running.url}/v1/clusters/list", headers=headers, json={})
        Path(folder, "body").write_bytes(sample.content)
        Path(folder, "peer.py").write_text(PEER)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        peer = subprocess.Popen([sys.executable, f"{folder}/peer.py", f"{folder}/body", str(port)])
        try:
            report(running.url, running.key, f"http://127.0.0.1:{port}", len(sample.content))
        finally:
            peer.terminate()
            peer.wait()


def fill(url: str, key: str) -> None:
    """1,000 definitions over one collection."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}) as client:
        client.post("/v1/collections", json={"collection_name": "things"}).raise_for_status()
        for number in range(DEFINITIONS):
            config = {
                "feature_extractor_name": "clip_vit_l_14",
                "clustering_method": "hdbscan",
                "hdbscan_parameters": {"min_cluster_size": 5 + number % 40},
            }
            body = {
                "cluster_name": f"definition {number}",
                "collection_ids": ["things"],
                "vector_config": config,
                "metadata": {"team": f"team {number % 10}"},
            }
            client.post("/v1/clusters", json=body).raise_for_status()


def report(url: str, key: str, peer: str, size: int) -> None:
    filtered = b'{"filters": {"AND": [{"field": "metadata.team", "value": "team 3"}]}}'
    cases = {
        "empty route, inline": (f"{peer}/inline", b"{}"),
        "empty route, from a thread": (f"{peer}/thread", b"{}"),
        "list": (f"{url}/v1/clusters/list", b"{}"),
        "list, 100 of 1,000 by a metadata field": (f"{url}/v1/clusters/list", filtered),
    }
    wait(peer)
    found: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, (target, body) in cases.items():
            found[name].append(measure(target, key, body))
    inline, thread = found["empty route, inline"], found["empty route, from a thread"]
    print(f"{CONNECTIONS} connections, {size} bytes an answer, {ROUNDS} rounds of {SECONDS:.0f} s in turn\n")
    print("| | requests/s | of inline | of thread |\n|---|---|---|---|")
    for name, values in found.items():
        of_inline = statistics.median(v / i for v, i in zip(values, inline, strict=True))
        of_thread = statistics.median(v / t for v, t in zip(values, thread, strict=True))
        print(f"| {name} | {spread(values, 0)} | {of_inline:.2f} | {of_thread:.2f} |")


def wait(peer: str) -> None:
    for _ in range(200):
        try:
            httpx.post(f"{peer}/inline")
            return
        except httpx.TransportError:
            time.sleep(0.05)


def measure(target: str, key: str, body: bytes) -> float:
    """Requests a second, sent from a process of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(load, (target, key, body))


def load(target: str, key: str, body: bytes) -> float:
    url = httpx.URL(target)
    head = (
        f"POST {url.raw_path.decode()} HTTP/1.1\r\nHost: {url.host}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    return asyncio.run(_load(str(url.host), int(url.port or 80), head + body))


async def _load(host: str, port: int, request: bytes) -> float:
    counts = await asyncio.gather(*(_connection(host, port, request) for _ in range(CONNECTIONS)))
    return sum(counts) / SECONDS


async def _connection(host: str, port: int, request: bytes) -> int:
    reader, writer = await asyncio.open_connection(host, port)
    count = 0
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        count += 1
    writer.close()
    return count


if __name__ == "__main__":
    main()
