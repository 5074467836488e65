"""Scenes of any size for the benchmarks and tests: planes of touching crowns, and images written block by block.

``python -m benchmarks.scene SIZE OUT.tif`` writes an image whose red, green and blue are the interior, touch and
distance planes themselves: with the identity model of tests.support it gives exact control over what is traced.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

from overtrace.trace.canopy import grow_canopy, noise
from overtrace.trace.picture import paint_canopy

PIXEL_SIZE_M = 0.25


def draw_planes(row: int, col: int, height: int, width: int, *, spacing_px: float = 48, seed: int = 0) -> np.ndarray:
    """Planes (3, height, width) uint8, 1 to 255: interior, touch and distance of crowns that touch and have gaps."""
    canopy = grow_canopy(row, col, height, width, spacing_px=spacing_px, seed=seed)
    crown = canopy.depth > 0
    leaves = noise(row, col, height, width, period_px=spacing_px / 9, seed=seed + 7)
    interior = np.where(crown & (leaves < 0.93), 150 + 105 * np.minimum(4 * canopy.depth, 1), 1)
    apart_px = (canopy.depth - canopy.rival) * spacing_px / 4
    touch = np.where(canopy.rival > 0, 255 * np.clip(1.5 - apart_px, 0, 1), 1)
    planes = np.empty((3, height, width), np.uint8)
    for plane, values in zip(planes, (interior, touch, 255 * canopy.depth), strict=True):
        np.clip(np.rint(values), 1, 255, out=plane, casting="unsafe")
    return planes


def draw_pictures(period: int = 4096) -> Callable[[int, int, int, int], np.ndarray]:
    """A picture of a canopy, (3, height, width) uint8 for any box, which repeats itself after ``period`` pixels."""
    picture = paint_canopy(0, 0, period, period)

    def draw(row: int, col: int, height: int, width: int) -> np.ndarray:
        rows, cols = np.arange(row, row + height) % period, np.arange(col, col + width) % period
        return picture[:, rows[:, None], cols]

    return draw


def write_image(
    path: Path,
    size: int,
    *,
    draw: Callable[[int, int, int, int], np.ndarray] = draw_planes,
    block: int = 2048,
    pixel_size_m: float = PIXEL_SIZE_M,
) -> Path:
    """Write a square tiled GeoTIFF in UTM 33N, holding one block in memory at a time.

    Args:
        draw: gives (3, height, width) uint8 for a row, column, height and width.
    """
    profile = {
        "driver": "GTiff",
        "count": 3,
        "dtype": "uint8",
        "height": size,
        "width": size,
        "crs": "EPSG:32633",
        "transform": from_origin(500_000, 5_500_000, pixel_size_m, pixel_size_m),
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "compress": "lzw",
        "photometric": "rgb",
        "bigtiff": "if_safer",
    }
    with rasterio.open(path, "w", **profile) as image:
        for row in range(0, size, block):
            for col in range(0, size, block):
                height, width = min(block, size - row), min(block, size - col)
                image.write(draw(row, col, height, width), window=Window(col, row, width, height))
    return path


if __name__ == "__main__":
    write_image(Path(sys.argv[2]), int(sys.argv[1]))
