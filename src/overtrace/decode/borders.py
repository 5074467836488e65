"""Components joined across borders in a tree: each node of it knows of those that touch its own border, no more.

A component that touches no border of its node is complete, and its id is settled there. Of the others the node says
in what order they stand, and a node that holds it settles them; so no process ever sees all components of an image.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from overtrace.decode.components import join_pairs, touching_pairs
from overtrace.raster.arrays import Arrays

SIDES = ("top", "bottom", "left", "right")


@dataclass(frozen=True, slots=True)
class Borders:
    """The components along the borders of a rectangle, numbered from 1; others may be numbered too."""

    top: NDArray[np.int32]
    """(width,) number along the first row, 0 where there is none."""
    bottom: NDArray[np.int32]
    left: NDArray[np.int32]
    """(height,)."""
    right: NDArray[np.int32]
    area: NDArray[np.int64]
    """(n,) pixels of each component."""
    first: NDArray[np.int64]
    """(n,) row-major index in the whole image of its first pixel."""
    peak: NDArray[np.uint8]
    """(n,) its highest value."""


Settled = tuple[NDArray[np.int64], NDArray[np.uint8]]
"""Of each component of a part: its id, 0 where it is too small, -k where it is the k-th that is open; its peak."""


def merge(parts: list[list[Borders]], min_seed_px: int, *, is_whole: bool) -> tuple[Borders, list[Settled]]:
    """Join the components of the parts of a rectangle.

    Args:
        parts: row by row.
        min_seed_px: sets of fewer pixels get id 0.
        is_whole: whether the rectangle is the whole image, so that nothing is open.
    Returns:
        Those that touch a border of the rectangle, and what is settled of those of each part, in order. An id is the
        first pixel of the set in the whole image, plus 1.
    """
    flat = [part for row in parts for part in row]
    starts = np.cumsum([0, *(len(part.area) for part in flat)])
    root = join_pairs(int(starts[-1]), *_find_pairs(parts, starts))
    area = np.zeros(len(root), np.int64)
    np.add.at(area, root, np.concatenate([part.area for part in flat]))
    first = np.full(len(root), np.iinfo(np.int64).max)
    np.minimum.at(first, root, np.concatenate([part.first for part in flat]))
    peak = np.zeros(len(root), np.uint8)
    np.maximum.at(peak, root, np.concatenate([part.peak for part in flat]))
    number = np.concatenate([[0], root + 1])
    sides = {side: number[labels] for side, labels in _outer(parts, starts).items()}
    touching = np.unique(np.concatenate([*sides.values(), np.zeros(1, np.int64)]))[1:] - 1
    is_open = touching[:0] if is_whole else touching
    renumbered = np.zeros(len(root) + 1, np.int32)
    renumbered[is_open + 1] = np.arange(1, len(is_open) + 1)
    ids = np.where(area >= min_seed_px, first + 1, 0)
    ids[is_open] = -np.arange(1, len(is_open) + 1)
    borders = Borders(
        **{side: renumbered[labels] for side, labels in sides.items()},
        area=area[is_open],
        first=first[is_open],
        peak=peak[is_open],
    )
    bounds = starts[1:-1]
    return borders, list(zip(np.split(ids[root], bounds), np.split(peak[root], bounds), strict=True))


def _find_pairs(parts: list[list[Borders]], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(2, n) components that face each other across the borders between the parts."""
    across = len(parts[0])
    pairs = [np.zeros((2, 0), np.int64)]
    for i, row in enumerate(parts):
        for j, part in enumerate(row):
            k = i * across + j
            if j:
                pairs.append(touching_pairs(row[j - 1].right, part.left, starts[k - 1], starts[k]))
            if i:
                pairs.append(touching_pairs(parts[i - 1][j].bottom, part.top, starts[k - across], starts[k]))
    return np.concatenate(pairs, axis=1)


def _outer(parts: list[list[Borders]], starts: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """The numbers along the outer borders, counted through all parts."""
    across, last = len(parts[0]), len(parts) - 1
    lines = {
        "top": [(0, j) for j in range(across)],
        "bottom": [(last, j) for j in range(across)],
        "left": [(i, 0) for i in range(len(parts))],
        "right": [(i, across - 1) for i in range(len(parts))],
    }

    def count_through(i: int, j: int, side: str) -> NDArray[np.int64]:
        labels = getattr(parts[i][j], side).astype(np.int64)
        return np.asarray(np.where(labels > 0, labels + starts[i * across + j], 0))

    return {side: np.concatenate([count_through(i, j, side) for i, j in line]) for side, line in lines.items()}


def to_arrays(borders: Borders) -> Arrays:
    """To keep them in a file."""
    return {name: getattr(borders, name) for name in (*SIDES, "area", "first", "peak")}
