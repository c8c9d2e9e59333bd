"""Vectors in Lance: appended by many at once, read by key, deleted, compacted."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import lance
import numpy as np
import pytest

from coterie.store.folder import FolderStorage
from coterie.store.vectors import FRAGMENTS, MissingVectors, Space, VectorStore

SPACE = Space("ns", "col", "v")


def rows(first: int, count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    keys = np.arange(first, first + count)
    return keys, np.repeat(keys[:, None], 4, axis=1).astype(np.float32)


def test_the_first_writes_may_come_all_at_once(tmp_path: Path) -> None:
    store = VectorStore(FolderStorage(tmp_path))
    for trial in range(5):
        space = Space("ns", f"col{trial}", "v")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number, space=space: store.append(space, *rows(number * 3)), range(8)))  # type: ignore[misc]
        keys = np.arange(24)
        assert (store.read(space, keys)[:, 0] == keys).all()


@pytest.mark.parametrize("point_reads", [0, 1, 150, 5_000])
def test_rows_are_found_by_key_until_they_are_deleted(
    tmp_path: Path, point_reads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coterie.store.vectors.POINT_READS", point_reads)
    store = VectorStore(FolderStorage(tmp_path))
    store.append(SPACE, *rows(10, 200))
    assert store.read(SPACE, np.array([17, 11]))[:, 0].tolist() == [17, 11]
    assert store.read(SPACE, np.arange(209, 9, -1))[:, 3].tolist() == list(range(209, 9, -1))
    store.delete(SPACE, np.array([11]))
    with pytest.raises(MissingVectors):
        store.read(SPACE, np.array([11, 17]))


def test_compaction_puts_small_files_together(tmp_path: Path) -> None:
    store = VectorStore(FolderStorage(tmp_path))
    for number in range(FRAGMENTS + 1):
        store.append(SPACE, *rows(number * 3))
    store.compact()
    dataset = lance.dataset(str(next(tmp_path.glob("*/*/*.lance"))))
    assert len(dataset.get_fragments()) == 1
    assert store.read(SPACE, np.arange(3 * FRAGMENTS))[:, 0].tolist() == list(range(3 * FRAGMENTS))


def test_a_row_is_written_anew_a_few_times_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coterie.store.vectors.SIZES", (30, 300, 3_000))
    monkeypatch.setattr("coterie.store.vectors.FRAGMENTS", 4)
    store = VectorStore(FolderStorage(tmp_path))
    seen: dict[int, int] = {}
    for number in range(120):
        store.append(SPACE, *rows(number * 3))
        store.compact()
        fragments = lance.dataset(str(next(tmp_path.glob("*/*/*.lance")))).get_fragments()
        seen |= {fragment.fragment_id: fragment.count_rows() for fragment in fragments}
        assert len(fragments) <= 12
    assert store.read(SPACE, np.arange(360))[:, 0].tolist() == list(range(360))
    assert sum(seen.values()) < 6 * 360  # of all at once, each time: 15


def test_what_is_pinned_stays_readable_until_no_one_uses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coterie.store.vectors.VERSIONS_KEPT", timedelta(0))
    store = VectorStore(FolderStorage(tmp_path))
    store.append(SPACE, *rows(0))
    pinned = store.snapshot(SPACE, "run_1")
    assert pinned is not None
    for number in range(1, FRAGMENTS + 2):
        store.append(SPACE, *rows(number * 3))
    store.delete(SPACE, np.array([1]))
    store.compact(lambda: {"run_1"})
    assert lance.dataset(pinned.uri, version=pinned.version).to_table()["key"].to_pylist() == [0, 1, 2]
    store.compact()  # its run has ended without letting go of it
    with pytest.raises(ValueError, match="not found"):
        lance.dataset(pinned.uri, version=pinned.version)
    assert len(store.read(SPACE, np.arange(2, 3 * FRAGMENTS))) == 3 * FRAGMENTS - 2
