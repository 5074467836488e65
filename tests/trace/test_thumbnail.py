"""Reduced pictures: means of real pixels, whatever the size."""

import io

import numpy as np
import rasterio
from PIL import Image

from overtrace.raster.source import open_raster
from overtrace.trace import thumbnail
from overtrace.trace.thumbnail import choose_factor, encode_jpeg, shrink


def write_image(path, values, **profile):
    count, height, width = values.shape
    options = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": values.dtype}
    with rasterio.open(
        path, "w", crs="EPSG:32612", transform=rasterio.Affine(1, 0, 5, 0, -1, 5), **options, **profile
    ) as f:
        f.write(values)
    return open_raster(path)


def test_the_longest_side_fits():
    assert [choose_factor(height, 10, 100) for height in (1, 100, 101, 200, 201)] == [1, 1, 2, 2, 3]


def test_a_pixel_is_the_mean_of_the_real_ones(tmp_path):
    values = np.array([[[10, 20, 9], [30, 0, 9], [7, 0, 0]]], np.uint8).repeat(3, axis=0)
    raster = write_image(tmp_path / "a.tif", values, nodata=0, photometric="rgb")
    # The 0 of the first square is no data; the last square holds nothing else, and is grey.
    assert shrink(raster, 2)[0].tolist() == [[20, 9], [7, 128]]


def test_pieces_do_not_show(tmp_path, monkeypatch):
    values = np.random.default_rng(0).integers(1, 255, (3, 150, 170)).astype(np.uint8)
    raster = write_image(tmp_path / "a.tif", values, photometric="rgb")
    whole = shrink(raster, 7)
    monkeypatch.setattr(thumbnail, "READ_PX", 20)
    np.testing.assert_array_equal(shrink(raster, 7), whole)


def test_twelve_bits_are_stretched(tmp_path):
    values = np.linspace(1000, 3000, 128 * 128).astype(np.uint16).reshape(1, 128, 128)
    picture = shrink(write_image(tmp_path / "a.tif", values), 1)
    assert (picture.min(), picture.max(), picture.shape) == (0, 255, (1, 128, 128))
    assert abs(int(np.median(picture)) - 127) <= 1


def test_jpeg_of_grey_and_colour():
    for bands, mode in ((1, "L"), (3, "RGB")):
        image = Image.open(io.BytesIO(encode_jpeg(np.full((bands, 20, 30), 99, np.uint8))))
        assert (image.format, image.mode, image.size) == ("JPEG", mode, (30, 20))
