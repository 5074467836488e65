"""Where the pixels of an image lie, and how long they are on the ground."""

import math
from dataclasses import dataclass
from functools import lru_cache

from pyproj import CRS as ProjCRS
from pyproj import Geod, Transformer
from pyproj.exceptions import ProjError
from rasterio.crs import CRS
from rasterio.transform import Affine

# Projections of national grids stretch lengths by at most some 0.1 %; Web Mercator and its kind by far more.
PROJECTION_STRETCH = 0.01


@dataclass(frozen=True, slots=True)
class Grid:
    """The pixels of an image, of any size, with or without a place on the ground."""

    height: int
    width: int
    transform: Affine
    """(column, row) in pixels, corner convention, to units of the CRS; the identity where there is none."""
    crs: CRS | None
    pixel_size_m: tuple[float, float] | None
    """Length on the ground of one step along a row and down a column, in metres; None where unknown."""

    def resized(self, height: int, width: int) -> "Grid":
        """The same ground cut into another number of pixels."""
        scale_x, scale_y = self.width / width, self.height / height
        a, b, c, d, e, f = self.transform[:6]
        size = self.pixel_size_m
        return Grid(
            height=height,
            width=width,
            transform=Affine(a * scale_x, b * scale_y, c, d * scale_x, e * scale_y, f),
            crs=self.crs,
            pixel_size_m=None if size is None else (size[0] * scale_x, size[1] * scale_y),
        )


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of pixels; it may reach over the edge of the image."""

    row: int
    col: int
    height: int
    width: int


def overlap(one: Box, other: Box) -> Box | None:
    """The pixels that two boxes share; None if there are none."""
    top, left = max(one.row, other.row), max(one.col, other.col)
    bottom = min(one.row + one.height, other.row + other.height)
    right = min(one.col + one.width, other.col + other.width)
    return Box(top, left, bottom - top, right - left) if top < bottom and left < right else None


def grow(box: Box, border: int) -> Box:
    """The box with so many pixels more on each side."""
    return Box(box.row - border, box.col - border, box.height + 2 * border, box.width + 2 * border)


def within(box: Box, outer: Box) -> tuple[slice, slice]:
    """Rows and columns of ``box`` in an array that holds ``outer``."""
    top, left = box.row - outer.row, box.col - outer.col
    return slice(top, top + box.height), slice(left, left + box.width)


def measure_pixel(transform: Affine, crs: CRS | None, height: int, width: int) -> tuple[float, float] | None:
    """Length of a pixel on the ground at the centre of the image, along a row and down a column.

    Returns:
        (x, y) in metres, or None where the CRS is missing or has no known scale. Units other than the metre are
        converted; for a geographic CRS, and for projections that stretch lengths by more than one per cent there
        (Web Mercator), it is the geodesic length.
    """
    if crs is None:
        return None
    geodesic = _measure_on_ellipsoid(transform, crs, height, width)
    if not crs.is_projected:
        return geodesic
    metres_per_unit = crs.linear_units_factor[1]
    projected = (
        math.hypot(transform.a, transform.d) * metres_per_unit,
        math.hypot(transform.b, transform.e) * metres_per_unit,
    )
    if geodesic is None or max(abs(g / p - 1) for g, p in zip(geodesic, projected, strict=True)) <= PROJECTION_STRETCH:
        return projected
    return geodesic


def _measure_on_ellipsoid(transform: Affine, crs: CRS, height: int, width: int) -> tuple[float, float] | None:
    """Geodesic length of one pixel at the centre; None for a CRS without a tie to the Earth."""
    col, row = width / 2, height / 2
    a, b, c, d, e, f = transform[:6]
    points = [(col - 0.5, row), (col + 0.5, row), (col, row - 0.5), (col, row + 0.5)]
    corners = [(a * x + b * y + c, d * x + e * y + f) for x, y in points]
    try:
        to_degrees, geod = _ellipsoid(crs.to_wkt())
        xs, ys = zip(*corners, strict=True)
        longitudes, latitudes = to_degrees.transform(xs, ys)
    except (ProjError, AttributeError):
        return None
    if geod is None or not all(map(math.isfinite, (*longitudes, *latitudes))):
        return None
    return _distance(geod, longitudes[:2], latitudes[:2]), _distance(geod, longitudes[2:], latitudes[2:])


@lru_cache(maxsize=8)
def _ellipsoid(wkt: str) -> tuple[Transformer, Geod | None]:
    """How coordinates become geographic ones, and their ellipsoid."""
    crs = ProjCRS.from_wkt(wkt)
    return Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True), crs.get_geod()


def _distance(geod: Geod, longitudes: list[float], latitudes: list[float]) -> float:
    return float(geod.line_length(longitudes, latitudes))
