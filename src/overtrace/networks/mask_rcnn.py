"""Mask R-CNN on a feature pyramid, with detectron2's names of the weights and its numbers.

detectron2's and detectree2's checkpoints load without detectron2: see ``rcnn_files``.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from overtrace.networks.rcnn_settings import IMAGENET, R50, R101, Settings
from overtrace.networks.rcnn_targets import Target
from overtrace.networks.resnet import Pyramid
from overtrace.networks.roi_heads import Detections, RoiHeads
from overtrace.networks.rpn import ProposalGenerator

__all__ = ["IMAGENET", "R50", "R101", "Detections", "MaskRcnn", "Settings", "Target"]

SIZE_STEP = 32
"""Images are filled up to a multiple of this."""


class MaskRcnn(nn.Module):
    """Boxes, scores, classes and masks of the objects in an image."""

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, settings: Settings = R50) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("pixel_mean", torch.tensor(settings.pixel_mean)[:, None, None])
        self.register_buffer("pixel_std", torch.tensor(settings.pixel_std)[:, None, None])
        self.backbone = Pyramid(settings)
        self.proposal_generator = ProposalGenerator(settings)
        self.roi_heads = RoiHeads(settings)

    def forward(self, image: Tensor) -> Detections:
        """Detections in one image, scores falling.

        Args:
            image: (1, C, H, W) from 0 to 1, red first.
        Returns:
            boxes (n, 4) left, top, right, bottom in pixels; scores (n,); classes (n,) int64 from 0; masks (n, M, M)
            probabilities over the boxes.
        """
        if len(image) != 1:
            raise ValueError(f"{len(image)} images came, detections are of one at a time")
        size = int(image.shape[2]), int(image.shape[3])
        levels = self.backbone(self._prepare(image))
        proposals = self.proposal_generator(levels, size)
        detections: Detections = self.roi_heads(levels[:4], proposals, size)
        return detections

    def losses(self, image: Tensor, targets: Sequence[Target], rng: torch.Generator | None = None) -> dict[str, Tensor]:
        """Losses to be added up: ``rpn_objectness``, ``rpn_box``, ``classes``, ``boxes``, ``masks``.

        Args:
            image: (N, C, H, W) from 0 to 1, red first.
            targets: N of them.
            rng: of the CPU; draws the boxes that the losses look at. None is torch's own.
        """
        if len(image) != len(targets):
            raise ValueError(f"{len(image)} images and {len(targets)} targets")
        size = int(image.shape[2]), int(image.shape[3])
        levels = self.backbone(self._prepare(image))
        proposals, losses = self.proposal_generator.learn(levels, size, targets, rng)
        return losses | self.roi_heads.learn(levels[:4], proposals, targets, rng)

    def _prepare(self, image: Tensor) -> Tensor:
        """Bands in the order and scale of the weights, filled up with 0 below and to the right."""
        if self.settings.bgr:
            image = image.flip(1)
        image = (image * 255 - self.pixel_mean) / self.pixel_std
        down, across = (-int(length) % SIZE_STEP for length in image.shape[2:])
        return nn.functional.pad(image, (0, across, 0, down)) if down or across else image
