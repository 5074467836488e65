"""Trees as points or as boxes, as urban forestry and the NEON benchmark score them.

A file has a row for each tree: ``x,y`` of a point, or ``xmin,ymin,xmax,ymax`` of a box; columns are found by name, and
others are left out. Either there is one file for each image, ``NAME.csv``, or one file for all with the column
``image`` (or ``image_path``); boxes may also be Pascal VOC, ``NAME.xml``. An image of the list without a file has no
tree.

Source:
    Points: Ventura et al., Individual tree detection in large-scale urban environments using high-resolution
    multispectral imagery, IJAEOG 130:103848, 2024: optimal one-to-one assignment within 6 m, sums over the set.
    Boxes: Weinstein et al., A benchmark dataset for canopy crown detection and delineation, 2021,
    doi:10.1371/journal.pcbi.1009180 (NeonTreeEvaluation): optimal assignment, IoU of 0.4.
"""

import csv
import io
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.faults import Fault, refuse
from overtrace.challenges.submission import Limits, Member, open_answer
from overtrace.errors import BadAnswer
from overtrace.scoring.matching import Matches, match_boxes, match_points

POINT, BOX = ("x", "y"), ("xmin", "ymin", "xmax", "ymax")
IMAGE_COLUMNS = ("image", "image_path", "image_id", "filename")
REACH_M = 6.0
LEAST_IOU = 0.4
MOST_FAULTS = 1000


@dataclass(frozen=True, slots=True)
class Trees:
    """The trees of a set of images."""

    shown: str
    columns: tuple[str, ...]
    """POINT or BOX."""
    images: dict[str, NDArray[np.float64]]
    """(n, 2) or (n, 4) in pixels, by the name of the image without its extension."""


@dataclass(frozen=True, slots=True)
class TreeScore:
    """A set, and each of its images."""

    columns: tuple[str, ...]
    names: tuple[str, ...]
    images: tuple[Matches, ...]
    whole: Matches

    @property
    def score(self) -> float:
        """F1 over the set, which ranks."""
        return self.whole.f1


def read_trees(path: Path, limits: Limits | None = None) -> Trees:
    """The trees of a file, a folder or an archive.

    Raises:
        BadAnswer: that names the first fault, and says how many more there are.
    """
    images: dict[str, list[tuple[float, ...]]] = {}
    kinds: set[tuple[str, ...]] = set()
    faults: list[Fault] = []
    for member in open_answer(path, limits):
        suffix = PurePosixPath(member.name).suffix.lower()
        if suffix == ".csv":
            _read_table(member, images, kinds, faults)
        elif suffix == ".xml":
            _read_voc(member, images, kinds, faults)
    if faults:
        raise refuse(faults)
    if not kinds:
        raise BadAnswer(f"{path} holds no trees: wanted .csv files with x,y or xmin,ymin,xmax,ymax")
    if len(kinds) > 1:
        raise BadAnswer(f"{path} holds points and boxes: send the one or the other")
    (columns,) = kinds
    arrays = {name: np.array(rows, np.float64).reshape(-1, len(columns)) for name, rows in images.items()}
    return Trees(str(path), columns, arrays)


