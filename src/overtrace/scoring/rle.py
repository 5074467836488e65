"""Masks as run lengths, the way COCO stores them: down the columns, from left to right, background first.

A run changes where an outline crosses a column of pixel centres. So a polygon needs no mask: each crossing is the
column-major index of the first centre below it, and the sorted crossings, differenced, are the run lengths.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from numba import njit

# A run length of 64 bits needs at most 13 characters of 5 bits.
MAX_CHARACTERS = 13

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

Part = tuple[npt.NDArray[np.bool_], int, int]
"""The pixels of an object in a rectangle that holds them all, and the row and the column of the image where it lies."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Masks of one image: the runs of mask ``i`` are ``lengths[ends[i]:ends[i + 1]]``, the first of them background.

    They add up to height x width.
    """

    height: int
    width: int
    lengths: Integers
    ends: Integers

    def __len__(self) -> int:
        return len(self.ends) - 1


def encode_polygons(polygons: npt.NDArray[np.object_], height: int, width: int) -> Runs:
    """The pixels whose centre lies in each polygon; a centre on an edge that two polygons share falls to one of them.

    Args:
        polygons: (n,) shapely polygons in pixels, corner convention: the first centre is at (0.5, 0.5). Holes are left
            out, and what lies outside the image.
    """
    if len(polygons) == 0:
        return Runs(height, width, np.zeros(0, np.int64), np.zeros(1, np.int64))
    _, xy, (ring_ends, polygon_ends) = shapely.to_ragged_array(polygons)
    lengths, ends = _encode(xy, ring_ends.astype(np.int64), polygon_ends.astype(np.int64), height, width)
    return Runs(height, width, lengths, ends)


def encode_parts(parts: Sequence[Part], height: int, width: int) -> Runs:
    """The masks of objects in an image; their rectangles lie inside it."""
    changes = [_find_changes(part, height) for part in parts]
    lengths = np.empty(sum(map(len, changes)) + len(parts), np.int64)
    ends = np.zeros(len(parts) + 1, np.int64)
    for i, change in enumerate(changes):
        ends[i + 1] = _difference(change, height * width, lengths, int(ends[i]))
    return Runs(height, width, lengths[: ends[-1]].copy(), ends)


def _find_changes(part: Part, height: int) -> Integers:
    """Where runs begin and end, ascending; a run that goes on in the next column ends and begins at one place."""
    mask, row, col = part
    framed = np.pad(mask.T, ((0, 0), (1, 1)))
    cols, rows = np.nonzero(framed[:, 1:] != framed[:, :-1])
    changes: Integers = (col + cols) * height + row + rows
    return changes


def count_pixels(runs: Runs) -> Integers:
    """Pixels of each mask: (n,) int64."""
    areas: Integers = _count(runs.lengths, runs.ends)
    return areas


def find_boxes(runs: Runs) -> Integers:
    """The smallest box around each mask: (n, 4) int64 of left, top, width, height; zeros for an empty mask."""
    boxes: Integers = _find_boxes(runs.lengths, runs.ends, runs.height)
    return boxes


def compress(runs: Runs) -> list[str]:
    """COCO's compressed text of each mask.

    Source:
        github.com/cocodataset/cocoapi, common/maskApi.c, rleToString. Its readers count in 32 bits: they take masks of
        images of up to 2**32 - 1 pixels.
    """
    characters, ends = _compress(runs.lengths, runs.ends)
    text = characters.tobytes().decode("ascii")
    return [text[start:stop] for start, stop in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]


@njit(cache=True, nogil=True)
def _encode(
    xy: Floats, ring_ends: Integers, polygon_ends: Integers, height: int, width: int
) -> tuple[Integers, Integers]:
    """Run lengths of all polygons, and where those of each end."""
    count = len(polygon_ends) - 1
    crossings = 0
    for vertex in range(len(xy) - 1):
        first, stop = _columns(xy[vertex, 0], xy[vertex + 1, 0], width)
        crossings += stop - first
    lengths = np.empty(crossings + count, np.int64)
    changes = np.empty(crossings, np.int64)
    ends = np.zeros(count + 1, np.int64)
    size = 0
    for polygon in range(count):
        found = 0
        for ring in range(polygon_ends[polygon], polygon_ends[polygon + 1]):
            found = _cross(xy[ring_ends[ring] : ring_ends[ring + 1]], height, width, changes, found)
        size = _difference(np.sort(changes[:found]), height * width, lengths, size)
        ends[polygon + 1] = size
    return lengths[:size].copy(), ends


@njit(cache=True, nogil=True)
def _columns(x: float, other_x: float, width: int) -> tuple[int, int]:
    """The columns whose centres lie between two abscissas, the smaller one included."""
    first = int(np.ceil(min(x, other_x) - 0.5))
    stop = int(np.ceil(max(x, other_x) - 0.5))
    first, stop = max(first, 0), min(stop, width)
    return first, max(first, stop)


@njit(cache=True, nogil=True)
def _cross(ring: Floats, height: int, width: int, changes: Integers, found: int) -> int:
    """Append where a ring crosses the columns of centres; answers how many crossings there are now."""
    for vertex in range(len(ring) - 1):
        first, stop = _columns(ring[vertex, 0], ring[vertex + 1, 0], width)
        # From left to right, so that both neighbours of a shared edge compute the same numbers.
        left, right = (vertex, vertex + 1) if ring[vertex, 0] < ring[vertex + 1, 0] else (vertex + 1, vertex)
        for col in range(first, stop):
            part = (col + 0.5 - ring[left, 0]) / (ring[right, 0] - ring[left, 0])
            y = ring[left, 1] + part * (ring[right, 1] - ring[left, 1])
            row = min(max(int(np.ceil(y - 0.5)), 0), height)
            changes[found] = col * height + row
            found += 1
    return found


@njit(cache=True, nogil=True)
def _difference(changes: Integers, pixels: int, lengths: Integers, size: int) -> int:
    """Append the run lengths between sorted changes, of which two at one place cancel out; answers the new size."""
    last = 0
    at = 0
    while at < len(changes):
        if at + 1 < len(changes) and changes[at] == changes[at + 1]:
            at += 2
            continue
        lengths[size] = changes[at] - last
        last = changes[at]
        size += 1
        at += 1
    # COCO's readers leave pixels behind the last run to chance.
    if last < pixels:
        lengths[size] = pixels - last
        size += 1
    return size


@njit(cache=True, nogil=True)
def _count(lengths: Integers, ends: Integers) -> Integers:
    areas = np.zeros(len(ends) - 1, np.int64)
    for mask in range(len(areas)):
        for run in range(ends[mask] + 1, ends[mask + 1], 2):
            areas[mask] += lengths[run]
    return areas


@njit(cache=True, nogil=True)
def _find_boxes(lengths: Integers, ends: Integers, height: int) -> Integers:
    boxes = np.zeros((len(ends) - 1, 4), np.int64)
    for mask in range(len(boxes)):
        if ends[mask + 1] - ends[mask] < 2:
            continue
        position = 0
        left, top, right, bottom = -1, height, 0, 0
        for run in range(ends[mask], ends[mask + 1]):
            start, position = position, position + lengths[run]
            if (run - ends[mask]) % 2 == 0:
                continue
            first_col, last_col = start // height, (position - 1) // height
            left = first_col if left < 0 else left
            right = last_col + 1
            top = min(top, start % height if first_col == last_col else 0)
            bottom = max(bottom, (position - 1) % height + 1 if first_col == last_col else height)
        boxes[mask] = left, top, right - left, bottom - top
    return boxes


@njit(cache=True, nogil=True)
def _compress(lengths: Integers, ends: Integers) -> tuple[npt.NDArray[np.uint8], Integers]:
    """Characters of all masks, and where those of each end."""
    characters = np.empty(len(lengths) * MAX_CHARACTERS, np.uint8)
    stops = np.zeros(len(ends), np.int64)
    size = 0
    for mask in range(len(ends) - 1):
        for run in range(ends[mask], ends[mask + 1]):
            value = lengths[run]
            # From the fourth run on, each is stored as its difference from the last run of the same kind.
            if run - ends[mask] > 2:
                value -= lengths[run - 2]
            more = True
            while more:
                bits = value & 0x1F
                value >>= 5
                more = value != -1 if bits & 0x10 else value != 0
                characters[size] = (bits | 0x20 if more else bits) + 48
                size += 1
        stops[mask + 1] = size
    return characters[:size].copy(), stops
