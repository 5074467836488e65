"""Many images as one: on one grid, the topmost file that has a pixel shows it.

A file whose pixels are those of the grid is copied, every other one is carried there (``warp``), box by box as they
are asked for. No pixel depends on the box, so nothing that is traced depends on how the mosaic is cut.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from overtrace.errors import BadImage
from overtrace.raster.grid import Box, Grid, overlap, within
from overtrace.raster.handles import is_address, open_handle
from overtrace.raster.index import Source, find_sources
from overtrace.raster.layout import lay_out, name_crs, share_crs
from overtrace.raster.source import Raster, open_raster
from overtrace.raster.warp import Placing, find_nodes, find_source, sample

Overlap = Literal["first", "newest"]

SOURCE_PIXELS = 2**23
"""Pixels of a file that are held at once while they are carried to the grid."""
OPENING = 16
"""Files that are looked at at a time; those of object storage answer late."""
BLOCK_SHAPE = (256, 256)


@dataclass(frozen=True, slots=True)
class MosaicRule:
    """How files become one image."""

    overlap: Overlap = "first"
    """Which file is seen where several have data: the first as they are listed, or the one of the latest date."""
    crs: str | None = None
    """CRS of the whole; None for that of most files, of the first of them where it is a tie."""
    pixel: float | None = None
    """Side of a pixel in units of the CRS; None for that of most files of that CRS."""


@dataclass(frozen=True)
class Mosaic(Raster):
    """Files on one grid."""

    files: tuple[Raster, ...]
    """The topmost first."""
    placings: tuple[Placing, ...]
    """Where each of them lies."""

    @property
    def is_far(self) -> bool:
        """Whether reading it waits for answers from elsewhere."""
        return any(file.is_far for file in self.files)

    @cached_property
    def _reach(self) -> npt.NDArray[np.int64]:
        """(files, 4) top, left, bottom and right of each."""
        boxes = [placing.box for placing in self.placings]
        return np.array([(box.row, box.col, box.row + box.height, box.col + box.width) for box in boxes])

    def _find(self, box: Box) -> list[int]:
        """The files that a box may show, the topmost first."""
        top, left, bottom, right = self._reach.T
        seen = (top < box.row + box.height) & (box.row < bottom) & (left < box.col + box.width) & (box.col < right)
        found: list[int] = np.flatnonzero(seen).tolist()
        return found

    def _read_inside(self, bands: list[int], box: Box) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.bool_]]:
        values = np.zeros((len(bands), box.height, box.width), self.dtype)
        valid = np.zeros((box.height, box.width), bool)
        for i in self._find(box):
            if valid.all():
                break
            shared = overlap(self.placings[i].box, box)
            assert shared is not None
            rows, cols = within(shared, box)
            self._lay(i, bands, shared, values[:, rows, cols], valid[rows, cols])
        return values, valid

    def _lay(
        self, i: int, bands: list[int], box: Box, values: npt.NDArray[np.generic], valid: npt.NDArray[np.bool_]
    ) -> None:
        """Put what a file has of a box into the pixels that show nothing yet."""
        if valid.all():
            return
        file, placing = self.files[i], self.placings[i]
        if placing.offset is not None:
            row, col = placing.offset
            seen, real = file.read(bands, Box(box.row - row, box.col - col, box.height, box.width))
            fresh = real & ~valid
            values[:, fresh] = seen[:, fresh]
            valid |= fresh
            return
        nodes = find_nodes(box, self.grid, file.grid)
        source = find_source(nodes, placing.scale, file.grid)
        if source is None:
            return
        if source.height * source.width > SOURCE_PIXELS and box.height * box.width > 1:
            for part in _halve(box):
                rows, cols = within(part, box)
                self._lay(i, bands, part, values[:, rows, cols], valid[rows, cols])
            return
        seen, real = file.read(bands, source)
        whole = np.dtype(self.dtype).kind in "iu"
        sample(seen, real, source.row, source.col, nodes, box.row, box.col, *placing.scale, whole, values, valid)


def open_mosaic(
    paths: Sequence[str | os.PathLike[str]],
    rule: MosaicRule,
    *,
    bands: Mapping[str, int] | None = None,
    pixel_size_m: float | None = None,
) -> Mosaic:
    """Look at files, folders of them and indexes (STAC, GeoParquet), as one image.

    Args:
        bands, pixel_size_m: as of ``open_raster``, of every file.
    Raises:
        BadImage: if one is missing, is no image, has no CRS, or has other bands than the rest.
        BadOption: if the rule names no CRS or pixel size.
    """
    files = share_crs(_look(find_sources(paths), rule.overlap, bands or {}))
    _check_alike(files)
    grid, placings = lay_out([(file.name, file.grid) for file in files], rule.crs, rule.pixel, pixel_size_m)
    names = [str(path) for path in paths]
    return Mosaic(
        name=names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more",
        path=names[0],
        grid=grid,
        band_count=min(file.band_count for file in files),
        dtype=files[0].dtype,
        roles=files[0].roles,
        nodata=(None,) * files[0].band_count,
        alpha=None,
        mask="none",
        palette=None,
        driver="mosaic",
        block_shape=BLOCK_SHAPE,
        compression=None,
        notes=(_describe(files, placings, grid, rule.overlap),),
        files=tuple(files),
        placings=tuple(placings),
    )


def _look(sources: Sequence[Source], on_top: Overlap, bands: Mapping[str, int]) -> list[Raster]:
    """The files, the topmost first."""
    with ThreadPoolExecutor(OPENING if any(is_address(source.path) for source in sources) else 1) as pool:
        files = list(pool.map(lambda source: open_raster(source.path, bands=bands), sources))
        if on_top == "first":
            return files
        dates = list(pool.map(_find_date, sources))
    # Of two of one date the first is on top, as sorting keeps the order of equals.
    return [files[i] for i in sorted(range(len(files)), key=lambda i: -dates[i])]


def _halve(box: Box) -> tuple[Box, Box]:
    """A box cut in two across its longer side."""
    if box.height >= box.width:
        half = box.height // 2
        return replace(box, height=half), replace(box, row=box.row + half, height=box.height - half)
    half = box.width // 2
    return replace(box, width=half), replace(box, col=box.col + half, width=box.width - half)


def _find_date(source: Source) -> float:
    """Seconds since 1970: as the index says, else the file itself, else when it was changed."""
    if source.date is not None:
        return source.date.timestamp()
    stamp = open_handle(source.path).tags().get("TIFFTAG_DATETIME", "")
    try:
        return datetime.strptime(stamp.strip(" \0"), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        pass
    if is_address(source.path):
        raise BadImage(f"{source.path} has no date: use --mosaic first, or a STAC item collection, which has them")
    return os.stat(source.path).st_mtime


def _check_alike(files: Sequence[Raster]) -> None:
    first = files[0]
    for file in files:
        if file.grid.crs is None:
            raise BadImage(f"{file.name} has no CRS, a mosaic needs one of each file: gdal_edit -a_srs gives it one")
        if (file.roles, file.dtype) != (first.roles, first.dtype):
            raise BadImage(
                f"{file.name} has {_bands(file)}, {first.name} has {_bands(first)}: "
                "a mosaic needs the same bands in each file"
            )


def _bands(file: Raster) -> str:
    roles = ", ".join(f"{role}={number}" for role, number in file.roles.items())
    return f"{file.band_count} of {file.dtype} ({roles or 'none known by its role'})"


def _describe(files: Sequence[Raster], placings: Sequence[Placing], grid: Grid, on_top: Overlap) -> str:
    counts = Counter(name_crs(file.grid.crs) for file in files)
    where = ", ".join(f"{count} in {name}" for name, count in counts.most_common())
    carried = sum(placing.offset is None for placing in placings)
    return (
        f"one image of {len(files)} files ({where}) in {name_crs(grid.crs)} with pixels of {grid.transform.a:.6g}, "
        f"{carried} of them resampled to it; where they overlap, the {on_top} is seen"
    )
