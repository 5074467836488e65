"""The outlines of labels, walked along the cracks between pixels.

A directed edge runs along one side of a pixel, with the pixel on its right as seen on the screen, and belongs to that
pixel. Walking from edge to edge gives closed rings where an instance lies inside the block, and open chains where it
goes on in the next one: a chain ends where the next edge belongs to another block, and is joined by the name of that
edge. Corners where outlines meet are anchors: simplification may not move them, so neighbours keep the same border.
"""

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

ANCHOR = 1
"""Flag of a point that simplification keeps."""
PINCH = 2
"""Flag of a point where an outline touches itself."""
OUTSIDE = 2
"""Mark of a pixel that belongs to another block; 1 marks a pixel whose upper edge has been walked."""


@dataclass(frozen=True, slots=True)
class Chains:
    """Pieces of outline; piece ``i`` has the points ``offsets[i]`` to ``offsets[i + 1]``."""

    ids: NDArray[np.int64]
    """(n,) the instance on the right of the piece."""
    start: NDArray[np.int64]
    """(n,) name of its first directed edge."""
    end: NDArray[np.int64]
    """(n,) name of the edge that follows its last; a ring's ``end`` is its ``start``."""
    offsets: NDArray[np.int64]
    """(n + 1,)."""
    points: NDArray[np.int32]
    """(m, 2) x, y of pixel corners; the corner where a piece starts is the last point of the piece before it."""
    flags: NDArray[np.uint8]
    """(m,) ANCHOR and PINCH."""

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.integer]) -> Self:
        """The chosen pieces, by mask or by index, in that order."""
        index: NDArray[Any] = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        source, offsets = gather(self.offsets, index)
        return type(self)(
            self.ids[index], self.start[index], self.end[index], offsets, self.points[source], self.flags[source]
        )


