"""The files of the building contests: a row for each footprint, or vector files.

``ImageId,BuildingId,PolygonWKT_Pix[,PolygonWKT_Geo][,Confidence]``. An image without buildings has one row of
``POLYGON EMPTY``, or of the building -1. Coordinates are pixels; a third one is left out. Files without a CSV are read
as ``footprint_vectors`` says.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from overtrace.challenges.submission import Limits, Member, find_members
from overtrace.errors import BadAnswer
from overtrace.formats.faults import MOST_FAULTS, Fault, gather, refuse, show

COLUMNS = ("ImageId", "BuildingId", "PolygonWKT_Pix")
NO_BUILDING, EMPTY = "-1", "POLYGON EMPTY"
VECTORS = (".geojson", ".gpkg")
PIXELS = "pixels"
FARTHEST = 1e8
"""Pixels; beyond, the geometry of overlaps is no more than rounding."""


@dataclass(frozen=True, slots=True)
class Footprints:
    """The rows of a file that hold a footprint, in its order, and all images that it names."""

    shown: str
    images: NDArray[np.str_]
    """(n,) image of each footprint."""
    polygons: NDArray[np.object_]
    """(n,) in pixels."""
    confidence: NDArray[np.float64]
    """(n,) 1 where the file has none."""
    named: frozenset[str]
    """All images, those without a building too."""
    system: str = PIXELS
    """What the coordinates of the file are: ``PIXELS``, degrees, or the name of a CRS."""
    empty: str = EMPTY
    """How such a file says that an image has no building."""


def read_footprints(path: Path, *, answer: bool, limits: Limits | None = None, pixel_size: float = 1.0) -> Footprints:
    """The footprints of a file, which may be packed; several files are read one after the other.

    Args:
        answer: they have confidences.
        pixel_size: units of the CRS of vector files in a pixel; 1 is that of SpaceNet-2 for degrees.
    Raises:
        BadAnswer: that names the first fault, and says how many more there are.
    """
    faults: list[Fault] = []
    footprints = find_footprints(path, faults, answer=answer, limits=limits, pixel_size=pixel_size)
    if faults:
        raise refuse(faults)
    return footprints


def find_footprints(
    path: Path, faults: list[Fault], *, answer: bool, limits: Limits | None = None, pixel_size: float = 1.0
) -> Footprints:
    """The footprints that can be read; what is wrong with the others goes to the faults."""
    found = find_members(path, faults, limits)
    members = [member for member in found if member.name.lower().endswith((".csv", ".txt"))]
    vectors = [member for member in found if member.name.lower().endswith(VECTORS)]
    if vectors and not members:
        # Few sets need it.
        from overtrace.challenges.footprint_vectors import find_vectors

        return find_vectors(vectors, str(path), faults, answer=answer, pixel_size=pixel_size)
    if found and not members:
        wanted = f"wanted {','.join(COLUMNS)},Confidence"
        faults.append(Fault(str(path), "", f"it holds no .csv file, nor {' or '.join(VECTORS)}", wanted))
    return _find_rows(members, path, faults, answer)


def _find_rows(members: list[Member], path: Path, faults: list[Fault], answer: bool) -> Footprints:
    """The footprints of CSV files."""
    rows: list[Row] = []
    named: set[str] = set()
    for member in members:
        with gather(faults, member.shown):
            _read_rows(_read_text(member), member.shown, answer, rows, named, faults)
    polygons = _draw(rows)
    wrong = shapely.get_type_id(polygons) != shapely.GeometryType.POLYGON
    corners, owners = shapely.get_coordinates(polygons, return_index=True)
    far = np.unique(owners[~(np.abs(corners) < FARTHEST).all(axis=1)])
    faults += [
        *(
            rows[i].fault(f"found {show(rows[i].wkt)}", "wanted POLYGON ((x y, ...))")
            for i in np.flatnonzero(wrong).tolist()
        ),
        *(rows[i].fault("a coordinate is no number, or beyond 100 million", "wanted pixels") for i in far.tolist()),
    ]
    kept = ~(shapely.is_empty(polygons) | shapely.is_missing(polygons))
    if answer:
        built = {row.image for row, is_built in zip(rows, kept.tolist(), strict=True) if is_built}
        faults += [
            row.fault(f"{row.image} is empty here, and has buildings in other rows", "leave out the one or the other")
            for row in rows
            if row.is_empty and row.image in built
        ]
    return Footprints(
        shown=str(path),
        images=np.array([row.image for row in rows], np.str_)[kept],
        polygons=shapely.force_2d(polygons[kept]),
        confidence=np.array([row.confidence for row in rows], np.float64)[kept],
        named=frozenset(named),
    )


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a file."""

    image: str
    wkt: str
    """NO_BUILDING where the building is -1."""
    confidence: float
    shown: str
    line: int

    @property
    def is_empty(self) -> bool:
        """It says that the image has no building."""
        return self.wkt == NO_BUILDING or self.wkt.upper().split() == EMPTY.split()

    def fault(self, found: str, wanted: str) -> Fault:
        """What is wrong with it."""
        return Fault(self.shown, f"line {self.line}", found, wanted)


def _read_text(member: Member) -> str:
    try:
        return member.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadAnswer(f"{member.shown} is no text: {error.reason}: send a CSV file") from error


def _draw(rows: list[Row]) -> NDArray[np.object_]:
    """The polygon of each row, or None where there is none to read.

    What is no polygon is not read at all: collections that are nested deep overflow the stack of the library.
    """
    texts = [
        EMPTY if row.wkt == NO_BUILDING else row.wkt if row.wkt[:7].upper() == "POLYGON" and "\0" not in row.wkt else ""
        for row in rows
    ]
    # A number that is none makes GEOS raise a flag, which numpy would warn of.
    with np.errstate(invalid="ignore"):
        polygons: NDArray[np.object_] = shapely.from_wkt(np.array(texts, object), on_invalid="ignore")
    return polygons


def _read_rows(text: str, shown: str, answer: bool, rows: list[Row], named: set[str], faults: list[Fault]) -> None:
    """Add the rows of one file, and what is wrong with them."""
    csv.field_size_limit(2**27)
    known = len(faults)
    reader = csv.reader(io.StringIO(text, newline=""))
    least = len(COLUMNS) + answer
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            faults.append(Fault(shown, f"line {reader.line_num}", str(error), "wanted a CSV file"))
            return
        line = reader.line_num
        if not row or row[0].startswith("#") or row[0].strip() == COLUMNS[0] or len(faults) - known >= MOST_FAULTS:
            continue
        if len(row) < least:
            wanted = f"wanted {','.join(COLUMNS)}{',Confidence' if answer else ''}"
            faults.append(Fault(shown, f"line {line}", f"found {len(row)} columns", wanted))
            continue
        image = row[0].strip()
        if not image:
            faults.append(Fault(shown, f"line {line}", "found no image", "wanted an ImageId"))
            continue
        named.add(image)
        confidence = 1.0
        if answer:
            try:
                confidence = float(row[-1])
            except ValueError:
                confidence = float("nan")
            if not np.isfinite(confidence):
                faults.append(Fault(shown, f"line {line}", f"found the confidence {show(row[-1])}", "wanted a number"))
        wkt = NO_BUILDING if row[1].strip() == "-1" else row[2].strip()
        rows.append(Row(image, wkt, confidence, shown, line))
