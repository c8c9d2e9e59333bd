"""Reads with 5% writes from 64 connections for a minute, on each store: errors, percentiles, memory, an empty route.

The reads are plain, filtered, sorted and searching lists and single definitions; the writes make and change
definitions. Another process sends them. The empty route is `/healthz` of the same server, asked by as many connections.
"""

import asyncio
import itertools
import multiprocessing
import os
import random
import statistics
import sys
import time
from contextlib import ExitStack
from typing import NamedTuple

import httpx
from tests.postgres import start_postgres

from benchmarks.listing import fill
from benchmarks.machine import describe, memory_mib, service

CONNECTIONS = 64
SECONDS = float(os.environ.get("LOAD_SECONDS", "60"))
WRITES = 0.05


class Sent(NamedTuple):
    """What came of a minute: requests that were answered, seconds of each, and how many answers were no success."""

    seconds: list[float]
    errors: int


def main() -> None:
    print(f"## Under load: {CONNECTIONS} connections, {SECONDS:.0f} s, {WRITES:.0%} writes\n\n{describe()}\n")
    print("| store | requests/s | p50 ms | p99 ms | errors | empty route/s | its p50 | its p99 | server MiB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for store in ("SQLite", "PostgreSQL"):
        with ExitStack() as stack:
            url = stack.enter_context(start_postgres("")).create() if store == "PostgreSQL" else None
            running = stack.enter_context(service("--workers", "0", database_url=url))
            fill(running.url, running.key)
            send(running.url, running.key, True, 5)
            before = memory_mib(running.process.pid, "VmRSS")
            mixed = send(running.url, running.key, True, SECONDS)
            after = memory_mib(running.process.pid, "VmRSS")
            empty = send(running.url, running.key, False, SECONDS / 6)
            print(
                f"| {store} | {describe_sent(mixed, SECONDS)} | {mixed.errors + empty.errors} | "
                f"{describe_sent(empty, SECONDS / 6)} | {before:.0f} before, {after:.0f} after |",
                flush=True,
            )


def describe_sent(sent: Sent, seconds: float) -> str:
    """Requests a second, median and 99th percentile in ms."""
    percentiles = statistics.quantiles(sent.seconds, n=100)
    return f"{len(sent.seconds) / seconds:.0f} | {percentiles[49] * 1000:.1f} | {percentiles[98] * 1000:.1f}"


def send(url: str, key: str, mixed: bool, seconds: float) -> Sent:
    """From a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_send, (url, key, mixed, seconds))


def _send(url: str, key: str, mixed: bool, seconds: float) -> Sent:
    return asyncio.run(_all(httpx.URL(url), key, mixed, seconds))


async def _all(url: httpx.URL, key: str, mixed: bool, seconds: float) -> Sent:
    sent = Sent([], 0)
    numbers = itertools.count(time.time_ns())
    parts = await asyncio.gather(*(_connection(url, key, mixed, seconds, numbers, at) for at in range(CONNECTIONS)))
    return Sent([each for part in parts for each in part.seconds], sent.errors + sum(part.errors for part in parts))


async def _connection(
    url: httpx.URL, key: str, mixed: bool, seconds: float, numbers: "itertools.count[int]", seed: int
) -> Sent:
    reader, writer = await asyncio.open_connection(str(url.host), url.port)
    dice = random.Random(seed)
    spent: list[float] = []
    errors = 0
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        writer.write(request(url, key, *(choose(dice, next(numbers)) if mixed else ("GET", "/healthz", ""))))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        spent.append(time.perf_counter() - began)
        if not head.startswith(b"HTTP/1.1 200"):
            errors += 1
            print(head[:40], body[:200], file=sys.stderr)
    writer.close()
    return Sent(spent, errors)


def choose(dice: random.Random, number: int) -> tuple[str, str, str]:
    """Method, path and body of the next request."""
    path = "/v1/clusters/list"
    if dice.random() < WRITES:
        if dice.random() < 0.5:
            return "PATCH", f"/v1/clusters/definition%20{dice.randrange(1000)}", f'{{"description": "as of {number}"}}'
        config = '"vector_config": {"feature_extractor_name": "clip_vit_l_14", "clustering_method": "hdbscan"}'
        return "POST", "/v1/clusters", f'{{"cluster_name": "new {number}", "collection_ids": ["things"], {config}}}'
    return dice.choice(
        [
            ("POST", path, "{}"),
            ("POST", path, f'{{"filters": {{"metadata.team": "team {dice.randrange(10)}"}}}}'),
            ("POST", path, '{"sort": {"field": "cluster_name"}, "limit": 20}'),
            ("POST", path, f'{{"search": "definition {dice.randrange(1000)}"}}'),
            ("GET", f"/v1/clusters/definition%20{dice.randrange(1000)}", ""),
        ]
    )


def request(url: httpx.URL, key: str, method: str, path: str, body: str) -> bytes:
    """The bytes of a request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {url.host}\r\nAuthorization: Bearer {key}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


if __name__ == "__main__":
    main()
