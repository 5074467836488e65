import pytest
from rasterio.crs import CRS
from rasterio.transform import Affine, from_origin

from overtrace.raster.grid import Grid, measure_pixel


def test_a_metre_is_a_metre():
    assert measure_pixel(from_origin(5e5, 4e6, 0.3, 0.2), CRS.from_epsg(32617), 100, 100) == (0.3, 0.2)


def test_feet_become_metres():
    size = measure_pixel(from_origin(2e6, 2e6, 1, 1), CRS.from_epsg(2227), 100, 100)
    assert size == pytest.approx((0.3048, 0.3048), rel=1e-4)


def test_degrees_become_metres_where_the_image_lies():
    # A degree of the equator is 111.32 km; at 60 degrees north a parallel is half as long.
    x, y = measure_pixel(from_origin(10, 60.0005, 1e-5, 1e-5), CRS.from_epsg(4326), 100, 100)
    assert x == pytest.approx(1.1132 / 2, rel=0.01)
    assert y == pytest.approx(1.1132, rel=0.01)


def test_web_mercator_is_measured_on_the_ground():
    # At 60 degrees it draws everything twice as long.
    north = 8_399_737.9
    x, y = measure_pixel(from_origin(1e6, north, 1, 1), CRS.from_epsg(3857), 100, 100)
    assert (x, y) == pytest.approx((0.5, 0.5), rel=0.01)


def test_a_rotated_pixel_is_as_long_as_its_sides():
    transform = Affine.translation(5e5, 4e6) @ Affine.rotation(30) @ Affine.scale(0.5, -0.25)
    assert measure_pixel(transform, CRS.from_epsg(32617), 10, 10) == pytest.approx((0.5, 0.25))


def test_no_crs_no_size():
    assert measure_pixel(Affine.identity(), None, 10, 10) is None


def test_a_resized_grid_covers_the_same_ground():
    grid = Grid(100, 200, from_origin(10, 20, 0.5, 0.5), CRS.from_epsg(32617), (0.5, 0.5))
    small = grid.resized(30, 40)
    assert small.transform @ (40, 30) == pytest.approx(grid.transform @ (200, 100))
    assert small.pixel_size_m == pytest.approx((2.5, 5 / 3))
