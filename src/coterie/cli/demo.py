"""`coterie demo`."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coterie.cli.keys import open_folder, sign_in_link
from coterie.cli.options import fail

if TYPE_CHECKING:
    from rich.console import Console

    from coterie.client import Client
    from coterie.demo.story import Story

START_SECONDS = 60
MARK = "coterie-demo"
"""A file of this name tells a folder of the demo, which may be emptied, from any other."""


class What(StrEnum):
    """What is clustered."""

    DIGITS = "digits"
    TEXT = "text"


def demo(
    what: Annotated[What, typer.Argument(help="Digits, with vectors; or a text set of this machine, without.")] = (
        What.DIGITS
    ),
    data_dir: Annotated[Path, typer.Option("--data-dir", help="The demo's own folder; it is emptied first.")] = Path(
        "coterie-demo-data"
    ),
    leave: Annotated[bool, typer.Option("--exit", help="Stop when done instead of serving on.")] = False,
) -> None:
    """Find groups in 1,797 handwritten digits, or in texts: start a fresh service, import, cluster, list."""
    from rich.console import Console  # noqa: PLC0415

    from coterie.client import ApiError, Client, TaskFailed  # noqa: PLC0415
    from coterie.demo import story, texts  # noqa: PLC0415

    console = Console()
    try:
        told = story.of_texts() if what is What.TEXT else story.of_digits()
    except texts.Missing as error:
        fail(str(error))
    _empty(data_dir)
    with _service(data_dir) as (url, key):
        console.print(f"A fresh service is at [bold]{url}[/] (API page: {url}/docs)")
        with Client(url, key) as client:
            try:
                _tell(console, client, told, url, key)
            except (ApiError, TaskFailed, RuntimeError) as error:
                fail(f"the demo failed: {error}")
        console.print(f"The data is in {data_dir.resolve()}, the key in {data_dir.resolve() / 'bootstrap.key'}.")
        if leave:
            console.print(f"Stopping. `coterie serve --data-dir {data_dir}` serves it again.", soft_wrap=True)
        else:
            link = sign_in_link(open_folder(data_dir), url)
            console.print(f"See the groups in a browser (the link signs one in, once):\n{link}", soft_wrap=True)
            console.print("Serving on. Press Ctrl-C to stop.")
            _until_interrupted()


def _tell(console: "Console", client: "Client", told: "Story", url: str, key: str) -> None:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    from coterie.demo import story  # noqa: PLC0415

    columns = (TextColumn("{task.description:<24}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:

        def follow(title: str, task: dict[str, Any]) -> None:
            bar = progress.add_task(title, total=1.0)
            client.wait(task["task_id"], lambda now: progress.update(bar, completed=now["additional_data"]["progress"]))

        bar = progress.add_task(f"importing {told.name}", total=1.0)
        story.load(client, told, lambda share: progress.update(bar, completed=share))
        if told.embeds:
            follow("making vectors", client.embed(told.name))
        names = story.define(client, told)
        for name in names:
            follow(name, client.run_cluster(name))
    for name in names:
        _print_table(console, name, *story.table_of(client, told, name))
    console.print("\nAsk for them yourself:\n")
    console.print(story.curl_of(told, url, key), markup=False, highlight=False, soft_wrap=True)
    console.print("\nwhich answers\n")
    answer = client.list_clusters(story.list_body(told), limit=2)
    console.print(json.dumps(answer, indent=2), markup=False, highlight=False, soft_wrap=True)


def _print_table(console: "Console", title: str, titles: list[str], rows: list[list[str]]) -> None:
    from rich.table import Table  # noqa: PLC0415

    table = Table(*titles, title=title)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _empty(folder: Path) -> None:
    """Make a fresh folder. One that is there is emptied only if the demo made it."""
    if folder.exists():
        if not (folder / MARK).is_file() and any(folder.iterdir()):
            fail(f"{folder} is not a folder of the demo: name another --data-dir")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).touch()


@contextmanager
def _service(data_dir: Path) -> Iterator[tuple[str, str]]:
    """A service on a free port, once it answers: its URL and key. Stopped at the end."""
    command = [sys.executable, "-m", "coterie", "serve", "--port", "0", "--data-dir", str(data_dir)]
    # A session of its own: Ctrl-C reaches this process, which then stops the service in order.
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        yield _wait_until_ready(process, data_dir)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_until_ready(process: subprocess.Popen[bytes], data_dir: Path) -> tuple[str, str]:
    import httpx  # noqa: PLC0415

    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            url = str(json.loads((data_dir / "server.json").read_text())["url"])
            if httpx.get(f"{url}/readyz").status_code == 200:
                return url, (data_dir / "bootstrap.key").read_text().strip()
        except (OSError, ValueError, httpx.TransportError):
            pass
        time.sleep(0.05)
    fail("the service did not start; its messages are above")


def _until_interrupted() -> None:
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    done.wait()
