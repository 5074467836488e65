"""GeoJSON, written as text while the objects come.

GDAL's writer is ten times slower, and rounds to 15 digits of which most are noise.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import shapely
from pyproj import CRS as ProjCRS
from pyproj import Transformer
from rasterio.crs import CRS

from overtrace.raster.aside import TextAside
from overtrace.vector.attributes import Column, Values, attributes
from overtrace.vector.tables import NO_SUMMARY, Batch, Header, Polygons

LONGITUDE_LATITUDE = "OGC:CRS84"

# A tenth of a millimetre on the ground, and a thousandth of a metre, foot or pixel: far below what a pixel can tell.
DEGREE_DECIMALS = 9
UNIT_DECIMALS = 3
ATTRIBUTE_DECIMALS = 6

# Below this many per cent, pyproj takes a CRS that differs in datum or parameters for a known one.
EPSG_CONFIDENCE = 90


class GeoJson:
    """Sink for ``.geojson``, which keeps the CRS in the ``crs`` member of GeoJSON 2008 that GDAL and QGIS read.

    A CRS without an EPSG code has no such name, so the polygons are then written in longitude and latitude.
    """

    def __init__(self, path: Path, header: Header) -> None:
        code = None if header.crs is None else ProjCRS.from_wkt(header.crs.to_wkt()).to_epsg(EPSG_CONFIDENCE)
        place = _Place(header.crs, keep=code is not None)
        self._features = _Features(header, place)
        self._text = TextAside(path)
        self._text.put(_opening(header, code))
        self._separator = "\n"

    def write(self, batch: Batch) -> None:
        """Add the features of a batch."""
        lines = self._features.lines(batch)
        if lines:
            self._text.put(self._separator + ",\n".join(lines))
            self._separator = ",\n"

    def finish(self, summary: Mapping[str, object] = NO_SUMMARY) -> None:
        """End the collection and close the file."""
        self._text.put("\n]}\n")
        self._text.close()

    def commit(self) -> None:
        """Rename the file."""
        self._text.commit()

    def abort(self) -> None:
        """Remove the file."""
        self._text.discard()


class GeoJsonLines:
    """Sink for ``.geojsonl``: a feature a line, in longitude and latitude, for readers take no other CRS there."""

    def __init__(self, path: Path, header: Header) -> None:
        self._features = _Features(header, _Place(header.crs, keep=False))
        self._text = TextAside(path)

    def write(self, batch: Batch) -> None:
        """Add the features of a batch."""
        self._text.put("".join(f"{line}\n" for line in self._features.lines(batch)))

    def finish(self, summary: Mapping[str, object] = NO_SUMMARY) -> None:
        """Close the file."""
        self._text.close()

    def commit(self) -> None:
        """Rename the file."""
        self._text.commit()

    def abort(self) -> None:
        """Remove the file."""
        self._text.discard()


class _Place:
    """From the CRS of the objects to the coordinates in the file."""

    def __init__(self, crs: CRS | None, *, keep: bool) -> None:
        geographic = crs is not None and (crs.is_geographic or not keep)
        self._decimals = DEGREE_DECIMALS if geographic else UNIT_DECIMALS
        self._transformer = None
        if crs is not None and not keep:
            self._transformer = Transformer.from_crs(ProjCRS.from_wkt(crs.to_wkt()), LONGITUDE_LATITUDE, always_xy=True)

    def rounded(self, polygons: Polygons) -> Polygons:
        """Polygons in the coordinates of the file, exteriors counter-clockwise; equal vertices stay equal."""
        moved: Polygons = shapely.orient_polygons(shapely.transform(polygons, self._move))
        return moved

    def centres(self, polygons: Polygons) -> dict[str, Column]:
        """Columns with the centroids of ``rounded`` polygons."""
        centres = shapely.centroid(polygons)
        return {
            "centre_x": np.round(shapely.get_x(centres), self._decimals),
            "centre_y": np.round(shapely.get_y(centres), self._decimals),
        }

    def _move(self, xy: Values) -> Values:
        if self._transformer is not None:
            xy = np.column_stack(self._transformer.transform(xy[:, 0], xy[:, 1]))
        return np.round(xy, self._decimals)


class _Features:
    """Objects as lines of text."""

    def __init__(self, header: Header, place: _Place) -> None:
        self._header = header
        self._place = place

    def lines(self, batch: Batch) -> list[str]:
        """Each object as a GeoJSON feature."""
        polygons = self._place.rounded(batch.polygons)
        columns = {name: _rounded(column) for name, column in attributes(batch, self._header).items()}
        columns |= self._place.centres(polygons)
        names = ",".join(f"{json.dumps(name)}:%s" for name in columns)
        feature = f'{{"type":"Feature","properties":{{{names}}},"geometry":%s}}'
        texts = [_texts(column) for column in columns.values()]
        return [feature % row for row in zip(*texts, shapely.to_geojson(polygons), strict=True)]


def _opening(header: Header, code: int | None) -> str:
    """All of a collection before its first feature."""
    members = [f'"type":"FeatureCollection",\n"name":{json.dumps(header.layer)}']
    if header.crs is None:
        members.append('"crs":null')
    elif code not in (None, 4326):
        name = f"urn:ogc:def:crs:EPSG::{code}"
        members.append(f'"crs":{{"type":"name","properties":{{"name":"{name}"}}}}')
    members.append(f'"overtrace_card":{json.dumps(json.loads(header.card))}')
    return "{" + ",\n".join(members) + ',\n"features":['


def _rounded(column: Column) -> Column:
    return np.round(column.astype(np.float64), ATTRIBUTE_DECIMALS) if column.dtype.kind == "f" else column


def _texts(column: Column) -> Iterable[str]:
    """JSON text of each value."""
    if column.dtype.kind == "O":
        known = {value: json.dumps(value) for value in set(column.tolist())}
        return [known[value] for value in column.tolist()]
    return map(repr, column.tolist())
