"""Which detections hit which objects: COCO's matching, one image and one class at a time.

For each pair only what can ever matter is computed: the intersection is skipped where boxes and areas already rule out
the lowest threshold. What is left is matched for every threshold and every range of areas from one list of candidates.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numba import njit
from numpy.typing import NDArray

from overtrace.formats.annotations import (
    AREA,
    BOX_HEIGHT,
    BOX_WIDTH,
    CATEGORY,
    CROWD,
    HEIGHT,
    ID,
    IMAGE,
    KIND,
    SCORE,
    SEEN_BOX,
    START,
    STOP,
    WIDTH,
    Annotations,
)
from overtrace.formats.masks import FINE, measure, read_mask
from overtrace.formats.text import ONE, Text
from overtrace.scoring.overlaps import compare_boxes, compare_masks

THRESHOLDS = np.linspace(0.5, 0.95, 10)
AREAS = np.array([[0, 1e10], [0, 32**2], [32**2, 96**2], [96**2, 1e10]])
"""All, small, medium, large; both bounds belong to the range."""
MAX_DETECTIONS = (1, 10, 100)
MISS, HIT, IGNORED = 0, 1, 2
NONE = np.uint64(2**64 - 1)
Fault = tuple[int, int, int]
"""1 for an answer and 0 for truth, row, and what is wrong."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What may differ from one use of COCO's measure to the next."""

    thresholds: NDArray[np.float64]
    areas: NDArray[np.float64]
    max_detections: tuple[int, ...]
    boxes: bool = False
    """Boxes are compared, not masks."""


COCO = Rule(THRESHOLDS, AREAS, MAX_DETECTIONS)


@dataclass(frozen=True, slots=True)
class Counts:
    """What is known of each detection once all are matched; enough to settle any choice of images again."""

    images: NDArray[np.int64]
    """(i,) ids, ascending."""
    categories: NDArray[np.int64]
    """(k,) ids, ascending."""
    image: NDArray[np.int64]
    """(d,) index of the image of each detection; detections are in order of category, image, and rank."""
    category: NDArray[np.int64]
    """(d,) index of its category."""
    row: NDArray[np.int64]
    """(d,) its place in the answer."""
    rank: NDArray[np.int64]
    """(d,) place among the detections of its image and category, from 0."""
    score: NDArray[np.float64]
    """(d,)."""
    outcome: NDArray[np.uint8]
    """(areas, thresholds, d) MISS, HIT or IGNORED."""
    objects: NDArray[np.int64]
    """(k, i, areas) objects that count."""
    cut: NDArray[np.int64]
    """(k, i) detections beyond the largest number that is kept."""
    rule: Rule


class BadMask(Exception):
    """A mask that cannot be read: ``answer`` or truth, its row, and what is wrong."""

    def __init__(self, answer: bool, row: int, fault: int) -> None:
        self.answer, self.row, self.fault = answer, row, fault
        super().__init__(answer, row, fault)


def count_instances(
    truth: Annotations,
    answer: Annotations,
    images: NDArray[np.int64],
    categories: NDArray[np.int64],
    rule: Rule = COCO,
    workers: int = 1,
) -> Counts:
    """Match the detections of all images.

    Args:
        truth: objects; each mask has the size of its image.
        answer: detections, in the order of the file, which decides among equal scores.
        images: (i,) ids, ascending; what lies in other images is left out.
        categories: (k,) ids, ascending; likewise.
        workers: threads.
    Raises:
        BadMask: for the first mask that cannot be read.
    """
    true, true_ends, _, _ = _group(truth, images, categories, None)
    order, ends, rank, cut = _group(answer, images, categories, max(rule.max_detections))
    outcome = np.empty((len(rule.areas), len(rule.thresholds), len(order)), np.uint8)
    objects = np.zeros((len(true_ends) - 1, len(rule.areas)), np.int64)
    areas = answer_areas(answer)

    def run(part: range) -> Fault:
        fault: Fault = _count_groups(
            part.start,
            part.stop,
            truth.text,
            truth.whole,
            truth.real,
            true,
            true_ends,
            answer.text,
            answer.whole,
            answer.real,
            order,
            ends,
            areas,
            rule.thresholds,
            rule.areas,
            rule.boxes,
            outcome,
            objects,
        )
        return fault

    faults = _share(run, true_ends + ends, workers)
    for side, row, fault in faults:
        if fault != FINE:
            raise BadMask(bool(side), int(row), int(fault))
    group = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    category, image = np.divmod(group, max(len(images), 1))
    shape = (len(categories), len(images))
    return Counts(
        images=images,
        categories=categories,
        image=image,
        category=category,
        row=order,
        rank=rank,
        score=answer.real[order, SCORE],
        outcome=outcome,
        objects=objects.reshape(*shape, len(rule.areas)),
        cut=cut.reshape(shape),
        rule=rule,
    )


