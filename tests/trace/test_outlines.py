"""Packed outlines say what the page is told they say."""

import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st

from overtrace.trace.outlines import pack_outlines


def unpack(packed: bytes) -> list[list[list[tuple[int, int]]]]:
    """Polygons as lists of rings of points, in units."""
    numbers = iter(packed)

    def take() -> int:
        value, shift = 0, 0
        for byte in numbers:
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
        raise StopIteration

    def step() -> int:
        code = take()
        return -(code + 1) // 2 if code % 2 else code // 2

    polygons, x, y = [], 0, 0
    while True:
        try:
            rings = take()
        except StopIteration:
            return polygons
        polygons.append([])
        for _ in range(rings):
            polygons[-1].append([])
            for _ in range(take()):
                x, y = x + step(), y + step()
                polygons[-1][-1].append((x, y))


def test_worked_by_hand():
    triangle = shapely.Polygon([(0, 0), (64, 0), (0, -1)])
    # One ring of three vertices; steps 0 0, 64 0 (zigzag 128: two bytes), -64 -1 (zigzag 127, 1).
    packed = pack_outlines(np.array([triangle], dtype=object), 1)
    assert list(packed) == [1, 3, 0, 0, 128, 1, 0, 127, 1]


def test_no_polygons_are_no_bytes():
    assert pack_outlines(np.zeros(0, dtype=object), 1) == b""


corner = st.integers(-(2**31), 2**31)


@given(st.lists(st.tuples(corner, corner, st.integers(3, 2**20)), max_size=5))
def test_polygons_with_holes_are_unpacked_as_they_were(squares):
    polygons = [
        shapely.Polygon(
            shapely.box(x, y, x + side, y + side).exterior, [shapely.box(x + 1, y + 1, x + 2, y + 2).exterior]
        )
        for x, y, side in squares
    ]
    unpacked = unpack(pack_outlines(np.array(polygons, dtype=object), 0.5))
    assert len(unpacked) == len(polygons)
    for rings, polygon in zip(unpacked, polygons, strict=True):
        expected = [polygon.exterior, *polygon.interiors]
        assert rings == [[(2 * x, 2 * y) for x, y in ring.coords[:-1]] for ring in expected]
