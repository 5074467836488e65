import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as reference

from overtrace.formats.annotations import COMPRESSED, COUNTS, POLYGONS, as_text
from overtrace.formats.masks import FINE, NO_POLYGON, NO_TEXT, UNFILLED, ZERO_RUN, intersect, measure, read_mask

KINDS = {"compressed": COMPRESSED, "counts": COUNTS, "polygons": POLYGONS}


def read(kind: int, written: str, height: int, width: int) -> tuple[np.ndarray, int]:
    """Intervals (2, n) and the fault."""
    text = as_text(written.encode())
    start, stop = (1, len(written) - 1) if kind == COMPRESSED else (0, len(written))
    intervals, count, fault = read_mask(text, kind, start, stop, height, width, np.empty((2, 1), np.int32), 0)
    return intervals[:, :count], fault


def paint(intervals: np.ndarray, height: int, width: int) -> np.ndarray:
    flat = np.zeros(height * width, np.uint8)
    for start, stop in intervals.T:
        assert not flat[start:stop].any()
        flat[start:stop] = 1
    return flat.reshape(width, height).T


coordinates = st.one_of(
    st.integers(-3, 40).map(float), st.integers(-30, 300).map(lambda i: i / 10), st.floats(-60, 90, allow_nan=False)
)
polygons = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=12)


@given(st.lists(polygons, min_size=1, max_size=3), st.integers(1, 40), st.integers(1, 40))
def test_polygons_fill_the_pixels_of_pycocotools(rings, height, width):
    written = [[number for corner in ring for number in corner] for ring in rings]
    intervals, fault = read(POLYGONS, json.dumps(written), height, width)
    assert fault == FINE
    expected = reference.decode(reference.merge(reference.frPyObjects(written, height, width)))
    np.testing.assert_array_equal(paint(intervals, height, width), expected)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40), st.floats(0, 1))
def test_run_lengths_of_both_forms(seed, height, width, share):
    pixels = (np.random.default_rng(seed).random((height, width)) < share).astype(np.uint8)
    rle = reference.encode(np.asfortranarray(pixels))
    intervals, fault = read(COMPRESSED, json.dumps(rle["counts"].decode()), height, width)
    assert fault == FINE
    np.testing.assert_array_equal(paint(intervals, height, width), pixels)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], pixels.ravel(order="F"), [9]]).astype(int)))
    counts = np.diff(np.concatenate([[0], edges])).tolist()
    again, fault = read(COUNTS, json.dumps(counts), height, width)
    assert fault == FINE
    np.testing.assert_array_equal(again, intervals)
    found = np.zeros(5, np.int64)
    measure(intervals, 0, intervals.shape[1], height, found)
    rows, cols = np.nonzero(pixels)
    if len(rows):
        assert found.tolist() == [len(rows), cols.min(), cols.max(), rows.min(), rows.max()]
    else:
        assert found[0] == 0


@given(st.integers(0, 2**32 - 1))
def test_intersection_counts_the_pixels_of_both(seed):
    rng = np.random.default_rng(seed)
    masks = [(rng.random((9, 11)) < rng.random()).astype(np.uint8) for _ in range(2)]
    one, other = (
        read(COMPRESSED, json.dumps(reference.encode(np.asfortranarray(mask))["counts"].decode()), 9, 11)[0]
        for mask in masks
    )
    assert intersect(one, 0, one.shape[1], other, 0, other.shape[1]) == (masks[0] & masks[1]).sum()


@pytest.mark.parametrize(
    ("kind", "written", "fault"),
    [
        ("counts", "[3, 3]", FINE),
        ("counts", "[6]", FINE),
        ("counts", "[0, 6]", FINE),
        ("counts", "[3, 3, 0]", FINE),
        ("counts", "[3, 0, 3]", ZERO_RUN),
        ("counts", "[3, 2]", UNFILLED),
        ("counts", "[3, 4]", UNFILLED),
        ("counts", "[3, -1, 4]", UNFILLED),
        ("counts", "[]", UNFILLED),
        ("counts", "[3.5, 2.5]", NO_TEXT),
        ("counts", "[3 3]", NO_TEXT),
        ("counts", '["3", 3]', NO_TEXT),
        ("compressed", '"33"', FINE),
        ("compressed", '""', UNFILLED),
        ("compressed", '"3 3"', NO_TEXT),
        ("compressed", '"SS"', NO_TEXT),
        ("compressed", '"' + "o" * 40 + '"', NO_TEXT),
        ("polygons", "[[0, 0, 2, 0, 2, 2]]", FINE),
        ("polygons", "[[0, 0, 2, 0]]", NO_POLYGON),
        ("polygons", "[[0, 0, 2, 0, 2, 2, 1]]", NO_POLYGON),
        ("polygons", "[[0, 0, 2, 0, 2, 1e99]]", NO_POLYGON),
        ("polygons", "[]", NO_TEXT),
        ("polygons", "[0, 0, 2, 0, 2, 2]", NO_TEXT),
        ("polygons", '[["0", 0, 2, 0, 2, 2]]', NO_TEXT),
    ],
)
def test_what_is_wrong_with_a_mask_of_two_rows_and_three_columns(kind, written, fault):
    assert read(KINDS[kind], written, 2, 3)[1] == fault
