"""What a detector should say: which boxes are which objects, and which of them a loss looks at."""

from dataclasses import dataclass

import torch
from torch import Tensor

from overtrace.networks.boxes import area, is_empty, overlap

BOXES = 1 << 14
"""Boxes compared with the objects at once."""
UNUSED = -1
"""Kind of a box that no loss looks at."""


@dataclass(frozen=True, slots=True)
class Target:
    """The objects of one image (H, W)."""

    boxes: Tensor
    """(n, 4) float32 left, top, right, bottom in pixels, none empty."""
    classes: Tensor
    """(n,) int64 from 0."""
    masks: Tensor
    """(n, H, W) uint8, 1 where the object is."""
    ignore: Tensor | None = None
    """(H, W) bool where objects may stand that nobody marked; a box with half of its area there is never background."""

    def __post_init__(self) -> None:
        if not len(self.boxes) == len(self.classes) == len(self.masks):
            raise ValueError(f"{len(self.boxes)} boxes, {len(self.classes)} classes and {len(self.masks)} masks")
        if is_empty(self.boxes).any():
            raise ValueError("a box of a target has no width or no height")


def best_objects(objects: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Which object each box overlaps most.

    Args:
        objects: (n, 4).
        boxes: (m, 4).
    Returns:
        (m,) that intersection over union, 0 where there are no objects; (m,) int64 the object, the first of equal ones;
        (m,) bool, whether no box overlaps some object more than this one does.
    """
    if len(objects) == 0:
        nothing = torch.zeros(len(boxes), dtype=torch.long, device=boxes.device)
        return nothing.to(boxes), nothing, nothing.bool()
    best = objects.new_zeros(len(objects))
    for some in torch.split(boxes, BOXES):
        if len(some):
            best = torch.maximum(best, overlap(objects, some).amax(1))
    most, which, leads = [], [], []
    for some in torch.split(boxes, BOXES):
        table = overlap(objects, some)
        overlaps, indices = table.max(0)
        most.append(overlaps)
        which.append(indices)
        leads.append(((table == best[:, None]) & (table > 0)).any(0))
    return torch.cat(most), torch.cat(which), torch.cat(leads)


def ignored(boxes: Tensor, ignore: Tensor | None) -> Tensor:
    """Whether half of a box's area or more is to be ignored: (n,) bool.

    Args:
        boxes: (n, 4); what lies outside the image counts as not ignored.
        ignore: (H, W) bool, or None.
    """
    if ignore is None:
        return torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    # The sum over all pixels above and to the left is linear between corners of pixels, so that shares are exact.
    sums = torch.nn.functional.pad(ignore.double().cumsum(0).cumsum(1), (1, 0, 1, 0))
    left, top, right, bottom = boxes.double().unbind(1)
    inside = _between(sums, bottom, right) - _between(sums, top, right) - _between(sums, bottom, left)
    return inside + _between(sums, top, left) >= area(boxes.double()) / 2


def _between(sums: Tensor, y: Tensor, x: Tensor) -> Tensor:
    y, x = y.clamp(0, sums.shape[0] - 1), x.clamp(0, sums.shape[1] - 1)
    row, column = y.long().clamp(max=sums.shape[0] - 2), x.long().clamp(max=sums.shape[1] - 2)
    down, across = y - row, x - column
    upper = sums[row, column] * (1 - across) + sums[row, column + 1] * across
    lower = sums[row + 1, column] * (1 - across) + sums[row + 1, column + 1] * across
    return upper * (1 - down) + lower * down


def sample(kinds: Tensor, background: int, count: int, share: float, rng: torch.Generator | None) -> Tensor:
    """Boxes that a loss looks at, drawn by chance: objects up to their share, background for the rest.

    Args:
        kinds: (n,) int64: ``UNUSED``, ``background``, or an object.
    Returns:
        (at most count,) int64 indices, objects first.
    """
    objects = _draw(((kinds != UNUSED) & (kinds != background)).nonzero()[:, 0], int(count * share), rng)
    return torch.cat((objects, _draw((kinds == background).nonzero()[:, 0], count - len(objects), rng)))


def _draw(indices: Tensor, most: int, rng: torch.Generator | None) -> Tensor:
    # Drawn on the CPU, so that a seed means the same on every device.
    return indices[torch.randperm(len(indices), generator=rng)[:most].to(indices.device)]
