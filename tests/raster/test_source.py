import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.shutil import copy as copy_image

from overtrace.errors import BadImage, BadOption
from overtrace.raster.grid import Box
from overtrace.raster.source import find_images, open_raster
from tests.support.images import noise, write_image

RGB = (1, 2, 3)
WHOLE = Box(0, 0, 90, 120)


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("plain.tif", {}),
        ("tiled.tif", {"tiled": True, "blockxsize": 32, "blockysize": 16, "compress": "lzw"}),
        ("strips.tif", {"blockysize": 1, "compress": "deflate", "interleave": "band"}),
        ("big.tif", {"bigtiff": "yes"}),
        ("cog.tif", {"driver": "COG"}),
        ("lossless.jp2", {"driver": "JP2OpenJPEG", "quality": 100, "reversible": "yes"}),
        ("image.png", {"driver": "PNG"}),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_formats(tmp_path, name, profile, dtype):
    values = noise(dtype=dtype)
    raster = open_raster(write_image(tmp_path / name, values, **profile))
    read, valid = raster.read(RGB, WHOLE)
    assert raster.dtype == dtype
    assert valid.all()
    np.testing.assert_array_equal(read, values)


def test_jpeg_is_nearly_as_written(tmp_path):
    values = np.full((3, 90, 120), 77, np.uint8)
    read, valid = open_raster(write_image(tmp_path / "a.jpg", values, driver="JPEG")).read(RGB, WHOLE)
    assert valid.all()
    assert abs(read.astype(int) - 77).max() <= 2


def test_a_virtual_mosaic(tmp_path):
    values = noise()
    copy_image(write_image(tmp_path / "a.tif", values), tmp_path / "a.vrt", driver="VRT")
    np.testing.assert_array_equal(open_raster(tmp_path / "a.vrt").read(RGB, WHOLE)[0], values)


def test_bands_are_read_in_the_order_asked_for(tmp_path):
    values = noise(bands=4)
    raster = open_raster(write_image(tmp_path / "a.tif", values), bands={"red": 4})
    assert raster.roles["red"] == 4
    np.testing.assert_array_equal(raster.read((4, 1), WHOLE)[0], values[[3, 0]])


def test_descriptions_tell_roles(tmp_path):
    path = write_image(tmp_path / "a.tif", noise(bands=4))
    with rasterio.open(path, "r+") as image:
        image.colorinterp = [ColorInterp.undefined] * 4
        image.descriptions = ("blue", "green", "red", "nir")
    assert open_raster(path).roles == {"blue": 1, "green": 2, "red": 3, "nir": 4}


def test_what_lies_outside_is_not_valid(tmp_path):
    values = noise()
    read, valid = open_raster(write_image(tmp_path / "a.tif", values)).read(RGB, Box(-5, -7, 200, 200))
    np.testing.assert_array_equal(read[:, 5:95, 7:127], values)
    assert valid.sum() == 90 * 120 == valid[5:95, 7:127].sum()
    assert not open_raster(tmp_path / "a.tif").read(RGB, Box(500, 500, 9, 9))[1].any()


def test_alpha_hides(tmp_path):
    values = noise(bands=4)
    values[3] = 255
    values[3, :10] = 0
    values[3, 10:20] = 1
    raster = open_raster(write_image(tmp_path / "a.tif", values, photometric="RGB", alpha="yes"))
    valid = raster.read(RGB, WHOLE)[1]
    assert raster.alpha == 4
    assert not valid[:10].any()
    assert valid[10:].all()


def test_a_band_that_the_user_names_is_no_alpha(tmp_path):
    values = noise(bands=4)
    values[3, :10] = 0
    path = write_image(tmp_path / "a.tif", values, photometric="RGB", alpha="yes")
    raster = open_raster(path, bands={"nir": 4})
    assert raster.alpha is None
    assert raster.read(RGB, WHOLE)[1].all()


def test_zero_as_nodata_needs_all_bands(tmp_path):
    values = noise()
    values[:, :10] = 0
    values[0, 20:30] = 0
    valid = open_raster(write_image(tmp_path / "a.tif", values, nodata=0)).read(RGB, WHOLE)[1]
    assert not valid[:10].any()
    assert valid[10:].all()


def test_a_value_that_is_no_brightness_needs_one_band(tmp_path):
    values = noise(dtype="int16")
    values[1, 20:30] = -999
    valid = open_raster(write_image(tmp_path / "a.tif", values, nodata=-999)).read(RGB, WHOLE)[1]
    assert not valid[20:30].any()
    assert valid[:20].all()


def test_a_value_that_no_pixel_can_hold_is_no_nodata(tmp_path):
    path = tmp_path / "a.vrt"
    copy_image(write_image(tmp_path / "a.tif", noise()), path, driver="VRT")
    path.write_text(path.read_text().replace("<ColorInterp>Red", "<NoDataValue>-9999</NoDataValue><ColorInterp>Red"))
    assert open_raster(path).read(RGB, WHOLE)[1].all()


