"""From outcomes to average precision: COCO's precision and recall, and the twelve numbers that it prints."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numba import njit
from numpy.typing import NDArray

from overtrace.scoring.instances import HIT, IGNORED, Counts

RECALLS = np.linspace(0, 1, 101)
ABSENT = -1.0
"""Stands where there is nothing to find."""


@dataclass(frozen=True, slots=True)
class Curves:
    """What pycocotools keeps in ``COCOeval.eval``."""

    precision: NDArray[np.float64]
    """(thresholds, 101, categories, areas, max detections) at recalls from 0 to 1; -1 where nothing is to be found."""
    recall: NDArray[np.float64]
    """(thresholds, categories, areas, max detections) the largest recall."""
    scores: NDArray[np.float64]
    """Shaped as ``precision``: the score down to which detections are kept there."""


def draw_curves(counts: Counts, workers: int = 1) -> Curves:
    """Precision over recall, for each category, threshold, range of areas and number of detections.

    Args:
        counts: of all images.
        workers: threads, of which each takes one range of areas at a time.

    Source:
        github.com/cocodataset/cocoapi, PythonAPI/pycocotools/cocoeval.py, accumulate; equal to the last bit.
    """
    rule = counts.rule
    limits = np.sort(np.array(rule.max_detections, np.int64))
    shape = (len(rule.thresholds), len(RECALLS), len(counts.categories), len(rule.areas), len(limits))
    precision, scores = np.full(shape, ABSENT), np.full(shape, ABSENT)
    recall = np.full(shape[:1] + shape[2:], ABSENT)
    ends = np.searchsorted(counts.category, np.arange(len(counts.categories) + 1))
    objects = counts.objects.sum(axis=1)
    orders = [np.argsort(-counts.score[first:last], kind="stable") + first for first, last in pairwise(ends.tolist())]

    def draw(place: tuple[int, int]) -> None:
        k, a = place
        area = slice(a, a + 1)
        _draw(
            counts.outcome[area],
            orders[k],
            counts.rank,
            counts.score,
            limits,
            objects[k, area],
            RECALLS,
            precision[:, :, k, area],
            recall[:, k, area],
            scores[:, :, k, area],
        )

    places = [(k, a) for k in range(len(counts.categories)) for a in range(len(rule.areas))]
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(draw, places))
    return Curves(precision, recall, scores)


@njit(cache=True, nogil=True)
def _draw(
    outcome: NDArray[np.uint8],
    order: NDArray[np.int64],
    rank: NDArray[np.int64],
    score: NDArray[np.float64],
    limits: NDArray[np.int64],
    objects: NDArray[np.int64],
    recalls: NDArray[np.float64],
    precision: NDArray[np.float64],
    recall: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> None:
    areas, thresholds, _ = outcome.shape
    tiny = np.spacing(1.0)
    curve = np.empty(len(order), np.float64)
    kept = np.empty(len(order), np.int64)
    reached = np.empty(len(recalls), np.int64)
    for m in range(len(limits)):
        count = 0
        for d in order:
            if rank[d] < limits[m]:
                kept[count] = d
                count += 1
        for a in range(areas):
            if objects[a] == 0:
                continue
            for t in range(thresholds):
                hits, misses, levels = 0, 0, 0
                for i in range(count):
                    result = outcome[a, t, kept[i]]
                    if result == HIT:
                        hits += 1
                    elif result != IGNORED:
                        misses += 1
                    curve[i] = hits / (float(misses + hits) + tiny)
                    here = hits / objects[a]
                    while levels < len(recalls) and here >= recalls[levels]:
                        reached[levels] = i
                        levels += 1
                recall[t, a, m] = hits / objects[a] if count else 0.0
                for i in range(count - 1, 0, -1):
                    if curve[i] > curve[i - 1]:
                        curve[i - 1] = curve[i]
                for r in range(len(recalls)):
                    precision[t, r, a, m] = curve[reached[r]] if r < levels else 0.0
                    scores[t, r, a, m] = score[kept[reached[r]]] if r < levels else 0.0


def resample_ap(counts: Counts, times: NDArray[np.int64], threshold: int = 0) -> NDArray[np.float64]:
    """Average precision of each choice of images, all areas, at the largest number of detections.

    Args:
        counts: of all images.
        times: (r, i) how often each of r choices holds each image.
        threshold: index into ``rule.thresholds``.
    Returns:
        (r,), -1 where nothing is to be found. An image that is held twice counts as two images that are alike, whose
        detections are next to each other among those of equal score.
    """
    objects = times @ counts.objects[:, :, 0].T
    curves = np.full((len(times), len(counts.categories), len(RECALLS)), ABSENT)
    ends = np.searchsorted(counts.category, np.arange(len(counts.categories) + 1))
    for k in range(len(counts.categories)):
        part = slice(ends[k], ends[k + 1])
        order = np.argsort(-counts.score[part], kind="stable") + ends[k]
        order = order[counts.outcome[0, threshold, order] != IGNORED]
        hit = counts.outcome[0, threshold, order] == HIT
        _redraw(hit, counts.image[order], times, objects[:, k], RECALLS, curves[:, k])
    found = curves > ABSENT
    sums, sizes = np.where(found, curves, 0).sum(axis=(1, 2)), found.sum(axis=(1, 2))
    return np.where(sizes > 0, sums / np.maximum(sizes, 1), ABSENT)


@njit(cache=True, nogil=True)
def _redraw(
    hit: NDArray[np.bool_],
    image: NDArray[np.int64],
    times: NDArray[np.int64],
    objects: NDArray[np.int64],
    recalls: NDArray[np.float64],
    curves: NDArray[np.float64],
) -> None:
    """Only hits can raise the curve, so precision is noted there alone."""
    tiny = np.spacing(1.0)
    precision, reached = np.empty(len(hit), np.float64), np.empty(len(hit), np.float64)
    for r in range(len(times)):
        if objects[r] == 0:
            continue
        hits, misses, count = 0, 0, 0
        for i in range(len(hit)):
            number = times[r, image[i]]
            if not hit[i]:
                misses += number
            elif number:
                hits += number
                precision[count] = hits / (float(misses + hits) + tiny)
                reached[count] = hits / objects[r]
                count += 1
        best, level = 0.0, len(recalls) - 1
        for i in range(count - 1, -1, -1):
            while level >= 0 and recalls[level] > reached[i]:
                curves[r, level] = best
                level -= 1
            best = max(best, precision[i])
        while level >= 0:
            curves[r, level] = best
            level -= 1


def summarise(curves: Curves, counts: Counts) -> NDArray[np.float64]:
    """The twelve numbers: AP, AP50, AP75, AP by area (3), AR by number of detections (3), AR by area (3).

    The first is looked up at 100 detections, as pycocotools does whatever the limits are, and is -1 without that limit;
    so are all for which there is nothing to find.
    """
    limits = sorted(counts.rule.max_detections)
    last = len(limits) - 1

    def mean(values: NDArray[np.float64]) -> float:
        values = values[values > ABSENT]
        return float(np.mean(values)) if len(values) else ABSENT

    def ap(area: int, place: int, threshold: float | None = None) -> float:
        chosen = curves.precision
        if threshold is not None:
            chosen = chosen[counts.rule.thresholds == threshold]
        return mean(chosen[:, :, :, area, place])

    def ar(area: int, place: int) -> float:
        return mean(curves.recall[:, :, area, place])

    hundred = [place for place, limit in enumerate(limits) if limit == 100]
    at = [min(place, last) for place in range(3)]
    return np.array(
        [
            ap(0, hundred[0]) if hundred else ABSENT,
            *(ap(0, at[2], threshold) for threshold in (0.5, 0.75)),
            *(ap(area, at[2]) for area in (1, 2, 3)),
            *(ar(0, place) for place in at),
            *(ar(area, at[2]) for area in (1, 2, 3)),
        ]
    )
