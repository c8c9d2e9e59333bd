"""Bulk import in every format, with every fault."""

import io
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.store.tables import retired_vectors
from objectstore import files_of

PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
PATH = "/v1/collections/things/documents/import"


@pytest.fixture(autouse=True)
def collection(client: TestClient) -> None:
    client.post("/v1/collections", json={"collection_name": "things"})


def table(rows: int = 5, **columns: Any) -> pa.Table:
    vectors = [[float(number), 1.0] for number in range(rows)]
    base = {"document_id": [f"d{number}" for number in range(rows)], "vector": vectors, "n": list(range(rows))}
    return pa.table({**base, **columns})


def body_of(data: pa.Table, kind: str) -> bytes:
    sink = io.BytesIO()
    if kind == PARQUET:
        pq.write_table(data, sink)
    elif kind == ARROW:
        with pa.ipc.new_stream(sink, data.schema) as writer:
            writer.write_table(data, max_chunksize=2)
    else:
        sink.write(b"\n".join(orjson.dumps(row) for row in data.to_pylist()))
    return sink.getvalue()


def send(client: TestClient, data: pa.Table | bytes, kind: str = ARROW, **query: Any) -> Any:
    content = data if isinstance(data, bytes) else body_of(data, kind)
    return client.post(PATH, content=content, headers={"Content-Type": kind}, params=query)


def count(client: TestClient) -> int:
    total: int = client.get("/v1/collections/things").json()["document_count"]
    listed = client.post("/v1/collections/things/documents/list").json()["pagination"]["total"]
    assert total == listed
    return total


def vector_of(client: TestClient, identity: str) -> Any:
    found = client.get(f"/v1/collections/things/documents/{identity}", params={"return_vectors": True})
    return found.json().get("vectors")


@pytest.mark.parametrize("kind", [PARQUET, ARROW, NDJSON])
def test_rows_become_documents(client: TestClient, kind: str) -> None:
    answer = send(client, table(), kind)
    assert answer.status_code == 200, answer.text
    assert answer.json() | {"collection_id": ""} == {"collection_id": "", "imported": 5, "failed": 0, "errors": []}
    assert count(client) == 5
    assert vector_of(client, "d3") == {"bring_your_own": [3.0, 1.0]}
    assert client.get("/v1/collections/things/documents/d3").json()["metadata"] == {"n": 3}


@pytest.mark.parametrize("kind", [PARQUET, ARROW, NDJSON])
def test_faulty_rows_are_reported_by_number_and_the_rest_lands(client: TestClient, kind: str) -> None:
    vectors: list[Any] = [[0.0, 1.0], [1.0], None, [3.0, 1e300], [4.0, 1.0], [5.0, 1.0]]
    ids = ["d0", "d1", "d2", "d3", "d0", "d5"]
    data = pa.table({"document_id": ids, "vector": pa.array(vectors, pa.list_(pa.float64())), "n": list(range(6))})
    report = send(client, data, kind).json()
    assert (report["imported"], report["failed"]) == (2, 4)
    assert [fault["row"] for fault in report["errors"]] == [2, 3, 4, 5]
    assert "has 1 numbers" in report["errors"][0]["error"]
    assert "comes twice" in report["errors"][3]["error"]
    assert count(client) == 2


@pytest.mark.parametrize("kind", [PARQUET, ARROW])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
def test_numbers_that_are_none_are_faults(client: TestClient, kind: str, bad: float | None) -> None:
    for shape in (pa.list_(pa.float32()), pa.list_(pa.float32(), 2)):
        data = table(3, vector=pa.array([[1.0, 2.0], [1.0, bad], [3.0, 4.0]], shape))
        report = send(client, data, kind).json()
        assert (report["imported"], report["failed"], report["errors"][0]["row"]) == (2, 1, 2)


def test_a_line_of_ndjson_that_is_none_is_a_fault(client: TestClient) -> None:
    lines = [b'{"id": "a", "vector": [1, 2]}', b"{", b'{"id": "c", "vector": [1, NaN]}', b"[]", b'{"vector": [1, "2"]}']
    report = send(
        client, b"\n".join([*lines, b"", b'{"id": "f", "vectors": {"other": [1]}, "metadata": {"a": 1}}']), NDJSON
    )
    assert report.json()["imported"] == 2
    assert [fault["row"] for fault in report.json()["errors"]] == [2, 3, 4, 5]
    assert vector_of(client, "f") == {"other": [1.0]}
    assert client.get("/v1/collections/things/documents/f").json()["metadata"] == {"a": 1}


