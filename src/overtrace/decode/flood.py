"""Growth of seeds inside a mask: a pixel goes to the smallest (distance, id) within a bound.

Distance is counted in steps to one of four neighbours, inside the mask. The answer of a pixel depends on nothing
farther than the bound, so a block that is read with that much halo is exact.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from overtrace.decode.components import find_runs, join_runs
from overtrace.decode.parameters import Parameters

BLOCKED = np.iinfo(np.int32).max
"""Stands for a label where nothing may grow."""


def halo_px(parameters: Parameters) -> int:
    """Pixels that must be read around a block for its labels, and those one pixel outside it, to be exact."""
    return parameters.grow_px + parameters.hole_px + 2


@njit(cache=True, nogil=True)
def object_mask(interior: NDArray[np.uint8], threshold: int, hole_px: int) -> NDArray[np.uint8]:
    """Pixels of objects, with small gaps filled.

    A gap is a 4-connected background region of at most ``hole_px`` pixels that does not reach the edge of the array.
    Pixels without data (0) stay background.

    Args:
        interior: (h, w) uint8.
        threshold: a pixel is object from this value on.
        hole_px: the largest gap that is filled.
    Returns:
        (h + 2, w + 2) uint8 of 0 and 1 with a frame of 0, as ``grow`` wants it.
    """
    height, width = interior.shape
    gap = np.empty((height, width), np.uint8)
    mask = np.zeros((height + 2, width + 2), np.uint8)
    for y in range(height):
        for x in range(width):
            inside = interior[y, x] >= threshold
            gap[y, x] = not inside
            mask[y + 1, x + 1] = inside
    if hole_px == 0:
        return mask
    start, stop, offsets = find_runs(gap)
    root = join_runs(start, stop, offsets)
    area = np.zeros(len(root), np.int64)
    for y in range(height):
        for i in range(offsets[y], offsets[y + 1]):
            if y == 0 or y == height - 1 or start[i] == 0 or stop[i] == width:
                area[root[i]] += hole_px
            area[root[i]] += stop[i] - start[i]
    for y in range(height):
        for i in range(offsets[y], offsets[y + 1]):
            if area[root[i]] > hole_px:
                continue
            for x in range(start[i], stop[i]):
                mask[y + 1, x + 1] = interior[y, x] > 0
    return mask


@njit(cache=True, nogil=True)
def grow(mask: NDArray[np.uint8], labels: NDArray[np.int32], steps: int) -> None:
    """Grow labels inside a mask, in place: nearest seed first, the smaller label on a tie.

    Args:
        mask: (h, w) uint8 with a frame of zeros.
        labels: (h, w) int32; seeds are positive and lie inside the mask, everything else is 0.
        steps: the bound on the distance.
    """
    _, width = mask.shape
    inside = mask.ravel()
    label = labels.ravel()
    for p in range(len(label)):
        if not inside[p]:
            label[p] = BLOCKED
    frontier = np.empty(1024, np.int32)
    count = 0
    for p in range(width, len(label) - width):
        if label[p] <= 0 or label[p] == BLOCKED:
            continue
        if label[p - 1] == 0 or label[p + 1] == 0 or label[p - width] == 0 or label[p + width] == 0:
            if count == len(frontier):
                frontier = np.concatenate((frontier, np.empty_like(frontier)))
            frontier[count] = p
            count += 1
    reached = np.empty(4 * count, np.int32)
    for _ in range(steps):
        if 4 * count > len(reached):
            reached = np.empty(8 * count, np.int32)
        found = 0
        for i in range(count):
            p = frontier[i]
            here = label[p]
            for q in (p - width, p - 1, p + 1, p + width):
                # A label given in this step is negative until the step ends, so that ties can still be settled.
                if label[q] == 0:
                    label[q] = -here
                    reached[found] = q
                    found += 1
                elif label[q] < -here:
                    label[q] = -here
        for i in range(found):
            label[reached[i]] = -label[reached[i]]
        frontier, reached = reached, frontier
        count = found
        if count == 0:
            break
    for p in range(len(label)):
        if label[p] == BLOCKED:
            label[p] = 0
