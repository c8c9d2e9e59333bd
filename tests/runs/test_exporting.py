"""Exports of several row groups: what is held at a time, and what each kind of file says of them."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coterie.runs.artifacts import CLUSTERS, MEMBERS, Artifacts, write_table
from coterie.runs.exporting import ExportContent, ExportFormat, export
from coterie.store.folder import FolderStorage

BLOCKS, ROWS = 20, 50


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    """Two groups, each in half of the row groups, and no noise."""
    found = Artifacts(FolderStorage(tmp_path), "run")
    (tmp_path / "run").mkdir()

    dice = Random(0)

    def blocks() -> Iterator[dict[str, Any]]:
        for block in range(BLOCKS):
            row = {name: [None] * ROWS for name in MEMBERS.names}
            row["point_id"] = [f"d{block * ROWS + at}" for at in range(ROWS)]
            row["cluster_id"] = [f"cl_{2 * block // BLOCKS}"] * ROWS
            row["payload"] = [dice.randbytes(2_000).hex() for _ in range(ROWS)]
            yield row

    write_table(str(tmp_path / "run" / "members.parquet"), MEMBERS, blocks())
    groups = {name: [None, None] for name in CLUSTERS.names}
    groups.update(cluster_id=["cl_0", "cl_1"], label=["+fruit", None], keywords=[["=a", "b"], []])
    write_table(str(tmp_path / "run" / "clusters.parquet"), CLUSTERS, iter([groups]))
    half = BLOCKS * ROWS // 2
    manifest = {"total_members": 2 * half, "members": {"cl_0": [0, half], "cl_1": [half, half], "-1": [2 * half, 0]}}
    (tmp_path / "run" / "manifest.json").write_bytes(orjson.dumps(manifest))
    return found


@pytest.mark.parametrize("format", list(ExportFormat))
def test_no_more_than_a_few_row_groups_are_held(artifacts: Artifacts, format: ExportFormat) -> None:
    chunks = list(export(artifacts, ExportContent.MEMBERS, format))
    assert len(chunks) >= BLOCKS // 2
    assert max(map(len, chunks)) < sum(map(len, chunks)) / 4


def test_row_groups_stay_as_they_are(artifacts: Artifacts) -> None:
    whole = pa.BufferReader(b"".join(export(artifacts, ExportContent.MEMBERS, ExportFormat.PARQUET)))
    file = pq.ParquetFile(whole)
    assert (file.num_row_groups, file.metadata.num_rows) == (BLOCKS, BLOCKS * ROWS)
    assert file.read()["point_id"].to_pylist() == [f"d{number}" for number in range(BLOCKS * ROWS)]


def test_a_group_without_members_is_a_file_of_no_rows(artifacts: Artifacts) -> None:
    for format in ExportFormat:
        chunks = b"".join(export(artifacts, ExportContent.MEMBERS, format, "-1"))
        if format is ExportFormat.CSV:
            assert chunks.count(b"\n") == 1
        elif format is ExportFormat.PARQUET:
            assert pq.read_table(pa.BufferReader(chunks)).num_rows == 0
        else:
            assert pa.ipc.open_stream(chunks).read_all().num_rows == 0


def test_a_file_is_whole_though_it_is_deleted_meanwhile(artifacts: Artifacts) -> None:
    chunks = export(artifacts, ExportContent.MEMBERS, ExportFormat.ARROW)
    first = next(chunks)
    artifacts.blobs.drop("run")
    assert pa.ipc.open_stream(first + b"".join(chunks)).read_all().num_rows == BLOCKS * ROWS
    with pytest.raises(FileNotFoundError):
        export(artifacts, ExportContent.MEMBERS, ExportFormat.ARROW)


def test_lists_are_joined_and_guarded(artifacts: Artifacts) -> None:
    text = b"".join(export(artifacts, ExportContent.GROUPS, ExportFormat.CSV)).decode()
    assert '"\'+fruit"' in text
    assert '"\'=a; b"' in text
    assert "centroid_vector" not in text
