import json

import numpy as np
import pytest
from rasterio.features import geometry_mask
from shapely.geometry import Polygon

from overtrace.formats.annotations import as_text, read_list
from overtrace.scoring.mask_outlines import trace_mask


def annotate(mask: np.ndarray):
    """A mask as COCO's run lengths."""
    flat = mask.T.ravel()
    runs = np.diff([0, *np.flatnonzero(np.diff(flat, prepend=0)), len(flat)]).tolist()
    row = {"image_id": 1, "segmentation": {"size": list(mask.shape), "counts": runs}}
    return read_list(as_text(json.dumps([row]).encode()))[0]


def draw(rings, shape) -> np.ndarray:
    """Which pixels lie within an odd number of rings."""
    inside = np.zeros(shape, int)
    for ring in rings:
        inside += ~geometry_mask([Polygon(ring)], shape, [1, 0, 0, 0, 1, 0])
    return inside % 2


def test_a_square_with_a_hole_has_two_outlines():
    mask = np.zeros((5, 6), int)
    mask[1:4, 2:5] = 1
    mask[2, 3] = 0
    outer, hole = trace_mask(annotate(mask), 0, 0)
    assert sorted(map(tuple, outer.tolist())) == [(2, 1), (2, 4), (5, 1), (5, 4)]
    assert sorted(map(tuple, hole.tolist())) == [(3, 2), (3, 3), (4, 2), (4, 3)]


def test_pixels_that_touch_by_a_corner_are_apart():
    assert len(trace_mask(annotate(np.eye(3, dtype=int)), 0, 0)) == 3


def test_an_empty_mask_has_no_outline():
    assert trace_mask(annotate(np.zeros((3, 4), int)), 0, 0) == ()


@pytest.mark.parametrize("seed", range(30))
def test_outlines_enclose_the_mask(seed):
    rng = np.random.default_rng(seed)
    mask = (rng.random(rng.integers(1, 12, 2)) < rng.random()).astype(int)
    np.testing.assert_array_equal(draw(trace_mask(annotate(mask), 0, 0), mask.shape), mask)
