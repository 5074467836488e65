"""An image as a model sees it: its bands, its pixel size, brightness from 0 to 1, no holes.

Every pixel of a view is a function of its position and of the image alone, never of the box that asked for it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from overtrace.errors import BadImage
from overtrace.raster.fill import REACH, Edges, fill_holes, mirror
from overtrace.raster.grid import Box, Grid, grow
from overtrace.raster.percentiles import Pair, measure_percentiles
from overtrace.raster.resample import mix, stretch, weigh
from overtrace.raster.scaling import Scaling
from overtrace.raster.source import Raster, clip

NEARLY = 1.01
"""A pixel size this close to what the model wants is left as it is."""
SQUARE = 1.1
"""Pixels whose sides differ by more than this are made square."""
TOO_COARSE = 8
"""An image with pixels this many times longer than the longest that a model knows holds nothing for it."""
SOURCE_PIXELS = 2**23
"""Pixels of the file that are held at once while they are resampled."""

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class View:
    """A Raster at the pixel size, in the bands and on the scale of a model; can be pickled."""

    raster: Raster
    grid: Grid
    """The pixels that the model sees; they cover the same ground as those of the raster."""
    bands: tuple[int, ...]
    low: tuple[float, ...]
    """For each band the value that becomes 0."""
    high: tuple[float, ...]
    """For each band the value that becomes 1."""
    clip: tuple[bool, ...]
    """For each band whether values beyond those become 0 and 1."""
    edges: Edges = "symmetric"

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the raster to one of the view, along a row and down a column."""
        source = self.raster.grid
        return source.width / self.grid.width, source.height / self.grid.height

    def read(self, box: Box) -> tuple[Image, Mask]:
        """Brightness in ``box``, and which of it is real; holes and what lies beyond the edges are filled.

        Returns:
            (bands, height, width) from 0 to 1, and beyond in bands that are not clipped, and (height, width) False
            where there is no image.
        Raises:
            BadImage: if the file is damaged there.
        """
        inside = clip(box, self.grid)
        if inside == box:
            return self._read_filled(box)
        rows = mirror(box.row, box.height, self.grid.height, self.edges)
        cols = mirror(box.col, box.width, self.grid.width, self.edges)
        top, left = int(rows.min()), int(cols.min())
        seen = Box(top, left, int(rows.max()) - top + 1, int(cols.max()) - left + 1)
        image, valid = self._read_filled(seen)
        around = np.zeros((box.height, box.width), bool)
        around[_within(inside, box)] = valid[_within(inside, seen)]
        return image[:, (rows - top)[:, None], cols - left], around

    def _read_filled(self, box: Box) -> tuple[Image, Mask]:
        """The same for a box inside the image."""
        image, valid = self._read_real(box)
        if valid.all():
            return image, valid
        wide = clip(grow(box, REACH), self.grid)
        image, valid = self._read_real(wide)
        fill_holes(image, valid)
        part = _within(box, wide)
        return np.ascontiguousarray(image[:, *part]), np.ascontiguousarray(valid[part])

    def _read_real(self, box: Box) -> tuple[Image, Mask]:
        """The same with 0 in the holes."""
        values, valid = self._read_resampled(box)
        image = np.empty(values.shape, np.float32)
        low, high = np.array(self.low, np.float32), np.array(self.high, np.float32)
        least, most = np.where(self.clip, [[0.0], [1.0]], [[-np.inf], [np.inf]]).astype(np.float32)
        stretch(values, valid, low, high, least, most, image)
        return image, valid

    def _read_resampled(self, box: Box) -> tuple[npt.NDArray[np.generic], Mask]:
        """Values on the scale of the file, at the pixel size of the view."""
        source = self.raster.grid
        if (source.height, source.width) == (self.grid.height, self.grid.width):
            return self.raster.read(self.bands, box)
        image = np.zeros((len(self.bands), box.height, box.width), np.float32)
        valid = np.zeros((box.height, box.width), bool)
        cols = weigh(box.col, box.col + box.width, self.grid.width, source.width)
        pixels_per_row = (cols.stop - cols.start) * math.ceil(self.scale[1])
        step = max(1, SOURCE_PIXELS // pixels_per_row)
        for row in range(0, box.height, step):
            part = slice(row, min(row + step, box.height))
            rows = weigh(box.row + part.start, box.row + part.stop, self.grid.height, source.height)
            covered = Box(rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start)
            mix(
                *self.raster.read(self.bands, covered),
                rows.first - rows.start,
                rows.weights,
                cols.first - cols.start,
                cols.weights,
                image[:, part],
                valid[part],
            )
        return image, valid


def open_view(
    raster: Raster,
    bands: Sequence[str] = ("red", "green", "blue"),
    pixel_size_range_m: tuple[float, float] | None = None,
    scaling: Scaling | None = None,
    *,
    band_scaling: Mapping[str, Scaling] | None = None,
    short_side_px: int | None = None,
    edges: Edges = "symmetric",
) -> View:
    """Fit an image to a model.

    Args:
        bands: roles, in the order of the model's channels.
        pixel_size_range_m: finest and coarsest pixel that the model knows; None for any.
        scaling: of all bands that ``band_scaling`` does not name.
        short_side_px: pixels of the short side of the view, whatever their size on the ground.
        edges: what the model sees beyond them.
    Raises:
        BadImage: if the image lacks a band that the model wants, holds values that it has no scale for, or is so
            coarse that it shows nothing of what the model knows.
    """
    numbers = choose_bands(raster, bands)
    _check_detail(raster, pixel_size_range_m)
    scalings = [(band_scaling or {}).get(role, scaling or Scaling()) for role in bands]
    low, high = _choose_scale(raster, numbers, scalings)
    grid = fit_grid(raster.grid, pixel_size_range_m) if short_side_px is None else _shrink(raster.grid, short_side_px)
    return View(raster, grid, numbers, low, high, tuple(scaling.clip for scaling in scalings), edges)


def choose_bands(raster: Raster, roles: Sequence[str]) -> tuple[int, ...]:
    """The band numbers of the roles that a model wants.

    Raises:
        BadImage: if the image lacks one of them.
    """
    missing = [role for role in roles if role not in raster.roles]
    if missing:
        count = f"{raster.band_count} band{'s' * (raster.band_count != 1)}"
        known = ", ".join(f"{role}={number}" for role, number in raster.roles.items())
        raise BadImage(
            f"{raster.name} has {count} ({known or 'none known by its role'}), the model wants {', '.join(roles)}: "
            f"say which is which, as in --bands {','.join(f'{role}=N' for role in missing)}, or use another image"
        )
    return tuple(raster.roles[role] for role in roles)


def fit_grid(grid: Grid, pixel_size_range_m: tuple[float, float] | None) -> Grid:
    """The grid at the pixel size nearest to its own that a model knows; itself where it fits, or is of unknown size."""
    if grid.pixel_size_m is None or pixel_size_range_m is None:
        return grid
    x, y = grid.pixel_size_m
    size = math.sqrt(x * y)
    finest, coarsest = pixel_size_range_m
    wanted = min(max(size, finest), coarsest)
    if max(size / wanted, wanted / size) <= NEARLY and max(x / y, y / x) <= SQUARE:
        return grid
    return grid.resized(max(1, round(grid.height * y / wanted)), max(1, round(grid.width * x / wanted)))


def _check_detail(raster: Raster, pixel_size_range_m: tuple[float, float] | None) -> None:
    size = raster.grid.pixel_size_m
    if size is not None and pixel_size_range_m is not None and min(size) > TOO_COARSE * pixel_size_range_m[1]:
        finest, coarsest = pixel_size_range_m
        raise BadImage(
            f"{raster.name} has pixels of {min(size):.3g} m, the model knows {finest:g} to {coarsest:g} m: "
            f"use a finer image, or --pixel-size if its scale is another"
        )


def _shrink(grid: Grid, short_side_px: int) -> Grid:
    """The same ground with a short side of so many pixels."""
    scale = short_side_px / min(grid.height, grid.width)
    return grid.resized(max(1, round(grid.height * scale)), max(1, round(grid.width * scale)))


def _choose_scale(raster: Raster, bands: Sequence[int], scalings: Sequence[Scaling]) -> Pair:
    """The values of each band that become 0 and 1; bands of one scaling are measured together."""
    low, high = [0.0] * len(bands), [1.0] * len(bands)
    different = [scaling for i, scaling in enumerate(scalings) if scaling not in scalings[:i]]
    for scaling in different:
        members = [i for i, other in enumerate(scalings) if other == scaling]
        found = _measure_scale(raster, [bands[i] for i in members], scaling)
        for i, dark, bright in zip(members, *found, strict=True):
            low[i], high[i] = dark, bright
    return tuple(low), tuple(high)


def _measure_scale(raster: Raster, bands: Sequence[int], scaling: Scaling) -> Pair:
    divisor = scaling.divisors.get(raster.dtype)
    if divisor is not None:
        return (0.0,) * len(bands), (divisor,) * len(bands)
    if scaling.percentiles is None:
        known = ", ".join(scaling.divisors)
        raise BadImage(f"{raster.name} holds {raster.dtype} values, the model knows {known}: convert the image first")
    return measure_percentiles(raster, bands, scaling.percentiles)


def _within(box: Box, outer: Box) -> tuple[slice, slice]:
    """Rows and columns of ``box`` in an array that holds ``outer``."""
    top, left = box.row - outer.row, box.col - outer.col
    return slice(top, top + box.height), slice(left, left + box.width)
