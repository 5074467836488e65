"""An image on the grid of another, which may lie in another CRS.

Where a pixel lies in the image is worked out at the nodes of a lattice that is fixed to the grid, and interpolated
between them; so it is a function of the pixel alone, never of the box that it is read with.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numba import njit
from pyproj import CRS as ProjCRS
from pyproj import Transformer

from overtrace.raster.grid import Box, Grid

NODE_PX = 64
"""Pixels from node to node."""
OUTLINE_POINTS = 129
"""Along each side of an image, to find its place in another CRS."""
ALIGNED_PX = 0.01
"""Grids whose pixels lie this close to each other, at all corners, are the same."""

Nodes = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Placing:
    """How an image lies on a grid."""

    box: Box
    """Pixels of the grid that it may cover."""
    offset: tuple[int, int] | None
    """Row and column of the grid at which its first pixel lies, where its pixels are those of the grid."""
    scale: tuple[float, float]
    """Its pixels to one of the grid, along a row and down a column; at least 1."""


def place(image: Grid, grid: Grid) -> Placing | None:
    """Where an image lies on a grid; None if its CRS does not reach there."""
    corners = np.array([[0.0, 0.0], [image.width, 0], [0, image.height], [image.width, image.height]])
    side = np.linspace(0, 1, OUTLINE_POINTS)
    far = np.ones_like(side)
    outline = np.concatenate(
        [np.stack(pair, 1) for pair in ((side, 0 * far), (side, far), (0 * far, side), (far, side))]
    )
    points = _carry(np.concatenate([corners, outline * (image.width, image.height)]), image, grid)
    if not np.isfinite(points).all():
        return None
    (left, top), (right, bottom) = np.floor(points.min(axis=0) + ALIGNED_PX), np.ceil(points.max(axis=0) - ALIGNED_PX)
    box = Box(int(top), int(left), int(bottom - top), int(right - left))
    shift = points[:4] - corners
    if np.abs(shift - np.rint(shift[0])).max() <= ALIGNED_PX and image.crs == grid.crs:
        col, row = np.rint(shift[0]).astype(int).tolist()
        return Placing(box, (row, col), (1.0, 1.0))
    return Placing(box, None, _measure_scale(image, grid, points[:4].mean(axis=0)))


def find_nodes(box: Box, grid: Grid, image: Grid) -> Nodes:
    """Where the nodes around a box of the grid lie in the image, from the one at or before its first pixel on.

    Returns:
        (rows, columns, 2) column and row of the image, in pixels, corner convention; inf where its CRS does not reach.
    """
    rows = np.arange(box.row // NODE_PX, (box.row + box.height - 1) // NODE_PX + 2) * float(NODE_PX)
    cols = np.arange(box.col // NODE_PX, (box.col + box.width - 1) // NODE_PX + 2) * float(NODE_PX)
    points = np.stack(np.broadcast_arrays(cols, rows[:, None]), axis=-1).reshape(-1, 2)
    return _carry(points, grid, image).reshape(len(rows), len(cols), 2)


def find_source(nodes: Nodes, scale: tuple[float, float], image: Grid) -> Box | None:
    """The pixels of the image that a box with these nodes is made of; None if there are none."""
    reach = np.ceil(scale) + 1
    known = nodes[np.isfinite(nodes).all(axis=-1)]
    if not len(known):
        return None
    left, top = np.maximum(np.floor(known.min(axis=0)) - reach, 0).astype(int).tolist()
    right, bottom = np.minimum(np.ceil(known.max(axis=0)) + reach, (image.width, image.height)).astype(int).tolist()
    return Box(top, left, bottom - top, right - left) if top < bottom and left < right else None


def _carry(points: Nodes, source: Grid, target: Grid) -> Nodes:
    """(n, 2) columns and rows of one grid as those of another."""
    a, b, c, d, e, f = source.transform[:6]
    x, y = a * points[:, 0] + b * points[:, 1] + c, d * points[:, 0] + e * points[:, 1] + f
    if source.crs != target.crs:
        assert source.crs is not None
        assert target.crs is not None
        x, y = _transformer(source.crs.to_wkt(), target.crs.to_wkt()).transform(x, y)
    a, b, c, d, e, f = (~target.transform)[:6]
    with np.errstate(invalid="ignore"):
        return np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)


@lru_cache(maxsize=64)
def _transformer(source: str, target: str) -> Transformer:
    return Transformer.from_crs(ProjCRS.from_wkt(source), ProjCRS.from_wkt(target), always_xy=True)


def _measure_scale(image: Grid, grid: Grid, centre: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Pixels of the image to one of the grid, at a point of the grid."""
    around = centre + np.array([[-0.5, 0], [0.5, 0], [0, -0.5], [0, 0.5]])
    left, right, up, down = _carry(around, grid, image)
    across = [float(np.hypot(right[i] - left[i], down[i] - up[i])) for i in (0, 1)]
    x, y = (1.0 if not math.isfinite(scale) or scale < 1.01 else round(scale, 3) for scale in across)
    return x, y


