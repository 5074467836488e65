"""A residual network and the feature pyramid on it, with detectron2's names of the weights.

Source: He et al., Deep Residual Learning, arXiv:1512.03385; Lin et al., Feature Pyramid Networks, arXiv:1612.03144.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from overtrace.networks.rcnn_settings import Norm, Settings

STRIDES = (4, 8, 16, 32, 64)
"""Of the pyramid's levels."""
EPSILON = 1e-5
GROUPS = 32


class FrozenNorm(nn.Module):
    """Batch norm that neither learns nor gathers statistics."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels) - EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """Scaled and shifted, channel by channel."""
        statistics = self.running_mean, self.running_var
        return nn.functional.batch_norm(x, *statistics, self.weight, self.bias, training=False, eps=EPSILON)


class NormedConv(nn.Conv2d):
    """A convolution without bias and its norm, which is kept under the convolution's own name."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, norm: Norm) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.norm = _norm(norm, outputs)
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, input: Tensor) -> Tensor:
        """Convolved and normed."""
        normed: Tensor = self.norm(super().forward(input))
        return normed


def _norm(norm: Norm, channels: int) -> nn.Module:
    if norm == "frozen":
        return FrozenNorm(channels)
    if norm == "batch":
        return nn.BatchNorm2d(channels, eps=EPSILON)
    return nn.GroupNorm(math.gcd(GROUPS, channels), channels)


class Stem(nn.Module):
    """The first convolution and a pooling: a quarter of the size."""

    def __init__(self, bands: int, width: int, norm: Norm) -> None:
        super().__init__()
        self.conv1 = NormedConv(bands, width, 7, 2, norm)

    def forward(self, image: Tensor) -> Tensor:
        """(N, width, H/4, W/4)."""
        x = torch.relu_(self.conv1(image))
        return nn.functional.max_pool2d(x, 3, stride=2, padding=1)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut."""

    def __init__(self, inputs: int, width: int, outputs: int, stride: int, settings: Settings, norm: Norm) -> None:
        super().__init__()
        first, second = (stride, 1) if settings.stride_in_1x1 else (1, stride)
        self.shortcut = NormedConv(inputs, outputs, 1, stride, norm) if inputs != outputs else None
        self.conv1 = NormedConv(inputs, width, 1, first, norm)
        self.conv2 = NormedConv(width, width, 3, second, norm)
        self.conv3 = NormedConv(width, outputs, 1, 1, norm)

    def forward(self, x: Tensor) -> Tensor:
        """The same size, or half of it."""
        inside = self.conv3(torch.relu_(self.conv2(torch.relu_(self.conv1(x)))))
        return torch.relu_(inside + (x if self.shortcut is None else self.shortcut(x)))


class BottomUp(nn.Module):
    """The residual network: maps at strides 4, 8, 16 and 32."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        norms: list[Norm] = [
            "frozen" if settings.norm == "batch" and part < settings.frozen_stages else settings.norm
            for part in range(5)
        ]
        self.stem = Stem(len(settings.pixel_mean), settings.width, norms[0])
        widths = [settings.width] + [settings.width * 4 * 2**stage for stage in range(4)]
        stages = zip(pairwise(widths), settings.blocks, norms[1:], strict=True)
        self.res2, self.res3, self.res4, self.res5 = (
            _stage(inputs, outputs, depth, 1 if stage == 0 else 2, settings, norm)
            for stage, ((inputs, outputs), depth, norm) in enumerate(stages)
        )
        for part in self.parts()[: settings.frozen_stages]:
            part.requires_grad_(False)

    def parts(self) -> list[nn.Module]:
        """Stem and stages, in order."""
        return [self.stem, self.res2, self.res3, self.res4, self.res5]

    def forward(self, image: Tensor) -> list[Tensor]:
        """Maps of the four stages, finest first."""
        x, maps = image, []
        for part in self.parts():
            x = part(x)
            maps.append(x)
        return maps[1:]


def _stage(inputs: int, outputs: int, depth: int, stride: int, settings: Settings, norm: Norm) -> nn.Sequential:
    width = outputs // 4
    blocks = [Bottleneck(inputs, width, outputs, stride, settings, norm)]
    blocks += [Bottleneck(outputs, width, outputs, 1, settings, norm) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)


class Pyramid(nn.Module):
    """The bottom-up and the way down again: five levels of the same width at ``STRIDES``."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width = settings.pyramid_width
        inputs = [settings.width * 4 * 2**stage for stage in range(4)]
        self.fpn_lateral2, self.fpn_lateral3, self.fpn_lateral4, self.fpn_lateral5 = (
            nn.Conv2d(channels, width, 1) for channels in inputs
        )
        self.fpn_output2, self.fpn_output3, self.fpn_output4, self.fpn_output5 = (
            nn.Conv2d(width, width, 3, padding=1) for _ in inputs
        )
        for layer in self.children():
            assert isinstance(layer, nn.Conv2d)
            assert layer.bias is not None
            nn.init.kaiming_uniform_(layer.weight, a=1)
            nn.init.zeros_(layer.bias)
        self.bottom_up = BottomUp(settings)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Levels, finest first.

        Args:
            image: (N, C, H, W), H and W multiples of 32.
        """
        laterals = (self.fpn_lateral5, self.fpn_lateral4, self.fpn_lateral3, self.fpn_lateral2)
        outputs = (self.fpn_output5, self.fpn_output4, self.fpn_output3, self.fpn_output2)
        below: Tensor | None = None
        levels: list[Tensor] = []
        for stage, lateral, output in zip(reversed(self.bottom_up(image)), laterals, outputs, strict=True):
            x = lateral(stage)
            below = x if below is None else x + nn.functional.interpolate(below, scale_factor=2.0, mode="nearest")
            levels.insert(0, output(below))
        return [*levels, nn.functional.max_pool2d(levels[-1], 1, stride=2)]
