"""A run's map as a stream, and the members behind its points."""

import gzip
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coterie.runs import drawing
from coterie.runs.drawing import METADATA, read_map, write_map
from runs.support import run
from support import HDBSCAN, KMEANS, add_cluster, add_collection, blobs

GROUPS = [f"cl_{number}" for number in range(7)]


def stream(content: bytes) -> tuple[list[pa.RecordBatch], dict[str, Any]]:
    """The batches, and what the stream says of itself."""
    with pa.ipc.open_stream(content) as reader:
        return list(reader), orjson.loads(reader.schema.metadata[METADATA])


def numbers(batches: list[pa.RecordBatch], told: dict[str, Any]) -> list[np.ndarray]:
    """Which members the points of each batch are, as docs/executions.md has it."""
    firsts = [number * told["hop"] % told["stride"] for number in range(len(batches))]
    found = [first + told["stride"] * np.arange(len(batch)) for first, batch in zip(firsts, batches, strict=True)]
    return found


def written(folder: Path, sizes: list[int], seed: int = 0) -> tuple[Path, pa.Table]:
    """A map of groups of those sizes and noise, and its members."""
    rng = np.random.default_rng(seed)
    names = [name for name, size in zip([*GROUPS, "-1"], sizes, strict=True) for _ in range(size)]
    places = rng.normal(size=(2, len(names))).astype(np.float32)
    table = pa.table({"cluster_id": names, "x": places[0], "y": places[1]})
    half = len(names) // 2
    for name, part in (("a", table.slice(0, half)), ("b", table.slice(half))):
        pq.write_table(part, folder / f"{name}.parquet", row_group_size=500)
    write_map(folder / "map", "run_1", GROUPS, [folder / "a.parquet", folder / "b.parquet"])
    return folder / "map", table


@pytest.mark.parametrize("total", [5, 8, 1_000, 12_345, 54_321])
def test_every_member_comes_once_and_stands_where_it_stood(tmp_path: Path, total: int) -> None:
    sizes = [total // 8] * 7
    path, table = written(tmp_path, [*sizes, total - sum(sizes)])
    batches, told = stream(b"".join(read_map(pa.OSFile(str(path)), compressed=False)))
    assert stream(gzip.decompress(b"".join(read_map(pa.OSFile(str(path)), compressed=True)))) == (batches, told)
    assert (told["run_id"], told["members"], told["points"]) == ("run_1", total, total)
    rows = numbers(batches, told)
    assert sorted(np.concatenate(rows).tolist()) == list(range(total))
    for batch, own in zip(batches, rows, strict=True):
        assert batch["cluster_id"].to_pylist() == table["cluster_id"].take(own).to_pylist()
        for axis in "xy":
            low, step = told[axis]
            assert np.abs(low + step * batch[axis].to_numpy() - table[axis].to_numpy()[own]).max() <= step / 2 * 1.01


def test_each_batch_holds_every_group_in_proportion(tmp_path: Path) -> None:
    sizes = [20_000, 10_000, 5_000, 3_000, 1_000, 500, 60, 4_000]
    path, _ = written(tmp_path, sizes)
    batches, told = stream(b"".join(read_map(pa.OSFile(str(path)), compressed=False)))
    assert len(batches) == told["stride"] == 5
    for batch in batches:
        counts = np.bincount(batch["cluster_id"].indices.to_numpy(), minlength=8)
        assert np.abs(counts - np.array(sizes) / 5).max() <= 1


def test_of_many_members_an_even_sample_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "BATCH", 100)
    monkeypatch.setattr(drawing, "MAX_POINTS", 300)
    path, _ = written(tmp_path, [500, 200, 100, 50, 50, 50, 40, 10])
    batches, told = stream(b"".join(read_map(pa.OSFile(str(path)), compressed=False)))
    assert (len(batches), told["members"], told["points"]) == (3, 1_000, 300)
    rows = np.sort(np.concatenate(numbers(batches, told)))
    assert len(set(rows.tolist())) == 300
    assert np.diff(rows).max() <= 5


def test_the_first_batch_can_be_read_before_the_last_has_come(tmp_path: Path) -> None:
    path, _ = written(tmp_path, [40_000, *[0] * 6, 0])
    plain = b"".join(read_map(pa.OSFile(str(path)), compressed=False))
    _, told = stream(plain)
    assert told["stride"] == 4
    beginning = next(read_map(pa.OSFile(str(path)), compressed=False))
    assert len(beginning) < len(plain) / 2
    with pa.ipc.open_stream(beginning) as reader:
        assert len(reader.read_next_batch()) == 10_000


