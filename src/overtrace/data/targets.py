"""What a network learns from labels: how deep in its object a pixel lies, and where objects touch."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from overtrace.data.labelled import Labels


def peakedness(labels: Labels, centres: NDArray[np.float64]) -> NDArray[np.uint8]:
    """How far each pixel is on the way from its crown's border (0) to its crown's centre (255).

    The distance to the border over that distance plus the distance to the centre: 1 at the centre wherever it lies in
    the crown, 0 at the border, the same for crowns of any size. It replaces the usual distance normalised by its own
    maximum, whose peak is wherever the crown is widest.

    Args:
        labels: (H, W), crown ``i + 1`` belongs to ``centres[i]``.
        centres: (n, 2) x and y in pixels.
    Returns:
        (H, W) uint8, 0 outside crowns.
    """
    peaks = np.zeros(labels.shape, np.float64)
    for label, where in enumerate(ndimage.find_objects(labels), start=1):
        if where is None:
            continue
        crown = np.pad(labels[where] == label, 1)
        to_border = ndimage.distance_transform_edt(crown)[1:-1, 1:-1]
        rows, cols = np.ogrid[where]
        x, y = centres[label - 1]
        to_centre = np.maximum(np.hypot(cols - x, rows - y) - 0.5, 0)
        peaks[where] = np.maximum(peaks[where], to_border / (to_border + to_centre + 1e-9))
    return np.round(peaks * 255).astype(np.uint8)


def touching(labels: Labels, reach_px: int = 2) -> NDArray[np.bool_]:
    """Pixels of a crown that have another crown within ``reach_px`` rows and columns."""
    side = 2 * reach_px + 1
    highest = ndimage.maximum_filter(labels, side)
    lowest = ndimage.minimum_filter(np.where(labels == 0, np.iinfo(np.int32).max, labels), side)
    touches: NDArray[np.bool_] = (labels > 0) & (highest != lowest)
    return touches
