"""Placeholder."""

import numpy as np
from numpy.typing import NDArray

from overtrace.raster.detections import Detections


def suppress(found: Detections, overlap: float) -> Detections:
    """All of them."""
    return found


def paste(
    found: Detections, i: int, shape: tuple[int, int], scale: tuple[float, float] = (1.0, 1.0), threshold: float = 0.5
) -> tuple[NDArray[np.bool_], int, int]:
    """The nearest value of the mask at each pixel."""
    left, top, right, bottom = (found.boxes[i].reshape(2, 2) * scale).ravel().tolist()
    cols = np.arange(max(int(np.ceil(left - 0.5)), 0), min(int(np.ceil(right - 0.5)), shape[1]))
    rows = np.arange(max(int(np.ceil(top - 0.5)), 0), min(int(np.ceil(bottom - 0.5)), shape[0]))
    if len(rows) == 0 or len(cols) == 0:
        return np.zeros((0, 0), bool), 0, 0
    side = found.masks.shape[-1]
    y = ((rows + 0.5 - top) / (bottom - top) * side).astype(int)
    x = ((cols + 0.5 - left) / (right - left) * side).astype(int)
    return found.masks[i][y[:, None], x] >= threshold, int(rows[0]), int(cols[0])
