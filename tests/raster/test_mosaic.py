"""Many files as one image: what is seen where, and that it does not matter how it is read."""

import os
import pickle

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject, transform

from benchmarks.scene import draw_planes
from benchmarks.scene import write_image as write_scene
from overtrace.errors import BadImage, BadOption
from overtrace.raster.grid import Box
from overtrace.raster.mosaic import MosaicRule, open_mosaic
from tests.support.images import noise, write_image
from tests.support.mosaics import cut

RGB = (1, 2, 3)
FIRST, NEWEST = MosaicRule("first"), MosaicRule("newest")


def whole(mosaic):
    return mosaic.read(RGB, Box(0, 0, mosaic.grid.height, mosaic.grid.width))


def write(path, value, *, left=0, top=0, size=20, pixel=0.5, crs="EPSG:32633", bands=3, **more):
    """A square of one brightness, that many pixels right of and below a corner."""
    place = from_origin(500_000 + left * pixel, 5_500_000 - top * pixel, pixel, pixel)
    return write_image(path, np.full((bands, size, size), value, np.uint8), crs=crs, transform=place, **more)


def seen(mosaic, row, col):
    """Brightness of a pixel, counted from the corner; None where there is nothing."""
    place = mosaic.grid.transform
    down, across = (5_500_000 - place.f) / place.e, (500_000 - place.c) / place.a
    values, valid = mosaic.read([1], Box(row + round(down), col + round(across), 1, 1))
    return int(values[0, 0, 0]) if valid[0, 0] else None


def test_files_of_one_image_are_that_image(tmp_path):
    image = write_scene(tmp_path / "whole.tif", 700)
    cut(image, tmp_path / "parts")
    mosaic = open_mosaic([tmp_path / "parts"], FIRST)
    values, valid = whole(mosaic)
    assert valid.all()
    with rasterio.open(image) as file:
        np.testing.assert_array_equal(values, file.read())
        assert (mosaic.grid.transform, mosaic.grid.crs) == (file.transform, file.crs)
    assert "25 files (13 in EPSG:32633, 12 in" in mosaic.notes[0]


def test_a_warped_file_is_what_gdal_makes_of_it(tmp_path):
    values = draw_planes(0, 0, 400, 400)
    place = from_origin(700_000, 5_500_000, 0.5, 0.5)
    path = write_image(tmp_path / "a.tif", values, crs="EPSG:32632", transform=place)
    mosaic = open_mosaic([path], MosaicRule(crs="EPSG:32633"))
    mine, valid = whole(mosaic)
    theirs = np.zeros(mine.shape, np.uint8)
    target = {"dst_crs": mosaic.grid.crs, "dst_transform": mosaic.grid.transform}
    reproject(values, theirs, src_transform=place, src_crs="EPSG:32632", resampling=Resampling.bilinear, **target)
    both = valid & (theirs > 0).all(axis=0)
    # GDAL looks for the place of a pixel to an eighth of one, this to a thousandth.
    assert both.sum() > 0.98 * valid.sum()
    apart = np.abs(mine.astype(int) - theirs)[:, both]
    assert np.mean(apart) < 1
    assert np.percentile(apart, 99) <= 12
    assert abs(valid.sum() - 400 * 400) < 400
    assert mosaic.grid.transform.a == 0.5


@pytest.mark.parametrize("pixel", [0.25, 0.6, 2.0])
def test_no_pixel_depends_on_the_box_it_is_read_with(tmp_path, pixel):
    image = write_scene(tmp_path / "whole.tif", 500)
    cut(image, tmp_path / "parts", across=3, other="EPSG:32632")
    mosaic = open_mosaic([tmp_path / "parts"], MosaicRule(pixel=pixel))
    values, valid = whole(mosaic)
    assert valid.any()
    chance = np.random.default_rng(5)
    for _ in range(40):
        row, col = int(chance.integers(0, valid.shape[0])), int(chance.integers(0, valid.shape[1]))
        height, width = (int(n) for n in chance.integers(1, 200, 2))
        height, width = min(height, valid.shape[0] - row), min(width, valid.shape[1] - col)
        part, real = mosaic.read(RGB, Box(row, col, height, width))
        np.testing.assert_array_equal(real, valid[row : row + height, col : col + width])
        np.testing.assert_array_equal(part, values[:, row : row + height, col : col + width])


def test_a_file_that_is_much_finer_is_read_piece_by_piece(tmp_path, monkeypatch):
    write(tmp_path / "a.tif", 50, pixel=2.0, size=30)
    write(tmp_path / "b.tif", 90, pixel=0.1, size=900)
    mosaic = open_mosaic([tmp_path], MosaicRule(pixel=2.0))
    expected = whole(mosaic)
    monkeypatch.setattr("overtrace.raster.mosaic.SOURCE_PIXELS", 5000)
    for one, other in zip(whole(mosaic), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert seen(mosaic, 3, 3) == 50
    assert seen(mosaic, 35, 35) == 90


def test_the_mean_is_seen_where_a_file_is_finer(tmp_path):
    values = np.zeros((3, 80, 80), np.uint8)
    values[:, ::2] = 200
    place = {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_500_000, 0.25, 0.25)}
    write_image(tmp_path / "a.tif", values, **place)
    mosaic = open_mosaic([tmp_path], MosaicRule(pixel=1.0))
    assert seen(mosaic, 10, 10) == 100


