"""From planes and seeds to the instances of one block, and what each scores."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from overtrace.decode.components import label_seeds
from overtrace.decode.flood import grow, object_mask
from overtrace.decode.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Sums:
    """Integer sums over the pixels of each instance; those of the parts of an instance add up."""

    area: NDArray[np.int64]
    """(n,) pixels."""
    interior: NDArray[np.int64]
    """(n,) sum of the interior plane."""
    peak: NDArray[np.int64]
    """(n,) highest value of the distance plane; parts combine by the maximum."""


@njit(cache=True, nogil=True)
def _clear(planes: NDArray[np.uint8], threshold: int) -> NDArray[np.uint8]:
    _, height, width = planes.shape
    cleared = np.empty((2, height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            inside = planes[0, y, x] >= threshold
            cleared[0, y, x] = planes[0, y, x] if inside else min(planes[0, y, x], np.uint8(1))
            cleared[1, y, x] = planes[2, y, x] if inside else np.uint8(0)
    return cleared


def clear_background(planes: NDArray[np.uint8], parameters: Parameters) -> NDArray[np.uint8]:
    """What growing and scoring need once the seeds are found; background is levelled, so that it takes no room.

    Args:
        planes: (3, h, w) interior, touch, distance.
    Returns:
        (2, h, w) interior, 1 in the background and 0 where there is no data, and distance, 0 in the background.
    """
    cleared: NDArray[np.uint8] = _clear(planes, parameters.interior)
    return cleared


def grow_instances(interior: NDArray[np.uint8], seeds: NDArray[np.int32], parameters: Parameters) -> NDArray[np.int32]:
    """Labels of a block that was read with its halo.

    Args:
        interior: (h, w).
        seeds: (h, w) numbered in the order of their ids, so that the smaller number wins a tie; 0 is no seed.
    Returns:
        (h, w) int32.
    """
    mask = object_mask(interior, parameters.interior, parameters.hole_px)
    labels = np.zeros(mask.shape, np.int32)
    labels[1:-1, 1:-1] = seeds
    grow(mask, labels, parameters.grow_px)
    return labels[1:-1, 1:-1]


def decode_image(planes: NDArray[np.uint8], parameters: Parameters) -> tuple[NDArray[np.int32], Sums]:
    """The instances of an image that fits into memory, those that are too small left out.

    Args:
        planes: (3, H, W) interior, touch, distance.
    Returns:
        (H, W) labels from 1 to n, and the sums of each.
    """
    seeds = label_seeds(planes, parameters)
    cleared = clear_background(planes, parameters)
    labels = grow_instances(cleared[0], _keep(seeds.labels, seeds.area >= parameters.min_seed_px), parameters)
    sums = sum_planes(labels, cleared, int(labels.max(initial=0)))
    kept = sums.area >= parameters.min_area_px
    return _keep(labels, kept), Sums(sums.area[kept], sums.interior[kept], sums.peak[kept])


def _keep(labels: NDArray[np.int32], kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Labels with some left out and the rest numbered anew, in the same order."""
    table = np.concatenate([[0], np.where(kept, np.cumsum(kept), 0)]).astype(np.int32)
    renumbered: NDArray[np.int32] = table[labels]
    return renumbered


@njit(cache=True, nogil=True)
def _sum(
    labels: NDArray[np.int32], interior: NDArray[np.uint8], distance: NDArray[np.uint8], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    area = np.zeros(count + 1, np.int64)
    inside = np.zeros(count + 1, np.int64)
    peak = np.zeros(count + 1, np.int64)
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            label = labels[y, x]
            if label == 0:
                continue
            area[label] += 1
            inside[label] += interior[y, x]
            if distance[y, x] > peak[label]:
                peak[label] = distance[y, x]
    return area[1:], inside[1:], peak[1:]


def sum_planes(labels: NDArray[np.int32], cleared: NDArray[np.uint8], count: int) -> Sums:
    """Sums over the pixels of the labels 1 to ``count``.

    Args:
        labels: (h, w).
        cleared: (2, h, w) interior and distance.
    """
    return Sums(*_sum(labels, cleared[0], cleared[1], count))


def score(sums: Sums) -> NDArray[np.float32]:
    """How sure the planes are of each instance: mean interior times highest distance, both 0 to 1."""
    mean = sums.interior / np.maximum(sums.area, 1) / 255
    return (mean * (sums.peak / 255)).astype(np.float32)
