"""How far the same network, written in two ways, says the same: torch against ONNX, full precision against int8."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from overtrace.models.runtime import Network, Outputs
from overtrace.scoring.matching import box_iou

SURE = 0.3
"""Detections that score at least this are looked for."""
SAME = 0.9
"""Boxes of one object overlap at least this much (IoU)."""


def compare(one: Network, other: Network, windows: Sequence[NDArray[np.float32]]) -> dict[str, float]:
    """Figures of agreement, by name.

    Args:
        windows: (bands, window, window) from 0 to 1.
    """
    pairs = [(one.ask(window), other.ask(window)) for window in windows]
    measure = {"planes": _compare_planes, "classes": _compare_classes, "detections": _compare_detections}
    return measure[one.card.task](pairs)


Pairs = Sequence[tuple[Outputs, Outputs]]


def _compare_planes(pairs: Pairs) -> dict[str, float]:
    differences = [np.abs(a[0] - b[0]) for a, b in pairs]
    sides = [(a[0][:, 0] > 0.5) == (b[0][:, 0] > 0.5) for a, b in pairs]
    return {
        "greatest difference of planes": float(max(part.max() for part in differences)),
        "mean difference of planes": float(np.mean([part.mean() for part in differences])),
        "share of pixels with the same interior": float(np.mean([part.mean() for part in sides])),
    }


def _compare_classes(pairs: Pairs) -> dict[str, float]:
    same = [(a[0].argmax(1) == b[0].argmax(1)).mean() for a, b in pairs]
    return {"share of pixels with the same class": float(np.mean(same))}


def _compare_detections(pairs: Pairs) -> dict[str, float]:
    found = again = 0
    shift = 0.0
    for (boxes, scores, *_), (others, *_) in pairs:
        sure = boxes[scores >= SURE].astype(np.float64)
        found += len(sure)
        if not len(sure) or not len(others):
            continue
        overlaps = box_iou(sure, others.astype(np.float64))
        partner, same = overlaps.argmax(1), overlaps.max(1) >= SAME
        again += int(same.sum())
        shift = max(shift, float(np.abs(others[partner] - sure)[same].max(initial=0)))
    return {
        f"detections that score {SURE:g}": float(found),
        f"share of them found again at IoU {SAME:g}": again / found if found else 1.0,
        "greatest shift of their boxes in pixels": shift,
    }
