"""Components joined in a tree, against those of the whole image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overtrace.decode.borders import Borders, merge
from overtrace.decode.components import label_components

SIZE = 24


def look(mask: np.ndarray, plane: np.ndarray, row: int, col: int, height: int, width: int) -> tuple:
    """The components of a part of an image: labels, and what a tree is told of them."""
    part = label_components(mask[row : row + height, col : col + width])
    labels = np.zeros((height, width), np.int32)
    part.paint(labels, 0, 0)
    rows, cols = np.divmod(part.first, width)
    borders = Borders(
        labels[0],
        labels[-1],
        labels[:, 0],
        labels[:, -1],
        part.area,
        (rows + row) * mask.shape[1] + cols + col,
        part.highest(plane[row : row + height, col : col + width]),
    )
    return labels, borders


def settle_whole(mask: np.ndarray, plane: np.ndarray, least: int) -> np.ndarray:
    """(2, h, w) id and peak of each pixel, without any tree."""
    whole = label_components(mask)
    labels = np.zeros(mask.shape, np.int32)
    whole.paint(labels, 0, 0)
    ids = np.where(whole.area >= least, whole.first + 1, 0)
    return np.stack([np.concatenate([[0], values])[labels] for values in (ids, whole.highest(plane))])


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(3, 12), st.integers(3, 12), st.floats(0.3, 0.8))
def test_a_tree_of_any_shape_settles_what_the_whole_image_does(seed, height, width, density):
    chance = np.random.default_rng(seed)
    mask = (chance.random((SIZE, SIZE)) < density).astype(np.uint8)
    plane = chance.integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
    rows, cols = range(0, SIZE, height), range(0, SIZE, width)
    leaves = [[look(mask, plane, r, c, min(height, SIZE - r), min(width, SIZE - c)) for c in cols] for r in rows]
    upper, lower = merge_row(leaves[: len(rows) // 2]), merge_row(leaves[len(rows) // 2 :])
    halves = [half for half in (upper, lower) if half is not None]
    _, settled = merge([[half[0]] for half in halves], 3, is_whole=True)
    found = np.concatenate(
        [paint(half, ids, peaks) for half, (ids, peaks) in zip(halves, settled, strict=True)], axis=1
    )
    np.testing.assert_array_equal(found, settle_whole(mask, plane, 3))


def merge_row(leaves: list) -> tuple | None:
    """A node of some rows of leaves: what it says above, and the labels and what is settled of each of its leaves."""
    if not leaves:
        return None
    borders, settled = merge([[borders for _, borders in row] for row in leaves], 3, is_whole=False)
    return borders, leaves, settled


def paint(node: tuple, wider_ids: np.ndarray, wider_peaks: np.ndarray) -> np.ndarray:
    _, leaves, settled = node
    parts = iter(settled)
    painted = []
    for row in leaves:
        found = []
        for labels, _ in row:
            ids, peaks = (values.copy() for values in next(parts))
            goes_on = ids < 0
            place = -ids[goes_on] - 1
            ids[goes_on], peaks[goes_on] = wider_ids[place], wider_peaks[place]
            found.append(np.stack([np.concatenate([[0], values])[labels] for values in (ids, peaks)]))
        painted.append(np.concatenate(found, axis=2))
    return np.concatenate(painted, axis=1)


def test_a_node_says_no_more_than_what_touches_its_border():
    mask = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 1, 0, 0]], np.uint8)
    _, borders = look(mask, mask, 0, 0, 4, 4)
    node, ((ids, _),) = merge([[borders]], 2, is_whole=False)
    # The corners and the pair touch the border and are open; the two single pixels inside are too small.
    np.testing.assert_array_equal(ids, [-1, -2, 0, 0, -3])
    np.testing.assert_array_equal(node.area, [1, 1, 2])
    np.testing.assert_array_equal(node.left, [1, 0, 0, 3])


@pytest.mark.parametrize(("least", "wanted"), [(4, [[1, 0], [1]]), (5, [[0, 0], [0]])])
def test_small_seeds_are_dropped_by_the_size_of_their_whole_set(least, wanted):
    # 1 of the left part goes on in the right one, with 2 pixels in each; 2 is alone, with 3.
    left = np.array([1, 2], np.int32)
    right = np.array([1, 0], np.int32)
    parts = [
        Borders(left[:1], left[1:], left, left, np.array([2, 3]), np.array([0, 5]), np.array([7, 8], np.uint8)),
        Borders(right[:1], right[1:], right, right, np.array([2]), np.array([10]), np.array([9], np.uint8)),
    ]
    _, settled = merge([parts], least, is_whole=True)
    assert [ids.tolist() for ids, _ in settled] == wanted
    assert [peaks.tolist() for _, peaks in settled] == [[9, 8], [9]]
