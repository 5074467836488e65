from collections import deque

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from overtrace.decode.components import label_components
from overtrace.decode.flood import grow, halo_px, object_mask
from overtrace.decode.instances import grow_instances
from overtrace.decode.parameters import Parameters


def nearest_seed(mask: np.ndarray, seeds: np.ndarray, steps: int) -> np.ndarray:
    """The definition, pixel by pixel: the smallest (distance, label) of all seeds within ``steps``."""
    best = np.full(mask.shape, -1)
    label_at = seeds.copy()
    best[seeds > 0] = 0
    for label in np.unique(seeds[seeds > 0]):
        distance = np.where(seeds == label, 0, -1)
        queue = deque(zip(*np.nonzero(seeds == label), strict=True))
        while queue:
            y, x = queue.popleft()
            if distance[y, x] == steps:
                continue
            for v, u in ((y - 1, x), (y, x - 1), (y, x + 1), (y + 1, x)):
                inside = 0 <= v < mask.shape[0] and 0 <= u < mask.shape[1]
                if inside and mask[v, u] and seeds[v, u] == 0 and distance[v, u] < 0:
                    distance[v, u] = distance[y, x] + 1
                    queue.append((v, u))
        closer = (distance > 0) & ((best < 0) | (distance < best))
        best[closer], label_at[closer] = distance[closer], label
    return label_at


@given(st.integers(0, 2**32 - 1), st.integers(1, 24), st.integers(1, 24), st.integers(0, 12))
def test_growth_is_the_smallest_distance_then_the_smallest_label(seed, height, width, steps):
    rng = np.random.default_rng(seed)
    mask = (rng.random((height, width)) < 0.8).astype(np.uint8)
    labels = np.zeros((height + 2, width + 2), np.int32)
    label_components((mask & (rng.random((height, width)) < 0.1)).astype(np.uint8)).paint(labels, -1, -1)
    seeds = labels[1:-1, 1:-1].copy()
    grow(np.pad(mask, 1), labels, steps)
    np.testing.assert_array_equal(labels[1:-1, 1:-1], nearest_seed(mask, seeds, steps))


def test_gaps_up_to_the_bound_are_filled_but_not_bays_nor_pixels_without_data():
    interior = np.array(
        [
            [200, 200, 200, 200, 200, 200, 1],
            [200, 100, 200, 100, 100, 200, 200],
            [200, 200, 200, 200, 100, 200, 0],
            [200, 200, 200, 200, 200, 200, 200],
        ],
        np.uint8,
    )
    filled = object_mask(interior, 128, 2)[1:-1, 1:-1]
    expected = (interior >= 128).astype(np.uint8)
    expected[1, 1] = 1
    np.testing.assert_array_equal(filled, expected)
    inner = object_mask(np.pad(np.zeros((1, 1), np.uint8), 1, constant_values=200), 128, 2)[1:-1, 1:-1]
    assert inner[1, 1] == 0


@given(st.integers(0, 2**32 - 1))
def test_a_block_with_its_halo_is_exact(seed):
    rng = np.random.default_rng(seed)
    planes = rng.integers(1, 256, (3, 60, 60), dtype=np.uint8)
    planes[0] = np.where(rng.random((60, 60)) < 0.85, 200, 50)
    parameters = Parameters(grow_px=4, hole_px=3)
    whole = np.zeros((62, 62), np.int32)
    label_components((planes[2] > 245).astype(np.uint8) & (planes[0] > 127)).paint(whole, -1, -1)
    seeds = whole[1:-1, 1:-1].copy()
    grow_instances(planes[0], whole, parameters)
    halo = halo_px(parameters)
    row, col = rng.integers(0, 50, 2)
    top, left = max(row - halo, 0), max(col - halo, 0)
    region = np.s_[top : row + 10 + halo, left : col + 10 + halo]
    part = np.pad(seeds[region], 1)
    grow_instances(np.ascontiguousarray(planes[0][region]), part, parameters)
    one_around = np.s_[max(row - 1, 0) : row + 11, max(col - 1, 0) : col + 11]
    shifted = np.s_[max(row - 1, 0) - top : row + 11 - top, max(col - 1, 0) - left : col + 11 - left]
    np.testing.assert_array_equal(part[1:-1, 1:-1][shifted], whole[1:-1, 1:-1][one_around])
