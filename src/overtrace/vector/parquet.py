"""GeoParquet 1.1, streamed in row groups; needs pyarrow."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import CRS as ProjCRS
from rasterio.crs import CRS

from overtrace.errors import BadOption
from overtrace.raster.aside import open_aside
from overtrace.vector.attributes import Column, attributes, no_attributes
from overtrace.vector.tables import NO_SUMMARY, Batch, Header, Polygons

GEOMETRY = "geometry"
ROWS_IN_GROUP = 16384


class GeoParquet:
    """Sink for ``.parquet``: WKB polygons, boxes for readers that skip row groups, PROJJSON of the CRS, zstd."""

    def __init__(self, path: Path, header: Header, rows_in_group: int = ROWS_IN_GROUP) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise BadOption(f"{path} needs the package pyarrow: pip install overtrace[parquet]") from error
        self._header = header
        self._rows_in_group = rows_in_group
        self._arrow = pyarrow
        self._aside = open_aside(path, pyarrow.ArrowException)
        self._waiting: list[Any] = []
        self._rows = 0
        self._extent = np.array([np.inf, np.inf, -np.inf, -np.inf])
        nothing = np.zeros(0, dtype=object)
        schema = self._table(nothing, no_attributes(header)).schema
        with self._aside.guard():
            # pyarrow closes no file of its own whose last bytes do not fit on the disk.
            self._file = self._aside.path.open("wb")
        with self._aside.guard(self._file.close):
            self._writer = pyarrow.parquet.ParquetWriter(self._file, schema, compression="zstd")

    def write(self, batch: Batch) -> None:
        """Add the rows of a batch; full row groups go to the disk."""
        with self._aside.guard(self._close):
            if len(batch):
                self._waiting.append(self._table(batch.polygons, attributes(batch, self._header)))
                self._rows += len(batch)
            if self._rows >= self._rows_in_group:
                self._flush()

    def finish(self, summary: Mapping[str, object] = NO_SUMMARY) -> None:
        """Write the last row group and the metadata, and close the file."""
        with self._aside.guard(self._close):
            self._flush()
            extent = self._extent.tolist() if np.isfinite(self._extent).all() else None
            geo = _geo_metadata(self._header.crs, extent)
            self._writer.add_key_value_metadata({"geo": json.dumps(geo), "overtrace_card": self._header.card})
            self._close()

    def commit(self) -> None:
        """Rename the file."""
        self._aside.commit()

    def abort(self) -> None:
        """Remove the file."""
        self._aside.discard(self._close)

    def _close(self) -> None:
        try:
            self._writer.close()
        finally:
            self._file.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(self._arrow.concat_tables(self._waiting))
        self._waiting, self._rows = [], 0

    def _table(self, polygons: Polygons, columns: Mapping[str, Column]) -> Any:
        arrow = self._arrow
        bounds = shapely.bounds(polygons).reshape(-1, 4)
        if len(bounds):
            self._extent[:2] = np.minimum(self._extent[:2], bounds[:, :2].min(axis=0))
            self._extent[2:] = np.maximum(self._extent[2:], bounds[:, 2:].max(axis=0))
        sides = [arrow.array(side) for side in np.ascontiguousarray(bounds.T)]
        arrays = {name: _array(arrow, column) for name, column in columns.items()}
        arrays["bbox"] = arrow.StructArray.from_arrays(sides, ["xmin", "ymin", "xmax", "ymax"])
        arrays[GEOMETRY] = arrow.array(shapely.to_wkb(shapely.orient_polygons(polygons)), type=arrow.binary())
        return arrow.table(arrays)


def _array(arrow: Any, column: Column) -> Any:
    return arrow.array(column, type=arrow.string() if column.dtype.kind == "O" else None)


def _geo_metadata(crs: CRS | None, extent: list[float] | None) -> dict[str, object]:
    """What GeoParquet keeps of the geometry column.

    Source:
        geoparquet.org/releases/v1.1.0
    """
    column: dict[str, object] = {
        "encoding": "WKB",
        "geometry_types": ["Polygon"],
        # Without this key, longitude and latitude would be assumed; null is "unknown".
        "crs": None if crs is None else ProjCRS.from_wkt(crs.to_wkt()).to_json_dict(),
        "orientation": "counterclockwise",
        "covering": {"bbox": {side: ["bbox", side] for side in ("xmin", "ymin", "xmax", "ymax")}},
    }
    if extent is not None:
        column["bbox"] = extent
    return {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}
