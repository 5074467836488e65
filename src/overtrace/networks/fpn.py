"""Planes from an encoder that may know ImageNet: for few images and much to tell.

A feature pyramid goes down to stride 2; its planes are smoothly brought to full size, so that each peak stays one.

Source:
    Lin et al., Feature pyramid networks for object detection, CVPR 2017, doi:10.1109/CVPR.2017.106
"""

import torch
from torch import nn

from overtrace.networks.efficientnet_lite import EfficientNetLite0
from overtrace.networks.scene import Pyramid, initialise

WIDTHS = (32, 64, 96, 128, 128)
"""Channels of the pyramid at strides 2, 4, 8, 16 and 32."""


class Fpn(nn.Module):
    """Planes of an image.

    Takes (N, C, H, W) float32 from 0 to 1, H and W multiples of 32; gives (N, planes, H, W) logits.
    """

    def __init__(self, bands: int = 3, planes: int = 3) -> None:
        super().__init__()
        self.encoder = EfficientNetLite0(bands)
        self.pyramid = Pyramid(self.encoder.widths, WIDTHS)
        self.head = nn.Conv2d(WIDTHS[0], planes, 1)
        self.pyramid.apply(initialise)
        self.head.apply(initialise)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits of the planes, full size."""
        half = self.head(self.pyramid(self.encoder(image)))
        return nn.functional.interpolate(half, scale_factor=2.0, mode="bilinear", align_corners=False)
