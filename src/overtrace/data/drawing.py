"""Objects drawn into an image of labels: from polygons, or from what another reader drew."""

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize

from overtrace.data.labelled import Image, Labels, Objects
from overtrace.data.targets import find_centres, peakedness


def draw_polygons(polygons: Sequence[shapely.Geometry], height: int, width: int) -> Labels:
    """The pixels whose centre lies in each polygon, holes left out; where two overlap, those of the smaller.

    Args:
        polygons: (n,) of one part or several, in pixels, corner convention: the first centre is at (0.5, 0.5).
    Returns:
        (height, width), ``i + 1`` where polygon ``i`` is.
    """
    order = np.argsort(-shapely.area(np.asarray(polygons, object)), kind="stable").tolist()
    shapes = [(polygons[i], i + 1) for i in order if not polygons[i].is_empty]
    if not shapes:
        return np.zeros((height, width), np.int32)
    labels: Labels = rasterize(shapes, out_shape=(height, width), fill=0, dtype="int32")
    return labels


def make_objects(
    name: str,
    pixel_size_m: float | None,
    image: Image,
    labels: Labels,
    ignore: NDArray[np.bool_],
    kinds: NDArray[np.int64],
) -> Objects:
    """An image with those of its objects that are seen; the others are taken out, and those behind them move up.

    Args:
        image: (H, W, bands).
        labels: (H, W), ``i + 1`` where object ``i`` is.
        ignore: (H, W); an object that has no pixel beyond it is not seen.
        kinds: (n,) class of each object that may be there.
    """
    seen = np.bincount(labels[~ignore], minlength=len(kinds) + 1)[1:] > 0
    moved = np.concatenate([[0], np.cumsum(seen) * seen]).astype(np.int32)
    closed: Labels = labels if seen.all() else moved[labels]
    centres = find_centres(closed, int(seen.sum()))
    return Objects(
        name=name,
        pixel_size_m=pixel_size_m,
        image=image,
        labels=closed,
        centres=centres,
        boxes=np.empty((0, 4)),
        peaks=peakedness(closed, centres),
        ignore=ignore,
        kinds=kinds[seen],
    )
