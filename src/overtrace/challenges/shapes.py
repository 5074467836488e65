"""The pixels of objects as contests want them: an outline, or a point."""

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from overtrace.scoring.rle import Part
from overtrace.vector.arcs import walk_outlines
from overtrace.vector.rings import build_polygons, to_shapely

AS_IT_IS = np.array([[1.0, 0, 0], [0, 1.0, 0]])


def cut_labels(labels: NDArray[np.int32]) -> dict[int, Part]:
    """The pixels of each label, from 1; those that have none are left out."""
    places = enumerate(ndimage.find_objects(labels), start=1)
    return {
        label: (labels[where] == label, where[0].start, where[1].start) for label, where in places if where is not None
    }


def draw_outline(part: Part) -> shapely.Polygon:
    """The outline of an object along the edges of its pixels, with holes; of several pieces, that of the largest.

    Args:
        part: not empty.
    Returns:
        In pixels of the image, corner convention: the first pixel covers 0 to 1.
    """
    mask, row, col = part
    pieces, count = ndimage.label(mask)
    largest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:])) if count > 1 else 1
    framed = np.pad((pieces == largest).astype(np.int32), 1)
    rings = walk_outlines(framed, row, col, columns=col + mask.shape[1])
    (outline,) = to_shapely(build_polygons(rings), AS_IT_IS)
    return outline


def find_point(part: Part) -> tuple[float, float]:
    """The centroid of an object if it lies in the object, else the nearest of the pixels: x and y.

    Args:
        part: not empty.
    Returns:
        In pixels of the image; the centre of the first pixel is at (0, 0).
    """
    mask, row, col = part
    rows, cols = np.nonzero(mask)
    y, x = float(rows.mean()), float(cols.mean())
    if not mask[int(y + 0.5), int(x + 0.5)]:
        nearest = np.argmin((rows - y) ** 2 + (cols - x) ** 2)
        y, x = float(rows[nearest]), float(cols[nearest])
    return col + x, row + y
