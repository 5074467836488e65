"""A model file whose network answers with its own input: an image's red, green and blue are the planes.

So a test draws the very planes that it wants decoded, and all between image and polygons runs as with a real model.
"""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from overtrace.models.card import Card, write_card


def write_identity_model(path: Path, *, window: int = 512, margin: int = 64, **changes: object) -> Path:
    """Write the model file; it takes images of every pixel size as they are, unless the card is changed.

    Args:
        window: pixels along a side of what the network sees at once.
        margin: pixels along each edge of a window that are read but not kept.
        changes: of the card; of a *classes* model the red, green and blue are the scores of three classes.
    """
    card = identity_card(window, margin, **changes)
    shape = ["n", 3, window, window] if card.task == "planes" else ["n", 3, "h", "w"]
    graph = helper.make_graph(
        [helper.make_node("Clip", ["image", "lowest", "highest"], ["answer"])],
        "identity",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor("lowest", TensorProto.FLOAT, [], [0.0]),
            helper.make_tensor("highest", TensorProto.FLOAT, [], [1.0]),
        ],
    )
    bare = path.with_suffix(".bare.onnx")
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, bare)
    write_card(bare, card, path)
    bare.unlink()
    return path


def identity_card(window: int, margin: int, **changes: object) -> Card:
    """The card of the identity model."""
    facts: dict[str, object] = {
        "name": "identity",
        "version": "1",
        "task": "planes",
        "classes": ("crown",),
        "bands": ("red", "green", "blue"),
        "pixel_size_m": (0.001, 1000.0),
        "window": window,
        "margin": margin,
        "planes": ("interior", "touch", "distance"),
        "precision": "fp32",
        "licence": "Apache-2.0",
        "training": "none",
        "recipe": "none",
        "summary": "Answers with its input; for tests.",
    }
    return Card.model_validate({**facts, **changes})
