"""Placeholder."""

import numpy as np

from overtrace.models.runtime import Network
from overtrace.raster.detections import Detections
from overtrace.raster.grid import within
from overtrace.raster.lattice import Block
from overtrace.raster.view import View


def predict_detections(view: View, network: Network, block: Block) -> Detections:
    """What all windows of a block detect."""
    found = []
    image, _ = view.read(block.read)
    for window in block.windows:
        boxes, *others = network.ask(image[:, *within(window.read, block.read)])
        boxes = boxes + np.array([window.read.col, window.read.row] * 2, np.float32)
        x, y = (boxes[:, :2] + boxes[:, 2:]).T / 2
        keep = window.keep
        own = (keep.col <= x) & (x < keep.col + keep.width) & (keep.row <= y) & (y < keep.row + keep.height)
        found.append([part[own] for part in (boxes, *others)])
    boxes, scores, classes, masks = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(-scores, kind="stable")
    return Detections(boxes[order], scores[order], classes[order], masks[order])
