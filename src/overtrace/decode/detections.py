"""From the detections of all windows to instances: double finds dropped, small masks laid into the image.

Boxes are dropped greedily: in falling order of score, each that is left drops all less sure ones of its class that
overlap it too much. Those that may overlap a box so much are about as large as it is and near it: each box stands in
a grid of cells for boxes of its size, and only a few cells are looked at.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from overtrace.decode.components import find_root, join
from overtrace.raster.detections import Detections, rank
from overtrace.raster.grid import Box

__all__ = ["Detections", "find_survivors", "keep_largest", "paint", "paste", "suppress"]

_BITS = 28
"""Bits of a row or column of cells in the name of a cell."""


def suppress(found: Detections, overlap: float) -> Detections:
    """Drop what was found twice.

    Args:
        found: in any order.
        overlap: of two boxes of one class with an IoU above this, the less sure is dropped.
    Returns:
        The others, sorted.
    """
    return found.take(find_survivors(found.boxes, found.scores, found.classes, overlap))


def find_survivors(
    boxes: NDArray[np.floating[Any]], scores: NDArray[np.float32], classes: NDArray[np.int64], overlap: float
) -> NDArray[np.int64]:
    """Which detections ``suppress`` leaves: (k,) indices in the order of ``rank``. Memory is linear in their number."""
    order = rank(boxes, scores, classes)
    ranked = boxes[order].astype(np.float64)
    if len(ranked) == 0:
        return order
    sides = np.maximum(ranked[:, 2] - ranked[:, 0], ranked[:, 3] - ranked[:, 1])
    centres = (ranked[:, :2] + ranked[:, 2:]) / 2
    centres -= centres.min(axis=0)
    levels = np.log2(np.maximum(sides, 1)).astype(np.int64)
    cols, rows = (centres / np.exp2(levels + 1)[:, None]).astype(np.int64).T
    cells = (levels << 2 * _BITS) + (rows << _BITS) + cols
    members = np.argsort(cells, kind="stable")
    kept = _suppress(ranked, classes[order], centres, sides, float(overlap), cells[members], members, int(levels.max()))
    return order[kept]


@njit(cache=True, nogil=True)
def _suppress(
    boxes: NDArray[np.float64],
    classes: NDArray[np.int64],
    centres: NDArray[np.float64],
    sides: NDArray[np.float64],
    overlap: float,
    cells: NDArray[np.int64],
    members: NDArray[np.int64],
    highest: int,
) -> NDArray[np.bool_]:
    """Whether each box, in falling order, is kept; ``cells`` are sorted, ``members`` are the boxes in that order."""
    kept = np.ones(len(boxes), np.bool_)
    for i in range(len(boxes)):
        if not kept[i]:
            continue
        # An IoU of more than ``overlap`` needs sides whose ratio is more than that.
        smallest = int(np.log2(max(sides[i] * overlap, 1.0)))
        largest = min(int(np.log2(max(sides[i] / overlap, 1.0))), highest)
        for level in range(smallest, largest + 1):
            cell = 2.0 ** (level + 1)
            reach = (sides[i] + cell) / 2
            left, right = max(int((centres[i, 0] - reach) / cell), 0), int((centres[i, 0] + reach) / cell)
            top, bottom = max(int((centres[i, 1] - reach) / cell), 0), int((centres[i, 1] + reach) / cell)
            for row in range(top, bottom + 1):
                begin = (level << 2 * _BITS) + (row << _BITS)
                k = np.searchsorted(cells, begin + left)
                while k < len(cells) and cells[k] <= begin + right:
                    j = members[k]
                    k += 1
                    if j > i and kept[j] and classes[j] == classes[i] and _overlap(boxes[i], boxes[j], overlap):
                        kept[j] = False
    return kept


@njit(cache=True, nogil=True)
def _overlap(one: NDArray[np.float64], other: NDArray[np.float64], overlap: float) -> bool:
    """Whether the IoU of two boxes is above a limit."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return False
    common = width * height
    total = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return bool(common > overlap * (total - common))


