import pickle
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overtrace.errors import BadImage
from overtrace.raster.fill import GREY
from overtrace.raster.grid import Box
from overtrace.raster.scaling import Scaling
from overtrace.raster.source import open_raster
from overtrace.raster.view import open_view
from tests.support.images import noise, write_image

AROUND = 50


@cache
def holed_view(dtype, finest_m, coarsest_m):
    """A view of pixels of 0.3 m with a hole and a collar."""
    values = noise(131, 173, dtype=dtype)
    values[:, 40:70, 60:140] = 0
    values[:, :, :5] = 0
    path = write_image(Path(mkdtemp()) / "a.tif", values, nodata=0)
    return open_view(open_raster(path), pixel_size_range_m=(finest_m, coarsest_m))


@cache
def whole(dtype, finest_m, coarsest_m):
    view = holed_view(dtype, finest_m, coarsest_m)
    return view.read(Box(-AROUND, -AROUND, view.grid.height + 2 * AROUND, view.grid.width + 2 * AROUND))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("sizes", [(0.1, 1), (0.7, 1), (0.31, 1), (0.1, 0.12), (0.1, 0.29), (9, 9)])
@settings(max_examples=30)
@given(data=st.data())
def test_a_box_is_a_crop_of_the_whole(dtype, sizes, data):
    view = holed_view(dtype, *sizes)
    row = data.draw(st.integers(-AROUND, view.grid.height + AROUND - 1))
    col = data.draw(st.integers(-AROUND, view.grid.width + AROUND - 1))
    height = data.draw(st.integers(1, min(60, view.grid.height + AROUND - row)))
    width = data.draw(st.integers(1, min(60, view.grid.width + AROUND - col)))
    image, valid = view.read(Box(row, col, height, width))
    crop = slice(row + AROUND, row + AROUND + height), slice(col + AROUND, col + AROUND + width)
    np.testing.assert_array_equal(image, whole(dtype, *sizes)[0][:, *crop])
    np.testing.assert_array_equal(valid, whole(dtype, *sizes)[1][crop])


@pytest.mark.parametrize("size_m", [0.1, 0.25, 0.3, 0.65, 1.5])
@pytest.mark.parametrize("nodata", [0, -1, np.nan])
def test_nodata_does_not_darken_its_neighbours(tmp_path, size_m, nodata):
    values = np.full((3, 60, 80), 100, np.float32)
    values[:, 20:31, 30:43] = nodata
    raster = open_raster(write_image(tmp_path / "a.tif", values, nodata=nodata))
    view = open_view(raster, pixel_size_range_m=(size_m, size_m), scaling=Scaling({"float32": 200}))
    image, valid = view.read(Box(-3, -3, view.grid.height + 6, view.grid.width + 6))
    np.testing.assert_allclose(image, 0.5, rtol=1e-6)
    share = 1 - 11 * 13 / (60 * 80)
    assert valid.sum() / (view.grid.height * view.grid.width) == pytest.approx(share, abs=0.02)


def test_a_coarser_pixel_is_the_mean_of_those_it_covers(tmp_path):
    values = noise(40, 60)
    raster = open_raster(write_image(tmp_path / "a.tif", values))
    image, _ = open_view(raster, pixel_size_range_m=(0.6, 0.6)).read(Box(0, 0, 20, 30))
    mean = values.reshape(3, 20, 2, 30, 2).mean(axis=(2, 4)) / 255
    np.testing.assert_allclose(image, mean, rtol=1e-5)


def test_a_finer_pixel_lies_between_its_neighbours(tmp_path):
    ramp = np.tile(np.arange(0, 200, 4, dtype=np.uint8), (3, 50, 1))
    raster = open_raster(write_image(tmp_path / "a.tif", ramp))
    image, _ = open_view(raster, pixel_size_range_m=(0.15, 0.15)).read(Box(0, 0, 100, 100))
    # Halves of a pixel: 0.25 before the middle of the second pixel it is 4 - 1.
    np.testing.assert_allclose(image[0, 0, :4] * 255, [0, 1, 3, 5], atol=1e-4)


@pytest.mark.parametrize(
    ("wanted", "size"),
    [((0.1, 0.6), 0.3), ((0.302, 0.6), 0.3), ((0.4, 0.6), 0.4), ((0.1, 0.2), 0.2), (None, 0.3)],
)
def test_only_images_outside_the_range_are_resampled(tmp_path, wanted, size):
    raster = open_raster(write_image(tmp_path / "a.tif", noise(1000, 1000, bands=3)))
    view = open_view(raster, pixel_size_range_m=wanted)
    assert view.grid.pixel_size_m == pytest.approx((size, size), rel=1e-3)
    assert view.scale == pytest.approx((size / 0.3, size / 0.3), rel=1e-3)


def test_long_pixels_become_square(tmp_path):
    path = write_image(tmp_path / "a.tif", noise(), transform=(0.2, 0, 5e5, 0, -0.4, 4e6))
    grid = open_view(open_raster(path), pixel_size_range_m=(0.1, 0.6)).grid
    assert grid.pixel_size_m == pytest.approx((0.283, 0.283), rel=0.01)


def test_beyond_the_edge_is_the_image_in_a_mirror(tmp_path):
    values = noise(20, 30)
    view = open_view(open_raster(write_image(tmp_path / "a.tif", values)))
    image, valid = view.read(Box(-8, -8, 36, 46))
    np.testing.assert_allclose(image, np.pad(values, ((0, 0), (8, 8), (8, 8)), mode="symmetric") / 255, rtol=1e-6)
    np.testing.assert_array_equal(valid, np.pad(np.ones((20, 30), bool), 8))


