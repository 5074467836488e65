"""From planes and seeds to the instances of one block, and what each scores."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from overtrace.decode.components import label_seeds
from overtrace.decode.flood import grow, object_mask
from overtrace.decode.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Sums:
    """Integer sums over the pixels of each instance; those of its parts add up, the peaks are the same."""

    area: NDArray[np.int64]
    """(n,) pixels."""
    interior: NDArray[np.int64]
    """(n,) sum of the interior plane."""
    peak: NDArray[np.int64]
    """(n,) highest value of the distance plane in the seed."""


@njit(cache=True, nogil=True)
def _clear(interior: NDArray[np.uint8], threshold: int) -> NDArray[np.uint8]:
    height, width = interior.shape
    cleared = np.empty((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            value = interior[y, x]
            cleared[y, x] = value if value >= threshold else min(value, np.uint8(1))
    return cleared


def clear_background(interior: NDArray[np.uint8], parameters: Parameters) -> NDArray[np.uint8]:
    """What growing and scoring need once the seeds are found; background is levelled, so that it takes no room.

    Args:
        interior: (h, w).
    Returns:
        (h, w) interior, 1 in the background and 0 where there is no data.
    """
    cleared: NDArray[np.uint8] = _clear(interior, parameters.interior)
    return cleared


def grow_instances(interior: NDArray[np.uint8], seeds: NDArray[np.int32], parameters: Parameters) -> None:
    """Grow seeds to labels, in place.

    Args:
        interior: (h, w), of a block with its halo.
        seeds: (h + 2, w + 2) with a frame of zeros; numbered in the order of their ids, so that the smaller number
            wins a tie; 0 is no seed.
    """
    grow(object_mask(interior, parameters.interior, parameters.hole_px), seeds, parameters.grow_px)


def decode_image(
    planes: NDArray[np.uint8], parameters: Parameters
) -> tuple[NDArray[np.int32], Sums, NDArray[np.int64]]:
    """The instances of an image that fits into memory, those that are too small left out.

    Args:
        planes: (3, H, W) interior, touch, distance.
    Returns:
        (H, W) labels from 1 to n, the sums of each, and (n,) the row-major index of the first pixel of its seed.
    """
    seeds = label_seeds(planes, parameters)
    large = seeds.area >= parameters.min_seed_px
    framed = np.zeros((planes.shape[1] + 2, planes.shape[2] + 2), np.int32)
    seeds.paint(framed, -1, -1, _number(large))
    interior = clear_background(planes[0], parameters)
    grow_instances(interior, framed, parameters)
    labels = framed[1:-1, 1:-1]
    sums = sum_planes(labels, interior, seeds.highest(planes[2])[large])
    kept = sums.area >= parameters.min_area_px
    renumbered: NDArray[np.int32] = np.concatenate([np.zeros(1, np.int32), _number(kept)])[labels]
    return renumbered, Sums(sums.area[kept], sums.interior[kept], sums.peak[kept]), seeds.first[large][kept]


def _number(kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Numbers from 1 for those that are kept, 0 for the others."""
    return np.where(kept, np.cumsum(kept), 0).astype(np.int32)


@njit(cache=True, nogil=True)
def _sum(
    labels: NDArray[np.int32], interior: NDArray[np.uint8], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    area = np.zeros(count + 1, np.int64)
    inside = np.zeros(count + 1, np.int64)
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            label = labels[y, x]
            if label > 0:
                area[label] += 1
                inside[label] += interior[y, x]
    return area[1:], inside[1:]


def sum_planes(labels: NDArray[np.int32], interior: NDArray[np.uint8], peak: NDArray[np.uint8]) -> Sums:
    """Sums over the pixels of the labels 1 to n.

    Args:
        labels: (h, w).
        interior: (h, w).
        peak: (n,) highest distance in the seed of each.
    """
    return Sums(*_sum(labels, interior, len(peak)), peak.astype(np.int64))


@njit(cache=True, nogil=True)
def _features(area: NDArray[np.int64], interior: NDArray[np.int64], peak: NDArray[np.int64]) -> NDArray[np.float64]:
    features = np.ones((len(area), 10))
    for i in range(len(area)):
        pixels = max(area[i], 1)
        features[i, 1] = interior[i] / pixels / 255
        features[i, 2] = peak[i] / 255
        features[i, 3] = np.log(pixels) / 10
        k = 4
        for one in range(1, 4):
            for other in range(one, 4):
                features[i, k] = features[i, one] * features[i, other]
                k += 1
    return features


def features(sums: Sums) -> NDArray[np.float64]:
    """What a scorer weighs of each instance.

    Returns:
        (n, 10) 1, mean interior m and highest distance p of the seed from 0 to 1, a tenth of the logarithm of the area
        a, then mm, mp, ma, pp, pa, aa.
    """
    found: NDArray[np.float64] = _features(sums.area, sums.interior, sums.peak)
    return found


@njit(cache=True, nogil=True)
def _weigh(features: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """One by one, so that the score of an instance does not depend on which others are rated with it."""
    scores = np.empty(len(features), np.float32)
    for i in range(len(features)):
        total = 0.0
        for k in range(len(weights)):
            total += weights[k] * features[i, k]
        scores[i] = 1 / (1 + np.exp(-total))
    return scores


def score(sums: Sums, scorer: Sequence[float] = ()) -> NDArray[np.float32]:
    """How sure the planes are of each instance: mean interior times highest distance of the seed, both 0 to 1.

    Args:
        scorer: weights of ``features``, whose logistic regression it is instead, unless there are none.
    """
    if scorer:
        learned: NDArray[np.float32] = _weigh(features(sums), np.array(scorer, np.float64))
        return learned
    mean = sums.interior / np.maximum(sums.area, 1) / 255
    return (mean * (sums.peak / 255)).astype(np.float32)
