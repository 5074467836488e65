"""Simplification of arcs that never makes outlines cross.

An arc runs from anchor to anchor and is shared by two instances. Douglas and Peucker's rule thins it; a chord is
taken only if no other point of any outline lies between the chord and the piece of arc that it replaces. Chords that
keep this rule cannot cross (de Berg, van Kreveld and Schirra, Topologically correct subdivision simplification, 1998,
doi:10.1559/152304098782383007), whatever the other arcs do, so each arc is decided from the labels around it alone,
and both of its sides decide alike. Up to half a pixel no chord can get in another's way, and the test is left out.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from overtrace.vector.arcs import ANCHOR, Chains


@njit(cache=True, nogil=True)
def _offset(points: NDArray[np.int64], a: int, b: int, k: int) -> float:
    """Squared distance of point k from the chord a to b, the same from b to a: all but the division is exact."""
    dx, dy = points[k, 0] - points[a, 0], points[k, 1] - points[a, 1]
    cx, cy = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1]
    length = cx * cx + cy * cy
    along = dx * cx + dy * cy
    if along <= 0:
        return float(dx * dx + dy * dy)
    if along >= length:
        dx, dy = points[k, 0] - points[b, 0], points[k, 1] - points[b, 1]
        return float(dx * dx + dy * dy)
    beside = dx * cy - dy * cx
    return float(beside * beside / length)


@njit(cache=True, nogil=True)
def _farthest(points: NDArray[np.int64], a: int, b: int) -> int:
    """The point between a and b that is farthest from their chord; of several, the topmost leftmost."""
    farthest, worst = a + 1, -1.0
    for k in range(a + 1, b):
        offset = _offset(points, a, b, k)
        tie = offset == worst and (
            points[k, 1] < points[farthest, 1]
            or (points[k, 1] == points[farthest, 1] and points[k, 0] < points[farthest, 0])
        )
        if offset > worst or tie:
            farthest, worst = k, offset
    return farthest


@njit(cache=True, nogil=True)
def _encloses(points: NDArray[np.int64], a: int, b: int, x: int, y: int) -> bool:
    """Whether corner (x, y), if not on the arc a to b, lies between it and its chord, or on the chord."""
    winding = 0
    for k in range(a, b):
        x0, y0, x1, y1 = points[k, 0], points[k, 1], points[k + 1, 0], points[k + 1, 1]
        if min(x0, x1) <= x <= max(x0, x1) and min(y0, y1) <= y <= max(y0, y1):
            return False
        if x0 > x and (y0 <= y) != (y1 <= y):
            winding += 1 if y1 > y0 else -1
    x0, y0, x1, y1 = points[b, 0], points[b, 1], points[a, 0], points[a, 1]
    side = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
    if side == 0:
        return True
    if (y0 <= y) != (y1 <= y) and (side > 0) == (y1 > y0):
        winding += 1 if y1 > y0 else -1
    return winding != 0


@njit(cache=True, nogil=True)
def _is_clear(
    points: NDArray[np.int64], a: int, b: int, tolerance: float, labels: NDArray[np.int32], row: int, col: int
) -> bool:
    """Whether no other point of an outline lies between the arc a to b and its chord."""
    left, right, top, bottom = points[a, 0], points[a, 0], points[a, 1], points[a, 1]
    for k in range(a + 1, b + 1):
        left, right = min(left, points[k, 0]), max(right, points[k, 0])
        top, bottom = min(top, points[k, 1]), max(bottom, points[k, 1])
    cx, cy = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1]
    for y in range(top, bottom + 1):
        low, high = left, right
        if cy != 0:
            middle = points[a, 0] + (y - points[a, 1]) * cx / cy
            reach = tolerance * np.sqrt(float(cx * cx + cy * cy)) / abs(cy) + 1
            low, high = max(left, int(np.floor(middle - reach))), min(right, int(np.ceil(middle + reach)))
        for x in range(low, high + 1):
            i, j = y - row, x - col
            here = labels[i, j]
            if here == labels[i, j + 1] and here == labels[i + 1, j] and here == labels[i + 1, j + 1]:
                continue
            if _encloses(points, a, b, x, y):
                return False
    return True


@njit(cache=True, nogil=True)
def _thin(
    points: NDArray[np.int64],
    first: int,
    last: int,
    tolerance: float,
    labels: NDArray[np.int32],
    row: int,
    col: int,
    keep: NDArray[np.uint8],
    stack: NDArray[np.int64],
) -> None:
    """Douglas and Peucker between two anchors; an arc that is not straight keeps a point, so that no ring collapses."""
    depth = 1
    stack[0, 0], stack[0, 1] = first, last
    while depth > 0:
        depth -= 1
        a, b = stack[depth, 0], stack[depth, 1]
        if b - a < 2:
            continue
        farthest = _farthest(points, a, b)
        worst = _offset(points, a, b, farthest)
        whole = a == first and b == last and worst > 0
        near = worst < tolerance * tolerance and not whole
        if near and (tolerance <= 0.5 or worst == 0 or _is_clear(points, a, b, tolerance, labels, row, col)):
            continue
        keep[farthest] = 1
        stack[depth, 0], stack[depth, 1] = a, farthest
        stack[depth + 1, 0], stack[depth + 1, 1] = farthest, b
        depth += 2


@njit(cache=True, nogil=True)
def _simplify(
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    offsets: NDArray[np.int64],
    points: NDArray[np.int32],
    flags: NDArray[np.uint8],
    columns: int,
    tolerance: float,
    labels: NDArray[np.int32],
    row: int,
    col: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint8]]:
    longest = 0
    for i in range(len(start)):
        longest = max(longest, offsets[i + 1] - offsets[i])
    line = np.empty((longest + 2, 2), np.int64)
    mark = np.empty(longest + 2, np.uint8)
    keep = np.empty(longest + 2, np.uint8)
    stack = np.empty((longest + 2, 2), np.int64)
    out_offsets = np.zeros(len(offsets), np.int64)
    out_points = np.empty_like(points)
    out_flags = np.empty_like(flags)
    m = 0
    for i in range(len(start)):
        first, count = offsets[i], offsets[i + 1] - offsets[i]
        closed = start[i] == end[i]
        if closed:
            # Begin at an anchor; without one, at the topmost leftmost corner.
            begin = 0
            for k in range(count):
                if flags[first + k] & ANCHOR:
                    begin = k
                    break
                x, y = points[first + k]
                if y < points[first + begin, 1] or (y == points[first + begin, 1] and x < points[first + begin, 0]):
                    begin = k
            for k in range(count + 1):
                source = first + (begin + k) % count
                line[k, 0], line[k, 1] = points[source, 0], points[source, 1]
                mark[k] = flags[source]
                keep[k] = flags[source] & ANCHOR
            keep[0] = keep[count] = 1
        else:
            corner = start[i] // 4
            line[0, 0], line[0, 1] = corner % (columns + 1), corner // (columns + 1)
            keep[0] = 1
            for k in range(count):
                line[k + 1, 0], line[k + 1, 1] = points[first + k, 0], points[first + k, 1]
                mark[k + 1] = flags[first + k]
                keep[k + 1] = flags[first + k] & ANCHOR
        a = 0
        while a < count:
            b = a + 1
            while not keep[b]:
                b += 1
            if line[a, 0] == line[b, 0] and line[a, 1] == line[b, 1]:
                # A loop would collapse onto its anchor: its farthest corner is held too.
                b = _farthest(line, a, b)
                keep[b] = 1
            _thin(line, a, b, tolerance, labels, row, col, keep, stack)
            a = b
        for k in range(1, count + 1):
            if keep[k]:
                out_points[m, 0], out_points[m, 1] = line[k, 0], line[k, 1]
                out_flags[m] = mark[k]
                m += 1
        out_offsets[i + 1] = m
    return out_offsets, out_points[:m].copy(), out_flags[:m].copy()


def simplify_chains(
    chains: Chains, tolerance_px: float, labels: NDArray[np.int32], row: int, col: int, columns: int
) -> Chains:
    """Thin each arc of the chains of one block, so that no point is farther than the tolerance from where it was.

    Args:
        chains: from ``walk_outlines`` with a stride, so that every chain ends at an anchor.
        tolerance_px: above 0.
        labels: (h + 2, w + 2) as given to ``walk_outlines``.
        row: the image row of the block's first pixel.
        col: its image column.
        columns: width of the image.
    Returns:
        Chains with the same pieces and fewer points.
    """
    offsets, points, flags = _simplify(
        chains.start, chains.end, chains.offsets, chains.points, chains.flags, columns, tolerance_px, labels, row, col
    )
    return Chains(chains.ids, chains.start, chains.end, offsets, points, flags)