def _read_table(
    member: Member, images: dict[str, list[tuple[float, ...]]], kinds: set[tuple[str, ...]], faults: list[Fault]
) -> None:
    try:
        reader = csv.DictReader(io.StringIO(member.read().decode("utf-8-sig"), newline=""))
        header = [name.strip() for name in reader.fieldnames or ()]
    except (UnicodeDecodeError, csv.Error) as error:
        faults.append(Fault(member.shown, "", str(error), "wanted a CSV file"))
        return
    columns = next((kind for kind in (BOX, POINT) if set(kind) <= set(header)), None)
    if columns is None:
        wanted = "wanted the columns x,y or xmin,ymin,xmax,ymax"
        faults.append(Fault(member.shown, "line 1", f"found {','.join(header)[:60]!r}", wanted))
        return
    reader.fieldnames = header
    kinds.add(columns)
    by = next((name for name in IMAGE_COLUMNS if name in header), None)
    if by is None:
        images.setdefault(PurePosixPath(member.name).stem, [])
    try:
        for row in reader:
            if len(faults) >= MOST_FAULTS:
                return
            name = PurePosixPath(member.name).stem if by is None else PurePosixPath(row[by] or "").stem
            numbers = tuple(_number(row[column]) for column in columns)
            if not all(map(math.isfinite, numbers)):
                found = f"found {','.join(str(row[column]) for column in columns)[:60]!r}"
                faults.append(Fault(member.shown, f"line {reader.line_num}", found, "wanted numbers"))
            elif columns == BOX and not (numbers[0] <= numbers[2] and numbers[1] <= numbers[3]):
                faults.append(
                    Fault(member.shown, f"line {reader.line_num}", f"found the box {numbers}", "wanted left <= right")
                )
            else:
                images.setdefault(name, []).append(numbers)
    except csv.Error as error:
        faults.append(Fault(member.shown, f"line {reader.line_num}", str(error), "wanted a CSV file"))


def _number(text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError:
        return math.nan


def _read_voc(
    member: Member, images: dict[str, list[tuple[float, ...]]], kinds: set[tuple[str, ...]], faults: list[Fault]
) -> None:
    data = member.read()
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        faults.append(Fault(member.shown, "", "it declares a document type", "wanted plain Pascal VOC"))
        return
    try:
        boxes = ElementTree.fromstring(data).iter("bndbox")
        rows = [tuple(_number(box.findtext(side)) for side in BOX) for box in boxes]
    except ElementTree.ParseError as error:
        faults.append(Fault(member.shown, "", f"no XML: {error}", "wanted Pascal VOC"))
        return
    if not all(math.isfinite(number) for row in rows for number in row):
        faults.append(Fault(member.shown, "", "a bndbox lacks a side", "wanted xmin, ymin, xmax, ymax"))
        return
    kinds.add(BOX)
    images.setdefault(PurePosixPath(member.name).stem, []).extend(rows)


def score_trees(
    truth: Trees,
    answer: Trees,
    pixel_size_m: float = 1.0,
    names: Collection[str] | None = None,
    reach_m: float = REACH_M,
    least_iou: float = LEAST_IOU,
) -> TreeScore:
    """Score an answer.

    Args:
        truth: trees of the truth.
        answer: trees of the answer, of the same kind.
        pixel_size_m: metres in a unit of the coordinates.
        names: the images that count; those that the truth names unless told.
        reach_m: of a match of points, inclusive.
        least_iou: of a match of boxes, inclusive.
    Raises:
        BadAnswer: if the answer is of another kind, or names images that do not count.
    """
    if truth.columns != answer.columns:
        raise BadAnswer(f"{answer.shown} holds {_kind(answer)}, the truth {_kind(truth)}: send {_kind(truth)}")
    wanted = sorted(truth.images if names is None else names)
    if not wanted:
        raise BadAnswer(f"{truth.shown} has no image to score: check the list of images")
    strange = sorted(answer.images.keys() - set(wanted)) if names is None else []
    if strange:
        raise refuse([Fault(answer.shown, name, "the truth has no such image", "leave it out") for name in strange])
    nothing = np.zeros((0, len(truth.columns)))
    images = []
    for name in wanted:
        found, true = (trees.images.get(name, nothing) for trees in (answer, truth))
        if truth.columns == POINT:
            images.append(match_points(found * pixel_size_m, true * pixel_size_m, reach_m))
        else:
            images.append(match_boxes(found, true, least_iou))
    return TreeScore(truth.columns, tuple(wanted), tuple(images), sum(images, Matches()))


def _kind(trees: Trees) -> str:
    return "points" if trees.columns == POINT else "boxes"