def gather(offsets: NDArray[np.int64], index: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the rows of chosen pieces of a ragged array lie.

    Args:
        offsets: (n + 1,) of the ragged array.
        index: (k,) pieces, in any order.
    Returns:
        (m,) row numbers, and (k + 1,) offsets of the pieces among them.
    """
    lengths = np.diff(offsets)[index]
    taken = np.concatenate([[0], np.cumsum(lengths)])
    rows = np.arange(taken[-1]) + np.repeat(offsets[:-1][index] - taken[:-1], lengths)
    return rows, taken


def concatenate(parts: list[Chains]) -> Chains:
    """All pieces of several ``Chains``, in order; ``parts`` is not empty."""
    columns = {f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Chains)}
    ends = np.cumsum([0] + [len(part.points) for part in parts])
    columns["offsets"] = np.concatenate(
        [np.zeros(1, np.int64)] + [part.offsets[1:] + end for part, end in zip(parts, ends, strict=False)]
    )
    return Chains(**columns)


@njit(cache=True, nogil=True)
def _comes_from_outside(flat: NDArray[np.int32], seen: NDArray[np.uint8], p: int, ahead: int, across: int) -> bool:
    """Whether the edge before the one of pixel ``p`` belongs to a pixel of another block."""
    before = p - ahead
    if flat[before] != flat[p]:
        return False
    return bool(seen[before + across if flat[before + across] == flat[p] else before] == OUTSIDE)


@njit(cache=True, nogil=True)
def _walk_block(
    labels: NDArray[np.int32], row: int, col: int, columns: int, stride: int
) -> tuple[
    NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], NDArray[np.uint8]
]:
    framed_height, framed_width = labels.shape
    height, width = framed_height - 2, framed_width - 2
    flat = labels.ravel()
    ahead = np.array([1, framed_width, -1, -framed_width])
    across = np.array([-framed_width, 1, framed_width, -1])
    seen = np.zeros(len(flat), np.uint8)
    seen[:framed_width] = seen[-framed_width:] = OUTSIDE
    seen[::framed_width] = seen[framed_width - 1 :: framed_width] = OUTSIDE
    # Where a line of the lattice runs along a column of corners, and along a row of them.
    line_x = np.zeros(width + 1, np.uint8)
    line_y = np.zeros(height + 1, np.uint8)
    if stride > 0:
        line_x[-col % stride :: stride] = 1
        line_y[-row % stride :: stride] = 1

    # Upper bounds; memory that is not written to is never taken from the system.
    most = 4 * height * width + 1
    points = np.empty((most, 2), np.int32)
    flags = np.empty(most, np.uint8)
    ids = np.empty(most, np.int64)
    start = np.empty(most, np.int64)
    end = np.empty(most, np.int64)
    offsets = np.empty(most + 1, np.int64)
    offsets[0] = 0
    n = 0
    m = 0

    # First the chains that come in from another block: they start at its border pixels. Then the rings.
    for closed in range(2):
        for y0 in range(height):
            step = 1 if closed or y0 == 0 or y0 == height - 1 else max(width - 1, 1)
            for x0 in range(0, width, step):
                p0 = (y0 + 1) * framed_width + x0 + 1
                label = flat[p0]
                if label == 0:
                    continue
                for d0 in range(1 if closed else 4):
                    if flat[p0 + across[d0]] == label:
                        continue
                    if closed:
                        if seen[p0]:
                            continue
                    elif not _comes_from_outside(flat, seen, p0, ahead[d0], across[d0]):
                        continue
                    p, d = p0, d0
                    y, x = y0 + (d == 2 or d == 3), x0 + (d == 1 or d == 2)
                    ids[n] = label
                    start[n] = ((row + y) * (columns + 1) + col + x) * 4 + d
                    while True:
                        if d == 0:
                            seen[p] = 1
                            x += 1
                            forward, left = 1, -framed_width
                        elif d == 1:
                            y += 1
                            forward, left = framed_width, 1
                        elif d == 2:
                            x -= 1
                            forward, left = -1, framed_width
                        else:
                            y -= 1
                            forward, left = -framed_width, -1
                        beside, front, corner = flat[p + left], flat[p + forward], flat[p + forward + left]
                        before = d
                        if front != label:
                            d = (d + 1) & 3
                        elif corner != label:
                            p += forward
                        else:
                            p += forward + left
                            d = (d + 3) & 3
                        anchor = (beside != label) + (beside != corner) + (corner != front) + (front != label) >= 3
                        if line_x[x] and not anchor:
                            anchor = before & 1 == 0 or d & 1 == 0
                        if line_y[y] and not anchor:
                            anchor = before & 1 == 1 or d & 1 == 1
                        if d != before or anchor:
                            points[m, 0] = col + x
                            points[m, 1] = row + y
                            flags[m] = anchor + PINCH * (corner == label and front != label)
                            m += 1
                        if seen[p] == OUTSIDE or (p == p0 and d == d0):
                            break
                    end[n] = ((row + y) * (columns + 1) + col + x) * 4 + d
                    n += 1
                    offsets[n] = m
    return (
        ids[:n].copy(),
        start[:n].copy(),
        end[:n].copy(),
        offsets[: n + 1].copy(),
        points[:m].copy(),
        flags[:m].copy(),
    )


def walk_outlines(labels: NDArray[np.int32], row: int, col: int, columns: int, stride: int = 0) -> Chains:
    """Outlines of the labels of one block.

    Args:
        labels: (h + 2, w + 2) int32; the block and one pixel around it, 0 outside the image and for background.
            Every label is 4-connected in the whole image.
        row: the image row of the block's first pixel.
        col: its image column.
        columns: width of the image, to name edges in.
        stride: where an outline crosses a multiple of this, its point is an anchor, so that each arc between anchors
            lies in one cell; 0 for no such anchors. With a stride, a block must be whole cells.
    Returns:
        Chains with ``ids`` as in ``labels``.
    """
    return Chains(*_walk_block(np.ascontiguousarray(labels), row, col, columns, stride))
