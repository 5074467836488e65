import numpy as np

from overtrace.decode.instances import Sums, clear_background, decode_image, score, sum_planes
from overtrace.decode.parameters import Parameters


def test_sums_and_score_worked_by_hand():
    labels = np.array([[1, 1, 0], [0, 2, 2]], np.int32)
    interior = np.array([[255, 153, 9], [9, 51, 51]], np.uint8)
    sums = sum_planes(labels, interior, np.array([255, 51, 0], np.uint8))
    np.testing.assert_array_equal(sums.area, [2, 2, 0])
    np.testing.assert_array_equal(sums.interior, [408, 102, 0])
    np.testing.assert_array_equal(sums.peak, [255, 51, 0])
    # mean interior 0.8 and 0.2, peak 1 and 0.2
    np.testing.assert_allclose(score(Sums(sums.area[:2], sums.interior[:2], sums.peak[:2])), [0.8, 0.04], rtol=1e-6)


def test_background_is_levelled_and_no_data_stays_no_data():
    interior = np.array([[200, 127, 0]], np.uint8)
    np.testing.assert_array_equal(clear_background(interior, Parameters(interior=128)), [[200, 1, 0]])


def test_an_image_decodes_to_two_touching_objects_and_no_speck():
    planes = np.ones((3, 12, 20), np.uint8)
    planes[0, 1:11, 1:19] = 200
    planes[0, 0, 19] = 200
    planes[1, :, 9:11] = 250
    planes[2] = planes[0]
    planes[2, 5, 5] = 240
    labels, sums, first = decode_image(planes, Parameters())
    np.testing.assert_array_equal(sums.area, [90, 90])
    np.testing.assert_array_equal(sums.peak, [240, 200])
    np.testing.assert_array_equal(first, [21, 31])
    assert (labels[1:11, 1:10] == 1).all()
    assert (labels[1:11, 10:19] == 2).all()
    assert labels[0, 19] == 0


def test_pixels_of_filled_gaps_count_as_little_as_where_blocks_are_traced():
    planes = np.full((3, 10, 10), 200, np.uint8)
    planes[1] = 1
    planes[0, 4:6, 4:6] = 100
    _, sums, _ = decode_image(planes, Parameters(interior=128, hole_px=4))
    assert (sums.area.tolist(), sums.interior.tolist()) == ([100], [96 * 200 + 4])