def answer_areas(answer: Annotations) -> NDArray[np.float64]:
    """(n,) area of each detection; -1 where that of its mask is meant.

    pycocotools looks at the first result alone: if that has a box, the areas of all are those of their boxes.
    """
    if len(answer) and answer.has(SEEN_BOX)[0]:
        product: NDArray[np.float64] = answer.real[:, BOX_WIDTH] * answer.real[:, BOX_HEIGHT]
        return product
    return np.full(len(answer), -1.0)


def _group(
    annotations: Annotations, images: NDArray[np.int64], categories: NDArray[np.int64], most: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Rows in order of category, image, and of falling score where ``most`` bounds how many of them are kept.

    Returns:
        Rows, (groups + 1,) ends, (rows,) rank in the group, and (groups,) how many were cut.
    """
    image, category = annotations.whole[:, IMAGE], annotations.whole[:, CATEGORY]
    i, k = np.searchsorted(images, image), np.searchsorted(categories, category)
    rows = np.flatnonzero(_found(images, i, image) & _found(categories, k, category))
    group = k[rows] * len(images) + i[rows]
    groups = len(images) * len(categories)
    if most is not None:
        order = np.argsort(-annotations.real[rows, SCORE], kind="stable")
        rows, group = rows[order], group[order]
    order, ends = _sort_by(group, groups)
    rows, group = rows[order], group[order]
    rank = np.arange(len(rows)) - ends[group]
    if most is None:
        return rows, ends, rank, np.zeros(groups, np.int64)
    kept = rank < most
    cut = np.bincount(group[~kept], minlength=groups)
    return rows[kept], np.searchsorted(group[kept], np.arange(groups + 1)), rank[kept], cut


@njit(cache=True, nogil=True)
def _sort_by(group: NDArray[np.int64], groups: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The order that puts equal groups together, otherwise as they are, and (groups + 1,) where each begins."""
    ends = np.zeros(groups + 1, np.int64)
    for g in group:
        ends[g + 1] += 1
    for g in range(groups):
        ends[g + 1] += ends[g]
    place = ends[:-1].copy()
    order = np.empty(len(group), np.int64)
    for i in range(len(group)):
        order[place[group[i]]] = i
        place[group[i]] += 1
    return order, ends


def _found(ids: NDArray[np.int64], place: NDArray[np.intp], wanted: NDArray[np.int64]) -> NDArray[np.bool_]:
    if len(ids) == 0:
        return np.zeros(len(wanted), bool)
    found: NDArray[np.bool_] = ids[np.minimum(place, len(ids) - 1)] == wanted
    return found


def _share(run: Callable[[range], Fault], work_ends: NDArray[np.int64], workers: int) -> Sequence[Fault]:
    """Run over all groups, in parts of about equal work."""
    groups = len(work_ends) - 1
    parts = 1 if workers < 2 else 4 * workers
    cuts = np.searchsorted(work_ends, np.linspace(0, work_ends[-1], parts + 1)[1:-1])
    bounds = [0, *np.maximum.accumulate(cuts).tolist(), groups]
    ranges = [range(a, b) for a, b in pairwise(bounds) if a < b]
    if len(ranges) < 2:
        return [run(part) for part in ranges]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, ranges))


