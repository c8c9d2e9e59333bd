"""A folder and a bucket hold files alike; a bucket that would lose vectors is refused."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import delete

from conftest import PLACES, place_of
from coterie.config import Settings
from coterie.store.bucket import TAIL
from coterie.store.storage import Storage, StorageFailed, UnfitStorage, open_storage
from coterie.store.tables import settings
from coterie.store.vectors import Space, VectorStore
from coterie.wiring import STORAGE_MARK, WrongStore, open_services
from objectstore import ObjectStore, files_of


@pytest.fixture(params=PLACES)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return open_storage(place_of(request.param, request).storage_url or tmp_path / "data").below("artifacts")


def test_files_are_there_whole_and_go_with_their_prefix(storage: Storage, tmp_path: Path) -> None:
    storage.check()
    before = time.time() - 2
    big = os.urandom(TAIL + 1000)
    (tmp_path / "made").write_bytes(big)
    storage.publish("o/n/r/one/file", tmp_path / "made")
    storage.write("o/n/r/two/small", b"small")
    storage.write("o/n/r/two/small", b"other")
    storage.write("o/n/r/two/none", b"")
    assert not (tmp_path / "made").exists()
    assert storage.read("o/n/r/one/file") == big
    assert (storage.size("o/n/r/one/file"), storage.read("o/n/r/two/small")) == (len(big), b"other")
    assert sorted(storage.folders(4)) == ["o/n/r/one", "o/n/r/two"]
    assert list(storage.folders(1)) == ["o"]
    assert before < storage.added("o/n/r/two") < time.time() + 2
    storage.drop("o/n/r/one")
    assert [storage.exists(f"o/n/r/{key}") for key in ("one/file", "two/small", "two/none", "two")] == [0, 1, 1, 0]
    assert files_of(storage) == ["o/n/r/two/none", "o/n/r/two/small"]
    storage.drop("nothing/here")
    assert storage.added("nothing/here") == 0
    for missing in (storage.open, storage.read, storage.size):
        with pytest.raises(FileNotFoundError):
            missing("o/n/r/one/file")


def test_a_file_is_read_from_anywhere_in_it(storage: Storage, tmp_path: Path) -> None:
    table = pa.table({"number": np.arange(50_000), "text": [f"text {number}" for number in range(50_000)]})
    pq.write_table(table, tmp_path / "made", row_group_size=1_000, compression="none")
    size = (tmp_path / "made").stat().st_size
    assert size > 4 * TAIL
    whole = (tmp_path / "made").read_bytes()
    storage.publish("table.parquet", tmp_path / "made")
    assert pq.read_table(storage.open("table.parquet")).equals(table)
    assert pq.ParquetFile(storage.open("table.parquet")).read_row_group(7)["number"][0].as_py() == 7_000
    with storage.open("table.parquet") as file:
        for begin, end in ((0, 10), (size - TAIL - 5, size - TAIL + 5), (size - 3, size), (size - TAIL, size)):
            file.seek(begin)
            assert file.read(end - begin) == whole[begin:end]
        assert file.read(10) == b""
        assert file.size() == size


def test_links_open_a_file_for_a_while(object_store: ObjectStore) -> None:
    storage = open_storage(object_store.create())
    storage.write("a/file.csv", b"a,b")
    link = storage.link("a/file.csv", 60)
    assert link is not None
    assert httpx.get(link).content == b"a,b"
    assert httpx.get(link.partition("?")[0]).status_code == 403
    assert httpx.get(link.replace("file.csv", "other.csv")).status_code == 403


def test_an_upload_that_is_cut_off_leaves_nothing(object_store: ObjectStore, tmp_path: Path) -> None:
    url = object_store.create()
    with (tmp_path / "large").open("wb") as file:
        file.truncate(400_000_000)
    script = (
        "import sys, pathlib; from coterie.store.storage import open_storage; print('begun', flush=True); "
        "open_storage(sys.argv[1]).publish('large', pathlib.Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", script, url, str(tmp_path / "large")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was over before it could be cut off"
    assert files_of(open_storage(url)) == []
    assert (tmp_path / "large").exists()


def test_of_first_writes_at_once_none_is_lost(object_store: ObjectStore) -> None:
    store = VectorStore(open_storage(object_store.create()))
    for trial in range(3):
        space = Space("ns", f"col{trial}", "v")

        def append(number: int, space: Space = space) -> None:
            store.append(space, np.arange(3 * number, 3 * number + 3), np.full((3, 4), number, np.float32))

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(append, range(6)))
        assert (store.read(space, np.arange(18))[:, 0] == np.arange(18) // 3).all()
    store.drop("ns", "col0")
    assert sorted(store.collections()) == [("ns", "col1"), ("ns", "col2")] or store.added("ns", "col0") == 0


class Careless(BaseHTTPRequestHandler):
    """A store that takes every write, whatever its conditions."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("ETag", '"0"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_DELETE = do_PUT

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def careless(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Careless)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_store_without_conditional_writes_is_refused(careless: str) -> None:
    with pytest.raises(UnfitStorage, match="no conditional writes"):
        open_storage(f"s3://bucket/data?endpoint={careless}&region=us-east-1").check()


