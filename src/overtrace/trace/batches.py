"""From complete instances to rows of a table: scored, chosen, in the coordinates of the image and of its CRS."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from overtrace.raster.view import View
from overtrace.trace.assemble import Instances
from overtrace.vector.rings import take_polygons, to_shapely
from overtrace.vector.tables import Batch


@dataclass(frozen=True, slots=True)
class Choice:
    """Which instances are kept."""

    min_area_px: int
    min_area_m2: float
    min_score: float


def make_batch(image: int, view: View, instances: Instances, choice: Choice) -> Batch:
    """The rows of the instances that are kept, by id.

    Args:
        image: index of the image.
    """
    kept = np.flatnonzero(_is_kept(instances, view, choice))
    polygons = take_polygons(instances.polygons, kept)
    in_image = _to_image(view)
    polygons_px = to_shapely(polygons, in_image)
    transform = view.grid.transform
    matrix = np.array([[transform.a, transform.b, transform.c], [transform.d, transform.e, transform.f]])
    return Batch(
        image=image,
        ids=polygons.ids,
        classes=instances.classes[kept],
        scores=instances.scores[kept],
        areas_px=instances.areas[kept],
        polygons_px=polygons_px,
        polygons=polygons_px if view.grid.crs is None else to_shapely(polygons, matrix),
    )


def _to_image(view: View) -> NDArray[np.float64]:
    """From pixels of the view to those of the image."""
    image, seen = view.raster.grid, view.grid
    return np.array([[image.width / seen.width, 0, 0], [0, image.height / seen.height, 0]])


def _is_kept(instances: Instances, view: View, choice: Choice) -> NDArray[np.bool_]:
    kept = (instances.areas >= choice.min_area_px) & (instances.scores >= choice.min_score)
    size = view.grid.pixel_size_m
    if choice.min_area_m2 > 0 and size is not None:
        kept &= instances.areas * (size[0] * size[1]) >= choice.min_area_m2
    return np.asarray(kept)
