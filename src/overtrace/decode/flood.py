"""Growth of seeds inside a mask: a pixel goes to the smallest (distance, id) within a bound.

Distance is counted in steps to one of four neighbours, inside the mask. The answer of a pixel depends on nothing
farther than the bound, so a block that is read with that much halo is exact.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from overtrace.decode.components import find_runs, join_runs
from overtrace.decode.parameters import Parameters

BLOCKED = -1
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
    inside = mask.ravel()
    label = labels.ravel()
    highest = 0
    for p in range(len(label)):
        if not inside[p]:
            label[p] = BLOCKED
        highest = max(highest, label[p])
    # Unsigned indices cannot count from the end, which saves a test at each of them.
    one, width = np.uint32(1), np.uint32(mask.shape[1])
    queue = np.empty(len(label), np.uint32)
    begin, end = 0, _seed_border(labels, highest, queue)
    # The pixels of each step stand in the order of their labels, so whoever comes first has the smaller one.
    for _ in range(steps):
        found = end
        for i in range(begin, end):
            p = queue[i]
            here = label[p]
            for q in (p - width, p - one, p + one, p + width):
                if label[q] == 0:
                    label[q] = here
                    queue[found] = q
                    found += 1
        begin, end = end, found
        if begin == end:
            break
    for p in range(len(label)):
        label[p] = max(label[p], 0)


@njit(cache=True, nogil=True)
def _seed_border(labels: NDArray[np.int32], highest: int, queue: NDArray[np.uint32]) -> int:
    """Fill a queue with the pixels of seeds beside which something may grow, in the order of their labels."""
    height, width = labels.shape
    label = labels.ravel()
    pixels = np.empty(len(label), np.uint32)
    count = 0
    is_border = np.zeros(width, np.uint8)
    for y in range(1, height - 1):
        up, here, down = labels[y - 1], labels[y], labels[y + 1]
        for x in range(1, width - 1):
            free = (up[x] == 0) | (down[x] == 0) | (here[x - 1] == 0) | (here[x + 1] == 0)
            is_border[x] = (here[x] > 0) & free
        for x in range(1, width - 1):
            if is_border[x]:
                pixels[count] = y * width + x
                count += 1
    place = np.zeros(highest + 2, np.int32)
    for i in range(count):
        place[label[pixels[i]] + 1] += 1
    place = np.cumsum(place)
    for i in range(count):
        p = pixels[i]
        queue[place[label[p]]] = p
        place[label[p]] += 1
    return count
