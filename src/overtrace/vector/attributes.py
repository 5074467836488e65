"""Sizes and places of traced objects, in the units that the image allows."""

import math
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import CRS as ProjCRS
from pyproj import Geod, Transformer
from rasterio.crs import CRS

from overtrace.raster.grid import PROJECTION_STRETCH, Grid
from overtrace.vector.tables import Batch, Header, Polygons

Values = npt.NDArray[np.float64]
Column = npt.NDArray[np.generic]


def attributes(batch: Batch, header: Header) -> dict[str, Column]:
    """Columns of a table of objects; ``image`` is among them where several were traced.

    Returns:
        as ``columns``, in metres only where the scale of every image is known, so that all rows have the same units.
    """
    info = header.images[batch.image]
    table = columns(batch, info.grid, header.class_names, in_metres=header.in_metres)
    if len(header.images) > 1:
        table["image"] = np.full(len(batch), info.name, dtype=object)
    return table


def no_attributes(header: Header) -> dict[str, Column]:
    """The columns of a table without rows: names and types, known before the first object."""
    nothing = np.zeros(0, dtype=object)
    empty = Batch(
        image=0,
        ids=np.zeros(0, np.int64),
        classes=np.zeros(0, np.int16),
        scores=np.zeros(0, np.float32),
        areas_px=np.zeros(0, np.int64),
        polygons_px=nothing,
        polygons=nothing,
    )
    return attributes(empty, header)


def columns(
    batch: Batch, grid: Grid, class_names: tuple[str, ...], *, in_metres: bool | None = None
) -> dict[str, Column]:
    """Id, class, score, size and centre of each object.

    Args:
        in_metres: False for sizes in pixels; by default in metres if the grid has a scale.
    Returns:
        ``id`` int64, ``class`` str objects, ``score`` float32; float64 ``area_m2``, ``perimeter_m`` (holes count) and
        ``diameter_m`` of the circle of equal area, or ``area_px``, ``perimeter_px`` and ``diameter_px``; float64
        ``centre_x`` and ``centre_y`` of the centroid in units of the CRS. A CRS measures, geodesically where it is
        geographic or stretches lengths by more than one per cent; without one, the size of a pixel does.
    """
    if in_metres is None:
        in_metres = grid.pixel_size_m is not None
    area, perimeter = _measure(batch, grid) if in_metres else _measure_px(batch)
    length, square = ("m", "m2") if in_metres else ("px", "px")
    centres = shapely.centroid(batch.polygons)
    return {
        "id": batch.ids,
        "class": np.array(class_names, dtype=object)[batch.classes],
        "score": batch.scores,
        f"area_{square}": area,
        f"perimeter_{length}": perimeter,
        f"diameter_{length}": 2 * np.sqrt(area / math.pi),
        "centre_x": shapely.get_x(centres),
        "centre_y": shapely.get_y(centres),
    }


def _measure_px(batch: Batch) -> tuple[Values, Values]:
    return shapely.area(batch.polygons_px), shapely.length(batch.polygons_px)


def _measure(batch: Batch, grid: Grid) -> tuple[Values, Values]:
    """Area in square metres and perimeter in metres."""
    assert grid.pixel_size_m is not None
    if grid.crs is None:
        size_x, size_y = grid.pixel_size_m
        scaled = shapely.transform(batch.polygons_px, lambda xy: xy * (size_x, size_y))
        return shapely.area(batch.polygons_px) * (size_x * size_y), shapely.length(scaled)
    metres = _metres_per_unit(grid)
    if metres is None:
        return _measure_on_ellipsoid(batch.polygons, grid.crs)
    # Areas in pixels are exact sums; those in the CRS lose digits to its large coordinates.
    pixel_area = abs(grid.transform.determinant) * metres**2
    return shapely.area(batch.polygons_px) * pixel_area, shapely.length(batch.polygons) * metres


def _metres_per_unit(grid: Grid) -> float | None:
    """Metres in a unit of a CRS that is true to scale at the image; None for others."""
    assert grid.crs is not None
    assert grid.pixel_size_m is not None
    if not grid.crs.is_projected:
        return None
    metres = float(grid.crs.linear_units_factor[1])
    planar = math.hypot(grid.transform.a, grid.transform.d) * metres
    return metres if abs(grid.pixel_size_m[0] / planar - 1) <= PROJECTION_STRETCH else None


def _measure_on_ellipsoid(polygons: Polygons, crs: CRS) -> tuple[Values, Values]:
    """Geodesic area, less that of the holes, and perimeter, with that of the holes."""
    if not len(polygons):
        return np.zeros(0), np.zeros(0)
    transformer, geod, degrees = _ellipsoid(crs.to_wkt())
    _, xy, (ring_ends, polygon_ends) = shapely.to_ragged_array(polygons)
    longitudes, latitudes = transformer.transform(xy[:, 0], xy[:, 1])
    longitudes, latitudes = longitudes * degrees, latitudes * degrees
    measured = [
        geod.polygon_area_perimeter(longitudes[start:stop], latitudes[start:stop])
        for start, stop in pairwise(ring_ends)
    ]
    rings = np.abs(np.array(measured, dtype=np.float64))
    shells = polygon_ends[:-1]
    whole = np.add.reduceat(rings, shells, axis=0)
    return 2 * rings[shells, 0] - whole[:, 0], whole[:, 1]


@lru_cache(maxsize=8)
def _ellipsoid(wkt: str) -> tuple[Transformer, Geod, float]:
    """How coordinates become geographic ones, their ellipsoid, and the degrees in one unit of theirs."""
    crs = ProjCRS.from_wkt(wkt)
    geographic = crs.geodetic_crs
    geod = crs.get_geod()
    assert geographic is not None
    assert geod is not None
    degrees = math.degrees(geographic.axis_info[0].unit_conversion_factor)
    return Transformer.from_crs(crs, geographic, always_xy=True), geod, degrees
