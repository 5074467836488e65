"""A copy in tiles of an image that can only be read by whole rows.

A PNG, a JPEG or a TIFF in strips is decoded from left to right, so each box costs all that lies beside it, and a PNG
is decoded from its first row again for whatever is not kept in memory. Where the rows of a box do not fit in the cache
of GDAL, the image is gone through once, top to bottom, and written in tiles.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.windows import Window

from overtrace.errors import BadImage, BadOutput
from overtrace.raster.grid import Box
from overtrace.raster.handles import CACHE_BYTES, first_line, is_address, open_handle, quiet
from overtrace.raster.source import Raster, place_of

BOX = 1408
"""Side of the boxes in which images are read: a block of lattice cells and its margins."""
READERS = 4
"""Threads that share the cache, or what they read besides the image."""
TILE = 256
ROWS_BYTES = 32 * 2**20
"""Size of the rows that are copied at once."""


def is_slow(raster: Raster) -> bool:
    """Whether boxes of this image cost much more than the pixels in them."""
    block_shape = _source_block_shape(raster)
    pixel_bytes = np.dtype(raster.dtype).itemsize * raster.band_count
    return _bytes_behind_box(block_shape, raster) * pixel_bytes > CACHE_BYTES // READERS


def copy_if_slow(raster: Raster, folder: Path) -> Raster:
    """The image itself, or a copy in tiles, in ``folder``, of one that is slow to read; one from before is used again.

    Raises:
        BadImage: if the file is damaged.
        BadOutput: if the copy cannot be written.
    """
    if not is_slow(raster):
        return raster
    target = folder / f"tiled-{_fingerprint(raster.path)}.tif"
    if not target.exists():
        aside = target.with_name(f".{target.stem}.{os.getpid()}.part.tif")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _copy(raster, aside)
            aside.replace(target)
        except OSError as error:
            raise BadOutput(
                f"{target} cannot be written: {first_line(error)}: {raster.name} is copied there"
            ) from error
        finally:
            aside.unlink(missing_ok=True)
    mask = "none" if raster.mask == "none" else "image"
    return replace(raster, path=str(target), mask=mask, block_shape=_tile_shape(raster))


def _source_block_shape(raster: Raster) -> tuple[int, int]:
    """How the pixels lie on disk; of a mosaic, how those of its first file do."""
    if raster.driver != "VRT":
        return raster.block_shape
    for path in open_handle(raster.path).files[1:2]:
        shape: tuple[int, int] = open_handle(path).block_shapes[0]
        return shape
    return raster.block_shape


def _bytes_behind_box(block_shape: tuple[int, int], raster: Raster) -> int:
    """Pixels that are decoded for one box."""
    height, width = block_shape
    if width > BOX:
        return min(BOX + height, raster.grid.height) * width
    return height * width


def _fingerprint(path: str) -> str:
    """Changes whenever the file does."""
    parts = [os.path.abspath(path)]
    if not is_address(path):
        status = os.stat(path)
        parts += [str(status.st_size), str(status.st_mtime_ns)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _tile_shape(raster: Raster) -> tuple[int, int]:
    """Lower tiles for wider images, so that a row of them is never more than some megabytes."""
    row_bytes = np.dtype(raster.dtype).itemsize * raster.band_count * raster.grid.width
    return max(16, min(TILE, ROWS_BYTES // row_bytes // 16 * 16)), TILE


def _copy(raster: Raster, target: Path) -> None:
    source = open_handle(raster.path)
    height, width = _tile_shape(raster)
    profile = {
        "driver": "GTiff",
        "height": raster.grid.height,
        "width": raster.grid.width,
        "count": source.count,
        "dtype": raster.dtype,
        "tiled": True,
        "interleave": "band",
        "blockysize": height,
        "blockxsize": width,
        "compress": "zstd",
        "zstd_level": 1,
        "bigtiff": "if_safer",
    }
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        with quiet():
            copy = rasterio.open(target, "w", **profile)
        with copy:
            for box in _rows(raster, height):
                _copy_rows(raster, source, copy, box)


def _copy_rows(raster: Raster, source: DatasetReader, copy: DatasetWriter, box: Box) -> None:
    window = Window(box.col, box.row, box.width, box.height)
    try:
        values = source.read(window=window)
        mask = None if raster.mask == "none" else source.read_masks(window=window).min(axis=0)
    except RasterioError as error:
        raise BadImage(f"{raster.name} is damaged: {place_of(box)} cannot be read: {first_line(error)}") from error
    copy.write(values, window=window)
    if mask is not None:
        copy.write_mask(mask, window=window)


def _rows(raster: Raster, height: int) -> Iterator[Box]:
    for row in range(0, raster.grid.height, height):
        yield Box(row, 0, min(height, raster.grid.height - row), raster.grid.width)