def paste(
    found: Detections,
    i: int,
    shape: tuple[int, int],
    scale: tuple[float, float] = (1.0, 1.0),
    threshold: float = 0.5,
) -> tuple[NDArray[np.bool_], int, int]:
    """Lay one mask into an image.

    Args:
        shape: height and width of the image.
        scale: pixels of that image to one of the view, along a row and down a column.
        threshold: a pixel belongs to the object if the mask has at least this value at its centre, and its centre lies
            in the box.
    Returns:
        (h, w) the part of the image that the box covers, and its first row and column.
    Source:
        detectron2, detectron2/layers/mask_ops.py, _do_paste_mask: values are those of cell centres, bilinear between
        them and falling to 0 beyond.
    """
    part, place = _lay(found, i, Box(0, 0, *shape), scale, threshold)
    return part, place.row, place.col


def paint(found: Detections, box: Box, valid: NDArray[np.bool_], threshold: float) -> NDArray[np.int32]:
    """Labels of a part of the view: each pixel belongs to the first of the detections that hold it.

    Args:
        box: the part.
        valid: (h, w) which of its pixels hold data; no object lies on the others.
    Returns:
        (h, w) from 1 to n, and 0.
    """
    labels = np.where(valid, 0, -1).astype(np.int32)
    for i in range(len(found)):
        part, place = _lay(found, i, box, (1.0, 1.0), threshold)
        row, col = place.row - box.row, place.col - box.col
        under = labels[row : row + place.height, col : col + place.width]
        under[part & (under == 0)] = i + 1
    return np.maximum(labels, 0)


def _lay(
    found: Detections, i: int, box: Box, scale: tuple[float, float], threshold: float
) -> tuple[NDArray[np.bool_], Box]:
    """One mask in the pixels of an image, as far as it lies in ``box``, and where that is."""
    left, top, right, bottom = (
        float(side) * factor for side, factor in zip(found.boxes[i], (*scale, *scale), strict=True)
    )
    col, width = _clip(left, right, box.col, box.width)
    row, height = _clip(top, bottom, box.row, box.height)
    part = np.empty((height, width), np.bool_)
    if part.size:
        _sample(found.masks[i], left, top, right, bottom, row, col, threshold, part)
    return part, Box(row, col, height, width)


def _clip(low: float, high: float, first: int, length: int) -> tuple[int, int]:
    """The first pixel whose centre lies from ``low`` to ``high``, and how many do, of those that are there."""
    begin = min(max(int(np.ceil(low - 0.5)), first), first + length)
    end = min(max(int(np.floor(high - 0.5)) + 1, begin), first + length)
    return begin, end - begin if high > low else 0


@njit(cache=True, nogil=True)
def _sample(
    mask: NDArray[np.float32],
    left: float,
    top: float,
    right: float,
    bottom: float,
    row: int,
    col: int,
    threshold: float,
    part: NDArray[np.bool_],
) -> None:
    """Fill ``part``, whose first pixel is (row, col) of the image, with where the mask reaches the threshold."""
    down, across = mask.shape
    for y in range(part.shape[0]):
        v = (row + y + 0.5 - top) / (bottom - top) * down - 0.5
        above = int(np.floor(v))
        for x in range(part.shape[1]):
            u = (col + x + 0.5 - left) / (right - left) * across - 0.5
            before = int(np.floor(u))
            value = 0.0
            for i in range(max(above, 0), min(above + 2, down)):
                for j in range(max(before, 0), min(before + 2, across)):
                    value += (1 - abs(v - i)) * (1 - abs(u - j)) * mask[i, j]
            part[y, x] = value >= threshold


@njit(cache=True, nogil=True)
def keep_largest(labels: NDArray[np.int32], count: int) -> None:
    """Leave of each label its largest 4-connected piece, in place; of equals the one whose first pixel comes first.

    Args:
        labels: (h, w) from 0 to ``count``.
    """
    height, width = labels.shape
    flat = labels.ravel()
    parent = np.arange(len(flat)).astype(np.int32)
    for y in range(height):
        for x in range(width):
            p = y * width + x
            if flat[p] == 0:
                continue
            if x > 0 and flat[p - 1] == flat[p]:
                join(parent, p - 1, p)
            if y > 0 and flat[p - width] == flat[p]:
                join(parent, p - width, p)
    area = np.zeros(len(flat), np.int32)
    best = np.full(count + 1, -1, np.int64)
    for p in range(len(flat)):
        if flat[p] > 0:
            parent[p] = find_root(parent, p)
            area[parent[p]] += 1
    for p in range(len(flat)):
        if area[p] > 0 and (best[flat[p]] < 0 or area[p] > area[best[flat[p]]]):
            best[flat[p]] = p
    for p in range(len(flat)):
        if flat[p] > 0 and parent[p] != best[flat[p]]:
            flat[p] = 0
