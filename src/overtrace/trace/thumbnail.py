"""A reduced picture of an image of any size, as JPEG."""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from overtrace.raster.grid import Box
from overtrace.raster.percentiles import measure_percentiles
from overtrace.raster.source import Raster, clip

READ_PX = 1024
STRETCH = (2.0, 98.0)
NO_DATA_GREY = 128
QUALITY = 85

Picture = npt.NDArray[np.uint8]


def choose_factor(height: int, width: int, longest: int) -> int:
    """The smallest whole number by which an image must shrink so that no side is longer than ``longest``."""
    return -(-max(height, width) // longest)


def shrink(raster: Raster, factor: int) -> Picture:
    """The image in colour or grey, each pixel the mean of ``factor`` x ``factor`` real ones; no data is grey.

    Values that are not 8-bit are stretched between their percentiles 2 and 98, band by band.

    Returns:
        (1 or 3, height / factor, width / factor) uint8, rounded up.
    Raises:
        BadImage: if the file is damaged.
    """
    bands = _visible_bands(raster)
    dark, bright = np.zeros(len(bands)), np.full(len(bands), 255.0)
    if raster.dtype != "uint8":
        dark, bright = map(np.array, measure_percentiles(raster, bands, STRETCH))
    height, width = -(-raster.grid.height // factor), -(-raster.grid.width // factor)
    picture = np.empty((len(bands), height, width), np.uint8)
    step = max(READ_PX // factor, 1)
    for row in range(0, height, step):
        for col in range(0, width, step):
            box = clip(Box(row * factor, col * factor, step * factor, step * factor), raster.grid)
            mean = _mean(*raster.read(bands, box), factor)
            light = (mean - dark[:, None, None]) / (bright - dark)[:, None, None]
            piece = np.where(np.isnan(light), NO_DATA_GREY, np.clip(np.rint(255 * light), 0, 255))
            picture[:, row : row + piece.shape[1], col : col + piece.shape[2]] = piece
    return picture


def encode_jpeg(picture: Picture) -> bytes:
    """JPEG of a picture (1 or 3, height, width)."""
    bands, height, width = picture.shape
    options = {"driver": "JPEG", "count": bands, "height": height, "width": width, "dtype": "uint8"}
    with MemoryFile() as memory, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(**options, quality=QUALITY) as image:
            image.write(picture)
        return bytes(memory.getbuffer())


def _visible_bands(raster: Raster) -> list[int]:
    """Red, green and blue; else the first band."""
    colours = [raster.roles[role] for role in ("red", "green", "blue") if role in raster.roles]
    return colours if len(colours) == 3 else [1]


@njit(cache=True, nogil=True)
def _mean(values: npt.NDArray[Any], valid: npt.NDArray[np.bool_], factor: int) -> npt.NDArray[np.float32]:
    """Means of the valid pixels of each square, nan where there is none; squares at the edge may be cut."""
    bands, height, width = values.shape
    means = np.empty((bands, -(-height // factor), -(-width // factor)), np.float32)
    for row in range(means.shape[1]):
        for col in range(means.shape[2]):
            for band in range(bands):
                total, count = 0.0, 0
                for y in range(row * factor, min(row * factor + factor, height)):
                    for x in range(col * factor, min(col * factor + factor, width)):
                        if valid[y, x]:
                            total += values[band, y, x]
                            count += 1
                means[band, row, col] = total / count if count else np.nan
    return means
