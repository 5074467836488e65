"""Georeferenced images with polygons of their objects: any raster that GDAL opens, any vectors, in any two systems.

Coverage, pixel size, bands and licence: those of the files. The pixel size is measured on the ground.
Truth: polygons of one layer (GeoJSON, GeoPackage, shapefile ...), brought to the system of each image. Where an image
lies on ground that nobody labelled, that cannot be known: leave such images away.
Layout: any.

    orthophotos/
        north.tif
        south.tif
    crowns.gpkg

Images larger than a tile are cut: tiles stand side by side, and the last of a row or column reaches back over the one
before. Tiles, of one image or of several (two years, two cameras), that share more than a twentieth of the ground of
the smaller are of one ground.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS as ProjCRS
from pyproj import Transformer
from rasterio.transform import Affine
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from overtrace.data.drawing import make_objects
from overtrace.data.files import digest, tell_few
from overtrace.data.labelled import DataSet, Image, Objects
from overtrace.data.outlines import Outlines, place, read_outlines
from overtrace.errors import BadData, BadImage
from overtrace.raster.grid import Box
from overtrace.raster.source import Raster, find_images, open_raster

SHARED = 0.05
"""Tiles that share more than this of the smaller show the same ground."""
ORDER = ("red", "green", "blue", "nir")


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of an image."""

    image: int
    """Number of the image."""
    box: Box


def open_vectors(images: Path, polygons: Path, *, pixel_size_m: float | None = None, tile_px: int = 1024) -> DataSet:
    """An image, or a folder of them, with the polygons of a vector file.

    Args:
        images: the image, or the folder.
        polygons: the vector file.
        pixel_size_m: goes before what the images say.
        tile_px: side of the tiles that larger images are cut into.
    Raises:
        BadData: if an image has no place on the ground or lacks a band that others have, or no polygon lies on any.
    """
    if tile_px < 1:
        raise ValueError(f"tile_px is {tile_px}: wanted at least 1")
    try:
        rasters = [open_raster(path, pixel_size_m=pixel_size_m) for path in find_images([images])]
    except BadImage as error:
        raise BadData(str(error)) from error
    outlines = read_outlines(polygons)
    systems = _bring_to_each(outlines, rasters)
    tiles = [
        Tile(i, box) for i, raster in enumerate(rasters) for box in cut(raster.grid.height, raster.grid.width, tile_px)
    ]
    reader = _Reader(tuple(rasters), tuple(tiles), _choose_bands(rasters), tuple(systems))
    empty = [i for i in range(len(tiles)) if not reader.holds_any(i)]
    if len(empty) == len(tiles):
        found = f"none of its {len(outlines):,} polygons lies on an image of {images}"
        raise BadData(f"{polygons} does not fit: {found}: check its CRS, and theirs")
    names = tuple(map(reader.name, range(len(tiles))))
    files = [Path(raster.path) for raster in rasters]
    note = f"{len(empty):,} of {len(tiles):,} tiles have no object: {tell_few([names[i] for i in empty])}"
    options = {"reader": "vectors", "pixel_size_m": pixel_size_m, "tile_px": tile_px}
    return DataSet(
        name=images.absolute().stem,
        truth="objects",
        classes=("object",),
        bands=reader.bands,
        names=names,
        read=reader,
        notes=(note,) if empty else (),
        grounds=_find_grounds(reader),
        facts=digest([*files, *_find_parts(polygons)], options),
    )


def cut(height: int, width: int, tile_px: int) -> list[Box]:
    """Tiles that cover an image, row by row; the last of a row or column lies back so that it is as large as others."""
    tall, wide = min(tile_px, height), min(tile_px, width)
    tops = [min(i * tall, height - tall) for i in range(math.ceil(height / tall))]
    lefts = [min(i * wide, width - wide) for i in range(math.ceil(width / wide))]
    return [Box(top, left, tall, wide) for top in tops for left in lefts]


