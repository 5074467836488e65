"""Labelled images, whatever files they came from: what a network sees, and what it should say."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from overtrace.errors import BadData

Labels = NDArray[np.int32]
Image = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]

VOID = 255
"""The class of a pixel that counts for nothing."""


@dataclass(frozen=True, slots=True)
class Objects:
    """An image with its objects: crowns, or buildings."""

    name: str
    pixel_size_m: float | None
    image: Image
    """(H, W, bands), in the order that the data set states; on the scale of the file."""
    labels: Labels
    """(H, W): 0 is background, object ``i + 1`` has its centre at ``centres[i]``; where two overlap, one of them."""
    centres: NDArray[np.float64]
    """(n, 2) x and y in pixels."""
    boxes: NDArray[np.float64]
    """(n, 4) left, top, right, bottom in pixels, where the truth is boxes; else (0, 4)."""
    peaks: NDArray[np.uint8]
    """(H, W) ``peakedness`` x 255."""
    ignore: NDArray[np.bool_]
    """(H, W): nobody knows whether this is an object, so no loss is taken here."""
    kinds: NDArray[np.int64]
    """(n,) class of each object, from 0."""


@dataclass(frozen=True, slots=True)
class Scene:
    """An image with a class at every pixel."""

    name: str
    pixel_size_m: float | None
    image: Image
    """(H, W, bands)."""
    classes: NDArray[np.uint8]
    """(H, W): from 0, or ``VOID``."""


Labelled = Objects | Scene


@dataclass(frozen=True, slots=True)
class DataSet:
    """Labelled images in a stated order, each read when asked for; can be pickled."""

    name: str
    truth: Literal["objects", "classes"]
    classes: tuple[str, ...]
    bands: tuple[str, ...]
    """Roles, in the order of the bands of the images."""
    names: tuple[str, ...]
    """One an image: without two alike."""
    read: Callable[[int], Labelled]
    """The image of a number, from 0; all ``Objects`` or all ``Scene``, as ``truth`` says."""
    notes: tuple[str, ...] = ()
    """What was left out, such as images without a partner: a line each."""
    grounds: tuple[str, ...] = ()
    """One an image: images of the same ground (another year, another zoom, a tile that overlaps) share it; unless told,
    each image has its own."""
    knows_peaks: bool = False
    """Whether the ``peaks`` of its objects hold where ``ignore`` is set, too."""
    facts: str = ""
    """A digest of all that the images are made from (files, their sizes and times, options): what is cached of the set
    is good as long as it stays the same."""

    def __post_init__(self) -> None:
        if len(set(self.names)) < len(self.names):
            name, count = Counter(self.names).most_common(1)[0]
            raise BadData(f"{self.name} has {count} images named {name}: names must differ, rename one")
        if not self.grounds:
            object.__setattr__(self, "grounds", self.names)
        assert len(self.grounds) == len(self.names)

    def __len__(self) -> int:
        return len(self.names)
