import numpy as np
import rasterio

from overtrace.trace.picture import paint_canopy, write_canopy


def test_pictures_of_boxes_agree_where_they_overlap():
    whole = paint_canopy(0, 0, 150, 160)
    np.testing.assert_array_equal(paint_canopy(20, 40, 30, 70), whole[:, 20:50, 40:110])


def test_a_written_canopy_has_its_place_on_the_ground(tmp_path):
    write_canopy(tmp_path / "canopy.tif", 64, spacing_px=16, pixel_size_m=0.5)
    with rasterio.open(tmp_path / "canopy.tif") as image:
        assert (image.crs.to_epsg(), image.res, image.shape) == (32633, (0.5, 0.5), (64, 64))
        np.testing.assert_array_equal(image.read(), paint_canopy(0, 0, 64, 64, spacing_px=16))
