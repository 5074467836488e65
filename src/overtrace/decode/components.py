"""Connected components of a mask, and their union across blocks.

A row is cut into runs, runs that touch are joined with union-find, and the root is always the run that
comes first in row-major order, so that labels are numbered by their first pixel.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from overtrace.decode.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Components:
    """The 4-connected components of one block, numbered from 1 by their first pixel, as the runs of its rows."""

    start: NDArray[np.integer]
    """(runs,) column of the first pixel."""
    stop: NDArray[np.integer]
    """(runs,) column after the last pixel."""
    label: NDArray[np.integer]
    """(runs,) number of the component."""
    offsets: NDArray[np.int32]
    """(h + 1,) runs before each row."""
    area: NDArray[np.int64]
    """(n,) pixels."""
    first: NDArray[np.int64]
    """(n,) row-major index, within the block, of the first pixel."""

    def paint(self, canvas: NDArray[np.int32], row: int, col: int, values: NDArray[np.int32] | None = None) -> None:
        """Paint the components into a canvas, which may show any part of the block and of what is around it.

        Args:
            canvas: (h, w); pixels outside the components are left as they are.
            row: where the canvas begins, counted from the first pixel of the block; may be negative.
            col: likewise.
            values: (n,) painted instead of the numbers.
        """
        values = np.arange(1, len(self.area) + 1, dtype=np.int32) if values is None else values
        _paint(self.start, self.stop, self.label, self.offsets, values, canvas, row, col)

    def highest(self, plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(n,) the largest value of each component in a plane (h, w)."""
        found: NDArray[np.uint8] = _highest(self.start, self.stop, self.label, self.offsets, len(self.area), plane)
        return found


@njit(cache=True, nogil=True)
def find_root(parent: NDArray[np.int32], i: int) -> int:
    """Root of ``i``, halving the path on the way."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def join(parent: NDArray[np.int32], i: int, j: int) -> None:
    """Put ``i`` and ``j`` in one set, whose root is its smallest member."""
    i = find_root(parent, i)
    j = find_root(parent, j)
    if i < j:
        parent[j] = i
    elif j < i:
        parent[i] = j


@njit(cache=True, nogil=True)
def find_runs(mask: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Maximal runs of each row of a mask.

    Args:
        mask: (h, w), 0 or 1.
    Returns:
        start and stop of each run as columns, (n,), and (h + 1,) the number of runs before each row.
    """
    height, width = mask.shape
    offsets = np.zeros(height + 1, np.int32)
    for y in range(height):
        count = 0
        before = np.uint8(0)
        for x in range(width):
            count += mask[y, x] > before
            before = mask[y, x]
        offsets[y + 1] = offsets[y] + count
    start = np.empty(offsets[height], np.int32)
    stop = np.empty(offsets[height], np.int32)
    for y in range(height):
        n = offsets[y]
        if n == offsets[y + 1]:
            continue
        before = np.uint8(0)
        for x in range(width):
            here = mask[y, x]
            if here != before:
                if here:
                    start[n] = x
                else:
                    stop[n] = x
                    n += 1
                before = here
        if before:
            stop[n] = width
    return start, stop, offsets


@njit(cache=True, nogil=True)
def join_runs(start: NDArray[np.int32], stop: NDArray[np.int32], offsets: NDArray[np.int32]) -> NDArray[np.int32]:
    """Root of each run once runs that touch by a side are joined: the first run of its component."""
    parent = np.arange(len(start)).astype(np.int32)
    for y in range(1, len(offsets) - 1):
        i, j = offsets[y - 1], offsets[y]
        while i < offsets[y] and j < offsets[y + 1]:
            if start[i] < stop[j] and start[j] < stop[i]:
                join(parent, i, j)
            if stop[i] < stop[j]:
                i += 1
            else:
                j += 1
    for i in range(len(parent)):
        parent[i] = parent[parent[i]]
    return parent


