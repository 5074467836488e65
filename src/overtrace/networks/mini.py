"""A plain-convolution U-Net for planes, small enough for one CPU core.

It halves the image at once, works on half the pixels each way, and gives full size back by a pixel shuffle.
Every layer is a 3x3 or 1x1 convolution, a sum or a nearest upsampling: those quantise to int8 with little loss.
"""

from itertools import pairwise

import torch
from torch import nn

WIDTHS = {"s": (16, 32, 64, 80, 112), "m": (24, 48, 96, 160, 224)}
"""Channels at strides 2, 4, 8, 16 and 32."""
DEPTHS = (2, 2, 4, 4)
"""Convolutions of the stages at strides 4, 8, 16 and 32."""


class Mini(nn.Module):
    """Planes of an RGB image.

    Takes (N, C, H, W) float32 from 0 to 1, H and W multiples of 32; gives (N, planes, H, W) logits.
    """

    def __init__(self, size: str = "m", bands: int = 3, planes: int = 3) -> None:
        super().__init__()
        self.widths = widths = WIDTHS[size]
        self.stem = nn.Sequential(_conv(bands, widths[0], stride=2), _conv(widths[0], widths[0]))
        self.down = nn.ModuleList(
            _stage(shallow, deep, depth) for (shallow, deep), depth in zip(pairwise(widths), DEPTHS, strict=True)
        )
        self.across = nn.ModuleList(nn.Conv2d(deep, shallow, 1) for shallow, deep in pairwise(widths))
        self.up = nn.ModuleList(_conv(width, width) for width in widths[:-1])
        self.head = nn.Sequential(
            _conv(widths[0], 2 * widths[0]), nn.Conv2d(2 * widths[0], 4 * planes, 1), nn.PixelShuffle(2)
        )
        self.apply(_initialise)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits of the planes, full size."""
        logits: torch.Tensor = self.head(self.features(image)[-1])
        return logits

    def features(self, image: torch.Tensor) -> list[torch.Tensor]:
        """What the way up knows at strides 16, 8, 4 and 2."""
        x = self.stem(image * 2 - 1)
        skips = []
        for stage in self.down:
            skips.append(x)
            x = stage(x)
        features = []
        for skip, across, up in zip(reversed(skips), reversed(self.across), reversed(self.up), strict=True):
            x = up(skip + nn.functional.interpolate(across(x), scale_factor=2.0, mode="nearest"))
            features.append(x)
        return features


class DeepMini(nn.Module):
    """A ``Mini`` while it learns: it also says at larger pixels what the planes are, by heads that are dropped after.

    Gives logits (N, planes, H, W), and those at strides 4 and 8.
    """

    def __init__(self, network: Mini, planes: int) -> None:
        super().__init__()
        self.network = network
        self.heads = nn.ModuleList(nn.Conv2d(width, planes, 1) for width in network.widths[1:3])
        self.heads.apply(_initialise)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Logits from the smallest pixels to the largest."""
        *_, eighth, fourth, half = self.network.features(image)
        return self.network.head(half), self.heads[0](fourth), self.heads[1](eighth)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _stage(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    return nn.Sequential(_conv(inputs, outputs, stride=2), *(_conv(outputs, outputs) for _ in range(depth - 1)))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