@njit(cache=True, nogil=True)
def _count_groups(
    first: int,
    last: int,
    true_text: Text,
    true_whole: NDArray[np.int64],
    true_real: NDArray[np.float64],
    true_rows: NDArray[np.int64],
    true_ends: NDArray[np.int64],
    text: Text,
    whole: NDArray[np.int64],
    real: NDArray[np.float64],
    rows: NDArray[np.int64],
    ends: NDArray[np.int64],
    areas: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    ranges: NDArray[np.float64],
    boxes: bool,
    outcome: NDArray[np.uint8],
    objects: NDArray[np.int64],
) -> tuple[int, int, int]:
    """Groups ``first`` to ``last``; answers side, row and fault of the first mask that cannot be read."""
    intervals = np.empty((2, 4096), np.int32)
    for group in range(first, last):
        trues = true_rows[true_ends[group] : true_ends[group + 1]]
        found = rows[ends[group] : ends[group + 1]]
        truths, total = len(trues), len(trues) + len(found)
        place = np.zeros(total + 1, np.int64)
        shape = np.zeros((total, 5), np.int64)
        if not boxes:
            count = 0
            for i in range(total):
                answered = i >= truths
                row = found[i - truths] if answered else trues[i]
                lines, source = (whole, text) if answered else (true_whole, true_text)
                kind, start, stop, height = lines[row, KIND], lines[row, START], lines[row, STOP], lines[row, HEIGHT]
                intervals, count, fault = read_mask(
                    source, kind, start, stop, height, lines[row, WIDTH], intervals, count
                )
                if fault != FINE:
                    return int(answered), row, fault
                place[i + 1] = count
                measure(intervals, place[i], count, height, shape[i])
        crowd = true_whole[trues, CROWD] != 0
        least = min(thresholds[0], 1 - 1e-10)
        if boxes:
            begins, candidates, ious = compare_boxes(true_real[trues, 2:], real[found, 2:], crowd, least)
        else:
            begins, candidates, ious = compare_masks(intervals, place, shape, truths, crowd, least)
        sizes = np.empty(len(found), np.float64)
        for j in range(len(found)):
            sizes[j] = areas[found[j]] if boxes or areas[found[j]] >= 0 else shape[truths + j, 0]
        tops = np.full(len(found), -1.0)
        for j in range(len(found)):
            for c in range(begins[j], begins[j + 1]):
                tops[j] = max(tops[j], ious[c])
        ignore = np.empty(truths, np.uint8)
        nameless = true_whole[trues, ID] == 0
        for a in range(len(ranges)):
            low, high = ranges[a, 0], ranges[a, 1]
            for g in range(truths):
                area = true_real[trues[g], AREA]
                ignore[g] = crowd[g] or area < low or area > high
                objects[group, a] += not ignore[g]
            for t in range(len(thresholds)):
                part = outcome[a, t, ends[group] : ends[group + 1]]
                _match(begins, candidates, ious, tops, ignore, crowd, nameless, thresholds[t], sizes, low, high, part)
    return 0, 0, FINE


@njit(cache=True, nogil=True)
def _match(
    begins: NDArray[np.int64],
    candidates: NDArray[np.uint64],
    ious: NDArray[np.float64],
    tops: NDArray[np.float64],
    ignore: NDArray[np.uint8],
    crowd: NDArray[np.bool_],
    nameless: NDArray[np.bool_],
    threshold: float,
    sizes: NDArray[np.float64],
    low: float,
    high: float,
    outcome: NDArray[np.uint8],
) -> None:
    """Greedy, by rank: the object of largest IoU, of equal ones the last, and an ignored one only if there is no other.

    An object whose id is 0 is taken but never a hit: pycocotools keeps the id of the match, and reads 0 as none.
    """
    taken = np.zeros(len(ignore), np.uint8)
    least = min(threshold, 1 - 1e-10)
    c = np.uint64(0)
    for j in range(len(outcome)):
        end = np.uint64(begins[j + 1])
        if tops[j] < least:
            outcome[j] = IGNORED if sizes[j] < low or sizes[j] > high else MISS
            c = end
            continue
        best, match = least, NONE
        spare_best, spare = least, NONE
        while c < end:
            g, iou = candidates[c], ious[c]
            c += ONE
            if taken[g] and not crowd[g]:
                continue
            if ignore[g]:
                if iou >= spare_best:
                    spare_best, spare = iou, g
            elif iou >= best:
                best, match = iou, g
        if match == NONE:
            match = spare
        if match != NONE:
            taken[match] = 1
            if ignore[match]:
                outcome[j] = IGNORED
                continue
            if not nameless[match]:
                outcome[j] = HIT
                continue
        outcome[j] = IGNORED if sizes[j] < low or sizes[j] > high else MISS
