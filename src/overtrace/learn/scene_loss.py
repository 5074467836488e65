"""What a network loses by what it says of scenes.

Losses come as a sum and its weight, so that those of the parts of a batch can be added before they are divided.
"""

from typing import Literal

import torch
from torch.nn.functional import interpolate, log_softmax, nll_loss

from overtrace.data.labelled import VOID

Region = Literal["none", "iou", "lovasz"]
Over = Literal["image", "batch"]


def scene_loss(
    logits: torch.Tensor,
    truth: torch.Tensor,
    weights: torch.Tensor | None = None,
    region: Region = "none",
    over: Over = "image",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy of each pixel, and perhaps what is lacking of a perfect mean IoU; nothing where truth is VOID.

    Args:
        logits: (N, classes, h, w), of any size; brought to that of the truth.
        truth: (N, H, W) integers, classes from 0, or VOID.
        weights: (classes,) of a pixel of each class; None for 1.
        region: the second term, over the classes that are held: 1 less the soft IoU, or its Lovász extension.
        over: what the second term is taken over: each image, or all together as a class-wise IoU is scored. An image
            that does not hold a class is not told by itself that it answers with it.
    Returns:
        The weighted sum, and the weight: scalars. Each image adds as much of both as its pixels weigh.
    Source:
        Berman et al., The Lovász-Softmax loss, CVPR 2018, doi:10.1109/CVPR.2018.00464
    """
    logs = log_softmax(interpolate(logits.float(), size=truth.shape[1:], mode="bilinear", align_corners=False), dim=1)
    truth = truth.long()
    weights = logs.new_ones(logs.shape[1]) if weights is None else weights
    total = nll_loss(logs, truth, weights, ignore_index=VOID, reduction="sum")
    known = truth != VOID
    weight = weights[truth[known]].sum()
    if region == "none":
        return total, weight
    logs = logs.movedim(1, -1)
    parts = [(logs, truth, known)] if over == "batch" else zip(logs, truth, known, strict=True)
    for said, classes, seen in parts:
        if seen.any():
            present = torch.unique(classes[seen])
            found = said[seen][:, present].exp().T
            true = (classes[seen] == present[:, None]).float()
            lack = lovasz(found, true) if region == "lovasz" else 1 - _soft_iou(found, true)
            total = total + weights[classes[seen]].sum() * lack.mean()
    return total, weight


def _soft_iou(found: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """(classes,) of probabilities and truth (classes, pixels)."""
    both = (found * true).sum(1)
    iou: torch.Tensor = both / (found.sum(1) + true.sum(1) - both)
    return iou


def lovasz(found: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """The Lovász extension of what is lacking of a perfect IoU.

    Args:
        found: (classes, pixels) probabilities.
        true: (classes, pixels) 0 or 1.
    Returns:
        (classes,): errors from large to small, each times how much IoU goes by it.
    """
    errors, order = (found - true).abs().sort(dim=1, descending=True)
    true = true.gather(1, order)
    area = true.sum(1, keepdim=True)
    # 1 less the IoU when the pixels up to this one are wrong: missed where they are true, found where they are not.
    lost = 1 - (area - true.cumsum(1)) / (area + (1 - true).cumsum(1))
    lack: torch.Tensor = (errors * lost.diff(dim=1, prepend=torch.zeros_like(lost[:, :1]))).sum(1)
    return lack
