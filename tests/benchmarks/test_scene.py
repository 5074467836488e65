import numpy as np
import rasterio

from benchmarks.scene import draw_planes, write_image


def test_planes_do_not_depend_on_the_box():
    whole = draw_planes(0, 0, 256, 256)
    np.testing.assert_array_equal(draw_planes(100, 30, 50, 90), whole[:, 100:150, 30:120])


def test_planes_leave_nodata_to_others():
    assert draw_planes(0, 0, 128, 128).min() == 1


def test_image_is_the_planes_block_by_block(tmp_path):
    with rasterio.open(write_image(tmp_path / "scene.tif", 300, block=128)) as image:
        np.testing.assert_array_equal(image.read(), draw_planes(0, 0, 300, 300))
        assert image.crs.to_epsg() == 32633
