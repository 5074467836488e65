"""What a network says of an image as a whole: a class at every pixel of the file.

The network answers on fewer pixels than the image has. Its scores are interpolated to the pixels of the file before the
best is taken, with pixel centres at halves (``align_corners=False``), and held at the edges of a window. Where the four
scores around a pixel agree on the best class, so does all that lies between them: only pixels near a border between
classes are worked out, and nothing of the size of the image is held for each class.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from overtrace.errors import BadModel
from overtrace.models.runtime import Network
from overtrace.models.view import lay_windows
from overtrace.raster.view import View

MOST_CLASSES = 255

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Axis:
    """Along one axis: the pixels of the file that a window answers for, and the two scores that each lies between."""

    pixels: slice
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    share: NDArray[np.float32]
    """Of the higher one, from 0 to 1."""


def predict_classes(view: View, network: Network) -> NDArray[np.uint8]:
    """The class of each pixel of the file; of those with the same score the lower one.

    An image that fits into one window is seen whole, its sides rounded up to multiples of 32 by mirrored pixels. Where
    there is no data, it is what the network says of the filled image.

    Returns:
        (H, W) uint8, classes from 0, of the size of the raster.
    Raises:
        BadImage: if the file is damaged.
        BadModel: if there are more classes than a byte holds.
    """
    card = network.card
    if card.channels > MOST_CLASSES:
        raise BadModel(f"{card.name} has {card.channels} classes: at most {MOST_CLASSES} can be told apart")
    source, seen = view.raster.grid, view.grid
    classes = np.empty((source.height, source.width), np.uint8)
    (block,) = lay_windows(card).blocks(seen, max(seen.height, seen.width))
    for window in block.windows:
        image, _ = view.read(window.read)
        (answer,) = network.ask(image)
        scores = np.ascontiguousarray(answer[0].transpose(1, 2, 0), np.float32)
        keep, read = window.keep, window.read
        kept_rows, kept_cols = range(keep.row, keep.row + keep.height), range(keep.col, keep.col + keep.width)
        read_rows, read_cols = range(read.row, read.row + read.height), range(read.col, read.col + read.width)
        rows = _lie_between(kept_rows, read_rows, seen.height, source.height, scores.shape[0])
        cols = _lie_between(kept_cols, read_cols, seen.width, source.width, scores.shape[1])
        part = classes[rows.pixels, cols.pixels]
        _choose(scores, rows.low, rows.high, rows.share, cols.low, cols.high, cols.share, part)
    return classes


def _lie_between(keep: range, read: range, seen: int, source: int, scores: int) -> Axis:
    """Where the pixels of the file lie among the scores of a window.

    Args:
        keep, read: pixels of the view that the window answers for, and those that its scores are spread over.
        seen, source: how many pixels the view and the file have along this axis.
    """
    twice = (2 * np.arange(source) + 1) * seen
    start, stop = np.searchsorted(twice // (2 * source), (keep.start, keep.stop)).tolist()
    centres = twice[start:stop] / (2 * source) - read.start
    places = np.clip(centres * (scores / len(read)) - 0.5, 0, scores - 1)
    low = places.astype(np.int64)
    return Axis(slice(start, stop), low, np.minimum(low + 1, scores - 1), (places - low).astype(np.float32))


@njit(cache=True, nogil=True)
def _choose(
    scores: Scores,
    top: NDArray[np.int64],
    bottom: NDArray[np.int64],
    down: NDArray[np.float32],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    across: NDArray[np.float32],
    classes: NDArray[np.uint8],
) -> None:
    """The best class of each pixel into ``classes`` (H, W); the rest are the ``Axis`` of rows and of columns."""
    height, width, count = scores.shape
    best = np.empty((height, width), np.uint8)
    for i in range(height):
        for j in range(width):
            highest = 0
            for k in range(1, count):
                if scores[i, j, k] > scores[i, j, highest]:
                    highest = k
            best[i, j] = highest
    for y in range(len(top)):
        above, below, lower = top[y], bottom[y], down[y]
        upper = np.float32(1) - lower
        for x in range(len(left)):
            before, after, later = left[x], right[x], across[x]
            first = best[above, before]
            if first == best[above, after] and first == best[below, before] and first == best[below, after]:
                classes[y, x] = first
                continue
            earlier = np.float32(1) - later
            highest, most = 0, np.float32(-np.inf)
            for k in range(count):
                over = earlier * scores[above, before, k] + later * scores[above, after, k]
                under = earlier * scores[below, before, k] + later * scores[below, after, k]
                score = upper * over + lower * under
                if score > most:
                    highest, most = k, score
            classes[y, x] = highest
