"""Where a network starts from a model file in full precision, such as one of those that come with the package.

A file holds convolutions that have taken the normalisation behind them up into themselves. Their weights are taken over
as they are, and a normalisation that changes nothing is put behind each, which is what its statistics on real images
make of it: the network then answers as the file does, and learns on as if it had never been one.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from overtrace.errors import BadModel
from overtrace.models.card import read_card

SIDE_PX = 64
SETTLE_CROPS = 8
"""Crops on which the statistics are measured."""

Pair = tuple[NDArray[np.float32], NDArray[np.float32] | None]


def is_model_file(path: Path) -> bool:
    """Whether a start is a model file rather than a checkpoint."""
    return path.suffix == ".onnx"


def load_model_file(network: nn.Module, path: Path) -> None:
    """Give a network the weights of a model file; its normalisations then want ``settle``.

    Args:
        network: whose convolutions have a bias, or a batch norm right behind them.
    Raises:
        BadModel: if the file is in int8, of a detector, or of another network.
    """
    card = read_card(path)
    if card.task == "detections":
        raise BadModel(f"{path} is a detector: one starts from a checkpoint, not from a model file")
    if card.precision != "fp32":
        raise BadModel(f"{path} is in {card.precision}: to start from a model file, take the one in fp32")
    stored = list(_read_convolutions(path))
    misfit = f"{path} does not fit the network of the recipe"
    try:
        convolutions = _find_convolutions(network, len(card.bands))
    except RuntimeError as error:
        raise BadModel(f"{misfit}: that does not take the {len(card.bands)} bands of the file") from error
    if [weight.shape for weight, _ in stored] != [tuple(layer.weight.shape) for layer, _ in convolutions]:
        raise BadModel(f"{misfit}: its convolutions have other shapes")
    with torch.no_grad():
        for (weight, bias), (layer, norm) in zip(stored, convolutions, strict=True):
            shift = torch.zeros(len(weight)) if bias is None else torch.from_numpy(bias.copy())
            layer.weight.copy_(torch.from_numpy(weight.copy()))
            if norm is not None:
                _fix(norm, torch.zeros_like(shift), torch.ones_like(shift) - norm.eps, shift)
            elif layer.bias is not None:
                layer.bias.copy_(shift)


@torch.no_grad()
def settle(network: nn.Module, images: torch.Tensor) -> None:
    """Give each batch norm the statistics of what it sees, without changing what it says.

    Args:
        images: (N, bands, H, W) from 0 to 1.
    """

    def measure(norm: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * scale
        var, mean = torch.var_mean(given[0], (0, 2, 3), unbiased=False)
        _fix(norm, mean, var, shift + mean * scale, scale * torch.sqrt(var + norm.eps))

    hooks = [
        module.register_forward_pre_hook(measure) for module in network.modules() if isinstance(module, nn.BatchNorm2d)
    ]
    was_training = network.training
    network.eval()(images)
    network.train(was_training)
    for hook in hooks:
        hook.remove()


def _fix(
    norm: nn.BatchNorm2d, mean: torch.Tensor, var: torch.Tensor, bias: torch.Tensor, weight: torch.Tensor | None = None
) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(var)
    norm.bias.copy_(bias)
    norm.weight.copy_(torch.ones_like(bias) if weight is None else weight)


def _read_convolutions(path: Path) -> Iterator[Pair]:
    """Weights and biases of a file, in the order in which they are used.

    Raises:
        BadModel: if a normalisation was left beside them.
    """
    graph = onnx.load(path).graph
    held = {tensor.name: tensor for tensor in graph.initializer}
    if any(node.op_type == "BatchNormalization" for node in graph.node):
        raise BadModel(f"{path} holds normalisations of its own: to start from such a network, name a checkpoint")
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in held:  # equal tensors are kept once
            held[node.output[0]] = held[node.input[0]]
        if node.op_type == "Conv":
            weight, *bias = (numpy_helper.to_array(held[name]) for name in node.input[1:])
            yield weight, bias[0] if bias else None


def _find_convolutions(network: nn.Module, bands: int) -> list[tuple[nn.Conv2d, nn.BatchNorm2d | None]]:
    """Those of a network in the order in which they compute, each with the batch norm right behind it."""
    order: list[nn.Module] = []
    hooks = [
        module.register_forward_hook(lambda module, _, __: order.append(module))
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d)
    ]
    was_training = network.training
    with torch.no_grad():
        network.eval()(torch.zeros(1, bands, SIDE_PX, SIDE_PX))
    network.train(was_training)
    for hook in hooks:
        hook.remove()
    found = []
    for module, behind in zip(order, [*order[1:], None], strict=True):
        if isinstance(module, nn.Conv2d):
            found.append((module, behind if isinstance(behind, nn.BatchNorm2d) and module.bias is None else None))
    return found
