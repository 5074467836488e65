import numpy as np
import pytest
from scipy import ndimage

from overtrace.data.targets import find_centres, heat, near_two, peakedness, touching
from tests.support.labels import touching_labels


def square(side: int, where: tuple[slice, slice]) -> np.ndarray:
    labels = np.zeros((side, side), np.int32)
    labels[where] = 1
    return labels


def test_peakedness_worked_by_hand():
    peaks = peakedness(square(7, np.s_[1:6, 1:6]), np.array([[3.0, 3.0]]))
    # The middle of a side is 1 from outside and 2 from the centre, less half a pixel: 1 / 2.5.
    assert peaks[3].tolist() == [0, 102, round(255 * 2 / 2.5), 255, round(255 * 2 / 2.5), 102, 0]
    np.testing.assert_array_equal(peaks, peaks.T)


@pytest.mark.parametrize("x", range(1, 6))
def test_the_peak_is_where_the_centre_is(x):
    peaks = peakedness(square(7, np.s_[1:6, 1:6]), np.array([[x, 2.0]]))
    assert peaks[2, x] == 255
    assert (peaks == 255).sum() == 1


def test_crowns_do_not_see_each_other():
    both = np.zeros((9, 16), np.int32)
    both[1:8, 1:8], both[1:8, 8:15] = 1, 2
    centres = np.array([[4.0, 4], [11, 4]])
    alone = peakedness(np.where(both == 1, 1, 0).astype(np.int32), centres[:1])
    np.testing.assert_array_equal(peakedness(both, centres)[:, :8], alone[:, :8])


def test_a_number_without_a_crown_is_passed_over():
    labels = 2 * square(7, np.s_[1:6, 1:6])
    assert peakedness(labels, np.array([[0.0, 0], [3, 3]]))[3, 3] == 255


def test_touching_worked_by_hand():
    labels = np.array([[1, 1, 1, 1, 2, 2, 2, 0, 3]], np.int32)
    np.testing.assert_array_equal(touching(labels, 1), [[0, 0, 0, 1, 1, 0, 0, 0, 0]])
    np.testing.assert_array_equal(touching(labels, 2), [[0, 0, 1, 1, 1, 1, 1, 0, 1]])


def test_a_crown_alone_touches_nothing():
    assert not touching(square(9, np.s_[2:7, 2:7])).any()


@pytest.mark.parametrize("seed", range(20))
def test_peakedness_is_that_of_each_object_alone(seed):
    rng = np.random.default_rng(seed)
    labels = touching_labels(rng, int(rng.integers(5, 60)), int(rng.integers(2, 12)))
    centres = rng.uniform(-2, 62, (labels.max(), 2))
    expected = np.zeros(labels.shape, np.uint8)
    rows, cols = np.indices(labels.shape)
    for label, (x, y) in enumerate(centres, start=1):
        to_border = ndimage.distance_transform_edt(np.pad(labels == label, 1))[1:-1, 1:-1]
        to_centre = np.maximum(np.hypot(cols - x, rows - y) - 0.5, 0)
        expected += np.round(255 * to_border / (to_border + to_centre + 1e-9)).astype(np.uint8)
    np.testing.assert_array_equal(peakedness(labels, centres), expected)


def test_a_centre_is_the_centroid_where_that_lies_within():
    np.testing.assert_array_equal(find_centres(square(7, np.s_[1:4, 2:6]), 1), [[3.5, 2]])


def test_else_a_centre_is_the_pixel_deepest_inside():
    # A U of one pixel, but for a block of three by three at its foot on the left, whose middle is two from outside.
    labels = np.zeros((9, 9), np.int32)
    labels[1:8, 1] = labels[1:8, 7] = labels[7, 1:8] = labels[5:8, 1:4] = 1
    np.testing.assert_array_equal(find_centres(labels, 1), [[2, 6]])


def test_no_object_has_no_centre():
    assert find_centres(np.zeros((4, 5), np.int32), 0).shape == (0, 2)


def test_hills_are_gaussian_and_the_higher_one_shows():
    hills = heat(np.array([[5.0, 4.0], [9.0, 4.0], [-1.0, 12.5]]), (12, 14), 2.0)
    assert hills[4, 5] == hills[4, 9] == 255
    assert hills[4, 7] == hills[2, 5] == round(255 * np.exp(-0.5))
    assert hills[11, 0] == round(255 * np.exp(-(1 + 1.5**2) / 8))
    assert hills[11, 13] == 0


def test_a_point_far_outside_leaves_no_trace():
    assert not heat(np.array([[-40.0, 3.0], [3.0, 90.0]]), (9, 9), 2.0).any()


def test_nearness_of_two_worked_by_hand():
    labels = np.zeros((1, 40), np.int32)
    labels[0, [10, 14]] = 1, 2
    near = near_two(labels, 2.0)
    # Between the two the distances sum up to 4, at each of them too; two further on to 8, which is four sigma.
    np.testing.assert_allclose(near[0, 10:17], np.exp([-2, -2, -2, -2, -2, -4.5, -8]), rtol=1e-6)
    assert not near[0, 17:].any()
    assert not near_two((labels == 1).astype(np.int32), 2.0).any()


@pytest.mark.parametrize("seed", range(6))
def test_the_two_nearest_are_those_that_distance_transforms_find(seed):
    rng = np.random.default_rng(seed)
    labels = np.zeros((40, 50), np.int32)
    for label in rng.permutation(9) + 1:
        row, col = rng.integers(0, 38), rng.integers(0, 46)
        labels[row : row + rng.integers(1, 9), col : col + rng.integers(1, 9)] = label
    far = [ndimage.distance_transform_edt(labels != label) for label in np.unique(labels) if label]
    total = np.sort(far, axis=0)[:2].sum(axis=0)
    wanted = np.where(total <= 12, np.exp(-(total**2) / 18), 0)
    np.testing.assert_allclose(near_two(labels, 3.0), wanted, atol=1e-6)
