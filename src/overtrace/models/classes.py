"""Placeholder."""

import numpy as np
from numpy.typing import NDArray

from overtrace.models.runtime import Network
from overtrace.models.view import lay_windows
from overtrace.raster.grid import within
from overtrace.raster.view import View


def predict_classes(view: View, network: Network) -> NDArray[np.uint8]:
    """The class of each pixel of an image, at its own size."""
    (block,) = lay_windows(network.card).blocks(view.grid, max(view.grid.height, view.grid.width))
    image, _ = view.read(block.read)
    classes = np.zeros((view.grid.height, view.grid.width), np.uint8)
    for window in block.windows:
        (answer,) = network.ask(image[:, *within(window.read, block.read)])
        said = answer[0].argmax(axis=0).astype(np.uint8)
        stride = window.read.height // len(said)
        said = said.repeat(stride, axis=0).repeat(stride, axis=1)
        classes[within(window.keep, block.core)] = said[within(window.keep, window.read)]
    height, width = view.raster.grid.height, view.raster.grid.width
    rows, cols = np.arange(height) * len(classes) // height, np.arange(width) * classes.shape[1] // width
    return classes[rows[:, None], cols]