def test_holes_are_filled_from_the_nearest_pixel_and_grey_far_inside(tmp_path):
    values = np.full((3, 200, 200), 51, np.uint8)
    values[:, :, :100] = 0
    view = open_view(open_raster(write_image(tmp_path / "a.tif", values, nodata=0)))
    image, valid = view.read(Box(0, 0, 200, 200))
    assert not valid[:, :100].any()
    np.testing.assert_allclose(image[:, :, 68:], 0.2)
    np.testing.assert_allclose(image[:, :, :68], GREY)


def test_percentiles_are_measured_once_over_the_image(tmp_path):
    values = np.tile(np.arange(1000, 3000, dtype=np.uint16)[:, None], (3, 1, 64))
    raster = open_raster(write_image(tmp_path / "a.tif", values))
    view = open_view(raster, scaling=Scaling(percentiles=(10, 90)))
    assert view.low == pytest.approx((1200,) * 3, abs=40)
    assert view.high == pytest.approx((2800,) * 3, abs=40)
    assert view.read(Box(1000, 0, 1, 1))[0][0, 0, 0] == pytest.approx(0.5, abs=0.02)
    assert view.read(Box(0, 0, 100, 64))[0].max() == 0
    assert pickle.loads(pickle.dumps(view)) == view


def test_percentiles_leave_nodata_out(tmp_path):
    values = np.zeros((3, 3000, 64), np.uint16)
    values[:, 1500:1520] = 700
    view = open_view(open_raster(write_image(tmp_path / "a.tif", values, nodata=0)))
    assert view.low == (700,) * 3


def test_a_type_without_a_scale_is_refused(tmp_path):
    raster = open_raster(write_image(tmp_path / "a.tif", noise(dtype="uint16")))
    assert open_view(raster, scaling=Scaling({"uint16": 1000}, None)).high == (1000.0,) * 3
    with pytest.raises(BadImage, match="uint16 values, the model knows uint8"):
        open_view(raster, scaling=Scaling(percentiles=None))


def test_one_band_for_three_is_refused(tmp_path):
    raster = open_raster(write_image(tmp_path / "a.tif", noise(bands=1)))
    with pytest.raises(BadImage, match=r"has 1 band \(none known by its role\), the model wants red, green, blue"):
        open_view(raster)


def test_an_image_far_too_coarse_is_refused(tmp_path):
    raster = open_raster(write_image(tmp_path / "a.tif", noise()), pixel_size_m=10)
    with pytest.raises(BadImage, match=r"has pixels of 10 m, the model knows 0\.1 to 0\.6 m"):
        open_view(raster, pixel_size_range_m=(0.1, 0.6))


def test_processes_open_the_file_themselves(tmp_path):
    view = open_view(open_raster(write_image(tmp_path / "a.tif", noise())))
    here = view.read(Box(0, 0, 50, 50))
    with ProcessPoolExecutor(1) as pool:
        there = pool.submit(view.read, Box(0, 0, 50, 50)).result()
    np.testing.assert_array_equal(here[0], there[0])


@pytest.mark.parametrize(("height", "width"), [(20, 30), (3, 2), (1, 1)])
@pytest.mark.parametrize("edges", ["symmetric", "reflect"])
def test_beyond_the_edge_is_what_the_model_knows(tmp_path, edges, height, width):
    values = noise(height, width)
    view = open_view(open_raster(write_image(tmp_path / "a.tif", values)), edges=edges)
    image, _ = view.read(Box(-8, -9, height + 16, width + 18))
    np.testing.assert_allclose(image, np.pad(values, ((0, 0), (8, 8), (9, 9)), mode=edges) / 255, rtol=1e-6)


def test_a_band_that_is_not_clipped_keeps_what_lies_beyond(tmp_path):
    values = np.array([1000, 2047, 4094], np.uint16) * np.ones((3, 2, 1), np.uint16)
    raster = open_raster(write_image(tmp_path / "a.tif", values))
    rule = Scaling({"uint16": 2047.0}, None)
    view = open_view(raster, scaling=rule, band_scaling={"green": Scaling({"uint16": 2047.0}, None, clip=False)})
    image = view.read(Box(0, 0, 2, 3))[0]
    np.testing.assert_allclose(image[:, 0, 2], [1, 2, 1])
    np.testing.assert_allclose(image[:, 0, 0], [1000 / 2047] * 3, rtol=1e-6)


@pytest.mark.parametrize("value", [0, 1, 700, 65535])
def test_a_band_of_one_value_is_black(tmp_path, value):
    values = noise(30, 40, dtype="uint16")
    values[1] = value
    view = open_view(open_raster(write_image(tmp_path / "a.tif", values)), scaling=Scaling({}, (0, 100)))
    image = view.read(Box(0, 0, 30, 40))[0]
    assert (image[1] == 0).all()
    assert (image[0].min(), image[0].max()) == (0, 1)


@pytest.mark.parametrize("nodata", [None, 0])
def test_darkest_and_brightest_of_a_chip_are_exact_and_nodata_is_neither(tmp_path, nodata):
    rng = np.random.default_rng(0)
    values = rng.integers(300, 1500, (3, 650, 650)).astype(np.uint16)
    values[:, 311, 222], values[:, 649, 649] = 250, 1999
    values[:, :, 600:640] = 0
    raster = open_raster(write_image(tmp_path / "a.tif", values, nodata=nodata))
    view = open_view(raster, scaling=Scaling({}, (0, 100)))
    assert view.low == (0 if nodata is None else 250,) * 3
    assert view.high == (1999,) * 3
