import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from overtrace.decode.components import Components, label_components, label_seeds
from overtrace.decode.parameters import Parameters


def paint(components: Components, height: int, width: int, row: int = 0, col: int = 0) -> np.ndarray:
    canvas = np.zeros((height, width), np.int32)
    components.paint(canvas, row, col)
    return canvas


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40), st.floats(0.1, 0.9))
def test_components_are_those_of_scipy_numbered_by_first_pixel(seed, height, width, density):
    mask = (np.random.default_rng(seed).random((height, width)) < density).astype(np.uint8)
    found = label_components(mask)
    expected, count = ndimage.label(mask)
    assert len(found.area) == count
    np.testing.assert_array_equal(found.area, np.bincount(expected.ravel(), minlength=count + 1)[1:])
    labels = paint(found, height, width)
    pairs = np.unique(np.stack([labels.ravel(), expected.ravel()]), axis=1)
    assert pairs.shape[1] == len(np.unique(expected))
    first = [np.flatnonzero(labels.ravel() == label)[0] for label in range(1, count + 1)]
    np.testing.assert_array_equal(found.first, first)
    assert first == sorted(first)


@given(st.integers(0, 2**32 - 1), st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 30), st.integers(1, 30))
def test_a_canvas_shows_any_part_of_a_block_and_of_what_is_around(seed, row, col, height, width):
    mask = (np.random.default_rng(seed).random((12, 14)) < 0.6).astype(np.uint8)
    found = label_components(mask)
    around = np.pad(paint(found, 12, 14), 40)
    part = around[row + 40 : row + 40 + height, col + 40 : col + 40 + width]
    np.testing.assert_array_equal(paint(found, height, width, row, col), part)


def test_the_highest_value_of_each_component():
    found = label_components(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]], np.uint8))
    plane = np.array([[3, 4, 250], [250, 9, 250], [250, 250, 7]], np.uint8)
    np.testing.assert_array_equal(found.highest(plane), [9, 7])


def test_a_seed_is_inside_an_object_away_from_touch_and_outline():
    planes = np.array([[[128, 128, 128, 127]], [[127, 128, 1, 1]], [[64, 64, 63, 64]]], np.uint8)
    np.testing.assert_array_equal(paint(label_seeds(planes, Parameters()), 1, 4), [[1, 0, 0, 0]])
