"""A canopy as a camera in the air would see it: crowns lit from one side, their shadows, and dry grass between them."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine

from overtrace.trace.canopy import grow_canopy, noise, scatter

_MARGIN_PX = 48
"""Reach of the longest shadow, and one pixel more for slopes."""

# Red, green and blue of what is seen, in even light.
_DARK_CROWN, _LIGHT_CROWN = np.array([44, 66, 36], np.float32), np.array([118, 132, 74], np.float32)
_GRASS, _SOIL = np.array([124, 126, 82], np.float32), np.array([170, 150, 116], np.float32)


def paint_canopy(row: int, col: int, height: int, width: int, *, spacing_px: float = 36, seed: int = 0) -> np.ndarray:
    """A picture (3, height, width) uint8 of the canopy of ``grow_canopy``; boxes that overlap agree on every pixel."""
    wide = (row, col, height + 2 * _MARGIN_PX, width + 2 * _MARGIN_PX)
    canopy = grow_canopy(*wide, spacing_px=spacing_px, seed=seed)
    leaves = noise(*wide, period_px=3.1, seed=seed + 11) + 0.6 * noise(*wide, period_px=6.7, seed=seed + 12)
    relief = spacing_px * 0.55 * np.sqrt(canopy.depth * (2 - canopy.depth)) + 2.2 * leaves * (canopy.depth > 0)

    inside = np.s_[_MARGIN_PX:-_MARGIN_PX, _MARGIN_PX:-_MARGIN_PX]
    light = (_slope_light(relief) * _sunlight(relief))[inside]
    tree, crown = canopy.tree[inside], (canopy.depth > 0)[inside]
    tone = scatter(tree, tree >> 20, seed, 13).astype(np.float32)[..., None]
    dryness = noise(row, col, height, width, period_px=5 * spacing_px, seed=seed + 14)[..., None]
    ground = (_GRASS + (_SOIL - _GRASS) * dryness) * (0.9 + 0.12 * leaves[inside][..., None])
    colours = np.where(crown[..., None], _DARK_CROWN + (_LIGHT_CROWN - _DARK_CROWN) * tone, ground) * light[..., None]
    return np.asarray(np.moveaxis(np.clip(np.rint(colours), 1, 254), 2, 0), np.uint8)


def write_canopy(path: Path, size: int, *, spacing_px: float, pixel_size_m: float, seed: int = 0) -> None:
    """Write a square picture as a GeoTIFF in UTM zone 33 north."""
    picture = paint_canopy(0, 0, size, size, spacing_px=spacing_px, seed=seed)
    profile = {"driver": "GTiff", "count": 3, "dtype": "uint8", "height": size, "width": size, "compress": "lzw"}
    transform = Affine(pixel_size_m, 0, 500_000, 0, -pixel_size_m, 5_500_000)
    with rasterio.open(path, "w", crs="EPSG:32633", transform=transform, photometric="rgb", **profile) as image:
        image.write(picture)


def _slope_light(relief: np.ndarray) -> np.ndarray:
    """How squarely each pixel faces the sun in the south-east, around 1."""
    down, across = np.gradient(relief)
    steepness = np.sqrt(1 + down * down + across * across)
    return np.asarray(0.55 + 0.62 * np.clip((1 - 0.55 * down - 0.55 * across) / steepness, 0, 1.5))


def _sunlight(relief: np.ndarray) -> np.ndarray:
    """1 in the sun, less in the shadow of what stands to the south-east."""
    sunny = np.ones_like(relief)
    for step in range(2, _MARGIN_PX - 1, 2):
        blocker = np.zeros_like(relief)
        blocker[:-step, :-step] = relief[step:, step:]
        sunny = np.minimum(sunny, np.clip(1 - (blocker - relief - 0.8 * step) / 4, 0.38, 1))
    return sunny
