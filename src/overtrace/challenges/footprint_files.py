"""The files of the building contests: a row for each footprint.

``ImageId,BuildingId,PolygonWKT_Pix[,PolygonWKT_Geo][,Confidence]``. An image without buildings has one row of
``POLYGON EMPTY``, or of the building -1. Coordinates are pixels; a third one is left out.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from overtrace.challenges.faults import Fault, refuse
from overtrace.challenges.submission import Limits, open_answer
from overtrace.errors import BadAnswer

COLUMNS = ("ImageId", "BuildingId", "PolygonWKT_Pix")
MOST_FAULTS = 1000


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


def read_footprints(path: Path, *, answer: bool, limits: Limits | None = None) -> Footprints:
    """The footprints of a CSV file, which may be packed; several files are read one after the other.

    Args:
        answer: the file ends in a column of confidences.
    Raises:
        BadAnswer: that names the first fault, and says how many more there are.
    """
    members = [member for member in open_answer(path, limits) if member.name.lower().endswith((".csv", ".txt"))]
    if not members:
        raise BadAnswer(f"{path} holds no .csv file: wanted {','.join(COLUMNS)},Confidence")
    faults: list[Fault] = []
    rows: list[tuple[str, str, float]] = []
    places: list[tuple[str, int]] = []
    named: set[str] = set()
    for member in members:
        try:
            text = member.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadAnswer(f"{member.shown} is no text: {error.reason}: send a CSV file") from error
        _read_rows(text, member.shown, answer, rows, places, named, faults)
    polygons = shapely.from_wkt([wkt for _, wkt, _ in rows], on_invalid="ignore") if rows else np.empty(0, object)
    kind = shapely.get_type_id(polygons)
    for i in np.flatnonzero(kind != shapely.GeometryType.POLYGON)[:MOST_FAULTS].tolist():
        shown, line = places[i]
        faults.append(Fault(shown, f"line {line}", f"found {rows[i][1][:40]!r}", "wanted POLYGON ((x y, ...))"))
    if faults:
        raise refuse(faults)
    kept = ~shapely.is_empty(polygons)
    return Footprints(
        shown=str(path),
        images=np.array([image for image, _, _ in rows], np.str_)[kept],
        polygons=shapely.force_2d(polygons[kept]),
        confidence=np.array([confidence for _, _, confidence in rows], np.float64)[kept],
        named=frozenset(named),
    )


def _read_rows(
    text: str,
    shown: str,
    answer: bool,
    rows: list[tuple[str, str, float]],
    places: list[tuple[str, int]],
    named: set[str],
    faults: list[Fault],
) -> None:
    """Add the rows of one file, and what is wrong with them."""
    csv.field_size_limit(2**27)
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
        if not row or row[0].startswith("#") or row[0].strip() == COLUMNS[0] or len(faults) >= MOST_FAULTS:
            continue
        if len(row) < least:
            wanted = f"wanted {','.join(COLUMNS)}{',Confidence' if answer else ''}"
            faults.append(Fault(shown, f"line {line}", f"found {len(row)} columns", wanted))
            continue
        image = row[0].strip()
        named.add(image)
        confidence = 1.0
        if answer:
            try:
                confidence = float(row[-1])
            except ValueError:
                confidence = float("nan")
            if not np.isfinite(confidence):
                faults.append(Fault(shown, f"line {line}", f"found the confidence {row[-1]!r}", "wanted a number"))
        if row[1].strip() == "-1":
            continue
        rows.append((image, row[2].strip(), confidence))
        places.append((shown, line))
