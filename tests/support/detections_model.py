"""A model file whose network finds marks: single pixels that say themselves what object stands there.

Red above 0.5 marks the middle of an object and is its score, blue above 0.5 is its class, and green in levels of uint8
is half the side of its box. The mask is that of a disc that fills the box.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from overtrace.models.card import Card, write_card

MASK = 14
MOST = 300


def write_detections_model(path: Path, *, window: int = 128, margin: int = 32, **changes: object) -> Path:
    """Write the model file; it takes images of every pixel size as they are.

    Args:
        changes: of the card.
    """
    numbers = {
        "half": np.float32(0.5),
        "levels": np.float32(255),
        "none": np.float32(0),
        "edge": np.float32(window),
        "most": np.array([MOST], np.int64),
        "width": np.int64(window),
        "flat": np.array([3, window * window], np.int64),
        "red": np.int64(0),
        "green": np.int64(1),
        "blue": np.int64(2),
        "disc": draw_disc(),
        "copies": np.array([MOST, MASK, MASK], np.int64),
    }
    steps = [
        ("Reshape", ["image", "flat"], ["bands"], {}),
        ("Gather", ["bands", "red"], ["reds"], {"axis": 0}),
        ("Greater", ["reds", "half"], ["marked"], {}),
        ("Where", ["marked", "reds", "none"], ["marks"], {}),
        ("TopK", ["marks", "most"], ["scores", "places"], {"axis": 0}),
        ("Gather", ["bands", "green"], ["greens"], {"axis": 0}),
        ("Gather", ["greens", "places"], ["green_there"], {"axis": 0}),
        ("Mul", ["green_there", "levels"], ["side"], {}),
        ("Gather", ["bands", "blue"], ["blues"], {"axis": 0}),
        ("Gather", ["blues", "places"], ["blue_there"], {"axis": 0}),
        ("Greater", ["blue_there", "half"], ["is_blue"], {}),
        ("Cast", ["is_blue"], ["classes"], {"to": TensorProto.INT64}),
        ("Div", ["places", "width"], ["row"], {}),
        ("Mul", ["row", "width"], ["before"], {}),
        ("Sub", ["places", "before"], ["col"], {}),
        ("Cast", ["row"], ["top_edge"], {"to": TensorProto.FLOAT}),
        ("Cast", ["col"], ["left_edge"], {"to": TensorProto.FLOAT}),
        ("Add", ["top_edge", "half"], ["y"], {}),
        ("Add", ["left_edge", "half"], ["x"], {}),
        ("Sub", ["x", "side"], ["left"], {}),
        ("Sub", ["y", "side"], ["top"], {}),
        ("Add", ["x", "side"], ["right"], {}),
        ("Add", ["y", "side"], ["bottom"], {}),
        *(("Unsqueeze", [name, "last"], [f"{name}_1"], {}) for name in ("left", "top", "right", "bottom")),
        ("Concat", ["left_1", "top_1", "right_1", "bottom_1"], ["reach"], {"axis": 1}),
        ("Clip", ["reach", "none", "edge"], ["boxes"], {}),
        ("Expand", ["disc", "copies"], ["masks"], {}),
    ]
    numbers["last"] = np.array([1], np.int64)
    outputs = {
        "boxes": (TensorProto.FLOAT, [MOST, 4]),
        "scores": (TensorProto.FLOAT, [MOST]),
        "classes": (TensorProto.INT64, [MOST]),
        "masks": (TensorProto.FLOAT, [MOST, MASK, MASK]),
    }
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, names, **settings) for kind, inputs, names, settings in steps],
        "marks",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, window, window])],
        [helper.make_tensor_value_info(name, *kind) for name, kind in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items()],
    )
    bare = path.with_suffix(".bare.onnx")
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), bare)
    write_card(bare, marks_card(window=window, margin=margin, **changes), path)
    bare.unlink()
    return path


def draw_disc() -> np.ndarray:
    """(1, MASK, MASK) 1 in the middle, 0.5 where a disc that fills the box ends, less beyond."""
    middle = (np.arange(MASK) + 0.5) / MASK * 2 - 1
    return np.clip(1.5 - np.hypot(*np.meshgrid(middle, middle)), 0, 1).astype(np.float32)[None]


def marks_card(**changes: object) -> Card:
    """The card of the model."""
    facts = {
        "name": "marks",
        "version": "1",
        "task": "detections",
        "classes": ("crown", "roof"),
        "bands": ("red", "green", "blue"),
        "precision": "fp32",
        "licence": "Apache-2.0",
        "training": "none",
        "recipe": "none",
        "summary": "Finds marks; for tests.",
    }
    return Card(**{**facts, **changes})
