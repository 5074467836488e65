import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from overtrace.decode.detections import Detections, keep_largest, paint, paste, suppress
from overtrace.raster.detections import gather_detections
from overtrace.raster.grid import Box


def detections(boxes, scores=None, classes=None, mask=((1.0,),)):
    """Detections that share a mask, as given: by default in falling order of score, of class 0."""
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float64).reshape(count, 4),
        np.array(np.linspace(1, 0.5, count) if scores is None else scores, np.float32),
        np.array(np.zeros(count) if classes is None else classes, np.int64),
        np.array([mask] * count, np.float32).reshape(count, *np.shape(mask)),
    )


def test_suppression_worked_by_hand():
    boxes = [[0, 0, 10, 10], [0, 0, 10, 6], [0, 0, 10, 5], [0, 4, 10, 10], [20, 0, 30, 10], [0, 0, 10, 10]]
    left = suppress(detections(boxes, classes=[0, 0, 0, 0, 0, 1]), 0.5)
    # IoU with the first: 0.6 is dropped, 0.5 is not above 0.5, 0.6 is dropped; elsewhere and another class stay.
    np.testing.assert_array_equal(left.boxes, [boxes[0], boxes[2], boxes[4], boxes[5]])
    np.testing.assert_array_equal(left.classes, [0, 0, 0, 1])


def test_what_is_dropped_drops_nothing():
    left = suppress(detections([[0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]]), 0.5)
    np.testing.assert_array_equal(left.boxes[:, 0], [0, 6])


def test_equals_are_sorted_by_place():
    boxes = [[5, 9, 7, 11], [8, 2, 9, 3], [4, 2, 5, 3]]
    np.testing.assert_array_equal(suppress(detections(boxes, [0.5] * 3), 0.5).boxes, boxes[::-1])


def test_nothing_found():
    assert len(suppress(gather_detections([]), 0.5)) == 0


def suppress_slowly(found, overlap):
    """The rule, pair by pair; indices that are left."""
    left, top, right, bottom = found.boxes.T
    keys = zip(-found.scores, top, left, bottom, right, found.classes, range(len(found)), strict=True)
    kept = []
    for *_, i in sorted(keys):
        area = (right[i] - left[i]) * (bottom[i] - top[i])
        for j in kept:
            width = min(right[i], right[j]) - max(left[i], left[j])
            height = min(bottom[i], bottom[j]) - max(top[i], top[j])
            common = max(width, 0) * max(height, 0)
            both = area + (right[j] - left[j]) * (bottom[j] - top[j]) - common
            if found.classes[i] == found.classes[j] and common > overlap * both:
                break
        else:
            kept.append(i)
    return kept


@settings(deadline=None, max_examples=150)
@given(
    corners=arrays.arrays(np.float32, st.tuples(st.integers(0, 40), st.just(2)), elements=st.integers(-40, 80)),
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([1.5, 4, 40, 3000]),
    overlap=st.sampled_from([0.02, 0.3, 0.5, 0.7, 1.0]),
)
def test_suppression_is_that_of_all_pairs(corners, seed, spread, overlap):
    rng = np.random.default_rng(seed)
    count = len(corners)
    sides = np.round(np.exp(rng.uniform(np.log(0.5), np.log(spread), (count, 2))), 1)
    boxes = np.concatenate([corners, corners + sides], axis=1)
    found = detections(boxes, rng.integers(1, 6, count) / 5, rng.integers(0, 2, count))
    expected = found.take(np.array(suppress_slowly(found, overlap), np.int64))
    left = suppress(found, overlap)
    np.testing.assert_array_equal(left.boxes, expected.boxes)
    np.testing.assert_array_equal(left.scores, expected.scores)
    np.testing.assert_array_equal(left.classes, expected.classes)


def test_a_hundred_thousand_boxes_take_little_time():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 6000, (100_000, 2))
    boxes = np.concatenate([corners, corners + np.exp(rng.uniform(1, 6, (100_000, 1)))], axis=1)
    found = detections(boxes, rng.random(100_000))
    suppress(found.take(np.arange(10)), 0.5)
    began = time.process_time()
    suppress(found, 0.5)
    assert time.process_time() - began < 10


def test_a_mask_of_one_cell_fills_the_pixels_whose_centres_lie_in_the_box():
    part, row, col = paste(detections([[2.5, 1, 5.4, 3.2]]), 0, (10, 10), threshold=0.001)
    assert (row, col) == (1, 2)
    np.testing.assert_array_equal(part, np.ones((2, 3)))


