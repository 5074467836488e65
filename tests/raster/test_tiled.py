import numpy as np
import pytest
from rasterio.shutil import copy as copy_image

from overtrace.errors import BadImage
from overtrace.raster import tiled
from overtrace.raster.grid import Box
from overtrace.raster.source import open_raster
from overtrace.raster.tiled import copy_if_slow, is_slow
from tests.support.images import noise, write_image


@pytest.fixture
def small_cache(monkeypatch):
    """So that a small image is more than the cache holds."""
    monkeypatch.setattr(tiled, "CACHE_BYTES", 2**16)


def test_tiles_and_small_images_are_read_as_they_are(tmp_path):
    for name, profile in {"a.tif": {"tiled": True, "blockxsize": 256, "blockysize": 256}, "b.tif": {}}.items():
        raster = open_raster(write_image(tmp_path / name, noise(300, 2000), **profile))
        assert copy_if_slow(raster, tmp_path) is raster


def test_a_mosaic_is_as_slow_as_its_first_file(tmp_path, small_cache):
    copy_image(write_image(tmp_path / "a.png", noise(300, 1500), driver="PNG"), tmp_path / "a.vrt", driver="VRT")
    assert is_slow(open_raster(tmp_path / "a.vrt"))


@pytest.mark.parametrize("driver", ["GTiff", "PNG"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_copy_reads_like_the_image(tmp_path, small_cache, driver, dtype):
    values = noise(300, 1500, dtype=dtype)
    raster = open_raster(write_image(tmp_path / "a.img", values, driver=driver))
    copy = copy_if_slow(raster, tmp_path / "scratch")
    assert is_slow(raster)
    assert copy.name == raster.name
    assert copy.path != raster.path
    np.testing.assert_array_equal(copy.read((1, 2, 3), Box(0, 0, 300, 1500))[0], values)


def test_masks_alpha_and_nodata_go_along(tmp_path, small_cache):
    values = noise(300, 1500, bands=4)
    values[:3, :50] = 0
    values[3] = np.where(np.arange(1500) < 40, 0, 255)
    masked = np.where(np.arange(300)[:, None] < 290, 255, 0) * np.ones((1, 1500))
    images = [
        write_image(tmp_path / "a.tif", values, nodata=0, photometric="RGB", alpha="yes"),
        write_image(tmp_path / "b.tif", values[:3], mask=masked.astype(np.uint8)),
    ]
    for path in images:
        raster = open_raster(path)
        copy = copy_if_slow(raster, tmp_path / "scratch")
        box = Box(0, 0, 300, 1500)
        for one, other in zip(raster.read((1, 2), box), copy.read((1, 2), box), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_copy_is_used_again_until_the_image_changes(tmp_path, small_cache):
    path = write_image(tmp_path / "a.tif", noise(300, 1500))
    first = copy_if_slow(open_raster(path), tmp_path / "scratch")
    assert copy_if_slow(open_raster(path), tmp_path / "scratch").path == first.path
    write_image(tmp_path / "a.tif", noise(300, 1500, seed=1))
    assert copy_if_slow(open_raster(path), tmp_path / "scratch").path != first.path


def test_a_damaged_image_leaves_no_copy(tmp_path, small_cache):
    path = tmp_path / "a.tif"
    write_image(path, noise(300, 1500))
    path.write_bytes(path.read_bytes()[:200_000])
    with pytest.raises(BadImage, match=r"a\.tif is damaged"):
        copy_if_slow(open_raster(path), tmp_path / "scratch")
    assert list((tmp_path / "scratch").iterdir()) == []
