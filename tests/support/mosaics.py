"""Images cut into overlapping files, some of them in another CRS."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine, array_bounds
from rasterio.warp import Resampling, calculate_default_transform, reproject

from tests.support.images import write_image

MOVED_M = 100_000
MOVED_UTM33 = f"+proj=tmerc +lat_0=0 +lon_0=15 +k=0.9996 +x_0={500_000 + MOVED_M} +y_0=0 +ellps=WGS84 +datum=WGS84"
"""UTM 33N, 100 km further east: another CRS in which pixels lie as they do there."""


def cut(image: Path, folder: Path, across: int = 5, border: int = 30, other: str | None = None) -> list[str]:
    """Cut an image into ``across`` x ``across`` files that overlap by twice the border, every second in another CRS.

    Args:
        other: a CRS to which they are warped; by default one in which pixels lie as they do in UTM 33N.
    """
    folder.mkdir()
    with rasterio.open(image) as whole:
        values, transform, crs = whole.read(), whole.transform, whole.crs
    edges = np.linspace(0, values.shape[1], across + 1).astype(int)
    paths = []
    for row in range(across):
        for col in range(across):
            rows = slice(max(edges[row] - border, 0), edges[row + 1] + border)
            cols = slice(max(edges[col] - border, 0), edges[col + 1] + border)
            part, place = values[:, rows, cols], transform * Affine.translation(cols.start, rows.start)
            path = folder / f"part_{row}_{col}.tif"
            if (row + col) % 2 == 0:
                paths.append(write_image(path, part, crs=crs, transform=place, tiled=True, compress="lzw"))
            elif other is None:
                place = Affine.translation(MOVED_M, 0) * place
                paths.append(write_image(path, part, crs=MOVED_UTM33, transform=place))
            else:
                paths.append(_warp(path, part, crs, place, other))
    return paths


def _warp(path: Path, values: np.ndarray, crs: str, transform: Affine, other: str) -> str:
    """Write values in another CRS, with a mask around what is turned there."""
    bands, height, width = values.shape
    bounds = array_bounds(height, width, transform)
    place, columns, rows = calculate_default_transform(crs, other, width, height, *bounds)
    there = np.zeros((bands + 1, rows, columns), np.uint8)
    whole = np.concatenate([values, np.full((1, height, width), 255, np.uint8)])
    settings = {"src_transform": transform, "src_crs": crs, "dst_transform": place, "dst_crs": other}
    reproject(whole, there, resampling=Resampling.bilinear, **settings)
    return write_image(path, there[:bands], mask=there[bands] == 255, crs=other, transform=place)
