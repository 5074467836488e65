"""The files of trees, as points or as boxes.

A file has a row for each tree: ``x,y`` of a point, or ``xmin,ymin,xmax,ymax`` of a box; columns are found by name, and
others are left out. Either there is one file for each image, ``NAME.csv``, or one file for all with the column
``image`` (or ``image_path``); boxes may also be Pascal VOC, ``NAME.xml``. An image of the list without a file has no
tree.
"""

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.faults import Fault, refuse
from overtrace.challenges.submission import Limits, Member, open_answer
from overtrace.errors import BadAnswer

POINT, BOX = ("x", "y"), ("xmin", "ymin", "xmax", "ymax")
IMAGE_COLUMNS = ("image", "image_path", "image_id", "filename")
MOST_FAULTS = 1000


@dataclass(frozen=True, slots=True)
class Trees:
    """The trees of a set of images."""

    shown: str
    columns: tuple[str, ...]
    """POINT or BOX."""
    images: dict[str, NDArray[np.float64]]
    """(n, 2) or (n, 4) in pixels, by the name of the image without its extension."""


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
