"""What a network loses by what it says of planes."""

from collections.abc import Sequence

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from overtrace.learn.recipe import PlaneWeights
from overtrace.learn.scene_loss import lovasz
from overtrace.learn.together import everywhere

NEARLY = 0.02
"""Added to the error, so that what is right weighs something too."""


def planes_loss(
    logits: torch.Tensor,
    names: Sequence[str],
    planes: torch.Tensor,
    known: torch.Tensor,
    weights: PlaneWeights,
    *,
    inside_weight: torch.Tensor | None = None,
    region: bool = False,
) -> torch.Tensor:
    """Cross-entropy of each plane, plus Dice of interior and touch; nothing where the truth is not known.

    The distance plane is learned by cross-entropy too, against its soft target and less the least that this can be,
    with peaks weighing more: they are what parts one crown from the next.

    Args:
        logits: (N, P, H, W), one plane for each of ``names``.
        planes: (N, 3, H, W) the truth of interior, touch and distance, from 0 to 1.
        known: (N, 3, H, W) 1 or 0, of each.
        weights: of each.
        inside_weight: (N, H, W) of each pixel of the interior plane in the cross-entropy; None for 1.
        region: whether the interior of each image loses by the Lovász extension of its IoU as well.
    Returns:
        A scalar: of the batches of all processes together.
    """
    said = dict(zip(names, logits.unbind(1), strict=True))
    is_inside, is_touching, depth = planes.unbind(1)
    inside_known, touch_known, depth_known = known.unbind(1)
    interior = said["interior"]
    counts = inside_known if inside_weight is None else inside_known * inside_weight
    inside = _mean(binary_cross_entropy_with_logits(interior, is_inside, reduction="none"), counts)
    inside = inside + 0.5 * _dice(interior, is_inside, inside_known)
    if region:
        inside = inside + _lack_of_iou(interior, is_inside, inside_known)
    loss = weights.interior * inside
    if "touch" in said:
        touch = said["touch"]
        # Touching borders are thin: a wrong pixel of them weighs more.
        rarity = 1 + weights.border * is_touching
        wrong = binary_cross_entropy_with_logits(touch, is_touching, reduction="none")
        missed = _mean(wrong, touch_known * rarity)
        loss = loss + weights.touch * (missed + 0.5 * _dice(touch, is_touching, touch_known))
    if "distance" in said:
        distance = said["distance"]
        surplus = softplus(distance) - depth * distance - _entropy(depth)
        error = (torch.sigmoid(distance.detach()) - depth).abs() + NEARLY
        missed = _mean(surplus * error**weights.focus, depth_known * (1 + weights.peak * depth))
        loss = loss + weights.distance * missed
    return loss


def _lack_of_iou(logits: torch.Tensor, truth: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """The mean over the images that show an object."""
    lacks, images = logits.new_zeros(()), logits.new_zeros(())
    for said, true, seen in zip(torch.sigmoid(logits.float()), truth >= 0.5, known > 0, strict=True):
        if (true & seen).any():
            lacks = lacks + lovasz(said[seen][None], true[seen][None].float()).sum()
            images = images + 1
    return everywhere(lacks) / everywhere(images).clamp(min=1)


def _mean(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return everywhere((values * weights).sum()) / everywhere(weights.sum()).clamp(min=1)


def _entropy(share: torch.Tensor) -> torch.Tensor:
    return -(torch.xlogy(share, share) + torch.xlogy(1 - share, 1 - share))


def _dice(logits: torch.Tensor, truth: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    found, true = torch.sigmoid(logits) * known, truth * known
    # The product of a truth of 0 or 1; of one between them, the least loss is where the answer is the truth itself.
    both = everywhere(torch.minimum(found, true).sum())
    return 1 - (2 * both + 1) / (everywhere(found.sum() + true.sum()) + 1)
