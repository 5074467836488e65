"""What several networks are made of."""

import torch
from torch import nn


class Block(nn.Module):
    """Two convolutions, added to what they see: (N, width, H, W) of both.

    Source:
        He et al., Deep residual learning for image recognition, CVPR 2016, doi:10.1109/CVPR.2016.90
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = conv(width, width, 3)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As many channels as are given."""
        return torch.relu(x + self.second(self.first(x)))


class Detail(nn.Sequential):
    """What is fine in an image: (N, bands, H, W) to (N, width, H / 2, W / 2)."""

    def __init__(self, bands: int, width: int, blocks: int) -> None:
        super().__init__(conv(bands, width, 3, stride=2), *(Block(width) for _ in range(blocks)))
        self.apply(initialise)


def conv(inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the size or divides it by the stride, normalised, and cut at zero."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def initialise(module: nn.Module) -> None:
    """Random weights of a convolution, no bias."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