def test_a_map_of_one_place_and_of_more_groups_than_an_index_holds(tmp_path: Path) -> None:
    many = [f"cl_{number}" for number in range(40_000)]
    pq.write_table(pa.table({"cluster_id": [many[-1]], "x": [np.float32(3)], "y": [np.float32(4)]}), tmp_path / "one")
    write_map(tmp_path / "map", "run_1", many, [tmp_path / "one"])
    [batch], told = stream(b"".join(read_map(pa.OSFile(str(tmp_path / "map")), compressed=False)))
    assert (batch["cluster_id"].to_pylist(), told["x"][0], told["y"][0]) == ([many[-1]], 3.0, 4.0)


def test_a_map_that_is_flat_in_one_direction_keeps_its_proportions(tmp_path: Path) -> None:
    places = {"cluster_id": ["cl_0"] * 3, "x": np.float32([0, 1, 3]), "y": np.float32([2, 2, 2])}
    pq.write_table(pa.table(places), tmp_path / "one")
    write_map(tmp_path / "map", "run_1", ["cl_0"], [tmp_path / "one"])
    [batch], told = stream(b"".join(read_map(pa.OSFile(str(tmp_path / "map")), compressed=False)))
    assert told["x"][1] == told["y"][1]
    assert (batch["x"].to_pylist(), batch["y"].to_pylist()) == ([0, 21845, 65535], [0, 0, 0])


def test_the_map_of_a_run_is_streamed_and_its_points_are_members(namespace: httpx.Client) -> None:
    add_collection(namespace, vectors=np.vstack([blobs(), np.full((1, 4), 500.0)]).astype(np.float32))
    cluster = add_cluster(namespace, vector_config=HDBSCAN)["cluster_id"]
    run_id = run(namespace, cluster)["additional_data"]["run_id"]
    path = f"/v1/clusters/{cluster}/executions/{run_id}"
    answer = namespace.get(f"{path}/map")
    assert answer.headers["content-type"] == "application/vnd.apache.arrow.stream"
    assert answer.headers["content-encoding"] == "gzip"
    plain = namespace.get(f"{path}/map", headers={"Accept-Encoding": "identity"})
    assert ("content-encoding" in plain.headers, plain.content) == (False, answer.content)
    batches, told = stream(answer.content)
    [rows] = numbers(batches, told)
    members = namespace.post(f"{path}/members", json={"numbers": rows[::-1].tolist()}).json()["members"]
    assert [member["number"] for member in members] == rows[::-1].tolist()
    assert [member["cluster_label"] for member in members] == batches[0]["cluster_id"].to_pylist()[::-1]
    everything = {"include_members": True, "limit": 100}
    listed = namespace.post(f"/v1/clusters/{run_id}/data", json=everything).json()["members"]
    assert [{key: value for key, value in member.items() if key != "number"} for member in members[::-1]] == listed
    place = members[0]["coordinates"][0]
    assert abs(told["x"][0] + told["x"][1] * batches[0]["x"][-1].as_py() - place) <= told["x"][1]
    newest = namespace.get(f"/v1/clusters/{cluster}/map")
    assert (newest.content, newest.headers["etag"]) == (answer.content, answer.headers["etag"])
    known = namespace.get(f"{path}/map", headers={"If-None-Match": answer.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    for bad in ([], [-1], [0] * 201, ["x"], [1.5]):
        assert namespace.post(f"{path}/members", json={"numbers": bad}).status_code == 422
    beyond = namespace.post(f"{path}/members", json={"numbers": [0, 61]})
    assert (beyond.status_code, "no member 61" in beyond.text) == (400, True)
    assert namespace.delete(path).status_code == 204
    assert namespace.get(f"{path}/map").status_code == 404


def test_what_has_no_map_says_so(namespace: httpx.Client) -> None:
    add_collection(namespace)
    config = {"cluster_type": "attribute", "vector_config": None, "attribute_config": {"attributes": ["group"]}}
    flat = add_cluster(namespace, "flat", **config)["cluster_id"]
    run(namespace, flat)
    assert namespace.get(f"/v1/clusters/{flat}/map").status_code == 400
    never = add_cluster(namespace, "never", vector_config=KMEANS)["cluster_id"]
    answer = namespace.get(f"/v1/clusters/{never}/map")
    assert (answer.status_code, "no completed run" in answer.text) == (404, True)
