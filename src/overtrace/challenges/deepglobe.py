"""Buildings of SpaceNet-2 and DeepGlobe 2018: F1 at a polygon IoU of 0.5, for each city, and the plain mean of them.

A file has a row for each footprint: ``ImageId,BuildingId,PolygonWKT_Pix[,PolygonWKT_Geo][,Confidence]``. An image
without buildings has one row of ``POLYGON EMPTY``, or of the building -1. Coordinates are pixels; a third one is left
out.

Source:
    SpaceNet-2 (topcoder 16892) and DeepGlobe 2018 (CodaLab 18544); the codes called official differ, see
    ``overtrace.scoring.footprints``. The tester of topcoder leaves out images that an answer does not name, which gives
    their buildings away for nothing: here every image must be answered.
"""

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from overtrace.challenges.faults import Fault, refuse
from overtrace.challenges.submission import Limits, open_answer
from overtrace.errors import BadAnswer
from overtrace.scoring.footprints import TOPCODER, FootprintCounts, FootprintRule, count_footprints, f1

COLUMNS = ("ImageId", "BuildingId", "PolygonWKT_Pix")
CITY_TOKENS = 3
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


@dataclass(frozen=True, slots=True)
class CityScore:
    """One city."""

    name: str
    images: int
    hits: int
    found: int
    true: int
    f1: float


@dataclass(frozen=True, slots=True)
class BuildingScore:
    """All cities."""

    rule: FootprintRule
    cities: tuple[CityScore, ...]
    images: tuple[str, ...]
    counts: FootprintCounts
    """Of each image."""

    @property
    def score(self) -> float:
        """The plain mean of the cities' F1, which ranks."""
        return float(np.mean([city.f1 for city in self.cities]))


def city_of(image: str) -> str:
    """``AOI_2_Vegas`` of ``AOI_2_Vegas_img5979``."""
    return "_".join(image.split("_")[:CITY_TOKENS])


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


def pair_images(truth: Footprints, answer: Footprints) -> None:
    """Make sure that the answer is one to the truth.

    Raises:
        BadAnswer: if it leaves out an image, or names another.
    """
    faults = [
        *(
            Fault(answer.shown, image, "the image is missing", "answer every image, an empty one by POLYGON EMPTY")
            for image in sorted(truth.named - answer.named)
        ),
        *(
            Fault(answer.shown, image, "the truth has no such image", "leave it out")
            for image in sorted(answer.named - truth.named)
        ),
    ]
    if faults:
        raise refuse(faults)


def score_footprints(
    truth: Footprints, answer: Footprints, rule: FootprintRule = TOPCODER, images: Collection[str] | None = None
) -> BuildingScore:
    """Score an answer.

    Args:
        truth: all images of the contest.
        answer: all of them answered.
        rule: which of the official codes is followed.
        images: the part of them that is scored, as a board may show a public one.
    Raises:
        BadAnswer: if the answer leaves out an image, or names another.
    """
    pair_images(truth, answer)
    names = sorted(truth.named if images is None else truth.named & frozenset(images))
    if not names:
        raise BadAnswer(f"{truth.shown} has no image to score: check the list of images")
    index = {name: i for i, name in enumerate(names)}
    true, found = (_index(part.images, index) for part in (truth, answer))
    counts = count_footprints(
        true[true >= 0],
        truth.polygons[true >= 0],
        found[found >= 0],
        answer.polygons[found >= 0],
        answer.confidence[found >= 0],
        len(names),
        rule,
    )
    cities = np.array([city_of(name) for name in names])
    return BuildingScore(
        rule, tuple(_score_city(city, cities == city, counts) for city in np.unique(cities)), tuple(names), counts
    )


def _index(images: NDArray[np.str_], index: dict[str, int]) -> NDArray[np.int64]:
    return np.array([index.get(image, -1) for image in images.tolist()], np.int64)


def _score_city(city: str, own: NDArray[np.bool_], counts: FootprintCounts) -> CityScore:
    part = FootprintCounts(counts.hits[own], counts.found[own], counts.true[own])
    hits, found, true = (int(numbers.sum()) for numbers in (part.hits, part.found, part.true))
    return CityScore(str(city), int(own.sum()), hits, found, true, f1(part))
