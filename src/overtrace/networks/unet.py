"""Planes by a U-Net of residual blocks.

It halves the image at once; its planes are smoothly brought to full size, so that each peak stays one.

Source:
    Ronneberger et al., U-Net, 2015, doi:10.1007/978-3-319-24574-4_28; He et al., Deep residual learning, CVPR 2016
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from overtrace.networks.blocks import Block, conv, initialise


class Unet(nn.Module):
    """Planes of an image.

    Takes (N, C, H, W) float32 from 0 to 1, H and W multiples of 32; gives (N, planes, H, W) logits.
    """

    def __init__(
        self, bands: int = 3, planes: int = 3, widths: Sequence[int] = (32, 64, 96, 128), blocks: int = 2
    ) -> None:
        """Args:
        widths: channels at strides 2, 4, 8 and so on.
        blocks: on the way down at each stride; on the way up there is one.
        """
        super().__init__()
        self.stem = conv(bands, widths[0], 3, stride=2)
        self.down = nn.ModuleList(conv(shallow, deep, 3, stride=2) for shallow, deep in pairwise(widths))
        self.stages = nn.ModuleList(nn.Sequential(*(Block(width) for _ in range(blocks))) for width in widths)
        self.across = nn.ModuleList(nn.Conv2d(deep, shallow, 1) for shallow, deep in pairwise(widths))
        self.up = nn.ModuleList(Block(width) for width in widths[:-1])
        self.head = nn.Sequential(conv(widths[0], widths[0], 3), nn.Conv2d(widths[0], planes, 1))
        self.apply(initialise)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits of the planes, full size."""
        features = [self.stages[0](self.stem(image * 2 - 1))]
        for down, stage in zip(self.down, self.stages[1:], strict=True):
            features.append(stage(down(features[-1])))
        x = features.pop()
        for feature, across, up in zip(reversed(features), reversed(self.across), reversed(self.up), strict=True):
            x = up(feature + nn.functional.interpolate(across(x), scale_factor=2.0, mode="nearest"))
        return nn.functional.interpolate(self.head(x), scale_factor=2.0, mode="bilinear", align_corners=False)
