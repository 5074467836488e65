"""Class maps: an image whose pixels are numbers of classes, with a colour for each."""

import json
import warnings
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from overtrace.data.class_names import ADE20K_NAMES, are_among, find_names
from overtrace.raster.aside import open_aside
from overtrace.raster.grid import Grid

LEVELS = (0, 42, 85, 127, 170, 212, 255)
"""Of red, green and blue in the colours to choose from."""
COLOURS = 256

Map = NDArray[np.uint8]


class ClassMap:
    """A file that is written aside: an index PNG, or a GeoTIFF that lies where its image lies."""

    def __init__(self, path: Path, grid: Grid, names: Mapping[int, str]) -> None:
        """Args:
        grid: of the image.
        names: of the classes, by number.
        """
        self._aside = open_aside(path)
        self._grid = grid
        self._names = names

    def write(self, numbers: Map) -> None:
        """Write the whole file, still aside.

        Args:
            numbers: (H, W), 0 for none.
        Raises:
            BadOutput: the disk is full, or fails.
        """
        png = self._aside.final.suffix.lower() == ".png"
        encoded = encode_png(numbers) if png else encode_tiff(numbers, self._grid, self._names)
        with self._aside.guard():
            self._aside.path.write_bytes(encoded)

    def commit(self) -> None:
        """Rename the file."""
        self._aside.commit()

    def abort(self) -> None:
        """Remove the file."""
        self._aside.discard()


def number_classes(names: Sequence[str]) -> Map:
    """The number of each class in a map: ADE20K's if all names are ADE20K's, else from 1 in their order.

    Returns:
        (classes,); 0 stands for none.
    """
    places = find_names(names, ADE20K_NAMES) if are_among(names, ADE20K_NAMES) else range(len(names))
    return (np.array(places) + 1).astype(np.uint8)


def encode_png(numbers: Map) -> bytes:
    """A PNG whose bytes are the numbers of (H, W), with a palette."""
    image = Image.fromarray(numbers)
    image.putpalette(choose_colours().tobytes())
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def encode_tiff(numbers: Map, grid: Grid, names: Mapping[int, str]) -> bytes:
    """A GeoTIFF of the numbers of (H, W), with colours, and with the names as JSON under the key ``classes``."""
    profile = {"driver": "GTiff", "count": 1, "height": grid.height, "width": grid.width, "dtype": "uint8"}
    place = {"crs": grid.crs, "transform": grid.transform, "nodata": 0}
    with MemoryFile() as memory, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(**profile, **place, tiled=True, compress="deflate", bigtiff="IF_SAFER") as image:
            image.write_colormap(1, {i: (*colour, 255) for i, colour in enumerate(choose_colours().tolist())})
            image.update_tags(classes=json.dumps(names))
            image.write(numbers, 1)
        return bytes(memory.getbuffer())


def choose_colours() -> Map:
    """(256, 3) red, green and blue of each number: black for 0, and each as far from all before it as can be.

    Source:
        T. Riemersma, Colour metric, https://www.compuphase.com/cmetric.htm (the distance, in whole numbers)
    """
    colours = np.stack(np.meshgrid(*[np.array(LEVELS)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    chosen = [0]
    nearest = _measure_distance(colours, colours[0])
    while len(chosen) < COLOURS:
        farthest = int(nearest.argmax())
        chosen.append(farthest)
        nearest = np.minimum(nearest, _measure_distance(colours, colours[farthest]))
    return colours[chosen].astype(np.uint8)


def _measure_distance(colours: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    red, green, blue = (colours - other).T ** 2
    mean_red = (colours[:, 0] + other[0]) // 2
    distance: NDArray[np.int64] = ((512 + mean_red) * red >> 8) + 4 * green + ((767 - mean_red) * blue >> 8)
    return distance
