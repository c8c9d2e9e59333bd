"""Parts on a Ray cluster: the same results on one node, on two, and where one of them is killed in mid-run.

The cluster is in a network and process namespace of its own, with loopback only: Ray takes another address than
127.0.0.1 where it finds one, and whatever is left of it goes with the namespace.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from coterie.compute.executor import StageError
from coterie.compute.local import LocalExecutor
from coterie.compute.ray import RayExecutor, Told, do_part, versions
from coterie.config import Settings
from coterie.wiring import choose_executor

HERE = Path(__file__).parent
NAMESPACES = ["unshare", "--net", "--pid", "--fork", "--mount-proc"]


def can_unshare() -> bool:
    return shutil.which("unshare") is not None and subprocess.run([*NAMESPACES, "true"], check=False).returncode == 0


needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None or not can_unshare(),
    reason="needs the extra `ray`, and namespaces of its own (unshare, as root)",
)


def on_cluster(tmp_path: Path, *modes: str) -> dict[str, Any]:
    """What `raylets.py` found in these modes, each in the folder of its name."""
    root = HERE.parents[1]
    paths = [str(root / "src"), str(root / "tests"), str(HERE)]
    command = [*NAMESPACES, sys.executable, str(HERE / "raylets.py"), str(tmp_path), *modes]
    with TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:  # a path of a socket must be short
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "RAY_TMPDIR": folder}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found: dict[str, Any] = json.loads((tmp_path / "found.json").read_text())
    return found


def assert_alike(tmp_path: Path, *modes: str) -> None:
    """Bit by bit."""
    files = sorted(path.name for path in (tmp_path / modes[0]).glob("*.npy"))
    assert "labels.npy" in files
    for mode in modes[1:]:
        for name in files:
            np.testing.assert_array_equal(np.load(tmp_path / modes[0] / name), np.load(tmp_path / mode / name))


@needs_ray
def test_a_node_finds_what_the_worker_s_own_process_finds(tmp_path: Path) -> None:
    found = on_cluster(tmp_path, "local", "one")
    assert_alike(tmp_path, "local", "one")
    assert found["local"] == found["one"]
    assert found["refusals"] == {"odd": "an odd thing", "InterruptedError": ""}


@needs_ray
@pytest.mark.slow
def test_two_nodes_and_one_that_is_killed_make_no_difference(tmp_path: Path) -> None:
    found = on_cluster(tmp_path, "local", "two", "killed")
    assert_alike(tmp_path, "local", "two", "killed")
    assert found["local"] == found["two"] == found["killed"]
    assert found["nodes"] == {"local": 0, "two": 2, "killed": 1}
    told = "a part could not be computed on the Ray cluster (WorkerCrashedError)"
    assert found["refusals"] == {"odd": "an odd thing", "InterruptedError": "", "cluster": told}


def test_a_node_with_other_versions_is_refused() -> None:
    error, result = do_part(Told({**versions(), "numpy": "1.0"}, None, {}), "compute_stages:square", {}, {})
    assert error is not None
    assert error[0] == "versions"
    assert "not 1.0: install on it what the worker has" in error[1]
    assert result is None


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(StageError, match=r"pip install 'coterie\[ray\]'"):
        next(RayExecutor("auto").map("compute_stages:square", [{"number": 1}], {}, lambda share: None))


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra `ray`")
def test_a_cluster_that_cannot_be_reached_is_told() -> None:
    with pytest.raises(StageError, match=r"the Ray cluster '127\.0\.0\.1:1' cannot be reached") as error:
        next(RayExecutor("127.0.0.1:1").map("compute_stages:square", [{"number": 1}], {}, lambda share: None))
    assert "COTERIE_RAY_ADDRESS" in error.value.message


@pytest.mark.parametrize(
    ("address", "kind"), [(None, LocalExecutor), ("auto", RayExecutor), ("[::1]:6379", RayExecutor)]
)
def test_the_settings_choose(address: str | None, kind: type, tmp_path: Path) -> None:
    assert isinstance(choose_executor(Settings(data_dir=tmp_path, ray_address=address)), kind)


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:port", ""])
def test_an_address_is_auto_or_a_host_and_a_port(address: str) -> None:
    with pytest.raises(ValidationError, match="ray_address"):
        Settings(ray_address=address)
