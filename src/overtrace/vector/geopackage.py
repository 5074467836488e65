"""GeoPackage, written at the speed of SQLite.

GDAL makes the empty file with its layer, CRS and spatial index; the rows then go in through one SQLite connection and
one transaction. Appending by GDAL would open the file anew for every batch, and reports a full disk less reliably.
"""

import sqlite3
import struct
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from overtrace.raster.aside import open_aside
from overtrace.vector.attributes import attributes, no_attributes
from overtrace.vector.tables import NO_SUMMARY, Batch, Header, Polygons

GEOMETRY = "geom"


class GeoPackage:
    """Sink for ``.gpkg``: one layer of polygons with a spatial index; the card of the model is its metadata."""

    def __init__(self, path: Path, header: Header) -> None:
        self._header = header
        self._aside = open_aside(path, sqlite3.Error, DataSourceError, DataLayerError)
        with self._aside.guard():
            _make_empty(self._aside.path, header)
            self._connection = sqlite3.connect(self._aside.path, isolation_level=None, check_same_thread=False)
        with self._aside.guard(self._connection.close):
            self._layer = _Layer(self._connection, header.layer)

    @property
    def path(self) -> Path:
        """The file that is being written."""
        return self._aside.path

    def write(self, batch: Batch) -> None:
        """Add the rows of a batch, and their entries in the spatial index."""
        with self._aside.guard(self._connection.close):
            columns = attributes(batch, self._header).values()
            self._layer.insert(batch.polygons, [column.tolist() for column in columns])

    def finish(self, summary: Mapping[str, object] = NO_SUMMARY) -> None:
        """Write extent and count of the layer, and close the file."""
        with self._aside.guard(self._connection.close):
            self._layer.finish()
            self._connection.close()

    def commit(self) -> None:
        """Rename the file."""
        self._aside.commit()

    def abort(self) -> None:
        """Remove the file."""
        self._aside.discard(self._connection.close)


class _Layer:
    """Rows that go into one table, in one transaction."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        # The file is still aside: a crash discards it, so a journal would protect nothing.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?"
        triggers = connection.execute(query, (name,)).fetchall()
        # They call functions that only GDAL defines, row by row; what they do is done here for whole batches.
        for trigger, _ in triggers:
            connection.execute(f"DROP TRIGGER {_quoted(trigger)}")
        self._triggers = [sql for _, sql in triggers]
        query = "SELECT srs_id FROM gpkg_contents WHERE table_name = ?"
        (self._srs_id,) = connection.execute(query, (name,)).fetchone()
        self._count = 0
        self._extent = np.array([np.inf, np.inf, -np.inf, -np.inf])

    def insert(self, polygons: Polygons, columns: list[list[object]]) -> None:
        """Add rows; ``columns`` have the order of the table."""
        if not len(polygons):
            return
        bounds = shapely.bounds(polygons)
        envelopes = bounds[:, [0, 2, 1, 3]]
        features = range(self._count + 1, self._count + len(polygons) + 1)
        marks = ", ".join("?" * (2 + len(columns)))
        rows = zip(features, _blobs(polygons, envelopes, self._srs_id), *columns, strict=True)
        self._connection.executemany(f"INSERT INTO {_quoted(self._name)} VALUES ({marks})", rows)
        entries = zip(features, *envelopes.T.tolist(), strict=True)
        index = _quoted(f"rtree_{self._name}_{GEOMETRY}")
        self._connection.executemany(f"INSERT INTO {index} VALUES (?, ?, ?, ?, ?)", entries)
        self._count += len(polygons)
        self._extent[:2] = np.minimum(self._extent[:2], bounds[:, :2].min(axis=0))
        self._extent[2:] = np.maximum(self._extent[2:], bounds[:, 2:].max(axis=0))

    def finish(self) -> None:
        """Put back the triggers, note extent and count, and end the transaction."""
        for sql in self._triggers:
            self._connection.execute(sql)
        extent = self._extent.tolist() if self._count else [None] * 4
        self._connection.execute(
            "UPDATE gpkg_contents SET min_x = ?, min_y = ?, max_x = ?, max_y = ? WHERE table_name = ?",
            (*extent, self._name),
        )
        self._connection.execute(
            "UPDATE gpkg_ogr_contents SET feature_count = ? WHERE table_name = ?", (self._count, self._name)
        )
        self._connection.execute("COMMIT")


def _make_empty(path: Path, header: Header) -> None:
    """A GeoPackage with the layer, its columns, its CRS and an empty spatial index."""
    columns = no_attributes(header)
    # SQLite takes an empty file for a database, GDAL does not.
    path.unlink()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        pyogrio.raw.write(
            path,
            np.zeros(0, dtype=object),
            list(columns.values()),
            np.array(list(columns)),
            layer=header.layer,
            driver="GPKG",
            geometry_type="Polygon",
            crs=None if header.crs is None else header.crs.to_wkt(),
            layer_options={"GEOMETRY_NAME": GEOMETRY, "SPATIAL_INDEX": "YES"},
            layer_metadata={"overtrace_card": header.card},
        )


def _blobs(polygons: Polygons, envelopes: npt.NDArray[np.float64], srs_id: int) -> Iterator[bytes]:
    """Geometries as GeoPackage keeps them: its header, little-endian, with x and y ranges, then WKB.

    Source:
        OGC 12-128r19, clause 2.1.3
    """
    start = struct.pack("<2sBBi", b"GP", 0, 0b00000011, srs_id)
    ranges = np.ascontiguousarray(envelopes, dtype="<f8")
    for box, wkb in zip(ranges, shapely.to_wkb(polygons, byte_order=1), strict=True):
        yield start + box.tobytes() + wkb


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
