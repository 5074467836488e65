"""TernausNetV2: planes of satellite images of many bands, in the layout of the published weights.

A WideResNet-38 whose strides are poolings looks, and a decoder of plain convolutions draws; it has 67.20 million
parameters with 11 bands. The channels of an image of SpaceNet-2 are red, green, blue and the eight bands of the sensor.

Source:
    Iglovikov et al., TernausNetV2: Fully Convolutional Network for Instance Segmentation, CVPR Workshops 2018,
    arXiv:1806.00844; its code at https://github.com/ternaus/TernausNetV2, commit 3f5aeff
"""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import batch_norm, leaky_relu

from overtrace.errors import BadModel

SLOPE = 0.01
DEPTHS = (3, 3, 6, 3)
"""Blocks of the stages at strides 2, 4, 8 and 16."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue; bands beyond these are taken as they are."""

EVIDENCE = ("conv1.conv1.weight", "final.weight")
"""What tells the bands, the width and the planes of a file."""


class ABN(nn.BatchNorm2d):
    """Batch normalisation, then a leaky ReLU.

    With ``abs_weight`` as In-Place ABN computes it, where the scale is the absolute weight plus eps.
    """

    def __init__(self, channels: int, abs_weight: bool = False) -> None:
        super().__init__(channels)
        self.abs_weight = abs_weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same."""
        if not self.abs_weight:
            return leaky_relu(super().forward(x), SLOPE, inplace=True)
        gamma = self.weight.abs() + self.eps
        means, variances, momentum = self.running_mean, self.running_var, self.momentum or 0.0
        x = batch_norm(x, means, variances, gamma, self.bias, self.training, momentum, self.eps)
        return leaky_relu(x, SLOPE, inplace=True)


class TernausNetV2(nn.Module):
    """Planes of an image of any bands, red, green and blue first.

    Takes (N, bands, H, W) float32 from 0 to 1, H and W multiples of 32; gives (N, planes, H, W) logits: interior and
    touch in the published weights.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, bands: int = 11, planes: int = 2, *, width: int = 64, abs_weight: bool = False) -> None:
        """Args:
        width: channels at full size, an even number; 64 in the published weights, all others are in proportion.
        """
        super().__init__()
        beyond = max(bands - len(MEAN), 0)
        mean, std = (*MEAN[:bands], *[0.0] * beyond), (*STD[:bands], *[1.0] * beyond)
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)
        narrow, wide = width // 2, 4 * width
        self.pool = nn.MaxPool2d(2, 2)
        self.conv1 = nn.Sequential(OrderedDict(conv1=_conv3(bands, width)))
        self.conv2 = _stage(width, (2 * width, 2 * width), DEPTHS[0], abs_weight)
        self.conv3 = _stage(2 * width, (4 * width, 4 * width), DEPTHS[1], abs_weight)
        self.conv4 = _stage(4 * width, (8 * width, 8 * width), DEPTHS[2], abs_weight)
        self.conv5 = _stage(8 * width, (8 * width, 16 * width), DEPTHS[3], abs_weight)
        self.center = Up(16 * width, wide, wide)
        self.dec5 = Up(16 * width + wide, wide, wide)
        self.dec4 = Up(8 * width + wide, wide, wide)
        self.dec3 = Up(4 * width + wide, width, width)
        self.dec2 = Up(2 * width + width, width, narrow)
        self.dec1 = ConvReLU(width + narrow, narrow)
        self.final = nn.Conv2d(narrow, planes, 1)
        self.apply(_initialise)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits of the planes, full size."""
        conv1 = self.conv1((image - self.mean) / self.std)
        conv2 = self.conv2(self.pool(conv1))
        conv3 = self.conv3(self.pool(conv2))
        conv4 = self.conv4(self.pool(conv3))
        conv5 = self.conv5(self.pool(conv4))
        x = self.center(self.pool(conv5))
        for up, skip in ((self.dec5, conv5), (self.dec4, conv4), (self.dec3, conv3), (self.dec2, conv2)):
            x = up(torch.cat([x, skip], 1))
        logits: torch.Tensor = self.final(self.dec1(torch.cat([x, conv1], 1)))
        return logits


class Residual(nn.Module):
    """Normalisation first; where the channels change, the normalised input goes through a 1x1 convolution beside."""

    def __init__(self, inputs: int, middle: int, outputs: int, abs_weight: bool) -> None:
        super().__init__()
        self.bn1 = ABN(inputs, abs_weight)
        self.convs = nn.Sequential(
            OrderedDict(conv1=_conv3(inputs, middle), bn2=ABN(middle, abs_weight), conv2=_conv3(middle, outputs))
        )
        self.proj_conv = nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, inputs, H, W) to (N, outputs, H, W)."""
        normal = self.bn1(x)
        beside = x if self.proj_conv is None else self.proj_conv(normal)
        total: torch.Tensor = self.convs(normal) + beside
        return total


