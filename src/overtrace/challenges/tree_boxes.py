"""COCO's AP of boxes, which the crown benchmarks quote beside precision and recall."""

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.tree_files import Trees
from overtrace.formats.annotations import AREA, CATEGORY, ID, IMAGE, LEFT, SCORE, SEEN, SEEN_BOX, Annotations
from overtrace.scoring.instances import AREAS, THRESHOLDS, Rule, count_instances
from overtrace.scoring.precision import draw_curves

UNCAPPED = 10**9


def score_box_ap(truth: Trees, answer: Trees, names: tuple[str, ...], workers: int = 1) -> dict[str, float]:
    """AP over IoU 0.50 to 0.95, and at 0.50, with 100 detections an image and with all.

    Args:
        truth: boxes.
        answer: boxes with scores.
        names: the images that count.
        workers: threads.
    """
    images = np.arange(len(names))
    true, found = _annotate(truth, names), _annotate(answer, names)
    rule = Rule(THRESHOLDS, AREAS, (100, UNCAPPED), boxes=True)
    precision = draw_curves(count_instances(true, found, images, np.zeros(1, np.int64), rule, workers)).precision
    capped, whole = (precision[:, :, 0, 0, place] for place in (0, 1))
    return {
        "AP": float(capped.mean()),
        "AP50": float(capped[0].mean()),
        "AP uncapped": float(whole.mean()),
        "AP50 uncapped": float(whole[0].mean()),
    }


def _annotate(trees: Trees, names: tuple[str, ...]) -> Annotations:
    """Boxes as COCO has them, in the order of the names."""
    nothing: NDArray[np.float64] = np.zeros((0, 4))
    boxes = [trees.images.get(name, nothing) for name in names]
    sides = np.concatenate([nothing, *boxes])
    whole, real = np.zeros((len(sides), 10), np.int64), np.zeros((len(sides), 6))
    whole[:, ID] = 1 + np.arange(len(sides))
    whole[:, IMAGE] = np.repeat(np.arange(len(names)), [len(part) for part in boxes])
    whole[:, CATEGORY], whole[:, SEEN] = 0, SEEN_BOX
    real[:, LEFT:] = np.hstack([sides[:, :2], sides[:, 2:] - sides[:, :2]])
    real[:, AREA] = real[:, -2] * real[:, -1]
    real[:, SCORE] = np.concatenate([np.zeros(0), *(trees.scores.get(name, np.zeros(0)) for name in names)])
    return Annotations(np.zeros(16, np.uint8), whole, real)