def test_the_first_by_name_is_seen_where_files_overlap(tmp_path):
    write(tmp_path / "b.tif", 90, left=10)
    write(tmp_path / "a.tif", 50)
    mosaic = open_mosaic([tmp_path], FIRST)
    assert [seen(mosaic, 5, col) for col in (5, 15, 25, 35)] == [50, 50, 90, None]
    mosaic = open_mosaic([tmp_path / "b.tif", tmp_path / "a.tif"], FIRST)
    assert [seen(mosaic, 5, col) for col in (5, 15, 25, 35)] == [50, 90, 90, None]


def test_the_newest_is_seen_by_its_tag_or_by_when_it_was_changed(tmp_path):
    write(tmp_path / "a.tif", 50)
    write(tmp_path / "b.tif", 90, left=10)
    write(tmp_path / "c.tif", 70, left=5)
    with rasterio.open(tmp_path / "b.tif", "r+") as image:
        image.update_tags(TIFFTAG_DATETIME="2021:05:03 12:00:00")
    os.utime(tmp_path / "a.tif", (1e9, 1e9))
    os.utime(tmp_path / "c.tif", (1.7e9, 1.7e9))
    mosaic = open_mosaic([tmp_path], NEWEST)
    assert [seen(mosaic, 5, col) for col in (2, 15, 27)] == [50, 70, 90]


@pytest.mark.parametrize("kind", ["nodata", "alpha", "mask"])
def test_what_a_file_hides_shows_the_next_one(tmp_path, kind):
    values = np.full((4 if kind == "alpha" else 3, 20, 20), 50, np.uint8)
    if kind == "alpha":
        values[3] = 255
    values[3 if kind == "alpha" else slice(None), :10] = 0
    more = {"nodata": {"nodata": 0}, "alpha": {"alpha": "yes", "photometric": "rgb"}, "mask": {}}[kind]
    mask = values[0] != 0 if kind == "mask" else None
    place = {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_500_000, 0.5, 0.5)}
    write_image(tmp_path / "a.tif", values, mask=mask, **place, **more)
    write(tmp_path / "b.tif", 90, left=10, crs="EPSG:32633")
    mosaic = open_mosaic([tmp_path], FIRST)
    assert [seen(mosaic, *place) for place in ((5, 5), (15, 5), (5, 15), (15, 15))] == [None, 50, 90, 50]


def test_the_grid_is_that_of_most_files(tmp_path):
    ((x,), (y,)) = transform("EPSG:32633", "EPSG:32632", [500_000], [5_500_000])
    place = {"crs": "EPSG:32632", "transform": from_origin(x, y, 0.5, 0.5)}
    write_image(tmp_path / "a.tif", noise(), **place)
    write(tmp_path / "b.tif", 50, pixel=0.3)
    write(tmp_path / "c.tif", 50, left=100.3)
    write(tmp_path / "d.tif", 50, left=200.3)
    grid = open_mosaic([tmp_path], FIRST).grid
    assert (grid.crs.to_epsg(), grid.transform.a, grid.transform.e) == (32633, 0.5, -0.5)
    assert (grid.transform.c - 500_000) / 0.5 % 1 == pytest.approx(0.3)
    grid = open_mosaic([tmp_path], MosaicRule(crs="EPSG:32632", pixel=0.7)).grid
    assert (grid.crs.to_epsg(), grid.transform.a) == (32632, 0.7)


def test_hundreds_of_files_take_few_handles(tmp_path):
    for i in range(600):
        write(tmp_path / f"{i:04d}.tif", 1 + i % 200, left=10 * (i % 50), top=10 * (i // 50), size=11)
    before = len(os.listdir("/proc/self/fd"))
    mosaic = pickle.loads(pickle.dumps(open_mosaic([tmp_path], FIRST)))
    _, valid = whole(mosaic)
    assert len(os.listdir("/proc/self/fd")) <= before + 8
    assert valid.sum() == 501 * 121
    assert seen(mosaic, 5, 25) == 3
    assert seen(mosaic, 115, 495) == 1 + 599 % 200


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"crs": None}, "b.tif has no CRS"),
        ({"bands": 4, "photometric": "rgb", "alpha": "no"}, "b.tif has 4 of uint8 (red=1, green=2, blue=3, nir=4), "),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path, second, said):
    write(tmp_path / "a.tif", 50)
    write(tmp_path / "b.tif", 50, **second)
    with pytest.raises(BadImage) as error:
        open_mosaic([tmp_path], FIRST)
    assert said in str(error.value)


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(BadImage, match=r"gone\.tif does not exist"):
        open_mosaic([write(tmp_path / "a.tif", 50), str(tmp_path / "gone.tif")], FIRST)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (MosaicRule(crs="EPSG:1"), "--mosaic-crs 'EPSG:1' is no CRS"),
        (MosaicRule(crs="Mars"), "--mosaic-crs 'Mars' is no CRS"),
        (MosaicRule(pixel=-1), "--mosaic-pixel -1: wanted"),
    ],
)
def test_a_grid_that_cannot_be(tmp_path, rule, said):
    with pytest.raises(BadOption) as error:
        open_mosaic([write(tmp_path / "a.tif", 50)], rule)
    assert said in str(error.value)


def test_files_that_lie_a_continent_apart_are_no_mosaic(tmp_path):
    write(tmp_path / "a.tif", 50)
    write(tmp_path / "b.tif", 50, left=10**6)
    with pytest.raises(BadImage, match="one by one"):
        open_mosaic([tmp_path], FIRST)


def test_values_of_16_bits_keep_theirs(tmp_path):
    values = noise(dtype="uint16") * 300
    mosaic = open_mosaic([write_image(tmp_path / "a.tif", values)], FIRST)
    read, valid = whole(mosaic)
    np.testing.assert_array_equal(read[:, valid], values.reshape(3, -1))
