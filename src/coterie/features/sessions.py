"""ONNX models in memory, and what is made of their output."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from coterie.engine.threads import cores
from coterie.features.manifest import BadModel

Matrix = NDArray[np.float32]
TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


class Session:
    """A model that runs on all cores of the process."""

    def __init__(self, path: Path, output: str | None) -> None:
        """Load the model. Raises BadModel for what is none, or lacks the output."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = cores()
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's errors have no common base
            raise BadModel(f"{path.name} cannot be loaded: {str(error)[:300]}") from error
        self.inputs = {each.name: TYPES.get(each.type) for each in self._session.get_inputs()}
        outputs = [each.name for each in self._session.get_outputs()]
        if output is not None and output not in outputs:
            raise BadModel(f"{path.name} has no output '{output}'; it has {', '.join(outputs)}")
        self._output = output or outputs[0]

    def run(self, given: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """The output for the inputs, which are cast to the types that the model takes. Raises BadModel."""
        if unknown := [name for name in self.inputs if name not in given]:
            raise BadModel(f"the model wants an input '{unknown[0]}', which is not provided for")
        feed = {
            name: given[name].astype(wanted or given[name].dtype, copy=False) for name, wanted in self.inputs.items()
        }
        try:
            (found,) = self._session.run([self._output], feed)
        except Exception as error:
            raise BadModel(f"the model failed: {str(error)[:300]}") from error
        return np.asarray(found)


def pool(
    output: NDArray[Any],
    how: Literal["mean", "cls", "none"],
    mask: NDArray[Any] | None = None,
    *,
    channels_first: bool = True,
) -> Matrix:
    """Vectors (n, d) of an output: (n, d) as it is, of tokens (n, t, d) the mean of those in `mask` (n, t) or the
    first, of a feature map (n, d, h, w) or (n, h, w, d) the mean over its places. Raises BadModel for other shapes."""
    if output.ndim == 4 and how == "mean":
        return np.asarray(output.mean(axis=(2, 3) if channels_first else (1, 2)), np.float32)
    if output.ndim == 4 and how == "none":  # a map that the model has pooled to one place
        output = output.reshape(len(output), -1)
    if output.ndim == 3 and how == "cls":
        return np.asarray(output[:, 0], np.float32)
    if output.ndim == 3 and how == "mean":
        weights = np.ones(output.shape[:2], np.float32) if mask is None else mask.astype(np.float32)
        summed = np.einsum("ntd,nt->nd", output, weights)
        return np.asarray(summed / np.maximum(weights.sum(axis=1, keepdims=True), 1), np.float32)
    if output.ndim != 2:
        raise BadModel(f"an output of shape {output.shape} gives no vectors by pooling '{how}'")
    return np.asarray(output, np.float32)


def finish(vectors: Matrix, dimensions: int, normalize: bool) -> Matrix:
    """The vectors at unit length if wanted. Raises BadModel if they are not as long as the manifest says."""
    if vectors.shape[1] != dimensions:
        raise BadModel(f"the model makes {vectors.shape[1]} numbers; its manifest says {dimensions}")
    if normalize:
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors
