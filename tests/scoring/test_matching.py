import numpy as np
import pytest

from overtrace.scoring.matching import Matches, box_iou, match_boxes, match_points

NONE = np.zeros((0, 2))


def test_points_worked_by_hand():
    truth = np.array([[0.0, 0], [10, 0], [50, 50]])
    found = np.array([[0.0, 6], [10, 6.01], [51, 50], [52, 50]])
    counts = match_points(found, truth, reach=6)
    assert counts == Matches(hits=2, found=4, true=3, squared_distance=36 + 1)
    assert counts.rmse == (37 / 2) ** 0.5
    assert (counts.precision, counts.recall, counts.f1) == (2 / 4, 2 / 3, 4 / 7)


def test_the_most_pairs_go_before_the_nearest_pair():
    # The found point at 4 is nearest to the truth at 5, but then the one at 9 is left alone.
    assert match_points(np.array([[4.0, 0], [9, 0]]), np.array([[0.0, 0], [5, 0]]), reach=4).hits == 2


def test_empty_sides_are_counted_not_divided():
    assert match_points(NONE, np.zeros((3, 2)), 6) == Matches(0, 0, 3)
    assert match_points(np.zeros((3, 2)), NONE, 6) == Matches(0, 3, 0)
    assert (Matches().precision, Matches().recall, Matches().f1) == (0, 0, 0)


def test_counts_add_up():
    assert Matches(1, 2, 3) + Matches(4, 5, 6) == Matches(5, 7, 9)


def test_boxes_worked_by_hand():
    truth = np.array([[0.0, 0, 10, 10], [20, 20, 30, 30]])
    found = np.array([[0.0, 0, 10, 5], [0, 0, 10, 9], [22, 22, 32, 32]])
    np.testing.assert_allclose(box_iou(found, truth), [[0.5, 0], [0.9, 0], [0, 64 / 136]])
    assert match_boxes(found, truth, 0.4) == Matches(2, 3, 2)
    assert match_boxes(found, truth, 0.5) == Matches(1, 3, 2)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_every_box_matches_itself(count):
    corners = np.random.default_rng(count).uniform(0, 50, (count, 2))
    boxes = np.concatenate([corners, corners + 3], axis=1)
    assert match_boxes(boxes[::-1], boxes, 0.99) == Matches(count, count, count)
