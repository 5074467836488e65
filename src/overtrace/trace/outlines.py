"""Outlines as bytes that a page unpacks: whole numbers, each as its difference from the one before.

A number takes as many bytes as it needs, 7 bits in each, the lowest first, the top bit set where more follow; signed
ones are zigzag coded (0, -1, 1, -2, ... become 0, 1, 2, 3, ...). A polygon is its number of rings, and for each ring
its number of vertices (the first is not repeated) and for each vertex the signed step from the last one written.
"""

import numpy as np
import numpy.typing as npt
import shapely
from numba import njit

# Two numbers of 32 bits for each vertex, of at most 5 bytes each.
VERTEX_BYTES = 10

Integers = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


def pack_outlines(polygons: npt.NDArray[np.object_], unit: float) -> bytes:
    """Pack polygons, their coordinates rounded to multiples of ``unit``."""
    if len(polygons) == 0:
        return b""
    _, xy, (ring_ends, polygon_ends) = shapely.to_ragged_array(polygons)
    steps = np.rint(xy / unit).astype(np.int64)
    packed: Bytes = _pack(steps, ring_ends.astype(np.int64), polygon_ends.astype(np.int64))
    return packed.tobytes()


@njit(cache=True, nogil=True)
def _pack(xy: Integers, ring_ends: Integers, polygon_ends: Integers) -> Bytes:
    rings = len(ring_ends) - 1
    out = np.empty(VERTEX_BYTES * (len(xy) + rings + len(polygon_ends)), np.uint8)
    size, x, y = 0, 0, 0
    for polygon in range(len(polygon_ends) - 1):
        size = _put(out, size, polygon_ends[polygon + 1] - polygon_ends[polygon])
        for ring in range(polygon_ends[polygon], polygon_ends[polygon + 1]):
            size = _put(out, size, ring_ends[ring + 1] - 1 - ring_ends[ring])
            for vertex in range(ring_ends[ring], ring_ends[ring + 1] - 1):
                size = _put(out, size, _zigzag(xy[vertex, 0] - x))
                size = _put(out, size, _zigzag(xy[vertex, 1] - y))
                x, y = xy[vertex, 0], xy[vertex, 1]
    return out[:size].copy()


@njit(cache=True, nogil=True)
def _zigzag(value: int) -> int:
    return 2 * value if value >= 0 else -2 * value - 1


@njit(cache=True, nogil=True)
def _put(out: Bytes, size: int, value: int) -> int:
    while value >= 128:
        out[size] = value & 127 | 128
        value >>= 7
        size += 1
    out[size] = value
    return size + 1
