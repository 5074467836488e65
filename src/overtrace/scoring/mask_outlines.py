"""The outlines of a mask, along the edges of its pixels: for pictures."""

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

from overtrace.formats.annotations import HEIGHT, KIND, START, STOP, WIDTH, Annotations
from overtrace.formats.masks import Intervals, measure, read_mask

Rings = tuple[NDArray[np.float64], ...]


def trace_mask(annotations: Annotations, row: int, coarse_px: float) -> Rings:
    """Outlines of the parts of a mask and of their holes.

    Args:
        annotations: whose masks can be read.
        row: of the mask.
        coarse_px: by how much an outline may be simplified.
    Returns:
        For each ring (v, 2) x and y in pixels, the first vertex not repeated; none of an empty mask.
    """
    line = annotations.whole[row]
    kind, start, stop, height, width = (int(line[column]) for column in (KIND, START, STOP, HEIGHT, WIDTH))
    intervals, count, _ = read_mask(annotations.text, kind, start, stop, height, width, np.empty((2, 256), np.int32), 0)
    if count == 0:
        return ()
    xy, ends = _trace(*_paint(intervals, count, height))
    rings = shapely.linearrings(xy, indices=np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0)))
    return tuple(shapely.get_coordinates(ring)[:-1] for ring in shapely.simplify(rings, coarse_px))


@njit(cache=True, nogil=True)
def _paint(intervals: Intervals, count: int, height: int) -> tuple[NDArray[np.bool_], int, int]:
    """The part of the image that holds the mask, with a pixel of nothing around it, and its first column and row."""
    shape = np.zeros(5, np.int64)
    measure(intervals, 0, count, height, shape)
    left, top = shape[1], shape[3]
    mask = np.zeros((shape[4] - top + 3, shape[2] - left + 3), np.bool_)
    for i in range(count):
        for pixel in range(intervals[0, i], intervals[1, i]):
            mask[pixel % height - top + 1, pixel // height - left + 1] = True
    return mask, left - 1, top - 1


@njit(cache=True, nogil=True)
def _trace(mask: NDArray[np.bool_], left: int, top: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Corners of all rings, and where each ends. The mask is always on the right; pixels that touch by a corner alone
    are apart.
    """
    step_row, step_col = np.array([0, 1, 0, -1]), np.array([1, 0, -1, 0])
    # Seen from a corner, heading east, south, west or north: the pixel ahead on the left and that on the right.
    left_row, left_col = np.array([-1, 0, 0, -1]), np.array([0, 0, -1, -1])
    right_row, right_col = np.array([0, 0, -1, -1]), np.array([0, -1, -1, 0])
    seen = np.zeros(mask.shape, np.bool_)
    xy, size = np.empty((256, 2), np.float64), 0
    ends, rings = np.empty(16, np.int64), 0
    for first_row in range(1, mask.shape[0]):
        for first_col in range(1, mask.shape[1]):
            if not mask[first_row, first_col] or mask[first_row - 1, first_col] or seen[first_row, first_col]:
                continue
            row, col, heading = first_row, first_col, 0
            while not (heading == 0 and seen[row, col]):
                if heading == 0:
                    seen[row, col] = True
                row, col = row + step_row[heading], col + step_col[heading]
                turn = 0
                if not mask[row + right_row[heading], col + right_col[heading]]:
                    turn = 1
                elif mask[row + left_row[heading], col + left_col[heading]]:
                    turn = 3
                if turn:
                    if size == len(xy):
                        xy = np.concatenate((xy, np.empty_like(xy)))
                    xy[size] = left + col, top + row
                    size += 1
                    heading = (heading + turn) % 4
            if rings == len(ends):
                ends = np.concatenate((ends, np.empty_like(ends)))
            ends[rings] = size
            rings += 1
    return xy[:size].copy(), ends[:rings].copy()
