"""The grid that many images share: its CRS, its pixels, its extent."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.transform import Affine, array_bounds
from rasterio.warp import calculate_default_transform

from overtrace.errors import BadImage, BadOption
from overtrace.raster.grid import Grid, measure_pixel
from overtrace.raster.source import Raster
from overtrace.raster.warp import Placing, place

NEARLY = 0.01
"""A pixel of another CRS that differs by less than this part from the one that is carried there is taken as it is."""
SPARSE = 10_000
"""A mosaic of so many times the pixels of its images is none: somebody mixed up folders."""

T = TypeVar("T")
Side = tuple[float, float]
"""Width and height of a pixel in units of the CRS."""


def share_crs(files: Sequence[Raster]) -> list[Raster]:
    """The same files, with one object for each CRS, so that thousands of them hold no thousand copies of its text."""
    known: list[CRS] = []
    by_text: dict[str, CRS] = {}
    shared = []
    for file in files:
        crs = file.grid.crs
        if crs is None:
            shared.append(file)
            continue
        text = crs.to_wkt()
        if text not in by_text:
            by_text[text] = next((other for other in known if other == crs), crs)
            known.append(by_text[text])
        shared.append(replace(file, grid=replace(file.grid, crs=by_text[text])))
    return shared


def lay_out(
    images: Sequence[tuple[str, Grid]], crs: str | None, pixel: float | None, pixel_size_m: float | None
) -> tuple[Grid, list[Placing]]:
    """One grid that spans all images, and where each of them lies on it.

    Args:
        images: name and grid of each; all have a CRS, and equal ones are one object.
        crs: that of the grid; None for that of most images.
        pixel: side of its pixels in units of the CRS; None for that of most images of that CRS.
        pixel_size_m: length of its pixels on the ground; None to measure it.
    Raises:
        BadImage: if an image cannot be placed there, or they lie too far apart.
        BadOption: for a CRS that is not known, or a pixel of no size.
    """
    grid = _choose_grid([grid for _, grid in images], crs, pixel)
    placings = []
    for name, image in images:
        placing = place(image, grid)
        if placing is None:
            raise BadImage(f"{name} cannot be placed in {name_crs(grid.crs)}: choose another CRS with --mosaic-crs")
        placings.append(placing)
    boxes = [placing.box for placing in placings]
    top, left = min(box.row for box in boxes), min(box.col for box in boxes)
    height = max(box.row + box.height for box in boxes) - top
    width = max(box.col + box.width for box in boxes) - left
    shown = sum(box.height * box.width for box in boxes)
    if height * width > SPARSE * shown:
        raise BadImage(
            f"the images cover {shown / (height * width):.2g} of the {width:,} x {height:,} pixels that they span: "
            "trace those that lie far apart one by one"
        )
    a, b, c, d, e, f = grid.transform[:6]
    transform = Affine(a, b, a * left + b * top + c, d, e, d * left + e * top + f)
    assert grid.crs is not None
    size = measure_pixel(transform, grid.crs, height, width) if pixel_size_m is None else (pixel_size_m, pixel_size_m)
    return Grid(height, width, transform, grid.crs, size), [_shift(placing, top, left) for placing in placings]


def name_crs(crs: CRS | None) -> str:
    """A CRS in the words of a message."""
    return "pixel coordinates" if crs is None else crs.to_string()[:60]


def _choose_grid(grids: Sequence[Grid], told_crs: str | None, told_pixel: float | None) -> Grid:
    """CRS and pixels, without an extent; where images have such pixels, they are those of most of these."""
    if told_pixel is not None and not 0 < told_pixel < math.inf:
        raise BadOption(f"--mosaic-pixel {told_pixel}: wanted the side of a pixel in units of the CRS, such as 0.2")
    crs = _most(grid.crs for grid in grids) if told_crs is None else _parse_crs(told_crs)
    here = [grid for grid in grids if grid.crs == crs]
    if told_pixel is not None:
        side = _side(Affine.scale(told_pixel))
    else:
        side = _most(_side(grid.transform) for grid in here) if here else _carry_side(grids[0], crs)
    alike = [grid.transform for grid in here if _is_upright(grid.transform) and _side(grid.transform) == side]
    if not alike:
        return Grid(0, 0, Affine(side[0], 0, 0, 0, -side[1], 0), crs, None)
    phases = [(round(t.c / t.a % 1, 2) % 1, round(t.f / t.e % 1, 2) % 1) for t in alike]
    return Grid(0, 0, alike[phases.index(_most(phases))], crs, None)


def _most(things: Iterable[T]) -> T:
    """What comes most often; of several the one that comes first."""
    return Counter(things).most_common(1)[0][0]


def _parse_crs(text: str) -> CRS:
    try:
        return CRS.from_user_input(text)
    except CRSError as error:
        raise BadOption(f"--mosaic-crs {text!r} is no CRS: wanted one such as EPSG:32633") from error


def _side(transform: Affine) -> Side:
    """Without the noise of the last digits."""
    across, down = math.hypot(transform.a, transform.d), math.hypot(transform.b, transform.e)
    return float(f"{across:.6g}"), float(f"{down:.6g}")


def _is_upright(transform: Affine) -> bool:
    return bool(transform.b == 0 == transform.d and transform.a > 0 > transform.e)


def _carry_side(grid: Grid, crs: CRS) -> Side:
    """A pixel of an image in another CRS, of the same length as its own where that is nearly so."""
    bounds = array_bounds(grid.height, grid.width, grid.transform)
    try:
        transform = calculate_default_transform(grid.crs, crs, grid.width, grid.height, *bounds)[0]
    except CRSError as error:
        raise BadOption(f"--mosaic-crs {name_crs(crs)} does not reach the images: choose another") from error
    own, carried = _side(grid.transform), _side(transform)
    return own if max(abs(carried[i] / own[i] - 1) for i in (0, 1)) < NEARLY else carried


def _shift(placing: Placing, top: int, left: int) -> Placing:
    """The same place, counted from another first pixel."""
    box = replace(placing.box, row=placing.box.row - top, col=placing.box.col - left)
    offset = None if placing.offset is None else (placing.offset[0] - top, placing.offset[1] - left)
    return Placing(box, offset, placing.scale)
