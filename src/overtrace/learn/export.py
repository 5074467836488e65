"""From a trained network to an ONNX file, in full precision and in int8."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from overtrace.networks.mini import Probabilities

OPSET = 17


def export_network(network: torch.nn.Module, bands: int, window: int, path: Path) -> None:
    """Write a network that takes (1, bands, window, window) from 0 to 1 and answers with planes from 0 to 1."""
    network = Probabilities(network).eval()
    example = torch.zeros(1, bands, window, window)
    torch.onnx.export(
        network,
        (example,),
        str(path),
        input_names=["image"],
        output_names=["planes"],
        opset_version=OPSET,
        dynamo=False,
    )


def export_classes(network: torch.nn.Module, bands: int, path: Path) -> None:
    """Write a network that takes (1, bands, H, W) from 0 to 1, of any size, and answers with scores of classes."""
    sides = {2: "height", 3: "width"}
    torch.onnx.export(
        network.eval(),
        (torch.zeros(1, bands, 256, 320),),
        str(path),
        input_names=["image"],
        output_names=["classes"],
        dynamic_axes={"image": sides, "classes": {2: "rows", 3: "cols"}},
        opset_version=OPSET,
        dynamo=False,
    )


def quantise_file(source: Path, windows: Sequence[NDArray[np.float32]], path: Path) -> None:
    """Write an int8 copy of an ONNX file, its ranges measured on real windows.

    Args:
        windows: (1, bands, window, window) each, from 0 to 1.
    """
    import nncf

    model: Any = onnx.load(source)
    quantised = nncf.quantize(
        model,
        nncf.Dataset(windows, lambda window: {"image": window}),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(windows),
        # The last layers decide where a threshold is crossed: they stay in full precision.
        ignored_scope=nncf.IgnoredScope(types=["Sigmoid"], validate=False),
    )
    onnx.save(quantised, path)
