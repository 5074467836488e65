"""The instances of TernausNetV2, by the steps that were published with it.

Objects are where the interior is likely, seeds where moreover no border is. Seeds flood the objects over a plateau:
whoever comes first to a pixel has it, by one step to any of eight neighbours at a time.

Source:
    https://github.com/ternaus/TernausNetV2, commit 3f5aeff, Demo.ipynb
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

THRESHOLD = 0.5
LEAST_PX = 20
"""Instances of fewer pixels are dropped."""


def decode_ternaus(probabilities: NDArray[np.float32], border: int = 0) -> NDArray[np.int32]:
    """The instances of an image; an object without a seed is none.

    Args:
        probabilities: (2, H + 2 border, W + 2 border) interior and touch, 0 to 1.
        border: pixels at each side that take part in the flood, and in the size of instances, before they are cut off.
    Returns:
        (H, W) labels from 1 to n, in the order of the first pixel of their seeds, row by row.
    """
    interior, touch = probabilities
    mask = interior > THRESHOLD
    seeds = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.int32)
    ndimage.label(mask & (1 - touch > THRESHOLD), output=seeds[1:-1, 1:-1])
    _flood(np.pad(mask, 1), seeds)
    labels = seeds[1:-1, 1:-1]
    area = np.bincount(labels.ravel())
    inner = labels[border : mask.shape[0] - border, border : mask.shape[1] - border]
    kept = (area >= LEAST_PX) & (np.bincount(inner.ravel(), minlength=len(area)) > 0)
    kept[0] = False
    numbers: NDArray[np.int32] = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    return numbers[inner]


def score_instances(labels: NDArray[np.int32], interior: NDArray[np.float32]) -> NDArray[np.float32]:
    """How sure the network is of each instance: its mean interior. The published steps have no such number.

    Args:
        labels: (H, W) from 1 to n.
        interior: (H, W) 0 to 1.
    Returns:
        (n,) 0 to 1.
    """
    area = np.bincount(labels.ravel())[1:]
    inside = np.bincount(labels.ravel(), interior.ravel())[1:]
    return (inside / np.maximum(area, 1)).astype(np.float32)


@njit(cache=True, nogil=True)
def _flood(mask: NDArray[np.bool_], labels: NDArray[np.int32]) -> None:
    """Grow labels over a mask, in place, in the order of scikit-image's watershed over a level landscape.

    There, a binary heap holds pixels by the time at which they were found. All pixels of seeds have the time 0, so the
    heap alone says which of them goes first: it is played through until they are gone. What they found has a time
    each, and needs but a queue.

    Args:
        mask: (h, w) with a frame of False.
        labels: (h, w) seeds, inside the mask.
    """
    inside, label = mask.ravel(), labels.ravel()
    width = mask.shape[1]
    neighbours = np.array([-width, -1, 1, width, -width - 1, -width + 1, width - 1, width + 1])
    queue = np.empty(np.count_nonzero(inside), np.int64)
    heap = np.empty(len(queue), np.int64)
    size = 0
    for p in range(len(label)):
        if label[p]:
            # Of time 0, as all numbers that are not positive.
            heap[size] = -p
            size += 1
    seeds, found = size, 0
    while seeds:
        p = -heap[0]
        seeds -= 1
        size -= 1
        heap[0] = heap[size]
        _sink(heap, size)
        before = found
        found = _find(p, inside, label, neighbours, queue, found)
        for time in range(before + 1, found + 1):
            # Later than all others, so that it stays at the end.
            heap[size] = time
            size += 1
    begin = 0
    while begin < found:
        found = _find(queue[begin], inside, label, neighbours, queue, found)
        begin += 1


@njit(cache=True, nogil=True)
def _sink(heap: NDArray[np.int64], size: int) -> None:
    """Let the first entry of a heap change places with the earlier of its two, the left on a tie, while that is earlier
    than itself.
    """
    i, own = 0, heap[0]
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and max(heap[child + 1], 0) < max(heap[child], 0):
            child += 1
        if max(heap[child], 0) >= max(own, 0):
            break
        heap[i] = heap[child]
        i = child
    heap[i] = own


@njit(cache=True, nogil=True)
def _find(
    p: int,
    inside: NDArray[np.bool_],
    label: NDArray[np.int32],
    neighbours: NDArray[np.int64],
    queue: NDArray[np.int64],
    found: int,
) -> int:
    """Label the free neighbours of a pixel and put them into the queue; how many it holds now."""
    for step in neighbours:
        q = p + step
        if inside[q] and label[q] == 0:
            label[q] = label[p]
            queue[found] = q
            found += 1
    return found
