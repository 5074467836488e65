"""What a network sees where there is no image: the nearest pixels, and the image in a mirror beyond its edges."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from numba import njit

REACH = 32
"""Pixels over which holes are filled from their edges; no network looks much further with any weight."""

GREY = np.float32(0.4)
"""What holes hold further in: the brightness of an ordinary landscape."""


Edges = Literal["symmetric", "reflect"]
"""What is seen beyond the edges, as ``numpy.pad`` calls it: the pixel at the edge again, or the one before it."""


def mirror(start: int, length: int, image_length: int, edges: Edges = "symmetric") -> npt.NDArray[np.int64]:
    """For each of ``length`` positions from ``start`` on the pixel of the image that is seen there."""
    again = edges == "symmetric"
    period = 2 * image_length if again else max(2 * image_length - 2, 1)
    positions = np.arange(start, start + length) % period
    return np.where(positions < image_length, positions, period - again - positions)


@njit(cache=True, nogil=True)
def fill_holes(image: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_]) -> None:
    """Replace what is not valid by the nearest valid pixel of the same row or column, within ``REACH``, else by grey.

    Of two at the same distance the one to the left goes before those to the right, above and below.

    Args:
        image: (bands, height, width), changed in place.
        valid: (height, width).
    """
    bands, height, width = image.shape
    far = REACH + 1
    distance = np.full((height, width), far, np.int32)
    source = np.zeros((height, width), np.int64)
    for y in range(height):
        for direction in (1, -1):
            away = far
            for i in range(width):
                x = i if direction == 1 else width - 1 - i
                away = 0 if valid[y, x] else away + 1
                if away < distance[y, x]:
                    distance[y, x] = away
                    source[y, x] = y * width + x - direction * away
    for direction in (1, -1):
        steps = np.full(width, far, np.int32)
        for i in range(height):
            y = i if direction == 1 else height - 1 - i
            for x in range(width):
                steps[x] = 0 if valid[y, x] else steps[x] + 1
                if steps[x] < distance[y, x]:
                    distance[y, x] = steps[x]
                    source[y, x] = (y - direction * steps[x]) * width + x
    for y in range(height):
        for x in range(width):
            if not valid[y, x]:
                for band in range(bands):
                    near = image[band, source[y, x] // width, source[y, x] % width]
                    image[band, y, x] = near if distance[y, x] <= REACH else GREY