@pytest.mark.parametrize("kind", [PARQUET, ARROW, NDJSON])
def test_strict_is_all_or_nothing(client: TestClient, kind: str, services: Services) -> None:
    refused = send(client, table(4, vector=[[1.0, 2.0], [1.0], [2.0, 3.0], [3.0, 3.0]]), kind, strict=True)
    assert refused.status_code == 400
    assert refused.json()["error"]["details"]["errors"][0]["row"] == 2
    assert count(client) == 0
    assert not files_of(services.vectors.storage)
    assert send(client, table(4), kind, strict=True).json()["imported"] == 4
    assert count(client) == 4
    assert send(client, table(5), kind, strict=True).json()["imported"] == 5
    assert count(client) == 5
    assert vector_of(client, "d3") == {"bring_your_own": [3.0, 1.0]}


def test_an_import_of_ids_that_are_there_replaces_them(client: TestClient) -> None:
    send(client, table())
    send(client, table(3, vector=[[9.0, 9.0]] * 3, n=["x", "y", "z"]))
    assert count(client) == 5
    assert vector_of(client, "d1") == {"bring_your_own": [9.0, 9.0]}
    assert client.get("/v1/collections/things/documents/d1").json()["metadata"] == {"n": "y"}


def test_columns_are_mapped_as_asked(client: TestClient) -> None:
    data = table(3, key=[7, 8, 9], clip=[[1.0, 2.0, 3.0]] * 3)
    answer = send(client, data, id_column="key", vector_column=["clip:clip_vit_l_14", "vector"])
    assert answer.json()["imported"] == 3
    assert vector_of(client, "8") == {"clip_vit_l_14": [1.0, 2.0, 3.0], "bring_your_own": [1.0, 1.0]}
    features = client.get("/v1/collections/things/features").json()["features"]
    assert {(f["feature_extractor_name"], f["vector_index"]["dimensions"]) for f in features} == {
        ("clip_vit_l_14", 3),
        ("bring_your_own", 2),
    }
    assert send(client, table(1, vector=[[1.0]])).json()["errors"][0]["error"].endswith("are possible)")
    assert send(client, data, id_column="nope").status_code == 400
    assert send(client, data, vector_column="n").status_code == 400


def test_what_is_not_of_its_type_is_refused(client: TestClient) -> None:
    for kind in (PARQUET, ARROW):
        answer = send(client, b"not a file", kind)
        assert answer.status_code == 400, answer.text
        assert "Traceback" not in answer.text
    assert send(client, b"{}", "text/plain").status_code == 415
    assert send(client, table(1, raw=[b"bytes"]), PARQUET).status_code == 400
    missing = client.post("/v1/collections/none/documents/import", content=b"{}", headers={"Content-Type": NDJSON})
    assert missing.status_code == 404
    assert send(client, b"", NDJSON).json()["imported"] == 0


def test_many_blocks_and_float16_and_integers(client: TestClient) -> None:
    rows = 20_000
    values = np.arange(rows * 2, dtype=np.float16).reshape(rows, 2) % 100
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), 2)
    data = pa.table({"id": [str(number) for number in range(rows)], "vector": vectors})
    assert send(client, data, PARQUET).json()["imported"] == rows
    assert count(client) == rows
    assert vector_of(client, "12345") == {"bring_your_own": values[12345].tolist()}
    integers = pa.table({"vector": pa.array([[1, 2]], pa.list_(pa.int64()))})
    assert send(client, integers, PARQUET, vector_column="vector").json()["imported"] == 1


