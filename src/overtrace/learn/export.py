"""From a trained network to an ONNX file, in full precision and in int8."""

import logging
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from overtrace.learn.wrap import Answers
from overtrace.models.card import Card
from overtrace.models.runtime import OUTPUTS
from overtrace.networks.mask_rcnn import MaskRcnn
from overtrace.networks.rcnn_export import export_mask_rcnn

OPSET = 17


def export_network(network: nn.Module, card: Card, path: Path) -> None:
    """Write a network as a bare ONNX file, with the input and the outputs that the card's task has."""
    network = network.to("cpu").eval()
    if isinstance(network, MaskRcnn):
        export_mask_rcnn(network, card.window, path)
        return
    (output,) = OUTPUTS[card.task]
    sides = {2: "height", 3: "width"}
    torch.onnx.export(
        Answers(network, card).eval(),
        (torch.zeros(1, len(card.bands), card.window, card.window),),
        str(path),
        input_names=["image"],
        output_names=[output],
        dynamic_axes={"image": sides, output: {2: "rows", 3: "columns"}} if card.task == "classes" else None,
        opset_version=OPSET,
        dynamo=False,
    )


def quantise_file(source: Path, windows: Sequence[NDArray[np.float32]], path: Path) -> None:
    """Write an int8 copy of an ONNX file, its ranges measured on real windows.

    Args:
        windows: (1, bands, window, window) each, from 0 to 1.
    """
    # It tells how it goes on standard output, which is for what was asked for.
    with redirect_stdout(sys.stderr):
        import nncf

        nncf.set_log_level(logging.ERROR)
        model: Any = onnx.load(source)
        quantised = nncf.quantize(
            model,
            nncf.Dataset(windows, lambda window: {"image": window}),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(windows),
            # The last layers decide where a threshold is crossed, and behind the first ones nothing makes good what
            # is lost: they stay in full precision.
            ignored_scope=nncf.IgnoredScope(names=find_first(model), types=["Sigmoid"], validate=False),
        )
    onnx.save(quantised, path)


def find_first(model: onnx.ModelProto) -> list[str]:
    """The names of the convolutions that see the image before any other has."""
    seen = {given.name for given in model.graph.input}
    found = []
    for node in model.graph.node:
        if seen.isdisjoint(node.input):
            continue
        if node.op_type == "Conv":
            found.append(node.name)
        else:
            seen.update(node.output)
    return found