@dataclass(frozen=True, slots=True)
class _Reader:
    rasters: tuple[Raster, ...]
    tiles: tuple[Tile, ...]
    bands: tuple[str, ...]
    outlines: tuple[Outlines, ...]
    """For each image those in its system; images of one system share them."""

    def __call__(self, i: int) -> Objects:
        tile = self.tiles[i]
        raster = self.rasters[tile.image]
        try:
            values, valid = raster.read([raster.roles[band] for band in self.bands], tile.box)
        except BadImage as error:
            raise BadData(str(error)) from error
        labels, count = self.outlines[tile.image].draw(self.place(i), tile.box.height, tile.box.width)
        size = raster.grid.pixel_size_m
        pixel_size_m = None if size is None else math.sqrt(size[0] * size[1])
        kinds = np.zeros(count, np.int64)
        return make_objects(self.name(i), pixel_size_m, _as_image(values), labels, ~valid, kinds)

    def name(self, i: int) -> str:
        """That of the image; of a part of it, with the first row and column."""
        box, raster = self.tiles[i].box, self.rasters[self.tiles[i].image]
        whole = (box.height, box.width) == (raster.grid.height, raster.grid.width)
        return Path(raster.name).stem + ("" if whole else f" row {box.row} col {box.col}")

    def place(self, i: int) -> Affine:
        """From pixels of a tile to the ground."""
        box = self.tiles[i].box
        a, b, c, d, e, f = tuple(self.rasters[self.tiles[i].image].grid.transform)[:6]
        return Affine(a, b, a * box.col + b * box.row + c, d, e, d * box.col + e * box.row + f)

    def holds_any(self, i: int) -> bool:
        """Whether the box of a polygon meets that of a tile."""
        box = self.tiles[i].box
        return len(self.outlines[self.tiles[i].image].within(self.place(i), box.height, box.width)) > 0


def _as_image(values: NDArray[np.generic]) -> Image:
    """(H, W, bands) in a type that images have."""
    bands_last = np.ascontiguousarray(np.moveaxis(values, 0, -1))
    if bands_last.dtype in (np.uint8, np.uint16):
        return bands_last
    return bands_last.astype(np.float32)


def _bring_to_each(outlines: Outlines, rasters: Sequence[Raster]) -> list[Outlines]:
    """The polygons in the system of each image."""
    known: dict[str, Outlines] = {}
    systems = []
    for raster in rasters:
        crs = raster.grid.crs
        if crs is None:
            raise BadData(f"{raster.name} has no CRS: give it one with gdal_edit -a_srs, or place it with gdalwarp")
        if crs.to_wkt() not in known:
            known[crs.to_wkt()] = outlines.reproject(crs)
        systems.append(known[crs.to_wkt()])
    return systems


def _choose_bands(rasters: Sequence[Raster]) -> tuple[str, ...]:
    """Roles that all images have: red, green, blue, nir, then others by name."""
    every = {role for raster in rasters for role in raster.roles}
    shared = {role for role in every if all(role in raster.roles for raster in rasters)}
    lacking = [(raster, role) for role in ORDER[:3] for raster in rasters if role not in raster.roles]
    if lacking:
        raster, role = lacking[0]
        raise BadData(f"{raster.name} has no {role} band among its {raster.band_count}: wanted red, green and blue")
    return tuple(sorted(shared, key=lambda role: (ORDER.index(role) if role in ORDER else len(ORDER), role)))


def _find_grounds(reader: _Reader) -> tuple[str, ...]:
    """The same for tiles that share ground, by way of others too: the name of the first of them."""
    squares = np.array([_outline(reader, i) for i in range(len(reader.tiles))], object)
    one, other = shapely.STRtree(squares).query(squares, predicate="intersects")
    shared = shapely.area(shapely.intersection(squares[one], squares[other]))
    least = np.minimum(shapely.area(squares[one]), shapely.area(squares[other]))
    joined = shared > SHARED * least
    count = len(squares)
    graph = coo_array((np.ones(joined.sum(), bool), (one[joined], other[joined])), shape=(count, count))
    _, part = connected_components(graph, directed=False)
    first = np.unique(part, return_index=True)[1]
    return tuple(reader.name(i) for i in first[part].tolist())


def _outline(reader: _Reader, i: int) -> shapely.Geometry:
    """Of a tile, in degrees."""
    box = reader.tiles[i].box
    corners = np.array([(0, 0), (box.width, 0), (box.width, box.height), (0, box.height)], np.float64)
    crs = ProjCRS.from_wkt(reader.outlines[reader.tiles[i].image].crs)
    to_degrees = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    return shapely.Polygon(np.stack(to_degrees.transform(*place(reader.place(i), corners).T), axis=1))


def _find_parts(path: Path) -> list[Path]:
    """The files of a vector file: a shapefile has several."""
    if path.suffix.lower() != ".shp":
        return [path]
    return sorted(part for part in path.parent.iterdir() if part.stem == path.stem)
