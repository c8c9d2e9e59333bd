"""What a worker may take, and where compiled loops are kept."""

import os
from pathlib import Path

import pytest

from coterie.compute import memory
from coterie.config import Settings
from coterie.wiring import keep_compiled


def test_a_container_s_limit_counts_where_it_is_less(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_GROUP", limit)
    whole = memory.usable_bytes()
    assert whole > 0
    limit.write_text("max\n")
    assert memory.usable_bytes() == whole
    limit.write_text("1000000\n")
    assert memory.usable_bytes() == 800_000


def test_loops_are_kept_in_the_data_folder_where_the_package_is_read_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    keep_compiled(Settings(data_dir=tmp_path))
    assert "NUMBA_CACHE_DIR" not in os.environ
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setenv("NUMBA_CACHE_DIR", "elsewhere")
    keep_compiled(Settings(data_dir=tmp_path))
    assert os.environ["NUMBA_CACHE_DIR"] == "elsewhere"
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    keep_compiled(Settings(data_dir=tmp_path))
    assert os.environ.pop("NUMBA_CACHE_DIR") == str(tmp_path / "compiled")
