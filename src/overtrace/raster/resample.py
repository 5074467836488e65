"""Pixels of another size: the mean of those they cover, or, where they are finer, what lies between four.

A target pixel is the sum of the same source pixels, with the same weights, in the same order, whatever box it is
read with. Pixels without data have no weight, so they do not darken their neighbours.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

ENOUGH = np.float32(0.5)
"""A target pixel is real where at least this share of what it is made of is."""

ROUNDING = 1e-6
"""An overlap of less than this share of a pixel is an error of rounding."""


@dataclass(frozen=True, slots=True)
class Taps:
    """For each target pixel along one axis, the source pixels that it is made of."""

    first: npt.NDArray[np.int64]
    """(targets,) the first of them."""
    weights: npt.NDArray[np.float32]
    """(taps, targets) from the first on; each column sums to 1, and is 0 where a target has fewer taps."""

    @property
    def start(self) -> int:
        """The first source pixel of all."""
        return int(self.first[0])

    @property
    def stop(self) -> int:
        """The source pixel after the last of all."""
        return int(self.first[-1]) + len(self.weights)


def weigh(start: int, stop: int, target_length: int, source_length: int) -> Taps:
    """The taps of the targets from ``start`` to ``stop``.

    Args:
        target_length, source_length: pixels by which the whole image is cut along this axis.
    """
    step = source_length / target_length
    targets = np.arange(start, stop, dtype=np.float64)
    low = targets * step if step >= 1 else (targets + 0.5) * step - 0.5
    count = min(math.ceil(max(step, 1)) + 1, source_length)
    first = np.clip(np.floor(low), 0, source_length - count).astype(np.int64)
    pixels = first + np.arange(count)[:, None]
    shares = np.minimum(pixels + 1, low + step) - np.maximum(pixels, low) if step >= 1 else 1 - np.abs(pixels - low)
    shares[shares < ROUNDING] = 0
    return Taps(first, (shares / shares.sum(axis=0)).astype(np.float32))


@njit(cache=True, nogil=True)
def _mix_rows(
    values: npt.NDArray[np.generic],
    valid: npt.NDArray[np.bool_],
    first: int,
    weights: npt.NDArray[np.float32],
    y: int,
    sums: npt.NDArray[np.float32],
) -> None:
    """Weighted sums of the rows of target ``y`` into ``sums``, and of the weights of what is valid into its last row.

    Rows of arrays are not sliced off here: numba counts references for each slice, which costs more than the sums.
    """
    bands = len(values)
    sums[:] = 0
    for i in range(len(weights)):
        weight, row = weights[i, y], first + i
        if weight == 0:
            continue
        for x in range(valid.shape[1]):
            sums[bands, x] += weight if valid[row, x] else np.float32(0)
        for band in range(bands):
            for x in range(valid.shape[1]):
                sums[band, x] += weight * np.float32(values[band, row, x]) if valid[row, x] else np.float32(0)


@njit(cache=True, nogil=True)
def _mix_cols(
    across: npt.NDArray[np.float32],
    first: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float32],
    sums: npt.NDArray[np.float32],
) -> None:
    """Weighted sums of the columns of ``across`` into ``sums``, one row of numbers at a time so that it vectorises."""
    sums[:] = 0
    for band in range(len(sums)):
        for j in range(len(weights)):
            for x in range(len(first)):
                # Unsigned, as numba would look for numbers below 0, which count from the end.
                sums[band, x] += weights[j, x] * across[band, np.uint64(first[x]) + np.uint64(j)]


@njit(cache=True, nogil=True)
def mix(
    values: npt.NDArray[np.generic],
    valid: npt.NDArray[np.bool_],
    row_first: npt.NDArray[np.int64],
    row_weights: npt.NDArray[np.float32],
    col_first: npt.NDArray[np.int64],
    col_weights: npt.NDArray[np.float32],
    image: npt.NDArray[np.float32],
    real: npt.NDArray[np.bool_],
) -> None:
    """Put the weighted mean of the valid source pixels into ``image``, and whether there were enough into ``real``.

    Args:
        values, valid: (bands, H, W) and (H, W), a part of the source.
        row_first, col_first: of ``Taps``, counted from the first pixel of that part.
        image, real: (bands, h, w) and (h, w), the targets of the taps.
    """
    bands, height, width = image.shape
    across = np.empty((bands + 1, values.shape[2]), np.float32)
    sums = np.empty((bands + 1, width), np.float32)
    for y in range(height):
        _mix_rows(values, valid, row_first[y], row_weights, y, across)
        _mix_cols(across, col_first, col_weights, sums)
        for x in range(width):
            real[y, x] = sums[bands, x] >= ENOUGH
        for band in range(bands):
            for x in range(width):
                image[band, y, x] = sums[band, x] / sums[bands, x] if real[y, x] else np.float32(0)


def resize(image: npt.NDArray[np.float32], height: int, width: int) -> npt.NDArray[np.float32]:
    """(bands, height, width) of the pixels of (bands, h, w); itself where it has that size."""
    if image.shape[1:] == (height, width):
        return image
    rows, cols = weigh(0, height, height, image.shape[1]), weigh(0, width, width, image.shape[2])
    resized = np.empty((len(image), height, width), np.float32)
    valid, real = np.ones(image.shape[1:], bool), np.empty((height, width), bool)
    mix(np.ascontiguousarray(image), valid, rows.first, rows.weights, cols.first, cols.weights, resized, real)
    return resized


@njit(cache=True, nogil=True)
def stretch(
    values: npt.NDArray[np.generic],
    valid: npt.NDArray[np.bool_],
    low: npt.NDArray[np.float32],
    high: npt.NDArray[np.float32],
    least: npt.NDArray[np.float32],
    most: npt.NDArray[np.float32],
    image: npt.NDArray[np.float32],
) -> None:
    """Put values into ``image`` so that ``low`` becomes 0 and ``high`` 1, from ``least`` to ``most``.

    They are 0 where they are not valid.
    """
    bands, height, width = values.shape
    for band in range(bands):
        scale = np.float32(1) / (high[band] - low[band])
        for y in range(height):
            for x in range(width):
                level = (np.float32(values[band, y, x]) - low[band]) * scale
                level = min(max(level, least[band]), most[band])
                image[band, y, x] = level if valid[y, x] else np.float32(0)
