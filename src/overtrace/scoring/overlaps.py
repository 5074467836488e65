"""For each detection of an image the objects that it overlaps enough to matter, and how much."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from overtrace.formats.masks import Intervals, first_after, intersect

SURELY = 0.999999
"""A bound below the threshold by this factor rules a pair out, however its quotient is rounded."""

Integers = NDArray[np.int64]
Places = NDArray[np.uint64]
"""Without sign, so that they need not be tested when they are used."""
Floats = NDArray[np.float64]


@njit(cache=True, nogil=True)
def compare_masks(
    intervals: Intervals, place: Integers, shape: Integers, truths: int, crowd: NDArray[np.bool_], least: float
) -> tuple[Integers, Places, Floats]:
    """Compare masks, of which the first ``truths`` are objects and the others detections.

    Args:
        intervals: (2, n) of all masks.
        place: (masks + 1,) where those of each begin.
        shape: (masks, 5) from ``measure``.
        crowd: (truths,) a crowd is compared with the area of the detection, not of both.
        least: smaller overlaps are left out.
    Returns:
        (detections + 1,) where the candidates of each begin, their objects, and the overlaps.
    """
    detections = len(shape) - truths
    begins = np.zeros(detections + 1, np.int64)
    candidates, ious = np.empty(64 + 4 * detections, np.uint64), np.empty(64 + 4 * detections, np.float64)
    count = 0
    # From left to right, so that of all objects only those are looked at that may reach the columns of a detection.
    order = np.argsort(shape[:truths, 1])
    columns = np.ascontiguousarray(shape[order].T)
    areas, lefts, rights, tops, bottoms = columns[0], columns[1], columns[2], columns[3], columns[4]
    widest = 0
    for i in range(truths):
        widest = max(widest, rights[i] - lefts[i])
    for j in range(detections):
        d = truths + j
        area, left, right, top, bottom = shape[d, 0], shape[d, 1], shape[d, 2], shape[d, 3], shape[d, 4]
        first = count
        begin, end = np.searchsorted(lefts, left - widest), np.searchsorted(lefts, right, side="right")
        for i in range(np.uint64(begin), np.uint64(end)):
            # Here and not in a function of its own: nearly all pairs end here, and a call takes longer than the test.
            if rights[i] < left or tops[i] > bottom or bottoms[i] < top:
                continue
            g = order[i]
            cols = min(right, rights[i]) - max(left, lefts[i]) + 1
            rows = min(bottom, bottoms[i]) - max(top, tops[i]) + 1
            most = min(min(area, areas[i]), cols * rows)
            if most < least * (area if crowd[g] else area + areas[i] - most) * SURELY:
                continue
            iou = _mask_iou(intervals, place, shape, d, g, crowd[g])
            if iou >= least:
                candidates, ious = _put(candidates, ious, count, g, iou)
                count += 1
        _sort(candidates, ious, first, count)
        begins[j + 1] = count
    return begins, candidates, ious


@njit(cache=True, nogil=True)
def _sort(candidates: Places, ious: Floats, first: int, count: int) -> None:
    """The candidates of one detection, of which there are few, in the order of the file."""
    for i in range(first + 1, count):
        g, iou, k = candidates[i], ious[i], i
        while k > first and candidates[k - 1] > g:
            candidates[k], ious[k] = candidates[k - 1], ious[k - 1]
            k -= 1
        candidates[k], ious[k] = g, iou


@njit(cache=True, nogil=True)
def compare_boxes(
    truth: Floats, found: Floats, crowd: NDArray[np.bool_], least: float
) -> tuple[Integers, Places, Floats]:
    """Compare boxes, (n, 4) of left, top, width and height; the answer is that of ``compare_masks``."""
    begins = np.zeros(len(found) + 1, np.int64)
    candidates, ious = np.empty(64 + 4 * len(found), np.uint64), np.empty(64 + 4 * len(found), np.float64)
    count = 0
    for j in range(len(found)):
        for g in range(len(truth)):
            iou = _box_iou(found[j], truth[g], crowd[g])
            if iou >= least:
                candidates, ious = _put(candidates, ious, count, g, iou)
                count += 1
        begins[j + 1] = count
    return begins, candidates, ious


@njit(cache=True, nogil=True)
def _put(candidates: Places, ious: Floats, count: int, g: int, iou: float) -> tuple[Places, Floats]:
    """Add a candidate, in larger arrays if these are full."""
    if count == len(candidates):
        candidates = np.concatenate((candidates, np.empty_like(candidates)))
        ious = np.concatenate((ious, np.empty_like(ious)))
    candidates[count], ious[count] = g, iou
    return candidates, ious


@njit(cache=True, nogil=True)
def _mask_iou(intervals: Intervals, place: Integers, shape: Integers, d: int, g: int, crowd: bool) -> float:
    """Intersection over union of two masks, neither of them empty."""
    start = max(intervals[0, place[d]], intervals[0, place[g]])
    both = intersect(
        intervals,
        first_after(intervals, place[d], place[d + 1], start),
        place[d + 1],
        intervals,
        first_after(intervals, place[g], place[g + 1], start),
        place[g + 1],
    )
    if both == 0:
        return 0.0
    return float(both / (shape[d, 0] if crowd else shape[d, 0] + shape[g, 0] - both))


@njit(cache=True, nogil=True)
def _box_iou(found: Floats, truth: Floats, crowd: bool) -> float:
    """Intersection over union of two boxes."""
    wide = min(found[2] + found[0], truth[2] + truth[0]) - max(found[0], truth[0])
    if wide <= 0:
        return 0.0
    tall = min(found[3] + found[1], truth[3] + truth[1]) - max(found[1], truth[1])
    if tall <= 0:
        return 0.0
    both = wide * tall
    area = found[2] * found[3]
    return float(both / (area if crowd else area + truth[2] * truth[3] - both))
