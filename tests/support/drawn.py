"""Labelled images that a model which answers with its input answers rightly: the planes are drawn into the image."""

from collections.abc import Callable, Sequence

import numpy as np

from overtrace.data.labelled import DataSet, Labelled, Objects, Scene

BANDS = ("red", "green", "blue")
Rectangle = tuple[int, int, int, int]
"""Rows from and to, columns from and to."""


def draw_objects(
    name: str, height: int, width: int, rectangles: Sequence[Rectangle], pixel_size_m: float | None = None
) -> Objects:
    """An image with rectangles; the seed of each is all but its rim, so that those that touch are told apart."""
    labels, image = np.zeros((height, width), np.int32), np.zeros((height, width, 3), np.uint8)
    for label, (top, bottom, left, right) in enumerate(rectangles, start=1):
        labels[top:bottom, left:right] = label
        image[top:bottom, left:right, 0] = 255
        image[top + 1 : bottom - 1, left + 1 : right - 1, 2] = 255
    centres = [((left + right - 1) / 2, (top + bottom - 1) / 2) for top, bottom, left, right in rectangles]
    return Objects(
        name=name,
        pixel_size_m=pixel_size_m,
        image=image,
        labels=labels,
        centres=np.array(centres, np.float64).reshape(-1, 2),
        boxes=np.zeros((0, 4)),
        peaks=np.zeros((height, width), np.uint8),
        ignore=np.zeros((height, width), bool),
        kinds=np.zeros(len(rectangles), np.int64),
    )


def draw_scene(name: str, classes: np.ndarray) -> Scene:
    """An image of the classes 0 to 2, one a band; what is void is black."""
    image = np.where(classes[..., None] == np.arange(3), 255, 0).astype(np.uint8)
    return Scene(name, None, image, classes.astype(np.uint8))


def gather(samples: Sequence[Labelled], classes: tuple[str, ...] = ("crown",)) -> DataSet:
    """A data set of these images."""
    read: Callable[[int], Labelled] = list(samples).__getitem__
    truth = "objects" if isinstance(samples[0], Objects) else "classes"
    return DataSet("drawn", truth, classes, BANDS, tuple(sample.name for sample in samples), read)