@njit(cache=True, nogil=True)
def sample(
    values: npt.NDArray[np.generic],
    valid: npt.NDArray[np.bool_],
    top: int,
    left: int,
    nodes: Nodes,
    row: int,
    col: int,
    scale_x: float,
    scale_y: float,
    whole: bool,
    image: npt.NDArray[np.generic],
    real: npt.NDArray[np.bool_],
) -> None:
    """Put pixels of an image into those of a box that are not real yet; bilinear, over wider squares where it is finer.

    A pixel is real where the one of the image under its centre is; others without data have no weight.

    Args:
        values, valid: (bands, H, W) and (H, W), the part of the image from its pixel (top, left) on.
        nodes: of ``find_nodes`` for the box that begins at (row, col) of the grid.
        whole: round the means, for types without fractions.
        image, real: (bands, h, w) and (h, w), the box; changed in place.
    """
    bands, height, width = image.shape
    sums = np.empty(bands)
    for y in range(height):
        down = row % NODE_PX + y
        i, t = down // NODE_PX, (down % NODE_PX + 0.5) / NODE_PX
        for x in range(width):
            if real[y, x]:
                continue
            across = col % NODE_PX + x
            j, s = across // NODE_PX, (across % NODE_PX + 0.5) / NODE_PX
            u = (nodes[i, j, 0] * (1 - s) + nodes[i, j + 1, 0] * s) * (1 - t)
            u += (nodes[i + 1, j, 0] * (1 - s) + nodes[i + 1, j + 1, 0] * s) * t
            v = (nodes[i, j, 1] * (1 - s) + nodes[i, j + 1, 1] * s) * (1 - t)
            v += (nodes[i + 1, j, 1] * (1 - s) + nodes[i + 1, j + 1, 1] * s) * t
            u, v = u - left, v - top
            # Also where they are not numbers.
            if not (u >= 0 and u < valid.shape[1] and v >= 0 and v < valid.shape[0]) or not valid[int(v), int(u)]:
                continue
            sums[:] = 0
            total = 0.0
            for k in range(max(0, math.ceil(v - 0.5 - scale_y)), min(len(valid), int(v - 0.5 + scale_y) + 1)):
                by_row = 1 - abs(k + 0.5 - v) / scale_y
                for m in range(max(0, math.ceil(u - 0.5 - scale_x)), min(valid.shape[1], int(u - 0.5 + scale_x) + 1)):
                    weight = by_row * (1 - abs(m + 0.5 - u) / scale_x)
                    if weight > 0 and valid[k, m]:
                        total += weight
                        for band in range(bands):
                            sums[band] += weight * values[band, k, m]
            for band in range(bands):
                mean = sums[band] / total
                image[band, y, x] = math.floor(mean + 0.5) if whole else mean
            real[y, x] = True
