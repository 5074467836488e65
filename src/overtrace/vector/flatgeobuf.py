"""FlatGeobuf, which cannot grow: a scratch GeoPackage does, and is copied at the end as a stream."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from overtrace.raster.aside import open_aside
from overtrace.vector.geopackage import GEOMETRY, GeoPackage
from overtrace.vector.tables import NO_SUMMARY, Batch, Header

ROWS_AT_ONCE = 8192


class FlatGeobuf:
    """Sink for ``.fgb``, with a spatial index; GDAL holds some 60 bytes an object to build that."""

    def __init__(self, path: Path, header: Header) -> None:
        self._header = header
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
                driver="FlatGeobuf",
                geometry_type="Polygon",
                geometry_name=GEOMETRY,
                crs=None if self._header.crs is None else self._header.crs.to_wkt(),
            )
