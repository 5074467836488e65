"""What is known of traced objects, and the interface of everything that writes them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt
from rasterio.crs import CRS

from overtrace.raster.grid import Grid

Polygons = npt.NDArray[np.object_]

NO_SUMMARY: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Batch:
    """Some objects of one image: all arrays have one entry an object."""

    image: int
    """Index into ``Header.images``."""
    ids: npt.NDArray[np.int64]
    """From 1, in no order that matters: see docs/formats.md for what they are."""
    classes: npt.NDArray[np.int16]
    """Index into ``Header.class_names``."""
    scores: npt.NDArray[np.float32]
    """0 to 1."""
    areas_px: npt.NDArray[np.int64]
    """Pixels of the object."""
    polygons_px: Polygons
    """shapely polygons in pixels of the image: x right, y down, the first pixel reaches from (0, 0) to (1, 1)."""
    polygons: Polygons
    """The same polygons in the CRS, exteriors counter-clockwise; ``polygons_px`` itself where there is no CRS."""

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, kept: npt.NDArray[np.intp]) -> "Batch":
        """Some of the objects, by their places."""
        rows = {field.name: getattr(self, field.name)[kept] for field in fields(self) if field.name != "image"}
        return Batch(image=self.image, **rows)


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """An image that was traced."""

    name: str
    """File name, without the folder."""
    grid: Grid


@dataclass(frozen=True, slots=True)
class Header:
    """What is known before the first object: the same for all of them."""

    images: tuple[ImageInfo, ...]
    class_names: tuple[str, ...]
    crs: CRS | None
    layer: str = "objects"
    card: str = "{}"
    """The card of the model, as JSON."""
    scratch: Path | None = None
    """Folder for intermediate files; None puts them beside the output."""

    @property
    def in_metres(self) -> bool:
        """Whether the length of a pixel is known in every image; if not, all sizes are given in pixels."""
        return all(image.grid.pixel_size_m is not None for image in self.images)


class Sink(Protocol):
    """A file of objects that is being written aside; calls come from one thread, batches in a fixed order.

    Whichever call fails raises BadOutput and leaves no file, the one that was there before untouched.
    """

    def write(self, batch: Batch) -> None:
        """Add some objects; memory does not grow with their number."""
        ...

    def finish(self, summary: Mapping[str, object] = NO_SUMMARY) -> None:
        """Complete and check the file, still aside.

        Args:
            summary: name to value, of the whole run; formats without a place for it leave it out.
        """
        ...

    def commit(self) -> None:
        """Put the finished file in its place."""
        ...

    def abort(self) -> None:
        """Remove what was written; does nothing after ``commit``, or a second time."""
        ...
