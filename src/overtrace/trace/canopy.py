"""A canopy out of nothing: crowns whose every pixel is a function of its place, so that any box can be drawn alone.

One crown stands in each cell of a square lattice, moved, sized, turned and dented by numbers hashed from the seed and
the cell. Where crowns overlap the deeper one wins, as the taller tree does seen from above.
"""

from dataclasses import dataclass

import numba
import numpy as np

_REACH = 2
"""Cells that a crown may reach out of its own: at most 0.85 of a spacing away, dents included."""


@dataclass(frozen=True, slots=True)
class Canopy:
    """Crowns over a box of pixels, each array (h, w)."""

    depth: np.ndarray
    """float32: 0 outside every crown, rising from its edge to 1 at its centre."""
    rival: np.ndarray
    """float32: depth in the crown underneath, 0 where there is none."""
    tree: np.ndarray
    """int64: a number of each crown of its own; 0 outside."""


def grow_canopy(row: int, col: int, height: int, width: int, *, spacing_px: float = 36, seed: int = 0) -> Canopy:
    """The crowns of a box of pixels; boxes that overlap agree on every pixel.

    Args:
        row, col: first pixel of the box in the endless canopy, 0 or more.
        spacing_px: mean distance of neighbouring crowns; about one crown in ten cells is missing, as clearings.
    """
    first_row, last_row = int(row // spacing_px) - _REACH, int((row + height) // spacing_px) + _REACH
    first_col, last_col = int(col // spacing_px) - _REACH, int((col + width) // spacing_px) + _REACH
    cells = np.mgrid[first_row : last_row + 1, first_col : last_col + 1].reshape(2, -1)
    cells = cells[:, _clearing(cells, seed) > 0.28]
    moved_down, moved_across, sizes, aspects, angles = (scatter(cells[0], cells[1], seed, i) for i in range(1, 6))
    centres = (cells + 0.15 + 0.7 * np.stack([moved_down, moved_across])) * spacing_px
    radii = spacing_px * (0.38 + 0.42 * sizes**1.5)
    trees = (cells[0] + _REACH) * (1 << 31) + cells[1] + _REACH + 1

    dents = noise(row, col, height, width, period_px=spacing_px / 4, seed=seed + 101)
    depth, rival = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    tree = np.zeros((height, width), np.int64)
    shapes = (centres - np.array([[row], [col]]), radii, 0.88 + 0.26 * aspects, np.pi * angles)
    _paint(depth, rival, tree, *shapes, trees, dents)
    return Canopy(depth, rival, tree)


def noise(row: int, col: int, height: int, width: int, *, period_px: float, seed: int) -> np.ndarray:
    """Smooth noise from 0 to 1, (height, width) float32: hashed values at lattice nodes, blended between them."""
    rows, cols = (np.arange(row, row + height) + 0.5) / period_px, (np.arange(col, col + width) + 0.5) / period_px
    first_row, first_col = int(np.floor(rows[0])), int(np.floor(cols[0]))
    nodes = np.mgrid[first_row : int(rows[-1]) + 2, first_col : int(cols[-1]) + 2]
    values = scatter(nodes[0], nodes[1], seed, 0).astype(np.float32)
    down, across = rows.astype(np.int64) - first_row, cols.astype(np.int64) - first_col
    blend_down, blend_across = _ease(rows % 1)[:, None], _ease(cols % 1)
    columns = values[:, across] * (1 - blend_across) + values[:, across + 1] * blend_across
    return np.asarray(columns[down] * (1 - blend_down) + columns[down + 1] * blend_down)


def scatter(rows: np.ndarray, cols: np.ndarray, seed: int, channel: int) -> np.ndarray:
    """A number from 0 to 1 for each cell, the same wherever it is asked for.

    Source:
        Steele et al., Fast splittable pseudorandom number generators, OOPSLA 2014 (the finaliser of splitmix64)
    """
    with np.errstate(over="ignore"):
        state = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + cols.astype(np.uint64)
        state = state * np.uint64(0xD1342543DE82EF95) + np.uint64((seed * 64 + channel) % 2**64)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray((state ^ (state >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


def _clearing(cells: np.ndarray, seed: int) -> np.ndarray:
    """Low where a patch of neighbouring cells stays bare."""
    rows, cols = cells + 2 * _REACH
    return 0.7 * scatter(rows // 3, cols // 3, seed, 6) + 0.3 * scatter(rows, cols, seed, 7)


def _ease(fraction: np.ndarray) -> np.ndarray:
    return np.asarray(fraction * fraction * (3 - 2 * fraction), np.float32)


@numba.njit(cache=True, nogil=True)
def _paint(
    depth: np.ndarray,
    rival: np.ndarray,
    tree: np.ndarray,
    centres: np.ndarray,
    radii: np.ndarray,
    aspects: np.ndarray,
    angles: np.ndarray,
    trees: np.ndarray,
    dents: np.ndarray,
) -> None:
    height, width = depth.shape
    for i in range(len(radii)):
        reach = 1.5 * radii[i]
        cosine, sine = np.cos(angles[i]) / radii[i], np.sin(angles[i]) / radii[i]
        for y in range(max(0, int(centres[0, i] - reach)), min(height, int(centres[0, i] + reach) + 1)):
            down = y + 0.5 - centres[0, i]
            for x in range(max(0, int(centres[1, i] - reach)), min(width, int(centres[1, i] + reach) + 1)):
                across = x + 0.5 - centres[1, i]
                along = (cosine * across + sine * down) * aspects[i]
                beside = (cosine * down - sine * across) / aspects[i]
                here = np.float32(1 - np.sqrt(along * along + beside * beside) * (0.8 + 0.4 * dents[y, x]))
                if here > depth[y, x]:
                    rival[y, x], depth[y, x], tree[y, x] = depth[y, x], here, trees[i]
                elif here > rival[y, x]:
                    rival[y, x] = here
