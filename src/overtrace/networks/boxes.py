"""Boxes: how they overlap, how a network codes them, and the anchors they are coded against.

A box is left, top, right, bottom in pixels; pixel (0, 0) covers 0 to 1, so that width is right - left.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

LARGEST_GROWTH = math.log(1000 / 16)
"""A box grows from its anchor to at most exp of this."""


def area(boxes: Tensor) -> Tensor:
    """Pixels of each box (..., 4)."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def overlap(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union of ``one`` (n, 4) with ``other`` (m, 4), each with each: (n, m), nan for empty ones."""
    left, top, right, bottom = (side[:, None] for side in one.unbind(1))
    others = other.unbind(1)
    width = torch.minimum(right, others[2]) - torch.maximum(left, others[0])
    height = torch.minimum(bottom, others[3]) - torch.maximum(top, others[1])
    shared = width.clamp(min=0) * height.clamp(min=0)
    return shared / (area(one)[:, None] + area(other) - shared)


def clip(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes (..., 4) cut at the borders of an image of ``size`` (height, width)."""
    height, width = size
    x = boxes[..., 0::2].clamp(0, width)
    y = boxes[..., 1::2].clamp(0, height)
    return torch.stack((x[..., 0], y[..., 0], x[..., 1], y[..., 1]), -1)


def is_empty(boxes: Tensor) -> Tensor:
    """Whether each box (..., 4) has no width or no height, or is not a number."""
    return ~((boxes[..., 2] > boxes[..., 0]) & (boxes[..., 3] > boxes[..., 1]))


def encode(boxes: Tensor, anchors: Tensor, weights: Sequence[float]) -> Tensor:
    """Steps (n, 4) that lead from anchors to boxes, both (n, 4).

    Source:
        Girshick et al., Rich feature hierarchies, arXiv:1311.2524, appendix C; the weights are Fast R-CNN's.
    """
    size = anchors[:, 2:] - anchors[:, :2]
    wanted = boxes[:, 2:] - boxes[:, :2]
    shift = ((boxes[:, :2] + wanted / 2) - (anchors[:, :2] + size / 2)) / size
    return torch.cat((shift, torch.log(wanted / size)), 1) * boxes.new_tensor(weights)


def decode(steps: Tensor, anchors: Tensor, weights: Sequence[float]) -> Tensor:
    """Boxes that the steps lead to: the inverse of ``encode``, growth held to ``LARGEST_GROWTH``.

    Args:
        steps: (..., 4).
        anchors: (..., 4), of a shape that broadcasts.
    """
    steps = steps / steps.new_tensor(weights)
    size = anchors[..., 2:] - anchors[..., :2]
    centre = anchors[..., :2] + size / 2 + steps[..., :2] * size
    half = size * torch.exp(steps[..., 2:].clamp(max=LARGEST_GROWTH)) / 2
    return torch.cat((centre - half, centre + half), -1)


def cell_anchors(size: float, ratios: Sequence[float]) -> Tensor:
    """Anchors (ratios, 4) around (0, 0), each of ``size`` squared pixels; a ratio is height over width."""
    widths = [math.sqrt(size**2 / ratio) for ratio in ratios]
    halves = [(width / 2, ratio * width / 2) for ratio, width in zip(ratios, widths, strict=True)]
    return torch.tensor([(-x, -y, x, y) for x, y in halves])


def spread(cell: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """Anchors of a feature map: those of one cell repeated at each cell's upper left corner.

    Args:
        cell: (A, 4) around (0, 0).
        size: height and width of the feature map.
    Returns:
        (height * width * A, 4): row by row, then column by column, then anchor by anchor.
    """
    y = torch.arange(size[0], device=cell.device, dtype=cell.dtype) * stride
    x = torch.arange(size[1], device=cell.device, dtype=cell.dtype) * stride
    top, left = torch.meshgrid(y, x, indexing="ij")
    corners = torch.stack((left, top, left, top), -1)
    return (corners[:, :, None] + cell).reshape(-1, 4)
