"""Run lengths of polygons agree with pixel centres, and with COCO's own tools."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from overtrace.scoring.rle import Runs, compress, count_pixels, encode_parts, encode_polygons, find_boxes


def decode(runs: Runs, mask: int) -> np.ndarray:
    """(height, width) of one mask."""
    lengths = runs.lengths[runs.ends[mask] : runs.ends[mask + 1]]
    flat = np.zeros(runs.height * runs.width, np.uint8)
    for start, length in zip(np.cumsum(lengths)[:-1:2], lengths[1::2], strict=False):
        flat[start : start + length] = 1
    return flat.reshape(runs.width, runs.height).T


def centres_within(polygon: shapely.Polygon, height: int, width: int) -> np.ndarray:
    rows, cols = np.mgrid[:height, :width] + 0.5
    return shapely.contains_xy(polygon, cols, rows).astype(np.uint8)


def encode(*polygons: shapely.Polygon, height: int = 12, width: int = 10) -> Runs:
    return encode_polygons(np.array(polygons, dtype=object), height, width)


def test_worked_by_hand():
    # In an image 4 high and 3 wide: rows 1 and 2 of columns 1 and 2 are pixels 5, 6 and 9, 10 down the columns.
    runs = encode(shapely.box(1, 1, 3, 3), height=4, width=3)
    assert runs.lengths.tolist() == [5, 2, 2, 2, 1]
    assert count_pixels(runs).tolist() == [4]
    assert find_boxes(runs).tolist() == [[1, 1, 2, 2]]
    # From the fourth on, runs are stored as differences from the last but one: 5, 2, 2, 0, -1. Of -1, the lowest five
    # bits are 31; each number plus 48 is a character.
    assert compress(runs) == ["5220O"]


def test_whole_columns_are_one_run():
    runs = encode(shapely.box(0, 0, 10, 12), shapely.box(2, 0, 5, 12))
    assert runs.lengths.tolist() == [0, 120, 24, 36, 60]
    assert find_boxes(runs).tolist() == [[0, 0, 10, 12], [2, 0, 3, 12]]


def test_a_run_from_one_column_into_the_next_has_the_height_of_the_image():
    runs = encode(shapely.Polygon([(0, 6), (1, 6), (1, 0), (2, 0), (2, 5), (1, 12), (0, 12)]))
    assert find_boxes(runs).tolist() == [[0, 0, 2, 12]]


def test_what_lies_outside_is_left_out():
    runs = encode(shapely.box(-5, -5, 3, 2), shapely.box(20, 20, 30, 30), shapely.box(8, 10, 99, 99))
    assert count_pixels(runs).tolist() == [6, 0, 4]
    assert find_boxes(runs).tolist() == [[0, 0, 3, 2], [0, 0, 0, 0], [8, 10, 2, 2]]


def test_holes_are_left_out():
    runs = encode(shapely.Polygon(shapely.box(0, 0, 5, 5).exterior, [shapely.box(1, 1, 3, 4).exterior]))
    assert count_pixels(runs).tolist() == [25 - 6]
    assert find_boxes(runs).tolist() == [[0, 0, 5, 5]]


def test_runs_add_up_to_the_image():
    runs = encode(shapely.box(20, 20, 30, 30), shapely.box(1, 1, 2, 2), shapely.box(0, 0, 10, 12))
    assert [part.tolist() for part in np.split(runs.lengths, runs.ends[1:-1])] == [[120], [13, 1, 106], [0, 120]]


def test_no_polygons_no_masks():
    runs = encode()
    assert (len(runs), compress(runs)) == (0, [])


points = st.tuples(st.floats(-3, 13), st.floats(-3, 15))


@given(st.lists(points, min_size=3, max_size=9))
def test_pixels_are_those_whose_centre_is_inside(corners):
    polygon = shapely.MultiPoint(corners).convex_hull
    if polygon.geom_type != "Polygon":
        return
    runs = encode(polygon)
    near = shapely.distance(polygon.boundary, shapely.points(*(np.mgrid[:10, :12] + 0.5))).T < 1e-9
    np.testing.assert_array_equal(decode(runs, 0)[~near], centres_within(polygon, 12, 10)[~near])
    assert count_pixels(runs)[0] == decode(runs, 0).sum()


@given(points, points, points, points)
def test_neighbours_share_no_pixel_and_leave_none_out(a, b, c, d):
    parts = [shapely.Polygon(corners) for corners in ((a, b, c), (a, c, d))]
    whole = shapely.Polygon((a, b, c, d))
    if not whole.is_valid or any(part.area == 0 or not whole.buffer(1e-6).covers(part) for part in parts):
        return
    runs = encode(*parts, whole)
    np.testing.assert_array_equal(decode(runs, 0) + decode(runs, 1), decode(runs, 2))


@pytest.mark.parametrize("seed", range(20))
def test_coco_reads_the_same_mask_area_and_box(seed):
    mask_tools = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 30))
    radii = rng.uniform(5, 400, 30)
    polygon = shapely.Polygon(np.column_stack([300 + radii * np.cos(angles), 200 + radii * np.sin(angles)]))
    runs = encode(polygon, height=450, width=500)
    coco = {"size": [450, 500], "counts": compress(runs)[0]}
    np.testing.assert_array_equal(mask_tools.decode(coco), decode(runs, 0))
    assert mask_tools.area(coco) == count_pixels(runs)[0]
    assert mask_tools.toBbox(coco).tolist() == find_boxes(runs)[0].tolist()
    assert mask_tools.encode(np.asfortranarray(decode(runs, 0)))["counts"].decode() == compress(runs)[0]


@pytest.mark.parametrize("seed", range(30))
def test_parts_are_masks_of_the_image(seed):
    rng = np.random.default_rng(seed)
    parts, masks = [], []
    for share in (0, 0.5, 1):
        row, col = int(rng.integers(0, 9)), int(rng.integers(0, 7))
        mask = rng.random((int(rng.integers(1, 10 - row)), int(rng.integers(1, 8 - col)))) < share
        whole = np.zeros((9, 7), np.uint8)
        whole[row : row + mask.shape[0], col : col + mask.shape[1]] = mask
        parts.append((mask, row, col))
        masks.append(whole)
    # The whole image is one run after none of the background.
    runs = encode_parts([*parts, (np.ones((9, 7), bool), 0, 0)], 9, 7)
    for i, mask in enumerate([*masks, np.ones((9, 7))]):
        np.testing.assert_array_equal(decode(runs, i), mask)
        assert runs.lengths[runs.ends[i] : runs.ends[i + 1]].sum() == 63
    assert (np.delete(runs.lengths, runs.ends[:-1]) > 0).all()
    assert len(encode_parts([], 9, 7)) == 0
