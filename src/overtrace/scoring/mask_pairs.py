"""Which masks of an image share pixels and how many, for all images: what errors are told from.

Scoring itself needs only pairs that may be a hit, and leaves the others out; so a report pays for this, and only it.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numba import njit
from numpy.typing import NDArray

from overtrace.formats.annotations import CATEGORY, HEIGHT, IMAGE, KIND, SCORE, START, STOP, WIDTH, Annotations
from overtrace.formats.masks import FINE, first_after, intersect, measure, read_mask
from overtrace.formats.text import Text
from overtrace.scoring.errors import Pairs

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MaskPairs:
    """Detections and objects in the order in which they are matched, and what they share."""

    found_rows: Integers
    """(n,) row of each detection in its file; in order of category, image, and falling score."""
    found_group: Integers
    """(n,) category and image of each: index of the category times images plus index of the image."""
    found_areas: Floats
    """(n,) pixels."""
    true_rows: Integers
    """(m,) likewise for objects, in order of category, image, and file."""
    true_group: Integers
    true_areas: Floats
    pairs: Pairs
    """Places in this order; in order of the detections, and of the objects for each."""


def pair_masks(
    truth: Annotations, answer: Annotations, images: Integers, categories: Integers, workers: int = 1
) -> MaskPairs:
    """Compare all masks of each image and category.

    Args:
        truth: objects.
        answer: detections, whose masks can be read: those that were scored.
        images: (i,) ids, ascending; all annotations are of one of them.
        categories: (k,) ids, ascending; likewise.
        workers: threads.
    """
    groups = len(images) * len(categories)
    true_rows, true_group = _order(truth, images, categories, falling=False)
    found_rows, found_group = _order(answer, images, categories, falling=True)
    true_ends, ends = (np.searchsorted(group, np.arange(groups + 1)) for group in (true_group, found_group))
    true_areas, areas = np.zeros(len(true_rows)), np.zeros(len(found_rows))
    cuts = np.searchsorted(true_ends + ends, np.linspace(0, true_ends[-1] + ends[-1], 4 * workers + 1)[1:-1])
    bounds = [0, *np.maximum.accumulate(cuts).tolist(), groups]

    def run(part: tuple[int, int]) -> tuple[Integers, Integers, Integers]:
        found: tuple[Integers, Integers, Integers] = _pair_groups(
            *part,
            truth.text,
            truth.whole,
            true_rows,
            true_ends,
            true_areas,
            answer.text,
            answer.whole,
            found_rows,
            ends,
            areas,
        )
        return found

    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(run, [part for part in pairwise(bounds) if part[0] < part[1]]))
    nothing = (np.zeros(0, np.int64),) * 3
    i, j, shared = (np.concatenate(columns) for columns in zip(nothing, *parts, strict=True))
    pairs = Pairs(i, j, shared.astype(np.float64))
    return MaskPairs(found_rows, found_group, areas, true_rows, true_group, true_areas, pairs)


def _order(
    annotations: Annotations, images: Integers, categories: Integers, *, falling: bool
) -> tuple[Integers, Integers]:
    """Rows by group, and by falling score where it is asked for; the file decides among equal ones."""
    i = np.searchsorted(images, annotations.whole[:, IMAGE])
    group = np.searchsorted(categories, annotations.whole[:, CATEGORY]) * len(images) + i
    order = np.lexsort((-annotations.real[:, SCORE], group)) if falling else np.argsort(group, kind="stable")
    return order, group[order]


@njit(cache=True, nogil=True)
def _pair_groups(
    first: int,
    last: int,
    true_text: Text,
    true_whole: Integers,
    true_rows: Integers,
    true_ends: Integers,
    true_areas: Floats,
    text: Text,
    whole: Integers,
    rows: Integers,
    ends: Integers,
    areas: Floats,
) -> tuple[Integers, Integers, Integers]:
    """Detections, objects and shared pixels of groups ``first`` to ``last``; areas are filled in on the way."""
    intervals = np.empty((2, 4096), np.int32)
    pairs = np.empty((3, 1024), np.int64)
    count = 0
    for group in range(first, last):
        true_start, start = true_ends[group], ends[group]
        truths = true_ends[group + 1] - true_start
        total = truths + ends[group + 1] - start
        place, shape = np.zeros(total + 1, np.int64), np.zeros((total, 5), np.int64)
        for k in range(total):
            answered = k >= truths
            line = whole[rows[start + k - truths]] if answered else true_whole[true_rows[true_start + k]]
            intervals, place[k + 1], fault = read_mask(
                text if answered else true_text,
                line[KIND],
                line[START],
                line[STOP],
                line[HEIGHT],
                line[WIDTH],
                intervals,
                place[k],
            )
            assert fault == FINE
            measure(intervals, place[k], place[k + 1], line[HEIGHT], shape[k])
            if answered:
                areas[start + k - truths] = shape[k, 0]
            else:
                true_areas[true_start + k] = shape[k, 0]
        for d in range(truths, total):
            for g in range(truths):
                if shape[d, 1] > shape[g, 2] or shape[g, 1] > shape[d, 2]:
                    continue
                if shape[d, 3] > shape[g, 4] or shape[g, 3] > shape[d, 4]:
                    continue
                shared = _share(intervals, place, d, g)
                if shared == 0:
                    continue
                if count == pairs.shape[1]:
                    pairs = np.concatenate((pairs, np.empty_like(pairs)), axis=1)
                pairs[0, count], pairs[1, count], pairs[2, count] = start + d - truths, true_start + g, shared
                count += 1
    return pairs[0, :count].copy(), pairs[1, :count].copy(), pairs[2, :count].copy()


@njit(cache=True, nogil=True)
def _share(intervals: NDArray[np.int32], place: Integers, d: int, g: int) -> int:
    """Pixels of two masks together, neither of them empty."""
    start = max(intervals[0, place[d]], intervals[0, place[g]])
    return int(
        intersect(
            intervals,
            first_after(intervals, place[d], place[d + 1], start),
            place[d + 1],
            intervals,
            first_after(intervals, place[g], place[g + 1], start),
            place[g + 1],
        )
    )


def take_objects(
    masks: MaskPairs, kept: NDArray[np.bool_], ignored: NDArray[np.bool_], crowd: NDArray[np.bool_], threshold: float
) -> Integers:
    """Match once more, as ``count_instances`` does, to tell which object each detection takes.

    Args:
        masks: from ``pair_masks``.
        kept: (n,) detections that are not cut.
        ignored: (m,) objects that do not count.
        crowd: (m,) objects that may be taken again and again.
        threshold: least IoU of a match.
    Returns:
        (n,) place of the object, or -1; an ignored one is taken only if there is no other.
    """
    pairs = masks.pairs
    own = masks.found_areas[pairs.found]
    union = np.where(crowd[pairs.true], own, own + masks.true_areas[pairs.true] - pairs.shared)
    begins = np.searchsorted(pairs.found, np.arange(len(kept) + 1))
    taken: Integers = _take(begins, pairs.true, pairs.shared / union, kept, ignored, crowd, threshold)
    return taken


@njit(cache=True, nogil=True)
def _take(
    begins: Integers,
    objects: Integers,
    ious: Floats,
    kept: NDArray[np.bool_],
    ignored: NDArray[np.bool_],
    crowd: NDArray[np.bool_],
    threshold: float,
) -> Integers:
    match = np.full(len(kept), -1, np.int64)
    taken = np.zeros(len(ignored), np.bool_)
    for d in range(len(kept)):
        if not kept[d]:
            continue
        for last_choice in (False, True):
            best = threshold
            for c in range(begins[d], begins[d + 1]):
                g = objects[c]
                if ignored[g] == last_choice and (crowd[g] or not taken[g]) and ious[c] >= best:
                    best = ious[c]
                    match[d] = g
            if match[d] >= 0:
                taken[match[d]] = True
                break
    return match