class ConvReLU(nn.Module):
    """A 3x3 convolution and a ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, inputs, H, W) to (N, outputs, H, W)."""
        return torch.relu_(self.conv(x))


class Up(nn.Module):
    """Twice the size by repetition, then two convolutions."""

    def __init__(self, inputs: int, middle: int, outputs: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"), ConvReLU(inputs, middle), ConvReLU(middle, outputs)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, inputs, H, W) to (N, outputs, 2 H, 2 W)."""
        larger: torch.Tensor = self.block(x)
        return larger


def load_ternausnet(path: str | Path, *, abs_weight: bool = False) -> TernausNetV2:
    """The network of a published checkpoint, or of the ``state_dict`` of ours; bands and planes are those of the file.

    Args:
        abs_weight: it was trained with In-Place ABN and is to be computed so; the demo of its authors does not.
    Raises:
        BadModel: if the file is missing, damaged, or of another network.
    """
    weights = _read_weights(path)
    wanted = f"wanted TernausNetV2's ({', '.join(EVIDENCE)} and so on): name another file"
    if not all(isinstance(weights.get(key), torch.Tensor) and weights[key].ndim == 4 for key in EVIDENCE):
        raise BadModel(f"{path} holds {_tell_few(weights)}, {wanted}")
    (width, bands), planes = weights[EVIDENCE[0]].shape[:2], weights[EVIDENCE[1]].shape[0]
    network = TernausNetV2(bands, planes, width=width, abs_weight=abs_weight)
    own = network.state_dict()
    lost = [name for name, weight in own.items() if _is_needed(name) and _shape(weights.get(name)) != weight.shape]
    strange = [name for name in weights if name not in own]
    if lost or strange:
        counts = (
            f"{len(lost)} are missing or of another shape, {len(strange)} are strange ({(lost + strange)[0]} first)"
        )
        raise BadModel(f"{path} holds other weights than TernausNetV2 has: {counts}: name another file")
    network.load_state_dict(weights)
    return network.eval()


def _read_weights(path: str | Path) -> dict[str, Any]:
    """Tensors by name, without what wrappers put into the names."""
    if not Path(path).is_file():
        raise BadModel(f"{path} does not exist: check the path")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # its errors share no base class of their own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadModel(f"{path} cannot be read as weights of torch: {reason}: get the file again") from error
    weights = saved.get("model", saved) if isinstance(saved, dict) else saved
    if not isinstance(weights, dict):
        raise BadModel(f"{path} holds a {type(weights).__name__}, wanted a dictionary of weights: name another file")
    return {str(name).replace("module.", "").replace("bn.", ""): weight for name, weight in weights.items()}


def _is_needed(name: str) -> bool:
    """Counters of batches came to torch after the published weights."""
    return not name.endswith("num_batches_tracked")


def _shape(weight: Any) -> torch.Size | None:
    return weight.shape if isinstance(weight, torch.Tensor) else None


def _tell_few(weights: dict[str, Any]) -> str:
    more = f" and {len(weights) - 2:,} more" if len(weights) > 2 else ""
    return f"the weights {', '.join(list(weights)[:2])}{more}" if weights else "no weights"


def _conv3(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


def _stage(inputs: int, outputs: tuple[int, int], depth: int, abs_weight: bool) -> nn.Sequential:
    """Blocks of two convolutions with ``outputs`` channels each."""
    blocks = (Residual(inputs if i == 0 else outputs[1], *outputs, abs_weight) for i in range(depth))
    return nn.Sequential(OrderedDict((f"block{i}", block) for i, block in enumerate(blocks, start=1)))


def _initialise(module: nn.Module) -> None:
    """The decoder has nothing that normalises: torch's own weights would let signals die away in it."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
