"""A class at every pixel: an encoder, a look at the surroundings, and a light pyramid.

The deepest features see their surroundings by means over 3, 7 and 15 of them and over the whole image, all at
stride 1, so that images of any size pass. They then go up the strides, joined by the finer features, to stride 4; the
sharp ones to stride 2, where they are joined by features that no encoder has, and answer at every pixel. The head is
plain convolutions, means, sums, nearest upsampling and shuffles: those quantise to int8 with little loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from overtrace.networks.blocks import Block, Detail, conv, initialise
from overtrace.networks.convnext import ConvNeXt
from overtrace.networks.efficientnet_lite import EfficientNetLite0


@dataclass(frozen=True, slots=True)
class Size:
    """How large a network is."""

    encoder: str
    widths: tuple[int, ...]
    """Channels of the pyramid from its finest stride to 32."""
    detail: int = 0
    """Residual blocks at stride 2 beside the encoder, and after each of the two finest steps of the pyramid.

    Where there are some, the answer is shuffled to stride 1.
    """

    @property
    def stride(self) -> int:
        """Pixels of the image to one of the answer."""
        return 1 if self.detail else 64 >> len(self.widths)


SIZES = {
    "lite0": Size("lite0", (64, 128, 128, 128)),
    "lite0-sharp": Size("lite0", (48, 64, 128, 128, 128), detail=1),
    "large": Size("tiny", (128, 256, 256, 256)),
    "larger": Size("small", (128, 256, 256, 256)),
}
REACHES = (3, 7, 15)
FINE = 2
"""Steps of a pyramid after which blocks follow, where there are some."""
DETAIL = 32
"""Channels that see the image beside the encoder: what is a pixel or two wide is lost there."""


class Scene(nn.Module):
    """Classes of an RGB image.

    Takes (N, 3, H, W) float32 from 0 to 1, H and W multiples of 32; gives (N, classes, H / stride, W / stride) logits.
    """

    def __init__(self, classes: int = 150, size: str = "lite0") -> None:
        super().__init__()
        choice = SIZES[size]
        self.encoder = EfficientNetLite0() if choice.encoder == "lite0" else ConvNeXt(choice.encoder)
        self.detail = Detail(3, DETAIL, choice.detail) if choice.detail else None
        inputs = list(self.encoder.widths[-len(choice.widths) :])
        if choice.detail:
            inputs[0] += DETAIL
        self.pyramid = Pyramid(inputs, choice.widths, choice.detail)
        last = nn.Conv2d(choice.widths[0], classes * (4 if choice.detail else 1), 1)
        self.classify = nn.Sequential(nn.Dropout2d(0.1), last)
        if choice.detail:
            self.classify.append(nn.PixelShuffle(2))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits of the classes."""
        features = self.encoder(image)
        if self.detail is not None:
            features = [torch.cat([features[0], self.detail(image * 2 - 1)], dim=1), *features[1:]]
        logits: torch.Tensor = self.classify(self.pyramid(features))
        return logits


class Pyramid(nn.Module):
    """Features at several strides into one at the finest of them."""

    def __init__(self, inputs: Sequence[int], widths: Sequence[int], blocks: int = 0) -> None:
        """Args:
        inputs, widths: channels of the features and of the answer at each stride, the finest first.
        blocks: that follow each of the two finest steps.
        """
        super().__init__()
        self.surroundings = Surroundings(inputs[-1], widths[-1])
        self.across = nn.ModuleList(
            nn.Conv2d(given, width, 1) for given, width in zip(inputs[:-1], widths, strict=False)
        )
        self.down = nn.ModuleList(nn.Conv2d(deep, shallow, 1) for shallow, deep in pairwise(widths))
        self.join = nn.ModuleList(
            nn.Sequential(*conv(width, width, 3), *(Block(width) for _ in range(blocks if level < FINE else 0)))
            for level, width in enumerate(widths[:-1])
        )
        self.apply(initialise)

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """(N, widths[0], h, w), from the last of the features, each half as fine as the one before."""
        features = features[-len(self.join) - 1 :]
        x: torch.Tensor = self.surroundings(features[-1])
        levels = zip(features[:-1], self.across, self.down, self.join, strict=True)
        for feature, across, down, join in reversed(list(levels)):
            x = join(across(feature) + nn.functional.interpolate(down(x), scale_factor=2.0, mode="nearest"))
        return x


class Surroundings(nn.Module):
    """The deepest features together with their means over more and more of the image."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        part = width // 4
        self.reduce = conv(inputs, width, 1)
        self.means = nn.ModuleList(
            nn.Sequential(nn.AvgPool2d(reach, 1, reach // 2, count_include_pad=False), conv(width, part, 1))
            for reach in REACHES
        )
        # Without normalisation: there is one number an image.
        self.whole = nn.Sequential(nn.Conv2d(width, part, 1), nn.ReLU(inplace=True))
        self.join = conv(width + 4 * part, width, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.reduce(x)
        whole = self.whole(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:])
        joined: torch.Tensor = self.join(torch.cat([x, *(mean(x) for mean in self.means), whole], dim=1))
        return joined