@pytest.mark.parametrize("nodata", [None, np.nan])
def test_nan_is_never_valid(tmp_path, nodata):
    values = noise(dtype="float32")
    values[2, :10] = np.nan
    valid = open_raster(write_image(tmp_path / "a.tif", values, nodata=nodata)).read(RGB, WHOLE)[1]
    assert not valid[:10].any()
    assert valid[10:].all()


def test_internal_mask(tmp_path):
    mask = np.full((90, 120), 255, np.uint8)
    mask[:10] = 0
    raster = open_raster(write_image(tmp_path / "a.tif", noise(), mask=mask))
    valid = raster.read(RGB, WHOLE)[1]
    assert raster.mask == "image"
    np.testing.assert_array_equal(valid, mask != 0)


def test_a_palette_becomes_colours(tmp_path):
    indices = noise(bands=1) % 3
    path = write_image(tmp_path / "a.png", indices, driver="GTiff", photometric="palette")
    colours = {0: (10, 20, 30, 255), 1: (40, 50, 60, 255), 2: (70, 80, 90, 0)}
    with rasterio.open(path, "r+") as image:
        image.write_colormap(1, colours)
    raster = open_raster(path)
    read, valid = raster.read((3, 1), WHOLE)
    assert raster.roles == {"red": 1, "green": 2, "blue": 3}
    np.testing.assert_array_equal(read[0], np.array([30, 60, 90])[indices[0]])
    np.testing.assert_array_equal(read[1], np.array([10, 40, 70])[indices[0]])
    assert valid.all() or not valid[indices[0] == 2].any()


def test_an_image_without_crs_lies_in_pixel_coordinates(tmp_path):
    path = write_image(tmp_path / "a.png", noise(), driver="PNG")
    assert open_raster(path).grid.transform.is_identity
    assert open_raster(path).grid.pixel_size_m is None
    assert open_raster(path, pixel_size_m=0.2).grid.pixel_size_m == (0.2, 0.2)


@pytest.mark.parametrize("size", [0, -1, float("nan"), float("inf")])
def test_a_pixel_has_a_length(tmp_path, size):
    with pytest.raises(BadOption, match="is no length"):
        open_raster(write_image(tmp_path / "a.tif", noise()), pixel_size_m=size)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_ground_control_points_alone_are_said_to_be_left_out(tmp_path):
    path = write_image(tmp_path / "a.tif", noise(), crs=None, transform=None)
    with rasterio.open(path, "r+") as image:
        image.gcps = ([GroundControlPoint(0, 0, 10, 50), GroundControlPoint(9, 9, 11, 51)], "EPSG:4326")
    raster = open_raster(path)
    assert raster.grid.crs is None
    assert "ground control points" in raster.notes[0]


def test_a_raster_can_be_sent_to_other_threads_and_back(tmp_path):
    values = noise()
    raster = pickle.loads(pickle.dumps(open_raster(write_image(tmp_path / "a.tif", values))))
    results = []
    threads = [threading.Thread(target=lambda: results.append(raster.read(RGB, WHOLE)[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(np.array_equal(result, values) for result in results)


def test_a_folder_is_its_images_in_order(tmp_path):
    for name in ("b.TIF", "a.png", "c.txt", "d.jp2"):
        (tmp_path / name).write_bytes(b"")
    names = [Path(path).name for path in find_images([tmp_path])]
    assert names == ["a.png", "b.TIF", "d.jp2"]
    assert find_images(["/vsicurl/https://x.org/a.tif", "https://x.org/b.tif"])[1] == "https://x.org/b.tif"


@pytest.mark.parametrize("what", ["missing.tif", "."])
def test_nothing_to_find(tmp_path, what):
    with pytest.raises(BadImage):
        find_images([tmp_path / what])


def test_what_is_no_image(tmp_path):
    (tmp_path / "text.tif").write_text("hello\n" * 100)
    with pytest.raises(BadImage, match=r"text\.tif cannot be opened as an image"):
        open_raster(tmp_path / "text.tif")
    with pytest.raises(BadImage, match=r"gone\.tif does not exist"):
        open_raster(tmp_path / "gone.tif")


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg", "a.jp2"])
def test_a_file_cut_short_is_named_and_said_to_be_damaged(tmp_path, name, capfd):
    driver = {"tif": "GTiff", "png": "PNG", "jpg": "JPEG", "jp2": "JP2OpenJPEG"}[name[-3:]]
    path = Path(write_image(tmp_path / name, noise(600, 700), driver=driver))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadImage, match=rf"{name} is damaged: ") as caught:
        open_raster(path).read(RGB, Box(0, 0, 600, 700))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""
