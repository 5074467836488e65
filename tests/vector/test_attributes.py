"""Sizes of objects, in the units that the image allows."""

import math

import numpy as np
import pytest
import shapely
from pyproj import Geod
from rasterio.crs import CRS
from rasterio.transform import Affine

from overtrace.raster.grid import Grid, measure_pixel
from overtrace.vector.attributes import attributes, columns, no_attributes
from overtrace.vector.tables import Header, ImageInfo
from tests.support.objects import make_batch, make_grid, make_header


def test_sizes_worked_by_hand():
    grid = make_grid(pixel=0.5)
    table = columns(make_batch(grid), grid, ("tree", "shrub"))
    # 12 pixels of 0.25 square metres; 16 outer and 8 inner sides of 0.5 metres; centre 2 pixels into the image.
    np.testing.assert_array_equal(table["area_m2"], np.full(6, 3.0))
    np.testing.assert_allclose(table["perimeter_m"], 12, rtol=1e-9)
    np.testing.assert_allclose(table["diameter_m"], 2 * math.sqrt(3 / math.pi))
    assert (table["centre_x"][0], table["centre_y"][0]) == pytest.approx((500_001, 3_999_999))
    assert table["class"].tolist() == ["tree", "shrub"] * 3


def test_no_scale_gives_pixels():
    grid = make_grid(None)
    table = columns(make_batch(grid), grid, ("tree", "shrub"))
    assert (table["area_px"][0], table["perimeter_px"][0]) == (12, 24)
    assert (table["centre_x"][1], table["centre_y"][1]) == (12, 2)
    assert "area_m2" not in table


def test_a_given_pixel_size_measures_an_image_without_a_place():
    grid = Grid(100, 100, Affine.identity(), None, (0.5, 0.25))
    table = columns(make_batch(grid), grid, ("tree", "shrub"))
    # A pixel is 0.5 wide and 0.25 high: outer 2 x (2 + 1), inner 2 x (1 + 0.5).
    assert (table["area_m2"][0], table["perimeter_m"][0]) == (12 * 0.125, 9)


def test_feet_become_metres():
    grid = make_grid(CRS.from_epsg(2229), pixel=2, left=6_500_000, top=1_850_000)
    table = columns(make_batch(grid), grid, ("tree", "shrub"))
    foot = 1200 / 3937
    np.testing.assert_allclose(table["area_m2"], 12 * (2 * foot) ** 2, rtol=1e-9)
    np.testing.assert_allclose(table["perimeter_m"], 24 * 2 * foot, rtol=1e-6)


@pytest.mark.parametrize("code", [4326, 4269, 4807])
def test_geographic_sizes_are_geodesic(code):
    grid = make_grid(CRS.from_epsg(code), pixel=1e-4, left=2, top=47)
    batch = make_batch(grid)
    table = columns(batch, grid, ("tree", "shrub"))
    # EPSG:4807 counts in grads from Paris: 0.9 degrees each, on the ellipsoid Clarke 1880 IGN.
    unit = 0.9 if code == 4807 else 1
    geod = Geod(a=6378249.2, b=6356515.0) if code == 4807 else Geod(ellps="GRS80" if code == 4269 else "WGS84")
    degrees = shapely.transform(batch.polygons[0], lambda xy: xy * unit)
    area, _ = geod.geometry_area_perimeter(shapely.orient_polygons(degrees))
    outer, inner = geod.geometry_length(degrees.exterior), geod.geometry_length(degrees.interiors[0])
    assert table["area_m2"][0] == pytest.approx(area, rel=1e-9)
    assert table["perimeter_m"][0] == pytest.approx(outer + inner, rel=1e-9)


def test_a_map_that_stretches_is_measured_on_the_ground():
    grid = make_grid(CRS.from_epsg(3857), pixel=1, left=0, top=8_400_000)
    table = columns(make_batch(grid), grid, ("tree", "shrub"))
    # Web Mercator doubles lengths at 60 degrees north, where this image lies.
    assert table["area_m2"][0] == pytest.approx(12 / 4, rel=0.01)


def test_a_rotated_grid_keeps_areas():
    turned = Affine.translation(500_000, 4_000_000) @ Affine.rotation(30) @ Affine.scale(0.5, -0.5)
    crs = CRS.from_epsg(32612)
    grid = Grid(1000, 1200, turned, crs, measure_pixel(turned, crs, 1000, 1200))
    table = columns(make_batch(grid), grid, ("tree", "shrub"))
    np.testing.assert_allclose(table["area_m2"], 3, rtol=1e-12)
    np.testing.assert_allclose(table["perimeter_m"], 12, rtol=1e-9)


def test_several_images_share_units_and_say_their_name():
    known, unknown = make_grid(), make_grid(None)
    header = Header((ImageInfo("a.tif", known), ImageInfo("b.png", unknown)), ("tree", "shrub"), None)
    table = attributes(make_batch(known, 1), header)
    assert table["image"].tolist() == ["a.tif"]
    assert table["area_px"].tolist() == [12]


@pytest.mark.parametrize("crs", [None, CRS.from_epsg(32612), CRS.from_epsg(4326)])
def test_an_empty_table_has_the_same_columns(crs):
    grid = make_grid(crs) if crs != CRS.from_epsg(4326) else make_grid(crs, pixel=1e-5, left=10, top=50)
    header = make_header(grid)
    empty, full = no_attributes(header), attributes(make_batch(grid), header)
    assert [(name, column.dtype) for name, column in empty.items()] == [(n, c.dtype) for n, c in full.items()]
