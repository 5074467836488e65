"""The encoder of ConvNeXt: features of an image at four strides, for a GPU.

Source:
    Liu et al., A ConvNet for the 2020s, CVPR 2022, doi:10.1109/CVPR52688.2022.01167. The weights are named as in
    torchvision's ``convnext_tiny`` and ``convnext_small``.
"""

from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

from overtrace.errors import BadModel

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, as torchvision's weights want it."""
DEPTHS = {"tiny": (3, 3, 9, 3), "small": (3, 3, 27, 3)}
LAYER_SCALE = 1e-6


class ConvNeXt(nn.Module):
    """Features of an RGB image.

    Takes (N, 3, H, W) float32 from 0 to 1; gives four tensors (N, width, H / stride, W / stride).
    """

    strides = (4, 8, 16, 32)
    widths = (96, 192, 384, 768)

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, size: str = "tiny") -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        stem = nn.Sequential(nn.Conv2d(3, self.widths[0], 4, stride=4), _Norm(self.widths[0]))
        stages = [nn.Sequential(*(_Block(w) for _ in range(d))) for w, d in zip(self.widths, DEPTHS[size], strict=True)]
        steps = [nn.Sequential(_Norm(wide), nn.Conv2d(wide, deep, 2, stride=2)) for wide, deep in pairwise(self.widths)]
        between = [part for pair in zip(stages, steps, strict=False) for part in pair]
        self.features = nn.Sequential(stem, *between, stages[-1])

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """The last features at each stride."""
        x = (image - self.mean) / self.std
        features = []
        for i, part in enumerate(self.features):
            x = part(x)
            if i % 2:
                features.append(x)
        return features


class _Norm(nn.LayerNorm):
    """Over the channels of (N, C, H, W)."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer_scale = nn.Parameter(torch.full((width, 1, 1), LAYER_SCALE))
        # The permutations stand at 1 and 6, so that the weights have the numbers that torchvision gives them.
        self.block = nn.Sequential(
            nn.Conv2d(width, width, 7, padding=3, groups=width),
            _Permute(0, 2, 3, 1),
            nn.LayerNorm(width, eps=1e-6),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            _Permute(0, 3, 1, 2),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        changed: torch.Tensor = x + self.layer_scale * self.block(x)
        return changed


class _Permute(nn.Module):
    def __init__(self, *order: int) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(self.order)


def load_torchvision(encoder: ConvNeXt, path: str | Path) -> None:
    """Give an encoder the weights of a file of torchvision; those of its classifier are not used.

    Raises:
        BadModel: if the file does not hold them.
    """
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        encoder.load_state_dict({name: tensor for name, tensor in stored.items() if not name.startswith("classifier.")})
    except Exception as error:  # torch.load and pickle share no error of their own
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise BadModel(f"{path} does not hold the weights of torchvision's ConvNeXt of this size: {reason}") from error
