"""Small sets of objects whose sizes can be worked out in the head, and a disk that is soon full."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import shapely
from rasterio.crs import CRS
from rasterio.transform import Affine

from overtrace.raster.grid import Grid, measure_pixel
from overtrace.vector.tables import Batch, Header, ImageInfo

UTM = CRS.from_epsg(32612)


def make_grid(crs: CRS | None = UTM, *, pixel: float = 0.5, left: float = 500_000, top: float = 4_000_000) -> Grid:
    """A north-up grid of 1000 x 1200 pixels; without a CRS its scale is unknown."""
    transform = Affine.identity() if crs is None else Affine(pixel, 0, left, 0, -pixel, top)
    return Grid(1000, 1200, transform, crs, measure_pixel(transform, crs, 1000, 1200))


def make_header(grid: Grid, *, scratch: Path | None = None) -> Header:
    """One image, two classes."""
    image = ImageInfo("forest.tif", grid)
    return Header((image,), ("tree", 'so-called "shrub"'), grid.crs, "crowns", '{"name": "trees"}', scratch)


def make_batch(grid: Grid, count: int = 6, *, first: int = 0) -> Batch:
    """Squares of 4 x 4 pixels with a hole of 2 x 2 (12 pixels each), ten pixels apart, a hundred a row."""
    numbers = np.arange(first, first + count)
    left, top = 10 * (numbers % 100), 10 * (numbers // 100) % 990
    outer = np.array([[0, 0], [0, 4], [4, 4], [4, 0]])
    inner = np.array([[1, 1], [3, 1], [3, 3], [1, 3]])
    corners = np.column_stack([left, top])[:, None, :]
    polygons_px = np.array(
        [shapely.Polygon(a, [b]) for a, b in zip(corners + outer, corners + inner, strict=True)], dtype=object
    )
    a, b, c, d, e, f = tuple(grid.transform)[:6]
    placed = shapely.transform(
        polygons_px, lambda xy: np.column_stack([a * xy[:, 0] + b * xy[:, 1] + c, d * xy[:, 0] + e * xy[:, 1] + f])
    )
    return Batch(
        image=0,
        ids=(top * grid.width + left + 1).astype(np.int64),
        classes=(numbers % 2).astype(np.int16),
        scores=np.full(count, 0.75, np.float32),
        areas_px=np.full(count, 12, np.int64),
        polygons_px=polygons_px,
        polygons=polygons_px if grid.crs is None else placed,
    )


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of some kilobytes, mounted on ``folder``; skips the test where mounting is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system to fill")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