def test_a_strict_import_lets_others_write_while_it_stores_vectors(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, written = services.vectors.append, []

    def append_while_another_writes(*args: Any) -> None:
        answer = client.post("/v1/collections", json={"collection_name": f"other{len(written)}"})
        written.append(answer.status_code)
        append(*args)

    monkeypatch.setattr(services.vectors, "append", append_while_another_writes)
    assert send(client, table(), strict=True).json()["imported"] == 5
    assert written == [200, 200, 200]


def test_a_strict_import_that_fails_midway_leaves_nothing(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coterie.documents.importing.write_records", lambda *_: 1 / 0)
    assert send(client, table(), strict=True).status_code == 500
    assert count(client) == 0
    with services.db.read() as tx:
        assert orjson.loads(tx.scalars(select(retired_vectors.c["keys"])).one()) == [1, 2, 3, 4, 5]


def test_a_strict_import_has_a_limit(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coterie.documents.importing.MAX_STRICT_ROWS", 4)
    refused = send(client, table(), strict=True)
    assert (refused.status_code, count(client)) == (400, 0)
    assert "without 'strict'" in refused.json()["error"]["message"]


def test_many_names_of_vectors_are_faults_and_take_no_memory(client: TestClient) -> None:
    lines = [{"id": f"d{n}", "vectors": {f"v{n}": [1.0] * 100}} for n in range(300)]
    lines.append({"id": "wide", "vectors": {f"w{n}": [1.0] for n in range(33)}})
    report = send(client, b"\n".join(map(orjson.dumps, lines)), NDJSON).json()
    assert (report["imported"], report["failed"]) == (256, 45)
    assert "at most 256 names" in report["errors"][0]["error"]
    assert "at most 32 vectors" in report["errors"][-1]["error"]


def broken_utf8() -> pa.Table:
    offsets, letters = pa.py_buffer(np.arange(0, 12, 2, np.int32).tobytes()), pa.py_buffer(b"\xff\xfe" * 5)
    return table(word=pa.Array.from_buffers(pa.string(), 5, [None, offsets, letters]))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (broken_utf8(), "column 'word'"),
        (table(day=pa.array([4_000_000] * 5, pa.int32()).cast(pa.date32())), "column 'day'"),
        (table(at=pa.array([2**62] * 5, pa.int64()).cast(pa.timestamp("s"))), "column 'at'"),
        (table().append_column("n", pa.array(range(5))), "two columns 'n'"),
    ],
)
def test_values_that_metadata_cannot_hold_are_refused_by_column(client: TestClient, data: pa.Table, words: str) -> None:
    refused = send(client, data)
    assert refused.status_code == 400, refused.text
    assert words in refused.json()["error"]["message"]


def test_nanoseconds_are_cut_to_microseconds(client: TestClient) -> None:
    assert send(client, table(at=pa.array([1_000_000_001] * 5, pa.timestamp("ns")))).json()["failed"] == 0
    shown = client.get("/v1/collections/things/documents/d0").json()
    assert shown["metadata"]["at"] == "1970-01-01T00:00:01"


@pytest.mark.parametrize("value", [b"[" * 600 + b"]" * 600, b'"\\u0000"', b"[" * 600 + b'"\\u0000"' + b"]" * 600])
def test_payloads_that_cannot_be_are_faults(client: TestClient, value: bytes) -> None:
    lines = b'{"id": "a", "x": %b, "vector": [1]}\n{"id": "b", "vector": [1]}' % value
    report = send(client, lines, NDJSON).json()
    assert (report["imported"], report["failed"]) == (1, 1)


@pytest.mark.parametrize("kind", [NDJSON, ARROW])
def test_numbers_whose_squares_overflow_are_faults(client: TestClient, kind: str) -> None:
    data = pa.table({"id": ["a", "b"], "vector": [[1e30, 1.0], [1.0, 1.0]]})
    report = send(client, data, kind).json()
    assert (report["imported"], report["failed"]) == (1, 1)
    assert "1e+18" in report["errors"][0]["error"]


def test_csv_rows_become_documents(client: TestClient) -> None:
    rows = [b"id,vec,text,n", b'007,"[1, 2]","two\nlines, ""quoted""",4', b'b,"[3, 4.5]",,5']
    assert send(client, b"\n".join(rows), CSV, vector_column="vec:bring_your_own").json()["imported"] == 2
    assert vector_of(client, "007") == {"bring_your_own": [1.0, 2.0]}
    found = client.get("/v1/collections/things/documents/007").json()["metadata"]
    assert found == {"text": 'two\nlines, "quoted"', "n": 4}


def test_columns_of_csv_that_hold_lists_are_vectors(client: TestClient) -> None:
    body = b'key,embedding,tags\na,"[1, 2]","[x]"\nb,"[3, null]",t\nc,,t\nd,"[5, 6]",t\n'
    report = send(client, body, CSV, id_column="key").json()
    assert (report["imported"], [fault["row"] for fault in report["errors"]]) == (2, [2, 3])
    assert vector_of(client, "d") == {"bring_your_own": [5.0, 6.0]}


@pytest.mark.parametrize("body", [b"", b"a,a\n1,2\n", b"id,text\na,\xff\n", b"a,b\n1\n"])
def test_csv_that_is_none_is_refused(client: TestClient, body: bytes) -> None:
    answer = send(client, body, CSV)
    assert answer.status_code == 400, answer.text
    assert count(client) == 0


def test_a_csv_file_of_headings_alone_holds_nothing(client: TestClient) -> None:
    assert send(client, b"id,text\n", CSV).json()["imported"] == 0


@pytest.mark.parametrize("kind", [PARQUET, ARROW, NDJSON])
def test_columns_are_left_out(client: TestClient, kind: str) -> None:
    data = table(2, raw=[b"1", b"2"]) if kind != NDJSON else table(2, raw=["1", "2"])
    assert send(client, data, kind, skip_column=["raw", "n"]).json()["imported"] == 2
    assert client.get("/v1/collections/things/documents/d1").json()["metadata"] == {}
    assert send(client, data, ARROW if kind == NDJSON else kind, skip_column="nope").status_code == 400
