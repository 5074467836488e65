import numpy as np
import pytest
import shapely

from overtrace.challenges.shapes import cut_labels, draw_outline, find_point

RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)


def test_labels_are_cut_at_their_edges_and_empty_ones_left_out():
    parts = cut_labels(np.array([[0, 3, 3], [1, 1, 3]], np.int32))
    assert list(parts) == [1, 3]
    mask, row, col = parts[3]
    assert (mask.tolist(), row, col) == ([[True, True], [False, True]], 0, 1)


def test_an_outline_keeps_its_hole():
    outline = draw_outline((RING, 10, 20))
    assert outline.equals(shapely.box(20, 10, 23, 13) - shapely.box(21, 11, 22, 12))


def test_of_several_pieces_the_largest_is_outlined():
    mask = np.array([[1, 0, 0], [0, 1, 1]], bool)
    assert draw_outline((mask, 0, 0)).equals(shapely.box(1, 1, 3, 2))


@pytest.mark.parametrize("seed", range(20))
def test_an_outline_is_valid_and_has_the_area_of_its_pixels(seed):
    mask = np.pad(np.random.default_rng(seed).random((9, 9)) < 0.7, 1)
    mask[1] = mask[:, 1] = True
    outline = draw_outline((mask, 3, 4))
    assert outline.is_valid
    rows, cols = np.indices(mask.shape) + 0.5
    inside = shapely.contains_xy(outline, cols + 4, rows + 3)
    assert inside.sum() == outline.area
    assert not (inside & ~mask).any()


@pytest.mark.parametrize(
    ("mask", "point"),
    [
        ([[1, 1, 1]], (21, 10)),
        ([[1, 1]], (20.5, 10)),
        ([[1, 1], [1, 0]], (20 + 1 / 3, 10 + 1 / 3)),
        # The centroid lies in the hole; of the pixels that are as near the first is taken.
        (RING, (21, 10)),
    ],
)
def test_a_point_lies_at_the_centroid_or_in_the_nearest_pixel(mask, point):
    assert find_point((np.array(mask, bool), 10, 20)) == pytest.approx(point)
