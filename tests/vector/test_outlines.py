"""Laws of outlines over random label rasters: walked, thinned, cut into blocks and joined again."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio import features

from overtrace.vector.arcs import Chains, concatenate, walk_outlines
from overtrace.vector.rings import Polygons, build_polygons, join_chains, take_polygons, to_shapely
from overtrace.vector.simplify import simplify_chains
from tests.support.labels import random_labels, touching_labels

IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])
NORTH_UP = np.array([[0.5, 0, 100], [0, -0.5, 200]])


def draw(labels: np.ndarray, tolerance: float, stride: int, block: int) -> Polygons:
    """Polygons of a label raster, cut into blocks of whole cells."""
    height, width = labels.shape
    framed = np.pad(labels, 1)
    parts: list[Chains] = []
    for row in range(0, height, block):
        for col in range(0, width, block):
            part = np.ascontiguousarray(framed[row : row + block + 2, col : col + block + 2])
            chains = walk_outlines(part, row, col, width, stride if tolerance else 0)
            if tolerance:
                chains = simplify_chains(chains, tolerance, part, row, col, width)
            parts.append(chains)
    return build_polygons(join_chains(concatenate(parts)))


def assert_same(one: Polygons, other: Polygons) -> None:
    for name in ("ids", "parts", "offsets", "points"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@settings(max_examples=300)
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    tolerance=st.sampled_from([0, 0.3, 0.5, 0.75, 1, 1.7, 3, 6]),
    stride=st.sampled_from([4, 7, 16]),
    cells=st.integers(1, 3),
)
def test_polygons_are_valid_share_borders_and_do_not_depend_on_blocks(seed, height, width, tolerance, stride, cells):
    labels = random_labels(np.random.default_rng(seed), height, width)
    whole = draw(labels, tolerance, stride, max(height, width) + stride - max(height, width) % stride)
    shapes = to_shapely(whole, IDENTITY)
    np.testing.assert_array_equal(whole.ids, np.arange(1, labels.max() + 1))
    assert shapely.is_valid(shapes).all()
    assert shapely.coverage_is_valid(shapes)
    if tolerance == 0:
        np.testing.assert_array_equal(shapely.area(shapes), np.bincount(labels.ravel(), minlength=1)[1:])
    else:
        np.testing.assert_array_less(
            shapely.hausdorff_distance(shapes, to_shapely(draw(labels, 0, 0, 64), IDENTITY)), tolerance + 1e-9
        )
    assert_same(whole, draw(labels, tolerance, stride, cells * stride))


@pytest.mark.parametrize("seed", range(3))
def test_outlines_are_those_of_gdal(seed):
    labels = touching_labels(np.random.default_rng(seed), 120, 150)
    ours = to_shapely(draw(labels, 0, 0, 128), IDENTITY)
    theirs = {int(value): shapely.geometry.shape(shape) for shape, value in features.shapes(labels) if value}
    assert len(ours) == len(theirs)
    assert all(polygon.equals(theirs[i + 1]) for i, polygon in enumerate(ours))


@pytest.mark.parametrize("tolerance", [0, 0.5, 0.75, 2])
def test_ten_thousand_touching_objects_stay_a_coverage(tolerance):
    labels = touching_labels(np.random.default_rng(1), 1024, 9000)
    polygons = draw(labels, tolerance, 128, 256)
    shapes = to_shapely(polygons, NORTH_UP)
    assert len(shapes) > 10_000
    assert shapely.is_valid(shapes).all()
    assert shapely.coverage_is_valid(shapes)


def test_a_square_keeps_its_corners_and_a_staircase_loses_them():
    square = draw(np.pad(np.ones((6, 6), np.int32), 3), 2.0, 64, 64)
    np.testing.assert_array_equal(square.points, [[3, 3], [9, 3], [9, 9], [3, 9]])
    stairs = np.triu(np.ones((20, 20), np.int32))
    assert len(draw(stairs, 0, 0, 64).points) == 42
    assert len(draw(stairs, 0.75, 64, 64).points) < 8


def test_a_hole_that_touches_its_outline_is_cut_off_at_the_corner():
    labels = np.ones((4, 4), np.int32)
    labels[0, 0] = labels[1, 1] = 0
    polygon = to_shapely(draw(labels, 0, 0, 4), IDENTITY)[0]
    assert polygon.is_valid
    assert (polygon.area, len(polygon.interiors)) == (14, 1)


@pytest.mark.parametrize("matrix", [IDENTITY, NORTH_UP])
def test_exteriors_run_counter_clockwise_in_the_target(matrix):
    labels = np.ones((5, 5), np.int32)
    labels[2, 2] = 0
    polygon = to_shapely(draw(labels, 0, 0, 8), matrix)[0]
    assert polygon.exterior.is_ccw
    assert not polygon.interiors[0].is_ccw


def test_taken_polygons_keep_their_holes():
    labels = random_labels(np.random.default_rng(5), 30, 30)
    polygons = draw(labels, 0, 0, 32)
    index = np.arange(0, len(polygons.ids), 3)
    some, everything = to_shapely(take_polygons(polygons, index), IDENTITY), to_shapely(polygons, IDENTITY)
    assert all(some == everything[index])