def test_a_store_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coterie.store.bucket.RETRIES", 0)
    storage = open_storage("s3://bucket/data?endpoint=http://127.0.0.1:9&region=us-east-1")
    with pytest.raises(UnfitStorage, match="cannot be written"):
        storage.check()
    assert not storage.is_usable()
    with pytest.raises(StorageFailed):
        storage.read("file")
    storage.drop("prefix")


@pytest.mark.parametrize(
    "url",
    ["s3://", "ftp://bucket/x", "s3://key:secret@bucket/x", "s3://bucket/x?access_key=1", "gs:///x", "s3:///bucket"],
)
def test_a_url_that_names_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(UnfitStorage, match="must be s3://bucket/prefix or gs://bucket/prefix"):
        open_storage(url)


@pytest.mark.parametrize("url", ["s3:/bucket/x", "s3//bucket/x", "s3:bucket", "gs:/bucket"])
def test_a_url_that_was_mistyped_is_no_folder(url: str) -> None:
    with pytest.raises(UnfitStorage, match="write s3://bucket/prefix"):
        open_storage(url)


def test_an_endpoint_without_a_scheme_is_told() -> None:
    for endpoint in ("host:9000", "http://key:secret@host:9000"):
        with pytest.raises(UnfitStorage, match="must be http://… or https://…, without keys"):
            open_storage(f"s3://bucket/x?endpoint={endpoint}")


def test_missing_keys_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("coterie.store.bucket.RETRIES", 0)
    with pytest.raises(UnfitStorage, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"):
        open_storage("s3://bucket/x?endpoint=http://127.0.0.1:9&region=us-east-1").check()


def test_a_url_of_postgresql_is_taken_as_most_write_it() -> None:
    for url in ("postgres://u@h/d", "postgresql://u@h/d", "postgresql+psycopg://u@h/d"):
        assert Settings(database_url=url).database_url == "postgresql+psycopg://u@h/d"


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnfitStorage, match="cannot be made"):
        open_storage(tmp_path / "file" / "below").check()


def test_records_go_with_their_own_storage_only(tmp_path: Path, object_store: ObjectStore) -> None:
    own = Settings(data_dir=tmp_path / "data", storage_url=object_store.create())
    for _ in range(2):
        open_services(own)[0].db.close()
    other = own.model_copy(update={"storage_url": None})
    with pytest.raises(WrongStore, match=f"whose file `{STORAGE_MARK}` says storage_"):
        open_services(other)
    with pytest.raises(WrongStore):
        open_services(own.model_copy(update={"storage_url": object_store.create()}))
    with pytest.raises(WrongStore, match="the storage belongs to other records"):
        open_services(own.model_copy(update={"data_dir": tmp_path / "new"}))
    open_services(own)[0].db.close()


def test_records_with_vectors_in_their_folder_are_not_given_an_empty_storage(
    tmp_path: Path, object_store: ObjectStore
) -> None:
    old = Settings(data_dir=tmp_path / "data")
    services, _ = open_services(old)
    services.vectors.append(Space("ns", "col", "v"), np.array([1]), np.ones((1, 4), np.float32))
    with services.db.write() as tx:
        tx.execute(delete(settings).where(settings.c.name == STORAGE_MARK))  # as a version of before left it
    services.db.close()
    with pytest.raises(WrongStore, match="start without COTERIE_STORAGE_URL"):
        open_services(old.model_copy(update={"storage_url": object_store.create()}))
    (tmp_path / "data" / STORAGE_MARK).unlink()
    open_services(old)[0].db.close()


def test_scratch_on_a_disk_that_others_use_is_a_folder_of_its_own(tmp_path: Path) -> None:
    assert Settings(COTERIE_SCRATCH_DIR=tmp_path).scratch_dir == tmp_path / "coterie-scratch"
