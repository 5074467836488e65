"""Small real networks for tests."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from overtrace.models.card import Card, write_card


def conv_card(**changes: object) -> Card:
    """A card for ``write_conv_model``."""
    facts = {
        "name": "conv",
        "version": "1",
        "task": "planes",
        "classes": ("tree",),
        "bands": ("red", "green", "blue"),
        "pixel_size_m": (0.1, 0.6),
        "window": 64,
        "margin": 8,
        "planes": ("interior", "touch", "distance"),
        "precision": "fp32",
        "licence": "Apache-2.0",
        "training": "none",
        "recipe": "none",
        "summary": "Random weights.",
    }
    return Card(**{**facts, **changes})


def write_conv_network(path: Path, *, window: int = 64, planes: int = 3, batch: int | str = "n") -> Path:
    """Two convolutions with random weights and a sigmoid, as a bare ONNX file."""
    rng = np.random.default_rng(0)
    inner = rng.normal(size=(16, 3, 3, 3), scale=0.5).astype(np.float32)
    outer = rng.normal(size=(planes, 16, 3, 3), scale=0.5).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "inner"], ["a"], pads=[1] * 4),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("Conv", ["b", "outer"], ["c"], pads=[1] * 4),
            helper.make_node("Sigmoid", ["c"], ["planes"]),
        ],
        "conv",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, window, window])],
        [helper.make_tensor_value_info("planes", TensorProto.FLOAT, [batch, planes, window, window])],
        [numpy_helper.from_array(inner, "inner"), numpy_helper.from_array(outer, "outer")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def write_conv_model(path: Path, **changes: object) -> Path:
    """The same with a card."""
    bare = write_conv_network(path.with_suffix(".bare.onnx"))
    write_card(bare, conv_card(**changes), path)
    bare.unlink()
    return path
