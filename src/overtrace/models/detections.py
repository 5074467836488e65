"""What a *detections* network finds in a block of an image."""

import numpy as np
from numpy.typing import NDArray

from overtrace.errors import BadModel
from overtrace.models.card import Card
from overtrace.models.runtime import Network, Outputs
from overtrace.raster.detections import Detections, gather_detections
from overtrace.raster.grid import Box, Grid, within
from overtrace.raster.lattice import Block, Window
from overtrace.raster.view import View

GREY = np.float32(0.45)
"""What the network sees where there is no image: about the mean colour of photos. Its makers pad with zeros once the
mean is taken away (detectron2, ``ImageList``), and a mirrored or smeared object would be found as one."""


def predict_detections(view: View, network: Network, block: Block) -> Detections:
    """The objects whose centre lies in the cores of the windows of a block.

    Returns:
        those that score ``card.detect.min_score`` or more.
    """
    return find_in_block(view, network, block, network.card.detect.min_score)[0]


def find_in_block(view: View, network: Network, block: Block, min_score: float) -> tuple[Detections, NDArray[np.bool_]]:
    """The same with another score, and (h, w) which pixels of the core of the block hold data."""
    outer = block.read
    image, valid = view.read(outer)
    image = np.where(valid, image, GREY)
    parts = []
    for window in block.windows:
        seen = within(window.read, outer)
        if valid[seen].any():
            answer = network.ask(image[:, *seen])
            parts.append(_keep(network.card, answer, window, view.grid, min_score))
    return gather_detections(parts), np.ascontiguousarray(valid[within(block.core, outer)])


def _keep(card: Card, answer: Outputs, window: Window, grid: Grid, min_score: float) -> Detections:
    """What a window answers for, in pixels of the view."""
    boxes, scores, classes, masks = answer
    if len(classes) and not 0 <= classes.min() <= classes.max() < len(card.classes):
        raise BadModel(
            f"{card.name} answers classes {classes.min()} to {classes.max()}, its card names {len(card.classes)}: "
            "write a card that names all of them"
        )
    moved = np.clip(boxes.astype(np.float64), 0, (window.read.width, window.read.height) * 2)
    moved += (window.read.col, window.read.row) * 2
    # Rows that score 0 are padding.
    kept = (scores > 0) & (scores >= min_score) & _is_centred(moved, window.keep, grid)
    return Detections(
        moved[kept], scores[kept].astype(np.float32), classes[kept].astype(np.int64), masks[kept].astype(np.float32)
    )


def _is_centred(boxes: NDArray[np.float64], keep: Box, grid: Grid) -> NDArray[np.bool_]:
    """Whether the centre of what a box shows of the image lies in ``keep``; nowhere does that of an empty box."""
    corners = np.clip(boxes, 0, (grid.width, grid.height) * 2)
    x, y = (corners[:, 0] + corners[:, 2]) / 2, (corners[:, 1] + corners[:, 3]) / 2
    inside = (keep.col <= x) & (x < keep.col + keep.width) & (keep.row <= y) & (y < keep.row + keep.height)
    return inside & (corners[:, 0] < corners[:, 2]) & (corners[:, 1] < corners[:, 3])
