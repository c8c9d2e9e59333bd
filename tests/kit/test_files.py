"""Files that are there whole or not at all."""

from pathlib import Path

import pytest

from coterie.kit.files import whole


def test_what_is_cut_short_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(TypeError), whole(path) as file:
        file.writelines([b"half of", "it"])  # type: ignore[list-item]
    assert not path.exists()
    with whole(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
