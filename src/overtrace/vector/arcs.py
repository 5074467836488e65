"""The outlines of labels, walked along the cracks between pixels.

A directed edge runs along one side of a pixel, with the pixel on its right as seen on the screen, and belongs to that
pixel. Walking from edge to edge gives closed rings where an instance lies inside the block, and open chains where it
goes on in the next one: a chain ends where the next edge belongs to another block, and is joined by the name of that
edge. Corners where outlines meet are anchors: simplification may not move them, so neighbours keep the same border.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

ANCHOR = 1
"""Flag of a point that simplification keeps."""
PINCH = 2
"""Flag of a point where an outline touches itself."""


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

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Self:
        """The chosen pieces, by mask or by index, in that order."""
        index = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
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


@njit(cache=True, nogil=True)  # type: ignore[misc]
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
    ahead_y = np.array([0, 1, 0, -1])
    ahead_x = np.array([1, 0, -1, 0])
    # The corner where the edge on side d of pixel (0, 0) starts.
    corner_y = np.array([0, 0, 1, 1])
    corner_x = np.array([0, 1, 1, 0])
    seen = np.zeros(len(flat), np.uint8)

    # Upper bounds; memory that is not written to is never taken from the system.
    most = 4 * height * width + 1
    points = np.empty((most, 2), np.int32)
    flags = np.empty(most, np.uint8)
    ids = np.empty(most, np.int64)
    start = np.empty(most, np.int64)
    end = np.empty(most, np.int64)
    offsets = np.zeros(most + 1, np.int64)
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
                    else:
                        if flat[p0 - ahead[d0]] != label:
                            continue
                        by, bx = y0 - ahead_y[d0], x0 - ahead_x[d0]
                        if flat[p0 - ahead[d0] + across[d0]] == label:
                            turned = (d0 + 3) & 3
                            by += ahead_y[turned]
                            bx += ahead_x[turned]
                        if 0 <= by < height and 0 <= bx < width:
                            continue
                    p, y, x, d = p0, y0, x0, d0
                    name = ((row + y + corner_y[d]) * (columns + 1) + col + x + corner_x[d]) * 4 + d
                    ids[n] = label
                    start[n] = name
                    while True:
                        if d == 0:
                            seen[p] = 1
                        q = flat[p + across[d]]
                        r = flat[p + ahead[d]]
                        f = flat[p + ahead[d] + across[d]]
                        # The corner at the end of this edge.
                        turned = (d + 1) & 3
                        cy = row + y + corner_y[turned]
                        cx = col + x + corner_x[turned]
                        before = d
                        if r != label:
                            d = turned
                        else:
                            p += ahead[d]
                            y += ahead_y[d]
                            x += ahead_x[d]
                            if f == label:
                                p += across[d]
                                d = (d + 3) & 3
                                y += ahead_y[d]
                                x += ahead_x[d]
                        anchor = (q != label) + (q != f) + (f != r) + (r != label) >= 3
                        if stride > 0 and not anchor:
                            flat_edge = before & 1 == 0 or d & 1 == 0
                            steep_edge = before & 1 == 1 or d & 1 == 1
                            anchor = (cx % stride == 0 and flat_edge) or (cy % stride == 0 and steep_edge)
                        if d != before or anchor:
                            points[m, 0] = cx
                            points[m, 1] = cy
                            flags[m] = anchor + 2 * (f == label and q != label and r != label)
                            m += 1
                        name = (cy * (columns + 1) + cx) * 4 + d
                        if y < 0 or y >= height or x < 0 or x >= width or name == start[n]:
                            break
                    end[n] = name
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