def test_a_mask_is_bilinear_between_the_centres_of_its_cells():
    # Two cells over four pixels: centres of pixels lie at -0.25, 0.25, 0.75 and 1.25 cells from the first centre.
    found = detections([[0, 0, 4, 1]], mask=[[1, 0]])
    # Down, the pixel lies on the centre of the only row: weights are 0.75 (outside counts 0), 0.75, 0.25 and 0.
    for threshold, width in ((0.76, 0), (0.75, 2), (0.25, 3), (0.2, 3)):
        part, _, _ = paste(found, 0, (1, 4), threshold=threshold)
        np.testing.assert_array_equal(part[0], np.arange(4) < width)


def test_what_lies_beyond_the_image_is_cut_off():
    part, row, col = paste(detections([[-3, -3, 2, 2]]), 0, (10, 10), threshold=0.001)
    assert (part.shape, row, col) == ((2, 2), 0, 0)
    part, row, col = paste(detections([[8, 8, 20, 9]]), 0, (10, 10), threshold=0.001)
    assert (part.shape, row, col) == ((1, 2), 8, 8)
    for box in ([-5, -5, -2, -2], [12, 2, 15, 5], [3.1, 3.1, 3.4, 3.4], [3, 3, 3, 5]):
        assert paste(detections([box]), 0, (10, 10))[0].size == 0


def test_a_scale_is_that_of_the_box():
    mask = np.random.default_rng(1).random((5, 6))
    part, row, col = paste(detections([[1, 2, 7, 5]], mask=mask), 0, (30, 30), scale=(2.0, 3.0))
    same, *place = paste(detections([[2, 6, 14, 15]], mask=mask), 0, (30, 30))
    assert [row, col] == place
    np.testing.assert_array_equal(part, same)


def grid_sample(mask, box, height, width):
    """Values of all pixels as grid_sample gives them: bilinear, zeros around, corners not aligned."""
    left, top, right, bottom = box
    x = (np.arange(width) + 0.5 - left) / (right - left) * 2 - 1
    y = (np.arange(height) + 0.5 - top) / (bottom - top) * 2 - 1
    u, v = ((x + 1) * mask.shape[1] - 1) / 2, ((y + 1) * mask.shape[0] - 1) / 2
    across = np.maximum(1 - np.abs(u[:, None] - np.arange(mask.shape[1])), 0)
    down = np.maximum(1 - np.abs(v[:, None] - np.arange(mask.shape[0])), 0)
    return down @ mask @ across.T


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), side=st.sampled_from([1, 2, 7, 28]))
def test_pasting_is_that_of_detectron2(seed, side):
    rng = np.random.default_rng(seed)
    left, top = rng.uniform(-10, 30, 2)
    box = [left, top, left + rng.uniform(0.5, 40), top + rng.uniform(0.5, 40)]
    mask = rng.random((side, side)).astype(np.float32)
    expected = grid_sample(mask.astype(np.float64), box, 33, 37)
    part, row, col = paste(detections([box], mask=mask), 0, (33, 37))
    found = np.zeros((33, 37), bool)
    found[row : row + part.shape[0], col : col + part.shape[1]] = part
    unsure = np.abs(expected - 0.5) < 1e-9
    np.testing.assert_array_equal(found[~unsure], (expected >= 0.5)[~unsure])


def test_a_pixel_belongs_to_the_first_that_holds_it():
    found = detections([[2, 2, 6, 4], [4, 1, 8, 3]], mask=np.ones((4, 4)))
    valid = np.ones((4, 7), bool)
    valid[2, 1] = False
    np.testing.assert_array_equal(
        paint(found, Box(1, 1, 4, 7), valid, 0.5),
        [[0, 0, 0, 2, 2, 2, 2], [0, 1, 1, 1, 1, 2, 2], [0, 0, 1, 1, 1, 0, 0], [0] * 7],
    )


@pytest.mark.parametrize("row", range(3))
def test_painting_a_part_is_a_part_of_painting_all(row):
    rng = np.random.default_rng(row)
    corners = rng.uniform(-4, 30, (20, 2))
    found = detections(
        np.concatenate([corners, corners + rng.uniform(1, 15, (20, 2))], axis=1), mask=rng.random((5, 5))
    )
    whole = paint(found, Box(0, 0, 30, 30), np.ones((30, 30), bool), 0.4)
    part = paint(found, Box(7 * row, 3, 11, 20), np.ones((11, 20), bool), 0.4)
    np.testing.assert_array_equal(part, whole[7 * row : 7 * row + 11, 3:23])


def test_the_largest_piece_is_kept_and_the_first_of_equals():
    labels = np.array([[1, 1, 2, 1], [0, 2, 0, 1], [2, 2, 1, 1], [3, 0, 3, 0]], np.int32)
    keep_largest(labels, 4)
    np.testing.assert_array_equal(labels, [[0, 0, 0, 1], [0, 2, 0, 1], [2, 2, 1, 1], [3, 0, 0, 0]])
