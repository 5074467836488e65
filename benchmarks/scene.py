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


def draw_houses(row: int, col: int, height: int, width: int, *, spacing_px: int = 64) -> np.ndarray:
    """A picture of bright roofs on dark ground, (3, height, width) uint8 for any box; a few touch."""
    rows, cols = np.arange(row, row + height)[:, None], np.arange(col, col + width)
    lot = np.stack(np.broadcast_arrays(rows // spacing_px, cols // spacing_px))
    chance = (lot[0] * 7919 + lot[1] * 104_729) % 97 / 97
    down, across = np.abs(rows % spacing_px - spacing_px / 2), np.abs(cols % spacing_px - spacing_px / 2)
    roof = (down < spacing_px * (0.2 + 0.2 * chance)) & (across < spacing_px * (0.5 - 0.2 * chance))
    light = np.where(roof, 140 + 80 * chance - down, 60 + 40 * noise(row, col, height, width, period_px=9, seed=3))
    return np.stack([np.clip(light * tint, 1, 255).astype(np.uint8) for tint in (1.0, 0.92, 0.85)])


def write_image(
    path: Path,
    size: int,
    *,
    draw: Callable[[int, int, int, int], np.ndarray] = draw_planes,
    block: int = 2048,
    pixel_size_m: float = PIXEL_SIZE_M,
    bands: int = 3,
) -> Path:
    """Write a square tiled GeoTIFF in UTM 33N, holding one block in memory at a time.

    Args:
        draw: gives (bands, height, width) uint8 for a row, column, height and width.
        bands: at least 3; the first are red, green and blue.
    """
    profile = {
        "driver": "GTiff",
        "count": bands,
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
        "alpha": "unspecified",
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
