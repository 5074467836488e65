"""The files of trees, as points or as boxes.

A file has a row for each tree: ``x,y`` of a point, or ``xmin,ymin,xmax,ymax`` of a box, or both; columns are found by
name, and others are left out. Either there is one file for each image, ``NAME.csv``, or one file for all with the
column ``image`` (or ``image_path``); boxes may also be Pascal VOC, ``NAME.xml``. An image of the list without a file
has no tree.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.submission import Limits, Member, find_members
from overtrace.formats.faults import MOST_FAULTS, Fault, gather, refuse, show

POINT, BOX = ("x", "y"), ("xmin", "ymin", "xmax", "ymax")
SCORE_COLUMNS = ("score", "confidence")
IMAGE_COLUMNS = ("image", "image_path", "image_id", "filename")
Columns = tuple[str, ...]
Rows = dict[str, list[tuple[float, ...]]]
"""By image: the numbers of the columns, and the score."""
FARTHEST = 1e8
"""Pixels; beyond, areas are no longer told apart."""


@dataclass(frozen=True, slots=True)
class Trees:
    """The trees of a set of images."""

    shown: str
    columns: tuple[str, ...]
    """POINT or BOX."""
    images: dict[str, NDArray[np.float64]]
    """(n, 2) or (n, 4) in pixels, by the name of the image without its extension."""
    scores: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """(n,) likewise; 1 where none is given."""
    scored: bool = False
    """Some tree has another score than 1."""


def read_trees(path: Path, limits: Limits | None = None, columns: Columns = BOX) -> Trees:
    """The trees of a file, a folder or an archive.

    Args:
        columns: which are read where there are both.
    Raises:
        BadAnswer: that names the first fault, and says how many more there are.
    """
    faults: list[Fault] = []
    trees = find_trees(path, faults, limits, columns)
    if faults:
        raise refuse(faults)
    return trees


def find_trees(path: Path, faults: list[Fault], limits: Limits | None = None, columns: Columns = BOX) -> Trees:
    """The trees that can be read; what is wrong with the others goes to the faults.

    Points, if there are neither points nor boxes, and no fault.

    Args:
        columns: which are read where there are both.
    """
    wanted = (columns, *({POINT, BOX} - {columns}))
    images: Rows = {}
    kinds: set[Columns] = set()
    known = len(faults)
    for member in find_members(path, faults, limits):
        suffix = PurePosixPath(member.name).suffix.lower()
        read = {".csv": _read_table, ".xml": _read_voc}.get(suffix)
        if read is not None:
            with gather(faults, member.shown):
                read(member, images, kinds, faults, wanted)
    if not kinds and len(faults) == known:
        lack = "wanted .csv files with x,y or xmin,ymin,xmax,ymax"
        faults.append(Fault(str(path), "", "it holds no trees", lack))
    if len(kinds) > 1:
        faults.append(Fault(str(path), "", "it holds points and boxes", "send the one or the other"))
    columns = columns if columns in kinds else BOX if BOX in kinds else POINT
    width = len(columns) + 1
    arrays = {
        name: np.array([row for row in rows if len(row) == width], np.float64).reshape(-1, width)
        for name, rows in images.items()
    }
    places, scores = ({name: rows[:, part] for name, rows in arrays.items()} for part in (slice(-1), -1))
    scored = any((part != 1).any() for part in scores.values())
    return Trees(str(path), columns, places, scores, scored)


def _read_table(
    member: Member, images: Rows, kinds: set[Columns], faults: list[Fault], wanted: Sequence[Columns]
) -> None:
    try:
        reader = csv.DictReader(io.StringIO(member.read().decode("utf-8-sig"), newline=""))
        header = [name.strip() for name in reader.fieldnames or ()]
    except (UnicodeDecodeError, csv.Error) as error:
        faults.append(Fault(member.shown, "", str(error), "wanted a CSV file"))
        return
    columns = next((kind for kind in wanted if set(kind) <= set(header)), None)
    if columns is None:
        lack = "wanted the columns x,y or xmin,ymin,xmax,ymax"
        faults.append(Fault(member.shown, "line 1", f"found {','.join(header)[:60]!r}", lack))
        return
    reader.fieldnames = header
    kinds.add(columns)
    by = next((name for name in IMAGE_COLUMNS if name in header), None)
    sure = next((name for name in SCORE_COLUMNS if name in header), None)
    if by is None:
        images.setdefault(PurePosixPath(member.name).stem, [])
    known = len(faults)
    try:
        for row in reader:
            if len(faults) - known >= MOST_FAULTS:
                return
            name = PurePosixPath(member.name).stem if by is None else PurePosixPath(row[by] or "").stem
            numbers = tuple(_number(row[column]) for column in columns)
            score = 1.0 if sure is None else _number(row[sure])
            wrong = _find_fault(numbers, [row[column] for column in columns])
            if wrong is None and not math.isfinite(score):
                wrong = f"found the {sure} {show(row[sure or ''])}", "wanted a number"
            if not name:
                wrong = f"found no {by}", "wanted the name of an image"
            if wrong is not None:
                faults.append(Fault(member.shown, f"line {reader.line_num}", *wrong))
            else:
                images.setdefault(name, []).append((*numbers, score))
    except csv.Error as error:
        faults.append(Fault(member.shown, f"line {reader.line_num}", str(error), "wanted a CSV file"))


def _find_fault(numbers: tuple[float, ...], texts: Sequence[str | None]) -> tuple[str, str] | None:
    """What was found, and what was wanted, of a point or a box."""
    found = f"found {show(','.join(map(str, texts)))}"
    if not all(map(math.isfinite, numbers)):
        return found, "wanted numbers"
    if not all(abs(number) < FARTHEST for number in numbers):
        return found, "wanted numbers below 100 million"
    if len(numbers) == len(BOX) and not (numbers[0] <= numbers[2] and numbers[1] <= numbers[3]):
        return f"found the box {numbers}", "wanted left <= right and top <= bottom"
    return None


def _number(text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError:
        return math.nan


def _read_voc(
    member: Member, images: Rows, kinds: set[Columns], faults: list[Fault], wanted: Sequence[Columns]
) -> None:
    try:
        # Text, so that what is searched here is what is read below, whichever encoding the file declares.
        text = member.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        faults.append(Fault(member.shown, "", f"no UTF-8: {error.reason}", "wanted Pascal VOC"))
        return
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        faults.append(Fault(member.shown, "", "it declares a document type", "wanted plain Pascal VOC"))
        return
    try:
        boxes = list(ElementTree.fromstring(text).iter("bndbox"))
    except (ElementTree.ParseError, ValueError) as error:
        faults.append(Fault(member.shown, "", f"no XML: {error}", "wanted Pascal VOC"))
        return
    kinds.add(BOX)
    rows = images.setdefault(PurePosixPath(member.name).stem, [])
    for i, box in enumerate(boxes, 1):
        texts = [box.findtext(side) for side in BOX]
        numbers = tuple(map(_number, texts))
        missing = [side for side, text in zip(BOX, texts, strict=True) if not text]
        wrong = _find_fault(numbers, texts)
        if missing:
            wrong = f"a bndbox lacks a side: {', '.join(missing)}", "wanted xmin, ymin, xmax, ymax"
        if wrong is not None:
            faults.append(Fault(member.shown, f"bndbox {i}", *wrong))
        else:
            rows.append((*numbers, 1.0))
