"""Dark and bright of an image, measured once over all of it."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from overtrace.raster.grid import Box
from overtrace.raster.source import Raster

PATCH = 64
"""Side of the squares that are looked at; pieces of files are a few times larger."""
PATCHES_ACROSS = (16, 64)
"""Squares along each axis; more of them where the first find little but nodata."""
FEW = 10_000
"""Pixels that make a sample."""

Pair = tuple[tuple[float, ...], tuple[float, ...]]


def measure_percentiles(raster: Raster, bands: Sequence[int], percentiles: tuple[float, float]) -> Pair:
    """Two percentiles of each band, over squares spread evenly over the image.

    Returns:
        The low and the high one of each band, apart by at least a hair; 0 and 1 where the image holds no data.
    Raises:
        BadImage: if the file is damaged.
    """
    sample = np.zeros((len(bands), 0), raster.dtype)
    for across in PATCHES_ACROSS:
        sample = _sample(raster, bands, across)
        if sample.shape[1] >= FEW:
            break
    if sample.shape[1] == 0:
        return (0.0,) * len(bands), (1.0,) * len(bands)
    low, high = np.percentile(sample.astype(np.float32), percentiles, axis=1)
    # What is divided by this must not become infinite.
    hair = np.maximum(np.spacing(np.abs(low).astype(np.float32)), np.finfo(np.float32).tiny)
    high = np.maximum(high, low.astype(np.float32) + hair)
    return tuple(map(float, low)), tuple(map(float, high))


def _sample(raster: Raster, bands: Sequence[int], across: int) -> npt.NDArray[np.generic]:
    """(bands, pixels) of what is valid in the squares."""
    parts = []
    for box in _spread(raster, across):
        values, valid = raster.read(bands, box)
        parts.append(values[:, valid])
    return np.concatenate(parts, axis=1)


def _spread(raster: Raster, across: int) -> Iterator[Box]:
    for row, height in _places(raster.grid.height, across):
        for col, width in _places(raster.grid.width, across):
            yield Box(row, col, height, width)


def _places(length: int, across: int) -> list[tuple[int, int]]:
    """Start and length of the squares along one axis, which is taken whole where they would overlap."""
    if length <= across * PATCH:
        return [(start, min(PATCH, length - start)) for start in range(0, length, PATCH)]
    return [((length - PATCH) * i // (across - 1), PATCH) for i in range(across)]
