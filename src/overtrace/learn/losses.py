"""What a network loses by what it says of planes."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from overtrace.learn.batches import Batch

TOUCH_WEIGHT = 3.0
PEAK_WEIGHT = 4.0


def planes_loss(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Cross-entropy of each plane, plus Dice of interior and touch; nothing where the truth is not known.

    The distance plane is learned by cross-entropy too, against its soft target and less the least that this can be,
    with peaks weighing more: they are what parts one crown from the next.

    Args:
        logits: (N, 3, H, W) interior, touch, distance.
    Returns:
        A scalar.
    """
    known = batch.known[:, 0]
    interior, touch, distance = logits.unbind(1)
    is_inside, is_touching, depth = batch.planes.unbind(1)
    inside = _mean(binary_cross_entropy_with_logits(interior, is_inside, reduction="none"), known)
    # Touching borders are thin: a wrong pixel of them weighs more.
    rarity = 1 + TOUCH_WEIGHT * is_touching
    touching = _mean(binary_cross_entropy_with_logits(touch, is_touching, reduction="none"), known * rarity)
    surplus = softplus(distance) - depth * distance - _entropy(depth)
    peaks = _mean(surplus, known * (1 + PEAK_WEIGHT * depth))
    return (
        inside + 0.5 * _dice(interior, is_inside, known) + touching + 0.5 * _dice(touch, is_touching, known) + 2 * peaks
    )


def _mean(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (values * weights).sum() / weights.sum().clamp(min=1)


def _entropy(share: torch.Tensor) -> torch.Tensor:
    return -(torch.xlogy(share, share) + torch.xlogy(1 - share, 1 - share))


def _dice(logits: torch.Tensor, truth: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    found = torch.sigmoid(logits) * known
    both = (found * truth).sum()
    return 1 - (2 * both + 1) / (found.sum() + (truth * known).sum() + 1)
