import numpy as np
import pytest

from overtrace.trace.canopy import grow_canopy, noise


@pytest.mark.parametrize(("row", "col", "height", "width"), [(0, 0, 90, 70), (37, 51, 40, 64), (100, 0, 1, 200)])
def test_boxes_agree_where_they_overlap(row, col, height, width):
    whole, part = grow_canopy(0, 0, 200, 200, spacing_px=20), grow_canopy(row, col, height, width, spacing_px=20)
    box = np.s_[row : row + height, col : col + width]
    for name in ("depth", "rival", "tree"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[box])


def test_crowns_cover_part_of_the_ground_and_differ_by_seed():
    first, second = grow_canopy(0, 0, 300, 300, seed=1), grow_canopy(0, 0, 300, 300, seed=2)
    assert 0.3 < (first.depth > 0).mean() < 0.95
    assert len(np.unique(first.tree)) > 30
    assert (first.tree != second.tree).mean() > 0.3


def test_the_deeper_crown_wins():
    canopy = grow_canopy(0, 0, 300, 300)
    assert (canopy.depth >= canopy.rival).all()
    assert ((canopy.tree > 0) == (canopy.depth > 0)).all()


def test_noise_is_smooth_and_within_its_bounds():
    values = noise(5, 9, 100, 100, period_px=10, seed=3)
    assert 0 <= values.min() < 0.2 < 0.8 < values.max() <= 1
    assert np.abs(np.diff(values, axis=0)).max() < 0.2
