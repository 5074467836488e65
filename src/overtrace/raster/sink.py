"""Label rasters, written block by block in any order."""

import warnings
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from overtrace.raster.aside import open_aside
from overtrace.raster.grid import Box, Grid
from overtrace.raster.handles import CACHE_BYTES

# Divides the usual strides of a lattice, so that the tiles of a block are complete when the block comes.
TILE = 128

Labels = npt.NDArray[np.integer]


class LabelSink:
    """A tiled, compressed GeoTIFF of object ids, 0 where there is no object; written aside.

    Blocks come once each, in any order. A tile that lies in several of them waits in memory for the last one, because
    a compressed tile that is written twice leaves a hole in the file.
    """

    def __init__(self, path: str | Path, grid: Grid) -> None:
        self._grid = grid
        self._aside = open_aside(path, RasterioError)
        self._waiting: dict[tuple[int, int], _Tile] = {}
        self._filled = np.zeros((-(-grid.height // TILE), -(-grid.width // TILE)), dtype=bool)
        with self._aside.guard():
            self._dataset = _create(self._aside.path, grid)

    def write(self, box: Box, labels: Labels) -> None:
        """Add the labels of a block, whole tiles at once.

        Args:
            box: a part of the grid; parts do not overlap.
            labels: (box.height, box.width).
        Raises:
            BadOutput: the disk is full, or fails.
        """
        whole_rows = _whole_tiles(box.row, box.row + box.height, self._grid.height)
        whole_cols = _whole_tiles(box.col, box.col + box.width, self._grid.width)
        with self._aside.guard(self._dataset.close):
            for row in _cut(box.row, box.row + box.height, whole_rows):
                for col in _cut(box.col, box.col + box.width, whole_cols):
                    piece = labels[row.start - box.row : row.stop - box.row, col.start - box.col : col.stop - box.col]
                    if row == whole_rows and col == whole_cols:
                        self._store(row.start, col.start, piece)
                    else:
                        self._keep(row, col, piece)

    def finish(self) -> None:
        """Write the tiles that are still incomplete, close the file and check that all of it is on the disk."""
        with self._aside.guard(self._dataset.close):
            for (row, col), tile in sorted(self._waiting.items()):
                self._store(row * TILE, col * TILE, tile.labels)
            self._waiting.clear()
            with _small_cache():
                self._dataset.close()
            _check_tiles(self._aside.path, self._filled)

    def commit(self) -> None:
        """Rename the file."""
        self._aside.commit()

    def abort(self) -> None:
        """Remove the file."""
        self._aside.discard(self._dataset.close)

    def _keep(self, row: range, col: range, labels: Labels) -> None:
        """Add a piece to the tiles in which it lies, and store those that are now complete."""
        for part in _cut(row.start, row.stop):
            for side in _cut(col.start, col.stop):
                piece = labels[
                    part.start - row.start : part.stop - row.start, side.start - col.start : side.stop - col.start
                ]
                self._keep_in_tile(part, side, piece)

    def _keep_in_tile(self, row: range, col: range, labels: Labels) -> None:
        key = row.start // TILE, col.start // TILE
        top, left = key[0] * TILE, key[1] * TILE
        if key not in self._waiting:
            shape = min(TILE, self._grid.height - top), min(TILE, self._grid.width - left)
            self._waiting[key] = _Tile(np.zeros(shape, dtype=self._dataset.dtypes[0]))
        tile = self._waiting[key]
        tile.labels[row.start - top : row.stop - top, col.start - left : col.stop - left] = labels
        tile.missing -= labels.size
        if tile.missing == 0:
            self._store(top, left, self._waiting.pop(key).labels)

    def _store(self, row: int, col: int, labels: Labels) -> None:
        """Write whole tiles."""
        rows, cols = np.arange(0, labels.shape[0], TILE), np.arange(0, labels.shape[1], TILE)
        filled = np.logical_or.reduceat(np.logical_or.reduceat(labels != 0, rows, axis=0), cols, axis=1)
        top, left = row // TILE, col // TILE
        self._filled[top : top + len(rows), left : left + len(cols)] = filled
        with _small_cache():
            window = Window(col, row, labels.shape[1], labels.shape[0])
            self._dataset.write(labels.astype(self._dataset.dtypes[0], copy=False), 1, window=window)


@dataclass(slots=True)
class _Tile:
    """A tile of which some blocks have not come yet."""

    labels: Labels
    missing: int = field(init=False)

    def __post_init__(self) -> None:
        self.missing = self.labels.size


def open_labels(path: str | Path, grid: Grid) -> LabelSink:
    """Start a label raster, aside: uint32 where that holds the index of every pixel, else int64.

    Raises:
        BadOutput: missing folder, or one that cannot be written.
    """
    return LabelSink(path, grid)


def _create(path: Path, grid: Grid) -> DatasetWriter:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=grid.height,
            width=grid.width,
            count=1,
            dtype="uint32" if grid.height * grid.width < 2**32 - 1 else "int64",
            crs=grid.crs,
            transform=grid.transform,
            tiled=True,
            blockxsize=TILE,
            blockysize=TILE,
            compress="zstd",
            zstd_level=1,
            predictor=2,
            bigtiff="IF_SAFER",
            sparse_ok=True,
        )


def _whole_tiles(start: int, stop: int, end: int) -> range:
    """The tiles that lie wholly within a stretch of an axis of ``end`` pixels."""
    first = min(-(-start // TILE) * TILE, stop)
    last = stop if stop == end else stop // TILE * TILE
    return range(first, max(first, last))


def _cut(start: int, stop: int, whole: range = range(0)) -> list[range]:
    """Cut a stretch of an axis at every edge of a tile, except within ``whole``."""
    edges = {start, stop, *range(-(-start // TILE) * TILE, stop, TILE)} - set(whole[1:])
    return [range(first, last) for first, last in pairwise(sorted(edges))]


def _check_tiles(path: Path, filled: npt.NDArray[np.bool_]) -> None:
    """GDAL notes some failed writes only in its log: look whether each tile lies within the file.

    Raises:
        OSError: if one does not.
    """
    size = path.stat().st_size
    with rasterio.open(path) as dataset:
        for row, col in np.argwhere(filled).tolist():
            offset = dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", dm="TIFF", bidx=1)
            length = dataset.get_tag_item(f"BLOCK_SIZE_{col}_{row}", dm="TIFF", bidx=1)
            if offset is None or length is None or int(offset) + int(length) > size:
                raise OSError(f"tile {row}, {col} did not reach the disk")


def _small_cache() -> rasterio.Env:
    """GDAL keeps written tiles in a cache of 5 % of the memory by default."""
    return rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES)
