"""Polygons on the ground, from any vector file: brought to a system, and drawn into images that lie in it."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS as ProjCRS
from pyproj import Transformer
from pyproj.exceptions import ProjError
from rasterio.crs import CRS
from rasterio.transform import Affine

from overtrace.data.drawing import draw_polygons
from overtrace.data.labelled import Labels
from overtrace.errors import BadData


@dataclass(frozen=True, slots=True)
class Outlines:
    """Polygons of one file."""

    source: str
    """What errors call the file."""
    crs: str
    """WKT."""
    polygons: NDArray[np.object_]
    """(n,) of one part or several, in units of the CRS."""
    bounds: NDArray[np.float64]
    """(n, 4) left, bottom, right, top."""

    def __len__(self) -> int:
        return len(self.polygons)

    def reproject(self, crs: CRS) -> "Outlines":
        """The same polygons in another system, corner by corner.

        Raises:
            BadData: if there is no way from one system to the other.
        """
        wkt = crs.to_wkt()
        try:
            transformer = Transformer.from_crs(ProjCRS.from_wkt(self.crs), ProjCRS.from_wkt(wkt), always_xy=True)
        except ProjError as error:
            raise BadData(f"{self.source} cannot be brought to {crs}: {error}: write it in that system") from error

        def move(corners: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.stack(transformer.transform(corners[:, 0], corners[:, 1]), axis=1)

        polygons = shapely.transform(self.polygons, move)
        fine = np.isfinite(shapely.bounds(polygons)).all(axis=1)
        return Outlines(self.source, wkt, polygons[fine], shapely.bounds(polygons[fine]))

    def within(self, transform: Affine, height: int, width: int) -> NDArray[np.int64]:
        """Numbers of the polygons whose box meets that of an image.

        Args:
            transform: from pixels to units of the CRS.
        """
        x, y = place(transform, np.array([(0, 0), (width, 0), (0, height), (width, height)], np.float64)).T
        left, bottom, right, top = self.bounds.T
        meets = (left < x.max()) & (right > x.min()) & (bottom < y.max()) & (top > y.min())
        return np.flatnonzero(meets)

    def draw(self, transform: Affine, height: int, width: int) -> tuple[Labels, int]:
        """(height, width) labels from 1, and how many there may be; some may have no pixel."""
        numbers = self.within(transform, height, width)
        to_pixels = ~transform
        polygons = shapely.transform(self.polygons[numbers], lambda corners: place(to_pixels, corners))
        return draw_polygons(list(polygons), height, width), len(numbers)


def place(transform: Affine, corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2) x and y moved by a transform."""
    a, b, c, d, e, f = tuple(transform)[:6]
    x, y = corners.T
    return np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)


def read_outlines(path: Path) -> Outlines:
    """The polygons of a file of one layer that GDAL opens; features without a geometry are passed over.

    Raises:
        BadData: if it cannot be read, has several layers or no CRS, or has anything but polygons.
    """
    # Half a second that others need not wait for.
    import pyogrio

    if not path.exists():
        raise BadData(f"{path} does not exist: check the path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            layers = [name for name, kind in pyogrio.list_layers(path) if kind is not None]
            if len(layers) != 1:
                raise BadData(
                    f"{path} has {len(layers)} layers with shapes ({', '.join(layers)}): write the polygons alone"
                )
            meta, _, geometries, _ = pyogrio.raw.read(path, layer=layers[0], columns=[], force_2d=True)
        polygons = shapely.from_wkb(geometries)
    except (RuntimeError, shapely.errors.ShapelyError) as error:  # pyogrio's errors are the first
        raise BadData(f"{path} cannot be read as vectors: {' '.join(str(error).split())}: write it anew") from error
    if meta["crs"] is None:
        raise BadData(f"{path} has no CRS: write it with one (a shapefile needs its .prj)")
    there = ~(shapely.is_missing(polygons) | shapely.is_empty(polygons))
    kinds = shapely.get_type_id(polygons)
    wrong = np.flatnonzero(
        there & (kinds != shapely.GeometryType.POLYGON) & (kinds != shapely.GeometryType.MULTIPOLYGON)
    )
    if len(wrong):
        raise BadData(
            f"{path} has {len(wrong):,} shapes such as a {polygons[wrong[0]].geom_type}: wanted polygons alone"
        )
    polygons = polygons[there]
    return Outlines(str(path), ProjCRS.from_user_input(meta["crs"]).to_wkt(), polygons, shapely.bounds(polygons))
