"""What a network says of a block of an image, as bytes or as it is."""

from collections.abc import Iterator

import numpy as np
from numba import njit
from numpy.typing import NDArray

from overtrace.models.card import PLANES
from overtrace.models.runtime import Network
from overtrace.raster.grid import Box, grow, within
from overtrace.raster.lattice import Block, Window
from overtrace.raster.view import View

Probabilities = NDArray[np.float32]
LEVELS = 254
"""Steps from 0 to 1 in which planes are kept."""
BINOMIAL = (1, 4, 6, 4, 1)
SMOOTH_PX = 2
"""Rows and columns on each side that smoothing looks at."""


@njit(cache=True, nogil=True)
def _quantise(probabilities: NDArray[np.float32], valid: NDArray[np.bool_], planes: NDArray[np.uint8]) -> None:
    """Probabilities 0..1 to 1..255, and 0 where there is no data, into ``planes``."""
    count, height, width = probabilities.shape
    for i in range(count):
        for y in range(height):
            for x in range(width):
                level = probabilities[i, y, x] * np.float32(LEVELS) + np.float32(1.5)
                planes[i, y, x] = np.uint8(level) if valid[y, x] else np.uint8(0)


@njit(cache=True, nogil=True)
def _smooth(plane: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The binomial mean around each pixel, which has a standard deviation of 1 pixel; 0 where there is no data."""
    height, width = plane.shape
    smooth = np.zeros((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            if plane[y, x] == 0:
                continue
            total, weight = 0, 0
            for i in range(max(y - SMOOTH_PX, 0), min(y + SMOOTH_PX + 1, height)):
                for j in range(max(x - SMOOTH_PX, 0), min(x + SMOOTH_PX + 1, width)):
                    if plane[i, j] > 0:
                        share = BINOMIAL[i - y + SMOOTH_PX] * BINOMIAL[j - x + SMOOTH_PX]
                        total += share * plane[i, j]
                        weight += share
            smooth[y, x] = np.float32(total / weight)
    return smooth


@njit(cache=True, nogil=True)
def _keep_peaks(planes: NDArray[np.uint8], reach: int) -> None:
    """Smooth the distance plane, level it but where it is highest, and raise the interior there.

    A peak is in an object; without smoothing, one tree has several. Of equal pixels the first of the image is the
    highest.

    Args:
        planes: (3, h, w) interior, touch, distance, changed in place.
        reach: rows and columns on each side within which a peak is the highest.
    """
    _, height, width = planes.shape
    distance = _smooth(planes[2])
    for y in range(height):
        for x in range(width):
            here = distance[y, x]
            if here == 0:
                continue
            highest = True
            for i in range(max(y - reach, 0), min(y + reach + 1, height)):
                for j in range(max(x - reach, 0), min(x + reach + 1, width)):
                    other = distance[i, j]
                    if other > here or (other == here and (i < y or (i == y and j < x))):
                        highest = False
                        break
                if not highest:
                    break
            level = np.uint8(here + np.float32(0.5))
            planes[2, y, x] = level if highest else np.uint8(1)
            if highest:
                planes[0, y, x] = max(planes[0, y, x], level)


def predict_planes(view: View, network: Network, block: Block, peak_px: int = 0) -> NDArray[np.uint8]:
    """What the network says of a block.

    Args:
        peak_px: if not 0, the distance is smoothed by a binomial of 5 x 5 pixels, and stays only where it is highest
            within this many rows and columns; at most the margin of the card.
    Returns:
        (3, h, w) uint8, 1 to 255, and 0 where there is no data: interior, touch and distance. Of a network that does
        not answer all three, nothing touches, and the interior stands for the distance.
    """
    _check_reach("peaks within", peak_px, network)
    reach = min(peak_px + SMOOTH_PX, network.card.margin) if peak_px else 0
    planes = np.zeros((len(PLANES), block.core.height, block.core.width), np.uint8)
    for window, answer, valid in _ask(view, network, block):
        wide = grow(window.keep, reach)
        seen = within(wide, window.read)
        said = np.empty((network.card.channels, wide.height, wide.width), np.uint8)
        _quantise(answer[:, *seen], valid[seen], said)
        said = _complete(said, network.card.planes)
        if peak_px:
            _keep_peaks(said, peak_px)
        planes[:, *within(window.keep, block.core)] = said[:, *within(window.keep, wide)]
    return planes


def predict_probabilities(view: View, network: Network, block: Block, border: int = 0) -> Probabilities:
    """What the network says of a block, to the last digit.

    Args:
        border: pixels beyond each side of the block that are wanted too, at most the margin of the card; beyond the
            edges of the image they are what the network says of its mirror.
    Returns:
        (planes, h + 2 border, w + 2 border) float32, 0 to 1, and 0 where the block has no data: the planes of the card,
        in its order.
    """
    _check_reach("a border of", border, network)
    core = block.core
    outer = grow(core, border)
    planes = np.zeros((network.card.channels, outer.height, outer.width), np.float32)
    for window, answer, valid in _ask(view, network, block):
        wide = _widen(window.keep, core, border)
        planes[:, *within(wide, outer)] = answer[:, *within(wide, window.read)]
        planes[:, *within(window.keep, outer)] *= valid[within(window.keep, window.read)]
    return planes


def _check_reach(what: str, reach: int, network: Network) -> None:
    if not 0 <= reach <= network.card.margin:
        raise ValueError(f"{what} {reach} pixels is not within the margin of {network.card.margin}")


def _ask(view: View, network: Network, block: Block) -> Iterator[tuple[Window, Probabilities, NDArray[np.bool_]]]:
    """Each window that is to answer for data, all that it answers, and where there is data in what it reads."""
    outer = block.read
    image, valid = view.read(outer)
    for window in block.windows:
        if valid[within(window.keep, outer)].any():
            read = within(window.read, outer)
            yield window, network.run(image[None, :, *read])[0], valid[read]


def _widen(keep: Box, core: Box, border: int) -> Box:
    """What a window keeps, and the border of the block where that begins beside it."""
    top, left = border * (keep.row == core.row), border * (keep.col == core.col)
    bottom = border * (keep.row + keep.height == core.row + core.height)
    right = border * (keep.col + keep.width == core.col + core.width)
    return Box(keep.row - top, keep.col - left, keep.height + top + bottom, keep.width + left + right)


def _complete(planes: NDArray[np.uint8], names: tuple[str, ...]) -> NDArray[np.uint8]:
    if names == PLANES:
        return planes
    known = dict(zip(names, planes, strict=True))
    interior = known["interior"]
    nowhere = np.minimum(interior, 1)
    return np.stack([interior, known.get("touch", nowhere), known.get("distance", interior)])
