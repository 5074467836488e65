"""What a network says of a block of an image, as bytes."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from overtrace.models.card import PLANES
from overtrace.models.runtime import Network
from overtrace.raster.grid import within
from overtrace.raster.lattice import Block
from overtrace.raster.view import View


@njit(cache=True, nogil=True)
def _quantise(probabilities: NDArray[np.float32], valid: NDArray[np.bool_], planes: NDArray[np.uint8]) -> None:
    """Probabilities 0..1 to 1..255, and 0 where there is no data, into ``planes``."""
    count, height, width = probabilities.shape
    for i in range(count):
        for y in range(height):
            for x in range(width):
                level = probabilities[i, y, x] * np.float32(254) + np.float32(1.5)
                planes[i, y, x] = np.uint8(level) if valid[y, x] else np.uint8(0)


def predict_planes(view: View, network: Network, block: Block) -> NDArray[np.uint8]:
    """What the network says of a block.

    Returns:
        (3, h, w) uint8, 1 to 255, and 0 where there is no data: interior, touch and distance. Of a network that does
        not answer all three, nothing touches, and the interior stands for the distance.
    """
    outer = block.read
    image, valid = view.read(outer)
    planes = np.zeros((network.card.channels, block.core.height, block.core.width), np.uint8)
    for window in block.windows:
        keep = within(window.keep, outer)
        if not valid[keep].any():
            continue
        answer = network.run(image[None, :, *within(window.read, outer)])[0]
        kept = within(window.keep, window.read)
        _quantise(answer[:, *kept], valid[keep], planes[:, *within(window.keep, block.core)])
    return planes if network.card.planes == PLANES else _complete(planes, network.card.planes)


def _complete(planes: NDArray[np.uint8], names: tuple[str, ...]) -> NDArray[np.uint8]:
    known = dict(zip(names, planes, strict=True))
    interior = known["interior"]
    nowhere = np.minimum(interior, 1)
    return np.stack([interior, known.get("touch", nowhere), known.get("distance", interior)])


def predict_probabilities(view: View, network: Network, block: Block) -> NDArray[np.float32]:
    """Placeholder."""
    outer = block.read
    image, valid = view.read(outer)
    answer = np.zeros((network.card.channels, block.core.height, block.core.width), np.float32)
    for window in block.windows:
        said = network.run(image[None, :, *within(window.read, outer)])[0]
        answer[:, *within(window.keep, block.core)] = said[:, *within(window.keep, window.read)]
    answer[:, ~valid[within(block.core, outer)]] = 0
    return answer
