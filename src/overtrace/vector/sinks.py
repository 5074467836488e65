"""Which sink writes a file of polygons, by its extension."""

from collections.abc import Callable
from pathlib import Path

from overtrace.errors import BadOutput
from overtrace.vector.copied import open_flatgeobuf, open_pmtiles
from overtrace.vector.geojson import GeoJson, GeoJsonLines
from overtrace.vector.geopackage import GeoPackage
from overtrace.vector.parquet import GeoParquet
from overtrace.vector.tables import Header, Sink

SINKS: dict[str, Callable[[Path, Header], Sink]] = {
    ".gpkg": GeoPackage,
    ".geojson": GeoJson,
    ".geojsonl": GeoJsonLines,
    ".fgb": open_flatgeobuf,
    ".parquet": GeoParquet,
    ".pmtiles": open_pmtiles,
}


def open_sink(path: str | Path, header: Header) -> Sink:
    """Start a file of polygons, aside; the file at ``path``, if there is one, stays until ``commit``.

    Raises:
        BadOutput: unknown extension, missing folder, a folder that cannot be written.
        BadOption: a format whose package is not installed.
    """
    path = Path(path)
    sink = SINKS.get(path.suffix.lower())
    if sink is None:
        raise BadOutput(f"{path} has the unknown extension '{path.suffix}': use one of {', '.join(SINKS)}")
    return sink(path, header)
