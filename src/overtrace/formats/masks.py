"""Masks as intervals of pixels, read out of the text of a COCO file.

Pixels count down the columns, from left to right, as COCO does it; an interval is the first pixel of a run and the one
after its last. Two masks are compared by walking along both lists.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from overtrace.formats.annotations import COMPRESSED, COUNTS, HEIGHT, KIND, POLYGONS, START, STOP, WIDTH
from overtrace.formats.text import (
    BACKSLASH,
    BAD,
    CLOSE_LIST,
    COMMA,
    ONE,
    OPEN_LIST,
    Text,
    read_integer,
    read_number,
    signed,
    skip_space,
)

FINE, NO_TEXT, UNFILLED, ZERO_RUN, NO_POLYGON, TOO_LONG = range(6)
"""What a mask is."""
FAULTS = (
    "",
    "its segmentation is neither COCO's compressed text, nor a list of run lengths, nor polygons",
    "its run lengths do not add up to height x width",
    "it has a run of length 0 between others, at which pycocotools would stop reading",
    "a polygon of it has fewer than three points, an odd number of numbers, or coordinates beyond 100 million",
    "a polygon of it steps over more than 16 million columns of pixels",
)
ZERO_LETTER, LETTERS, ESCAPED = np.uint64(48), np.uint64(64), np.uint64(BACKSLASH - 48)
LOW_BITS, SIGN, MORE = np.uint64(31), np.uint64(16), np.uint64(32)
FARTHEST = 1e8
MOST_CHANGES = 2**24
"""Of one polygon; a small file could otherwise ask for all memory."""
FINER = 5
"""Polygons are walked on a grid this much finer than the pixels."""
MIDDLE = 2
"""Between which two lines of the finer grid the centres of a column lie."""

Intervals = NDArray[np.int32]


@njit(cache=True, nogil=True)
def reserve(intervals: Intervals, count: int, more: int) -> Intervals:
    """Room for ``more`` intervals behind ``count``."""
    if count + more <= intervals.shape[1]:
        return intervals
    larger = np.empty((2, 2 * (count + more)), np.int32)
    larger[:, :count] = intervals[:, :count]
    return larger


@njit(cache=True, nogil=True)
def read_mask(
    text: Text, kind: int, start: int, stop: int, height: int, width: int, intervals: Intervals, count: int
) -> tuple[Intervals, int, int]:
    """Append the intervals of a mask.

    Returns:
        The intervals, how many they are now, and what the mask is.
    """
    if kind == COMPRESSED:
        intervals = reserve(intervals, count, (stop - start) // 2 + 1)
        count, fault = _read_compressed(text, start, stop, height * width, intervals, count)
    elif kind == COUNTS:
        intervals = reserve(intervals, count, (stop - start) // 4 + 1)
        count, fault = _read_counts(text, start, height * width, intervals, count)
    elif kind == POLYGONS:
        intervals, count, fault = _read_polygons(text, start, height, width, intervals, count)
    else:
        fault = NO_TEXT
    return intervals, count, fault


@njit(cache=True, nogil=True)
def find_bad_masks(text: Text, whole: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """What each of some masks is: (rows,) FINE, or what is wrong with it.

    Args:
        text: of the file.
        whole: (n, 10) as in ``Annotations``.
        rows: which of them to read.
    """
    found = np.zeros(len(rows), np.uint8)
    intervals = np.empty((2, 1024), np.int32)
    for i in range(len(rows)):
        line = whole[rows[i]]
        kind, start, stop, height, width = line[KIND], line[START], line[STOP], line[HEIGHT], line[WIDTH]
        intervals, _, fault = read_mask(text, kind, start, stop, height, width, intervals, 0)
        found[i] = fault
    return found


@njit(cache=True, nogil=True)
def _read_compressed(
    text: Text, start: int, stop: int, pixels: int, intervals: Intervals, count: int
) -> tuple[int, int]:
    """Five bits a character, the lowest first; from the fourth run on, the difference from the run before the last."""
    p, end = np.uint64(start), np.uint64(stop)
    place, last, before, number = 0, 0, 0, 0
    while p < end:
        # Most numbers are one letter.
        letter = np.uint64(text[p]) - ZERO_LETTER
        p += ONE
        if letter == ESCAPED:
            # JSON writes a backslash as two; other escapes, which no encoder writes, are not followed.
            if text[p] != BACKSLASH:
                return count, NO_TEXT
            p += ONE
        if letter >= LETTERS:
            return count, NO_TEXT
        value, shift = signed(letter & LOW_BITS), 5
        while letter & MORE:
            if p >= end or shift > 60:
                return count, NO_TEXT
            letter = np.uint64(text[p]) - ZERO_LETTER
            p += ONE
            if letter == ESCAPED:
                if text[p] != BACKSLASH:
                    return count, NO_TEXT
                p += ONE
            if letter >= LETTERS:
                return count, NO_TEXT
            value |= signed(letter & LOW_BITS) << shift
            shift += 5
        if letter & SIGN:
            value |= -1 << shift
        if number > 2:
            value += before
        before, last = last, value
        if value <= 0:
            if value < 0:
                return count, UNFILLED
            if number > 0 and p < end:
                return count, ZERO_RUN
        elif value > pixels - place:
            return count, UNFILLED
        elif number & 1:
            intervals[0, count], intervals[1, count] = place, place + value
            count += 1
        place += value
        number += 1
    return count, FINE if place == pixels else UNFILLED


@njit(cache=True, nogil=True)
def _read_counts(text: Text, start: int, pixels: int, intervals: Intervals, count: int) -> tuple[int, int]:
    at = skip_space(text, start + 1)
    place, number = 0, 0
    while text[at] != CLOSE_LIST:
        value, at = read_integer(text, at)
        if at == BAD:
            return count, NO_TEXT
        at = skip_space(text, at)
        more = text[at] == COMMA
        if more:
            at = skip_space(text, at + 1)
            if text[at] == CLOSE_LIST:
                return count, NO_TEXT
        if value < 0 or value > pixels - place:
            return count, UNFILLED
        if value == 0 and number > 0 and more:
            return count, ZERO_RUN
        if number & 1 and value > 0:
            intervals[0, count], intervals[1, count] = place, place + value
            count += 1
        place += value
        number += 1
        if not more and text[at] != CLOSE_LIST:
            return count, NO_TEXT
    return count, FINE if place == pixels else UNFILLED


@njit(cache=True, nogil=True)
def _read_polygons(
    text: Text, start: int, height: int, width: int, intervals: Intervals, count: int
) -> tuple[Intervals, int, int]:
    first = count
    polygons = 0
    at = skip_space(text, start + 1)
    corners = np.empty(256, np.int64)
    while text[at] == OPEN_LIST:
        numbers = 0
        at = skip_space(text, at + 1)
        while text[at] != CLOSE_LIST:
            value, at, _ = read_number(text, at)
            if at == BAD:
                return intervals, count, NO_TEXT
            if not -FARTHEST < value < FARTHEST:
                return intervals, count, NO_POLYGON
            if numbers + 3 > len(corners):
                corners = np.concatenate((corners, np.empty_like(corners)))
            corners[numbers] = int(FINER * value + 0.5)
            numbers += 1
            at = skip_space(text, at)
            if text[at] == COMMA:
                at = skip_space(text, at + 1)
                if text[at] == CLOSE_LIST:
                    return intervals, count, NO_TEXT
            elif text[at] != CLOSE_LIST:
                return intervals, count, NO_TEXT
        if numbers < 6 or numbers % 2:
            return intervals, count, NO_POLYGON
        corners[numbers], corners[numbers + 1] = corners[0], corners[1]
        most = _count_changes(corners[: numbers + 2], width)
        if most > MOST_CHANGES:
            return intervals, count, TOO_LONG
        intervals, count = _fill(corners[: numbers + 2], most, height, width, intervals, count)
        polygons += 1
        at = skip_space(text, at + 1)
        if text[at] == COMMA:
            at = skip_space(text, at + 1)
            if text[at] != OPEN_LIST:
                return intervals, count, NO_TEXT
        elif text[at] != CLOSE_LIST:
            return intervals, count, NO_TEXT
    if text[at] != CLOSE_LIST or polygons == 0:
        return intervals, count, NO_TEXT
    if polygons > 1:
        count = _unite(intervals, first, count)
    return intervals, count, FINE


@njit(cache=True, nogil=True)
def _count_changes(corners: NDArray[np.int64], width: int) -> int:
    """At most so many columns are stepped over by the edges of a polygon."""
    most = 0
    for i in range(0, len(corners) - 2, 2):
        most += min(abs(corners[i + 2] - corners[i]) // FINER + 2, width)
    return most


@njit(cache=True, nogil=True)
def _fill(
    corners: NDArray[np.int64], most: int, height: int, width: int, intervals: Intervals, count: int
) -> tuple[Intervals, int]:
    """Append the intervals of one polygon.

    An edge is a row of points, one for each step along its longer side. Where it steps over the centres of a column,
    the upper of the two points says at which pixel the column changes.

    Args:
        corners: (2 n + 2,) x and y on the finer grid, the first corner again at the end.
        most: columns that its edges can step over.
    Source:
        The same pixels as github.com/cocodataset/cocoapi, common/maskApi.c, rleFrPoly, which visits every point.
    """
    changes = np.empty(most, np.int64)
    found = 0
    for i in range(0, len(corners) - 2, 2):
        x, y, end_x, end_y = corners[i], corners[i + 1], corners[i + 2], corners[i + 3]
        wide, tall = abs(end_x - x), abs(end_y - y)
        flat = wide >= tall
        if wide == 0:
            continue
        if x > end_x if flat else y > end_y:
            x, y, end_x, end_y = end_x, end_y, x, y
        slope = (end_y - y) / wide if flat else (end_x - x) / tall
        low, high = min(x, end_x), max(x, end_x)
        # Steps from line 5 k + 2 to line 5 k + 3 of the finer grid; lines left of the image are never such steps.
        for col in range(max(-((MIDDLE - low) // FINER), 0), min((high - 1 - MIDDLE) // FINER + 1, width)):
            line = FINER * col + MIDDLE
            if flat:
                step = line - x
                top = min(int(y + slope * step + 0.5), int(y + slope * (step + 1) + 0.5))
            else:
                top = y + _step_over(x, slope, line, tall)
            row = min(max(-((MIDDLE - top) // FINER), 0), height)
            changes[found] = col * height + row
            found += 1
    changes = np.sort(changes[:found])
    intervals = reserve(intervals, count, found // 2 + 1)
    return intervals, _pair(changes, intervals, count)


@njit(cache=True, nogil=True)
def _step_over(x: int, slope: float, line: int, steps: int) -> int:
    """The last step on one side of the place between ``line`` and the next; x changes by at most 1 in each step."""
    step = min(max(int((line + 0.5 - x) / slope), 0), steps - 1)
    if slope > 0:
        while step > 0 and int(x + slope * step + 0.5) > line:
            step -= 1
        while int(x + slope * (step + 1) + 0.5) <= line:
            step += 1
    else:
        while step > 0 and int(x + slope * step + 0.5) <= line:
            step -= 1
        while int(x + slope * (step + 1) + 0.5) > line:
            step += 1
    return step


@njit(cache=True, nogil=True)
def _pair(changes: NDArray[np.int64], intervals: Intervals, count: int) -> int:
    """Intervals from the sorted places where a mask begins and ends; two at one place cancel out."""
    first = count
    for i in range(0, len(changes) - 1, 2):
        start, stop = changes[i], changes[i + 1]
        if start == stop:
            continue
        if count > first and intervals[1, count - 1] == start:
            intervals[1, count - 1] = stop
        else:
            intervals[0, count], intervals[1, count] = start, stop
            count += 1
    return count


@njit(cache=True, nogil=True)
def _unite(intervals: Intervals, first: int, count: int) -> int:
    """The union of intervals, in order."""
    order = np.argsort(intervals[0, first:count])
    starts, stops = intervals[0, first:count][order], intervals[1, first:count][order]
    count = first
    for i in range(len(order)):
        if count > first and starts[i] <= intervals[1, count - 1]:
            intervals[1, count - 1] = max(intervals[1, count - 1], stops[i])
        else:
            intervals[0, count], intervals[1, count] = starts[i], stops[i]
            count += 1
    return count


@njit(cache=True, nogil=True)
def measure(intervals: Intervals, begin: int, end: int, height: int, found: NDArray[np.int64]) -> None:
    """Area, and the first and last column and row, of a mask; (0, 0, -1, 0, -1) of an empty one."""
    found[:] = (0, 0, -1, 0, -1)
    if begin == end:
        return
    col = signed(intervals[0, begin]) // height
    first, area, top, bottom = col, 0, height, -1
    base = col * height
    for i in range(begin, end):
        start, last = signed(intervals[0, i]), signed(intervals[1, i]) - 1
        area += last + 1 - start
        while start >= base + height:
            base += height
            col += 1
        if last >= base + height:
            top, bottom = 0, height - 1
            col = last // height
            base = col * height
        else:
            top, bottom = min(top, start - base), max(bottom, last - base)
    found[:] = (area, first, col, top, bottom)


@njit(cache=True, nogil=True)
def intersect(one: Intervals, begin: int, end: int, other: Intervals, other_begin: int, other_end: int) -> int:
    """Pixels of two masks together."""
    i, j, pixels = np.uint64(begin), np.uint64(other_begin), 0
    stop, other_stop = np.uint64(end), np.uint64(other_end)
    while i < stop and j < other_stop:
        # Without branches: which interval ends first cannot be foretold, and a wrong guess costs more than all this.
        last, other_last = one[1, i], other[1, j]
        pixels += max(min(last, other_last) - max(one[0, i], other[0, j]), 0)
        first = np.uint64(last < other_last)
        i += first
        j += ONE - first
    return pixels


@njit(cache=True, nogil=True)
def first_after(intervals: Intervals, begin: int, end: int, place: int) -> int:
    """The first interval that ends after a place."""
    while begin < end:
        middle = (begin + end) >> 1
        if intervals[1, middle] <= place:
            begin = middle + 1
        else:
            end = middle
    return begin
