"""Small ONNX models with the shapes of real ones: text and image towers, and what is wrong with some."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers

WORDS = ["[PAD]", "[UNK]", "red", "green", "blue", "dark", "bright", "a", "square", "circle", "apple", "river", "piano"]
DIMENSIONS = 8


def save(path: Path, nodes: list[Any], inputs: list[Any], weights: dict[str, Any], output: str, rank: int) -> None:
    """A graph as a file."""
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, [None] * rank)]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))


def text_tower(folder: Path, name: str = "text.onnx") -> None:
    """Token vectors from a table: the three colours are unit vectors, other words are small."""
    table = np.random.default_rng(0).normal(0, 0.05, (len(WORDS), DIMENSIONS)).astype(np.float32)
    table[2:5] += np.eye(3, DIMENSIONS, dtype=np.float32)
    names = ("input_ids", "attention_mask")
    inputs = [helper.make_tensor_value_info(each, TensorProto.INT64, ["n", "t"]) for each in names]
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["tokens"])]
    save(folder / name, nodes, inputs, {"table": table}, "tokens", 3)
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))


def image_tower(folder: Path, name: str = "image.onnx") -> None:
    """The mean colour of an image, in the first three of the text tower's dimensions."""
    project = np.eye(3, DIMENSIONS, dtype=np.float32)
    inputs = [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["n", 3, 16, 16])]
    nodes = [
        helper.make_node("ReduceMean", ["pixel_values"], ["colours"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["colours", "project"], ["image_embeds"]),
    ]
    save(folder / name, nodes, inputs, {"project": project}, "image_embeds", 2)


def two_towers(folder: Path, name: str = "clip_vit_b_32", **changes: Any) -> Path:
    """A model's folder with both towers, whose vectors share a space."""
    text_tower(folder)
    image_tower(folder)
    manifest = {
        "name": name,
        "dimensions": DIMENSIONS,
        "text": {"model": "text.onnx", "max_tokens": 16},
        "image": {"model": "image.onnx", "size": [16, 16], "output": "image_embeds"},
        **changes,
    }
    (folder / "coterie-model.json").write_text(json.dumps(manifest))
    return folder


def data_uri(colour: tuple[int, int, int], size: tuple[int, int] = (20, 30)) -> str:
    """A plain image."""
    content = io.BytesIO()
    Image.new("RGB", size, colour).save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