@njit(cache=True, nogil=True)
def _paint(
    start: NDArray[np.integer],
    stop: NDArray[np.integer],
    label: NDArray[np.integer],
    offsets: NDArray[np.int32],
    values: NDArray[np.int32],
    canvas: NDArray[np.int32],
    row: int,
    col: int,
) -> None:
    height, width = canvas.shape
    for y in range(max(row, 0), min(row + height, len(offsets) - 1)):
        for i in range(offsets[y], offsets[y + 1]):
            value = values[label[i] - 1]
            for x in range(max(int(start[i]) - col, 0), min(int(stop[i]) - col, width)):
                canvas[y - row, x] = value


@njit(cache=True, nogil=True)
def _highest(
    start: NDArray[np.integer],
    stop: NDArray[np.integer],
    label: NDArray[np.integer],
    offsets: NDArray[np.int32],
    count: int,
    plane: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    found = np.zeros(count, np.uint8)
    for y in range(len(offsets) - 1):
        for i in range(offsets[y], offsets[y + 1]):
            best = found[label[i] - 1]
            for x in range(start[i], stop[i]):
                best = max(best, plane[y, x])
            found[label[i] - 1] = best
    return found


@njit(cache=True, nogil=True)
def _label(
    mask: NDArray[np.uint8],
) -> tuple[
    NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]
]:
    height, width = mask.shape
    start, stop, offsets = find_runs(mask)
    root = join_runs(start, stop, offsets)
    number = np.zeros(len(root), np.int32)
    count = 0
    for i in range(len(root)):
        if root[i] == i:
            count += 1
            number[i] = count
    label = number[root]
    area = np.zeros(count, np.int64)
    first = np.zeros(count, np.int64)
    for y in range(height):
        for i in range(offsets[y], offsets[y + 1]):
            if root[i] == i:
                first[label[i] - 1] = y * width + start[i]
            area[label[i] - 1] += stop[i] - start[i]
    return start, stop, label, offsets, area, first


@njit(cache=True, nogil=True)
def _seed_mask(planes: NDArray[np.uint8], interior: int, touch: int, distance: int) -> NDArray[np.uint8]:
    _, height, width = planes.shape
    mask = np.empty((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            mask[y, x] = (planes[0, y, x] >= interior) & (planes[1, y, x] < touch) & (planes[2, y, x] >= distance)
    return mask


def label_components(mask: NDArray[np.uint8]) -> Components:
    """4-connected components of a mask.

    Args:
        mask: (h, w), 0 or 1.
    Returns:
        Components numbered by their first pixel in row-major order.
    """
    return Components(*_label(mask))


def label_seeds(planes: NDArray[np.uint8], parameters: Parameters) -> Components:
    """Seeds of one block: inside an object, away from touching borders, far enough from the outline.

    Args:
        planes: (3, h, w) interior, touch, distance; interior 0 is no data.
    """
    return label_components(_seed_mask(planes, parameters.interior, parameters.touch, parameters.distance))


@njit(cache=True, nogil=True)
def join_pairs(count: int, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Root of each component once the pairs (``first``, ``second``) are joined: the smallest of its set."""
    parent = np.arange(count)
    for k in range(len(first)):
        i, j = first[k], second[k]
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        while parent[j] != j:
            parent[j] = parent[parent[j]]
            j = parent[j]
        if i < j:
            parent[j] = i
        else:
            parent[i] = j
    for i in range(count):
        parent[i] = parent[parent[i]]
    return parent


def touching_pairs(
    one: NDArray[np.integer], other: NDArray[np.integer], one_offset: int, other_offset: int
) -> NDArray[np.int64]:
    """Pairs of components that face each other across a border between two blocks.

    Args:
        one: (n,) labels along the border on the one side; 0 is background.
        other: (n,) labels on the other side.
        one_offset: added to ``one - 1`` to number the components of all blocks.
        other_offset: likewise for ``other``.
    Returns:
        (2, pairs) int64.
    """
    both = (one > 0) & (other > 0)
    pairs = np.stack([one[both].astype(np.int64) + (one_offset - 1), other[both].astype(np.int64) + (other_offset - 1)])
    return np.unique(pairs, axis=1)
