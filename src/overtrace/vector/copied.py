"""Formats that cannot grow, FlatGeobuf and PMTiles: a scratch GeoPackage does, and is copied at the end as a stream."""

import math
import warnings
from collections.abc import Mapping
from pathlib import Path

import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from overtrace.errors import BadOption
from overtrace.raster.aside import open_aside
from overtrace.vector.geopackage import GEOMETRY, GeoPackage
from overtrace.vector.tables import NO_SUMMARY, Batch, Header

ROWS_AT_ONCE = 8192


WORLD_M = 40_075_016.686
"""The side of the one tile of zoom 0, at the equator."""
STEPS = 4096
"""Places along the side of a tile."""
ZOOMS = 6
"""Above the finest one; from there on out objects are smaller than what is seen."""


class Copied:
    """Sink for a format of GDAL."""

    def __init__(self, path: Path, header: Header, driver: str, options: Mapping[str, str]) -> None:
        """Args:
        options: of the file, as GDAL names them.
        """
        self._header = header
        self._driver = driver
        self._options = options
        self._aside = open_aside(path, DataSourceError, DataLayerError)
        with self._aside.guard():
            scratch = header.scratch or path.parent
            self._rows = GeoPackage(scratch / f"{path.name}.gpkg", header)

    def write(self, batch: Batch) -> None:
        """Add the rows of a batch to the scratch file."""
        with self._aside.guard(self._rows.abort):
            self._rows.write(batch)

    def finish(self, summary: Mapping[str, object] = NO_SUMMARY) -> None:
        """Copy the scratch file, and remove it."""
        with self._aside.guard(self._rows.abort):
            self._rows.finish()
            self._copy()
            self._rows.abort()

    def commit(self) -> None:
        """Rename the file."""
        self._aside.commit()

    def abort(self) -> None:
        """Remove the file and the scratch file."""
        self._aside.discard(self._rows.abort)

    def _copy(self) -> None:
        reading = pyogrio.raw.open_arrow(self._rows.path, use_pyarrow=False, batch_size=ROWS_AT_ONCE)
        with warnings.catch_warnings(), reading as (_, rows):
            warnings.filterwarnings("ignore", message="'crs' was not provided")
            pyogrio.raw.write_arrow(
                rows,
                self._aside.path,
                layer=self._header.layer,
                driver=self._driver,
                dataset_options=dict(self._options),
                geometry_type="Polygon",
                geometry_name=GEOMETRY,
                crs=None if self._header.crs is None else self._header.crs.to_wkt(),
            )


def open_flatgeobuf(path: Path, header: Header) -> Copied:
    """``.fgb``, with a spatial index; GDAL holds some 60 bytes an object to build that."""
    return Copied(path, header, "FlatGeobuf", {})


def open_pmtiles(path: Path, header: Header) -> Copied:
    """``.pmtiles``: vector tiles for the web, in Web Mercator, of seven zooms.

    Raises:
        BadOption: if the images do not lie on the ground.
    """
    sizes = [image.grid.pixel_size_m for image in header.images if image.grid.pixel_size_m is not None]
    if header.crs is None or not sizes:
        raise BadOption(f"{path} is a map of the world, the image has no CRS: write another format")
    # The finest tile tells places apart that lie half a pixel from each other.
    finest = min(max(math.ceil(math.log2(2 * WORLD_M / STEPS / min(map(min, sizes)))), ZOOMS), 22)
    zooms = {"MINZOOM": str(finest - ZOOMS), "MAXZOOM": str(finest)}
    return Copied(path, header, "PMTiles", {"NAME": header.layer, **zooms})
