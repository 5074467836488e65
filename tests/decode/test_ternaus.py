import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.segmentation import watershed

from overtrace.decode.ternaus import decode_ternaus, score_instances

SIDES = st.integers(1, 70)


def published(planes: np.ndarray) -> np.ndarray:
    """The steps of the notebook, with today's names."""
    mask = planes[0] > 0.5
    seed = (mask * (1 - planes[1])) > 0.5
    markers, _ = ndimage.label(seed)
    labels = watershed(-mask.astype(float), markers, mask=mask, connectivity=2)
    for label in np.unique(labels):
        if (labels == label).sum() < 20:
            labels[labels == label] = 0
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape)


def smooth(rng: np.random.Generator, height: int, width: int, sigma: float) -> np.ndarray:
    """Noise as wide as ``sigma``, from 0 to 1, half of it below 0.5."""
    noise = ndimage.gaussian_filter(rng.standard_normal((2, height, width)), (0, sigma, sigma))
    ranks = noise.reshape(2, -1).argsort(axis=1).argsort(axis=1)
    return (ranks / max(height * width - 1, 1)).reshape(2, height, width).astype(np.float32)


def equal(planes: np.ndarray) -> None:
    """Both label the same pixels, and in the same order, as both number seeds row by row."""
    labels = decode_ternaus(planes)
    assert labels.dtype == np.int32
    expected = published(planes)
    # Numbers start at 0 there even where nothing is background.
    np.testing.assert_array_equal(labels, expected + 1 if expected.size and (labels > 0).all() else expected)


@settings(max_examples=150)
@given(
    st.integers(0, 2**32 - 1), SIDES, SIDES, st.sampled_from([0, 0.7, 1.5, 4]), st.floats(0, 0.49), st.floats(0, 0.49)
)
def test_labels_are_the_published_ones_on_random_planes(seed, height, width, sigma, interior, touch):
    planes = smooth(np.random.default_rng(seed), height, width, sigma)
    equal(np.stack([planes[0] + np.float32(interior), planes[1] - np.float32(touch)]).clip(0, 1))


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), SIDES, SIDES, st.floats(0.0005, 0.2))
def test_labels_are_the_published_ones_where_scattered_seeds_flood_far(seed, height, width, share):
    rng = np.random.default_rng(seed)
    interior = (rng.random((height, width)) < 0.9).astype(np.float32)
    equal(np.stack([interior, (rng.random((height, width)) > share).astype(np.float32)]))


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(0, 3))
def test_labels_are_the_published_ones_on_blocks_of_houses(seed, pitch, wall):
    rng = np.random.default_rng(seed)
    rows, cols = np.indices((80, 90))
    walls = (rows % pitch <= wall) | (cols % (pitch + 3) <= wall)
    streets = (rows % 40 < 4) | (cols % 31 < 3)
    planes = np.stack([~streets, walls]) * np.float32(0.9) + rng.uniform(0, 0.1, (2, 80, 90)).astype(np.float32)
    equal(planes)


def test_labels_are_the_published_ones_on_a_whole_chip():
    planes = smooth(np.random.default_rng(0), 650, 650, 6)
    planes[1] = np.where(planes[1] > 0.9, 1, 0)
    assert decode_ternaus(planes).max() > 50
    equal(planes)


def test_a_wall_parts_two_houses_and_belongs_to_both():
    planes = np.zeros((2, 12, 30), np.float32)
    planes[0, 2:10, 4:26] = 0.9
    planes[1, 2:10, 13:17] = 0.8
    labels = decode_ternaus(planes)
    assert labels[5].tolist() == [0] * 4 + [1] * 11 + [2] * 11 + [0] * 4


def test_a_border_takes_part_in_the_flood_and_is_cut_off():
    planes = np.zeros((2, 30, 40), np.float32)
    planes[0, 0:9, 10:14] = 1
    planes[0, 0:4, 20:30] = 1
    planes[0, 20:28, 35:40] = 1
    labels = decode_ternaus(planes, border=5)
    assert labels.shape == (20, 30)
    expected = np.zeros((20, 30), np.int32)
    # 16 of its 36 pixels are left; what lies in the border alone has no number.
    expected[0:4, 5:9] = 1
    np.testing.assert_array_equal(labels, expected)


def test_under_twenty_pixels_is_dropped_and_numbers_close_up():
    planes = np.zeros((2, 20, 20), np.float32)
    planes[0, 0:19, 0:1] = 1
    planes[0, 0:4, 10:15] = 1
    assert np.unique(decode_ternaus(planes)).tolist() == [0, 1]
    assert (decode_ternaus(planes) == 1).sum() == 20


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_a_threshold_is_not_inside(value):
    assert decode_ternaus(np.stack([np.full((9, 9), value), np.zeros((9, 9))]).astype(np.float32)).max() == 0
    assert decode_ternaus(np.stack([np.ones((9, 9)), np.full((9, 9), 0.5 + value)]).astype(np.float32)).max() == 0


def test_more_than_255_instances_keep_their_numbers():
    planes = np.zeros((2, 120, 180), np.float32)
    planes[0] = np.tile(np.pad(np.ones((5, 5)), (0, 1)), (20, 30))
    assert decode_ternaus(planes).max() == 600


def test_the_score_is_the_mean_interior():
    labels = np.array([[1, 1, 0], [2, 0, 2]], np.int32)
    interior = np.array([[0.6, 0.8, 0.1], [1.0, 0.2, 0.5]], np.float32)
    np.testing.assert_allclose(score_instances(labels, interior), [0.7, 0.75])
    assert score_instances(np.zeros((3, 3), np.int32), np.zeros((3, 3), np.float32)).shape == (0,)
