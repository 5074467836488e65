import numpy as np
import pytest

from overtrace.data.targets import peakedness, touching


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
