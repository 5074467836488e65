import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from overtrace.decode.components import label_components, label_seeds, settle_ids, touching_pairs
from overtrace.decode.parameters import Parameters


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40), st.floats(0.1, 0.9))
def test_components_are_those_of_scipy_numbered_by_first_pixel(seed, height, width, density):
    mask = (np.random.default_rng(seed).random((height, width)) < density).astype(np.uint8)
    found = label_components(mask)
    expected, count = ndimage.label(mask)
    assert len(found.area) == count
    np.testing.assert_array_equal(found.area, np.bincount(expected.ravel(), minlength=count + 1)[1:])
    pairs = np.unique(np.stack([found.labels.ravel(), expected.ravel()]), axis=1)
    assert pairs.shape[1] == len(np.unique(expected))
    first = [np.flatnonzero(found.labels.ravel() == label)[0] for label in range(1, count + 1)]
    np.testing.assert_array_equal(found.first, first)
    assert first == sorted(first)


def test_a_seed_is_inside_an_object_away_from_touch_and_outline():
    planes = np.array([[[128, 128, 128, 127]], [[127, 128, 1, 1]], [[64, 64, 63, 64]]], np.uint8)
    np.testing.assert_array_equal(label_seeds(planes, Parameters()).labels, [[1, 0, 0, 0]])


@pytest.mark.parametrize("cut", [1, 7, 16, 29])
def test_ids_do_not_depend_on_where_the_image_is_cut(cut):
    mask = (np.random.default_rng(cut).random((30, 30)) < 0.6).astype(np.uint8)
    whole = label_components(mask)
    wanted = settle_ids(whole.area, whole.first, np.zeros((2, 0), np.int64), 3)
    top, bottom = label_components(mask[:cut]), label_components(mask[cut:])
    ids = settle_ids(
        np.concatenate([top.area, bottom.area]),
        np.concatenate([top.first, bottom.first + cut * 30]),
        touching_pairs(top.labels[-1], bottom.labels[0], 0, len(top.area)),
        3,
    )
    table = np.concatenate([[0], ids])
    joined = np.concatenate([table[top.labels], table[np.where(bottom.labels > 0, bottom.labels + len(top.area), 0)]])
    np.testing.assert_array_equal(joined, np.concatenate([[0], wanted])[whole.labels])


def test_small_seeds_are_dropped_by_the_size_of_their_whole_set():
    ids = settle_ids(np.array([2, 2, 3]), np.array([0, 10, 5]), np.array([[0], [1]]), min_seed_px=4)
    np.testing.assert_array_equal(ids, [1, 1, 0])
