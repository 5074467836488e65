"""Buildings from drone imagery, as fAIr of the Humanitarian OpenStreetMap Team trains on them.

Coverage: tiles of OpenAerialMap, PNG of 256x256 pixels, red, green, blue, and transparent where nothing was flown. The
    set of Kampala: 147 tiles at three zooms of the same seven patches of one neighbourhood.
Pixel size: that of Web Mercator at the tile's latitude: at the equator 0.30 m at zoom 19, 0.15 m at 20, 0.075 m at 21.
Truth: footprints in ``labels.geojson``, in degrees; 206 in Kampala.
Splits: none. A tile of one zoom shows a quarter of a tile of the zoom below: all that lie in one tile of the lowest
    zoom are of one ground.
Layout: tile names are x, y, zoom, as web maps count them.

    OAM-309612-261632-19.png
    OAM-619224-523264-20.png
    labels.geojson

Licence: imagery CC BY 4.0 (OpenAerialMap), labels ODbL (OpenStreetMap contributors, HOT).
Source: https://github.com/hotosm/fAIr
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rasterio.crs import CRS
from rasterio.transform import Affine

from overtrace.data.drawing import make_objects
from overtrace.data.files import digest, list_files, read_picture, tell_left_out
from overtrace.data.labelled import DataSet, Objects
from overtrace.data.outlines import Outlines, read_outlines
from overtrace.errors import BadData

SIDE = 256
EQUATOR_M = 2 * math.pi * 6378137
"""Of the sphere that web maps are drawn on."""
LABELS = "labels.geojson"
PATTERN = re.compile(r"OAM-(\d+)-(\d+)-(\d+)")


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A square of the web map."""

    zoom: int
    x: int
    y: int

    @property
    def pixel_size_m(self) -> float:
        """On the ground, at the middle of the tile."""
        northing = math.pi * (1 - (2 * self.y + 1) / 2**self.zoom)
        return float(EQUATOR_M / 2**self.zoom / SIDE / math.cosh(northing))

    @property
    def transform(self) -> Affine:
        """From pixels to metres of Web Mercator."""
        size = EQUATOR_M / 2**self.zoom
        left, top = self.x * size - EQUATOR_M / 2, EQUATOR_M / 2 - self.y * size
        return Affine(size / SIDE, 0, left, 0, -size / SIDE, top)

    def parent(self, zoom: int) -> "Tile":
        """The tile of a lower zoom that it lies in."""
        return Tile(zoom, self.x >> (self.zoom - zoom), self.y >> (self.zoom - zoom))


def open_fair(folder: Path, *, zooms: Sequence[int] | None = None) -> DataSet:
    """The tiles of a folder, by zoom, with the buildings of ``labels.geojson``.

    Args:
        zooms: which are opened; all, if not told.
    Raises:
        BadData: if there are no tiles, none of these zooms, or the labels are missing or lie elsewhere.
    """
    found = {path: PATTERN.fullmatch(path.stem) for path in list_files(folder, (".png",))}
    tiles = {Tile(int(match[3]), int(match[1]), int(match[2])): path for path, match in found.items() if match}
    strays = [path.name for path, match in found.items() if not match]
    if not tiles:
        raise BadData(f"{folder} holds no tile: wanted pictures named OAM-x-y-zoom.png, and {LABELS}")
    chosen = tuple(sorted(tile for tile in tiles if zooms is None or tile.zoom in zooms))
    there = sorted({tile.zoom for tile in tiles})
    if not chosen:
        raise BadData(f"{folder} has no tile of zoom {_list(zooms or ())}: it has {_list(there)}")
    outlines = read_outlines(folder / LABELS).reproject(CRS.from_epsg(3857))
    if not any(len(outlines.within(tile.transform, SIDE, SIDE)) for tile in chosen):
        raise BadData(
            f"{folder / LABELS} has no polygon on any of {len(chosen):,} tiles: find the labels of these tiles"
        )
    files = tuple(tiles[tile] for tile in chosen)
    return DataSet(
        name=folder.absolute().name,
        truth="objects",
        classes=("building",),
        bands=("red", "green", "blue"),
        names=tuple(path.stem for path in files),
        read=_Reader(files, chosen, outlines),
        notes=tell_left_out(strays, "pictures that are not named as tiles are"),
        grounds=tuple("{0.zoom}-{0.x}-{0.y}".format(tile.parent(there[0])) for tile in chosen),
        facts=digest([*files, folder / LABELS], {"reader": "fair"}),
    )


def _list(zooms: Sequence[int]) -> str:
    return " or ".join(map(str, zooms))


@dataclass(frozen=True, slots=True)
class _Reader:
    files: tuple[Path, ...]
    tiles: tuple[Tile, ...]
    outlines: Outlines

    def __call__(self, i: int) -> Objects:
        tile = self.tiles[i]
        picture = read_picture(self.files[i], "RGBA", (SIDE, SIDE))
        labels, count = self.outlines.draw(tile.transform, SIDE, SIDE)
        bare = picture[..., 3] == 0
        kinds = np.zeros(count, np.int64)
        return make_objects(self.files[i].stem, tile.pixel_size_m, picture[..., :3].copy(), labels, bare, kinds)
