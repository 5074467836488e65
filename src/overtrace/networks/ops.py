"""What a detector needs beside layers: suppression, pooling of regions, and masks laid back into the image.

torchvision's versions are used where it imports; ours give the same answers without it. In an ONNX file the first two
are the operators NonMaxSuppression and RoiAlign.
"""

from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from overtrace.networks.boxes import overlap

BLOCK = 512
"""Boxes compared with each other at once."""
SAMPLES = 1 << 25
"""Values sampled at once, 128 MB of them."""


@cache
def torchvision_ops() -> ModuleType | None:
    """torchvision's operators, None where it is not installed or was built for another torch."""
    try:
        import torchvision  # type: ignore[import-not-found]
    # A wheel for CUDA beside a torch for CPUs raises RuntimeError.
    except (ImportError, RuntimeError, OSError):
        return None
    ops: ModuleType = torchvision.ops
    return ops


def nms(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Greedy suppression: a box goes if it overlaps a better one that stays.

    Args:
        boxes: (n, 4).
        scores: (n,); of equal ones the first is the better.
        threshold: largest intersection over union that both boxes survive.
    Returns:
        (kept,) int64 indices, best first.
    """
    ops = torchvision_ops()
    if ops is not None:
        kept: Tensor = ops.nms(boxes, scores, threshold)
        return kept
    stays = scores.new_empty(0, dtype=torch.long)
    for block in torch.split(falling(scores), BLOCK):
        free = block[~(overlap(boxes[block], boxes[stays]) > threshold).any(1)]
        stays = torch.cat((stays, free[_survivors(boxes[free], threshold)]))
    return stays


def _survivors(boxes: Tensor, threshold: float) -> Tensor:
    """Which of these boxes, best first, stay among themselves: (n,) bool."""
    beats = (overlap(boxes, boxes) > threshold).triu(1).float()
    stays = beats.new_ones(len(boxes))
    # Each round settles at least one more box in order of score, and most boxes in the first few.
    while True:
        again = ((stays @ beats) == 0).float()
        if torch.equal(again, stays):
            return stays.bool()
        stays = again


def batched_nms(boxes: Tensor, scores: Tensor, threshold: float, least: float, most: int) -> Tensor:
    """``nms`` in each of several groups, such as classes, by itself.

    Args:
        boxes: (groups, n, 4).
        scores: (groups, n).
        threshold: largest intersection over union that both boxes survive.
        least: boxes of this score and below take no part.
        most: boxes kept of a group.
    Returns:
        (kept, 2) int64 of group and box: group by group, best first in each.
    """
    if torch.onnx.is_in_onnx_export():
        exported: Tensor = _OnnxNms.apply(boxes, scores, threshold, least, most)  # type: ignore[no-untyped-call]
        return exported
    kept = [scores.new_empty((0, 2), dtype=torch.long)]
    takes_part = scores > least
    for group in takes_part.any(1).nonzero()[:, 0].tolist():
        indices = takes_part[group].nonzero()[:, 0]
        indices = indices[nms(boxes[group, indices], scores[group, indices], threshold)][:most]
        kept.append(torch.stack((torch.full_like(indices, group), indices), 1))
    return torch.cat(kept)


def falling(scores: Tensor) -> Tensor:
    """Indices (n,) of the scores from the best to the worst, equal ones as they came."""
    if torch.onnx.is_in_onnx_export():
        return torch.sort(scores, descending=True).indices  # The exporter knows no stable sort; the operator is one.
    return torch.sort(scores, descending=True, stable=True).indices


def roi_align(features: Tensor, boxes: Tensor, images: Tensor, size: int, scale: float, sampling: int = 0) -> Tensor:
    """Average of bilinear samples in each of ``size`` x ``size`` bins of each box.

    The centre of pixel (0, 0) is (0.5, 0.5). A sample up to a pixel outside takes the border's value, one further out
    is 0.

    Args:
        features: (N, C, H, W).
        boxes: (R, 4) in pixels of the image.
        images: (R,) int64, which of the N each box lies in.
        scale: pixels of ``features`` to a pixel of the image.
        sampling: samples along each axis of a bin; 0 is one for each pixel of ``features``, rounded up.
    Returns:
        (R, C, size, size).
    Source:
        He et al., Mask R-CNN, arXiv:1703.06870; the half pixel is that of detectron2's ROIAlignV2.
    """
    if torch.onnx.is_in_onnx_export():
        exported = _OnnxRoiAlign.apply(features, boxes, images, size, scale, sampling)  # type: ignore[no-untyped-call]
        assert isinstance(exported, Tensor)
        return exported
    ops = torchvision_ops()
    if ops is not None:
        regions = torch.cat((images[:, None].to(boxes), boxes), 1)
        pooled: Tensor = ops.roi_align(features.to(boxes.dtype), regions, size, scale, sampling or -1, aligned=True)
        return pooled
    return _roi_align(features, boxes, images, size, scale, sampling)


def _roi_align(features: Tensor, boxes: Tensor, images: Tensor, size: int, scale: float, sampling: int) -> Tensor:
    corners = boxes * scale - 0.5
    start, extent = corners[:, :2], corners[:, 2:] - corners[:, :2]
    counts = (torch.full_like(start, sampling) if sampling else torch.ceil(extent / size).clamp(min=0)).long()
    run = (counts.prod(1) * features.shape[1] * size**2).cumsum(0) // SAMPLES
    parts, part_of = torch.unique(torch.stack((images, run), 1), dim=0, return_inverse=True)
    # Half precision, as mixed training has it, is too coarse for coordinates.
    each = torch.split(features.to(boxes.dtype), 1)
    where = [(part_of == part).nonzero()[:, 0] for part in range(len(parts))]
    pooled = [
        _pool(each[image], start[some], extent[some], counts[some], size)
        for image, some in zip(parts[:, 0].tolist(), where, strict=True)
    ]
    if not pooled:
        return boxes.new_zeros(0, features.shape[1], size, size)
    return torch.cat(pooled)[torch.cat(where).argsort()]


def _pool(feature: Tensor, start: Tensor, extent: Tensor, counts: Tensor, size: int) -> Tensor:
    """Boxes of one image (1, C, H, W), sampled in one go: (R, C, size, size)."""
    channels = feature.shape[1]
    kinds, kind_of = torch.unique(counts, dim=0, return_inverse=True)
    shapes: list[list[int]] = kinds.tolist()
    where = [(kind_of == kind).nonzero()[:, 0] for kind in range(len(shapes))]
    grids = []
    for alike, (columns, rows) in zip(where, shapes, strict=True):
        x = _samples(start[alike, 0], extent[alike, 0], size * columns, feature.shape[3])
        y = _samples(start[alike, 1], extent[alike, 1], size * rows, feature.shape[2])
        grid = torch.stack((x[:, None, :].expand(-1, y.shape[1], -1), y[:, :, None].expand(-1, -1, x.shape[1])), -1)
        grids.append(grid.reshape(-1, 2))
    values = torch.nn.functional.grid_sample(feature, torch.cat(grids)[None, None], align_corners=False)[0, :, 0]
    pieces = torch.split(values, [len(grid) for grid in grids], 1)
    pooled = [
        piece.view(channels, len(alike), size, rows, size, columns).sum((3, 5)) / max(1, rows * columns)
        for piece, alike, (columns, rows) in zip(pieces, where, shapes, strict=True)
    ]
    return torch.cat(pooled, 1)[:, torch.cat(where).argsort()].transpose(0, 1)


def _samples(start: Tensor, extent: Tensor, count: int, length: int) -> Tensor:
    """Where samples lie along an axis of ``length`` pixels: (R, count), -1 to 1, or far outside where they count 0."""
    steps = torch.arange(count, device=start.device, dtype=start.dtype) + 0.5
    at = start[:, None] + steps * (extent[:, None] / count)
    outside = (at < -1) | (at > length)
    return ((at.clamp(0, length - 1) + 0.5) * 2 / length - 1).masked_fill(outside, -9)


def paste(masks: Tensor, boxes: Tensor, size: tuple[int, int], threshold: float = 0.5) -> Tensor:
    """Masks laid into the image: bilinear between the centres of their cells, cut at the box.

    Args:
        masks: (n, M, M) probabilities over the boxes.
        boxes: (n, 4).
        size: height and width of the image.
    Returns:
        (n, height, width) bool, where the mask is ``threshold`` or more.
    """
    height, width = size
    pasted = torch.zeros((len(masks), height, width), dtype=torch.bool, device=masks.device)
    for i, (mask, box) in enumerate(zip(masks, boxes, strict=True)):
        left, top, right, bottom = box.tolist()
        # Outside the box the values fade from at most a half to 0 within half a cell.
        rows = slice(max(int(top), 0), min(int(bottom) + 1, height))
        columns = slice(max(int(left), 0), min(int(right) + 1, width))
        if rows.start >= rows.stop or columns.start >= columns.stop or right <= left or bottom <= top:
            continue
        y, x = (torch.arange(span.start, span.stop, device=masks.device) + 0.5 for span in (rows, columns))
        y, x = (y - top) / (bottom - top) * 2 - 1, (x - left) / (right - left) * 2 - 1
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None]
        values = torch.nn.functional.grid_sample(mask[None, None], grid.to(mask), align_corners=False)
        pasted[i, rows, columns] = values[0, 0] >= threshold
    return pasted


# While a network is exported only kinds and shapes count; the numbers that go through it are dropped.


class _OnnxNms(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, boxes: Tensor, scores: Tensor, threshold: float, least: float, most: int) -> Tensor:
        return torch.zeros((1, 2), dtype=torch.long, device=boxes.device)

    @staticmethod
    def symbolic(g: Any, boxes: Any, scores: Any, threshold: float, least: float, most: int) -> Any:
        def constant(value: Any) -> Any:
            return g.op("Constant", value_t=torch.tensor(value))

        one_class = g.op("Unsqueeze", scores, constant([1]))
        limits = constant([most]), constant([threshold]), constant([least])
        triples = g.op("NonMaxSuppression", boxes, one_class, *limits)
        return g.op("Gather", triples, constant([0, 2]), axis_i=1)


class _OnnxRoiAlign(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, boxes: Tensor, images: Tensor, size: int, scale: float, sampling: int
    ) -> Tensor:
        return features.new_zeros(len(boxes), features.shape[1], size, size)

    @staticmethod
    def symbolic(g: Any, features: Any, boxes: Any, images: Any, size: int, scale: float, sampling: int) -> Any:
        return g.op(
            "RoiAlign",
            features,
            boxes,
            images,
            coordinate_transformation_mode_s="half_pixel",
            mode_s="avg",
            output_height_i=size,
            output_width_i=size,
            sampling_ratio_i=sampling,
            spatial_scale_f=scale,
        )
