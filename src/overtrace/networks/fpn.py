"""Planes from an encoder that may know ImageNet.

A feature pyramid goes down to stride 2; its planes are smoothly brought to full size, so that each peak stays one.

Source:
    Lin et al., Feature pyramid networks for object detection, CVPR 2017, doi:10.1109/CVPR.2017.106
"""

import torch
from torch import nn

from overtrace.networks.blocks import Detail, initialise
from overtrace.networks.efficientnet_lite import EfficientNetLite0
from overtrace.networks.scene import Pyramid

WIDTHS = (32, 64, 96, 128, 128)
"""Channels of the pyramid at strides 2, 4, 8, 16 and 32."""
DETAIL = 32
"""Channels that look at stride 2 without the encoder's weights."""
DARK = 0.02
"""Added below the normalised difference: where there is no light there is no vegetation."""


class Fpn(nn.Module):
    """Planes of an image.

    Takes (N, C, H, W) float32 from 0 to 1, H and W multiples of 32; gives (N, planes, H, W) logits.
    """

    def __init__(self, bands: int = 3, planes: int = 3, *, detail: int = 0, index: bool = False) -> None:
        """Args:
        detail: residual blocks at stride 2 that see the image beside the encoder, whose fine features are few; as many
            then follow each of the two finest steps of the pyramid.
        index: whether the fourth band, near infrared, and red give their normalised difference as another band.
        """
        super().__init__()
        self.index = index
        bands += index
        self.encoder = EfficientNetLite0(bands)
        widths = self.encoder.widths
        self.detail = Detail(bands, DETAIL, detail) if detail else None
        if detail:
            widths = (widths[0] + DETAIL, *widths[1:])
        self.pyramid = Pyramid(widths, WIDTHS, detail)
        self.head = nn.Conv2d(WIDTHS[0], planes, 1)
        self.head.apply(initialise)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits of the planes, full size."""
        if self.index:
            image = torch.cat([image, _vegetation(image)], dim=1)
        features = self.encoder(image)
        if self.detail is not None:
            features = [torch.cat([features[0], self.detail(image * 2 - 1)], dim=1), *features[1:]]
        half = self.head(self.pyramid(features))
        return nn.functional.interpolate(half, scale_factor=2.0, mode="bilinear", align_corners=False)


def _vegetation(image: torch.Tensor) -> torch.Tensor:
    """(N, 1, H, W) the normalised difference of near infrared and red, from 0 to 1."""
    red, near = image[:, :1], image[:, 3:4]
    return 0.5 + 0.5 * (near - red) / (near + red + DARK)
