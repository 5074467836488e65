import numpy as np

from overtrace.decode.instances import Sums, score, sum_planes


def test_sums_and_score_worked_by_hand():
    labels = np.array([[1, 1, 0], [0, 2, 2]], np.int32)
    planes = np.array([[[255, 153, 9], [9, 51, 51]], [[1] * 3] * 2, [[10, 255, 9], [9, 51, 20]]], np.uint8)
    sums = sum_planes(labels, planes, 3)
    np.testing.assert_array_equal(sums.area, [2, 2, 0])
    np.testing.assert_array_equal(sums.interior, [408, 102, 0])
    np.testing.assert_array_equal(sums.peak, [255, 51, 0])
    # mean interior 0.8 and 0.2, peak 1 and 0.2
    np.testing.assert_allclose(score(Sums(sums.area[:2], sums.interior[:2], sums.peak[:2])), [0.8, 0.04], rtol=1e-6)
