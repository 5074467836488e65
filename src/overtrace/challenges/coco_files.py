"""COCO data sets and results: read at full speed where they are in order, and slowly where they are not, to say why."""

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.faults import Fault, parse, refuse, show
from overtrace.challenges.submission import Member
from overtrace.errors import BadAnswer
from overtrace.scoring.annotations import (
    CATEGORY,
    COMPRESSED,
    COUNTS,
    HEIGHT,
    IMAGE,
    KIND,
    NOTHING,
    POLYGONS,
    SCORE,
    SEEN,
    SEEN_AREA,
    SEEN_CATEGORY,
    SEEN_ID,
    SEEN_IMAGE,
    SEEN_MASK,
    SEEN_SCORE,
    SENTINEL,
    START,
    STOP,
    WIDTH,
    Annotations,
    as_text,
    load_text,
    read_list,
    read_members,
)
from overtrace.scoring.masks import FAULTS, FINE, NO_TEXT, read_mask
from overtrace.scoring.text import BAD, Text

MOST_FAULTS = 1000
"""Of one file; a file that is wrong throughout is not better described by more of them."""
RESULT = SEEN_IMAGE | SEEN_CATEGORY | SEEN_SCORE | SEEN_MASK
OBJECT = SEEN_ID | SEEN_IMAGE | SEEN_CATEGORY | SEEN_MASK | SEEN_AREA
LARGEST_SIDE = 2**15


@dataclass(frozen=True, slots=True)
class DataSet:
    """Images and what is true of them."""

    name: str
    images: NDArray[np.int64]
    """(i,) ids, ascending."""
    heights: NDArray[np.int64]
    """(i,) pixels."""
    widths: NDArray[np.int64]
    """(i,) pixels."""
    categories: NDArray[np.int64]
    """(k,) ids, ascending."""
    annotations: Annotations
    files: tuple[str, ...] = ()
    """(i,) names of the files of the images; empty where one is not told."""


def load(member: Member) -> Text:
    """The text of a file, copied as little as possible."""
    return as_text(member.read()) if member.path is None else load_text(member.path)


def read_data_set(text: Text, name: str, shown: str) -> DataSet:
    """A COCO data set: images with their sizes, categories, annotations.

    Args:
        text: the file, ended by zero bytes.
        name: of the data set.
        shown: what errors call the file.
    Raises:
        BadAnswer: if it is not a data set, or its annotations are not in order.
    """
    members, annotations = read_members(text)
    if annotations is None:
        members = parse(_bytes(text), shown)
        if not isinstance(members, dict) or not isinstance(members.get("annotations"), list):
            raise BadAnswer(f"{shown} is no COCO data set: wanted an object with images, categories and annotations")
        annotations = _rewrite(members["annotations"], shown, OBJECT)
    images = _rows(members, "images", ("id", "height", "width"), shown)
    categories = _rows(members, "categories", ("id",), shown)
    order = np.argsort(images[:, 0], kind="stable")
    ids, heights, widths = images[order].T
    if len(np.unique(ids)) < len(ids):
        raise BadAnswer(f"{shown} has two images of one id: ids must differ")
    if heights.min() < 1 or widths.min() < 1 or max(heights.max(), widths.max()) > LARGEST_SIDE:
        raise BadAnswer(f"{shown} has an image without a size, or larger than {LARGEST_SIDE:,} pixels on a side")
    files = tuple(str(members["images"][i].get("file_name", "")) for i in order.tolist())
    found = DataSet(name, ids, heights, widths, np.unique(categories[:, 0]), annotations, files)
    faults = _find_faults(annotations, found, shown, OBJECT, "/annotations")
    if faults:
        raise refuse(faults)
    return found


def read_results(text: Text, shown: str) -> Annotations:
    """COCO results: a list of detections, each with image_id, category_id, score and segmentation.

    Raises:
        BadAnswer: if it is none.
    """
    annotations, after = read_list(text)
    if after == BAD or _bytes(text[after:]).strip():
        rows = parse(_bytes(text), shown)
        if not isinstance(rows, list):
            raise BadAnswer(f"{shown} holds {_kind(rows)}: wanted a list of results, [{{'image_id': ...}}, ...]")
        annotations = _rewrite(rows, shown, RESULT)
    return annotations


def check_results(annotations: Annotations, truth: DataSet, shown: str) -> list[Fault]:
    """What keeps results from being scored against a data set; empty if nothing does."""
    return _find_faults(annotations, truth, shown, RESULT, "")


def _bytes(text: Text) -> bytes:
    return text[:-SENTINEL].tobytes()


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _rewrite(rows: list[Any], shown: str, wanted: int) -> Annotations:
    """Rows that the fast reader does not understand, written as it does; or an error that says what is wrong."""
    prefix = "/annotations" if wanted == OBJECT else ""
    faults: list[Fault] = []
    for i, row in enumerate(rows):
        faults += _find_slow_faults(row, f"{prefix}/{i}", shown, wanted)
        if len(faults) >= MOST_FAULTS:
            break
    if faults:
        raise refuse(faults)
    annotations, after = read_list(as_text(json.dumps(rows).encode()))
    if after == BAD:
        raise BadAnswer(f"{shown} is written in a way that is not understood: write it with a JSON library")
    return annotations


def _find_slow_faults(row: Any, where: str, shown: str, wanted: int) -> Iterator[Fault]:
    """What is wrong with the types of one row."""
    if not isinstance(row, dict):
        yield Fault(shown, where, f"found {_kind(row)}", "wanted an object")
        return
    for name, flag in (("id", SEEN_ID), ("image_id", SEEN_IMAGE), ("category_id", SEEN_CATEGORY)):
        value = row.get(name)
        if (flag & wanted or name in row) and (not isinstance(value, int) or isinstance(value, bool)):
            if name == "id" and not flag & wanted:
                del row["id"]
                continue
            found = f"found {show(value)}" if name in row else "it is missing"
            yield Fault(shown, f"{where}/{name}", found, "wanted an integer")
    for name, flag in (("score", SEEN_SCORE), ("area", SEEN_AREA)):
        value = row.get(name)
        if flag & wanted and not _is_number(value):
            found = f"found {show(value)}" if name in row else "it is missing"
            yield Fault(shown, f"{where}/{name}", found, "wanted a number")
        elif name in row and not _is_number(value):
            del row[name]
    if isinstance(row.get("iscrowd"), bool):
        row["iscrowd"] = int(row["iscrowd"])
    box = row.get("bbox")
    if "bbox" in row and box != [] and not (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
        yield Fault(shown, f"{where}/bbox", f"found {show(box)}", "wanted four numbers: left, top, width, height")
    mask = row.get("segmentation")
    written = isinstance(mask, list) or (isinstance(mask, dict) and isinstance(mask.get("counts"), str | list))
    if not written:
        found = f"found {show(mask)}" if "segmentation" in row else "it is missing"
        yield Fault(shown, f"{where}/segmentation", found, "wanted {'size': ..., 'counts': ...} or polygons")
    elif isinstance(mask, dict):
        size = mask.get("size")
        if not (isinstance(size, list) and len(size) == 2 and all(isinstance(side, int) for side in size)):
            yield Fault(shown, f"{where}/segmentation/size", f"found {show(size)}", "wanted [height, width]")
        row["segmentation"] = {"size": size, "counts": mask["counts"]}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _rows(members: dict[str, Any], name: str, fields: tuple[str, ...], shown: str) -> NDArray[np.int64]:
    """(n, fields) integers of the objects of a list."""
    rows = members.get(name)
    if not isinstance(rows, list) or not rows:
        raise BadAnswer(f"{shown} has no {name}: wanted a COCO data set with images, categories and annotations")
    found = np.zeros((len(rows), len(fields)), np.int64)
    for i, row in enumerate(rows):
        for j, field in enumerate(fields):
            value = row.get(field) if isinstance(row, dict) else None
            if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**62:
                raise refuse([Fault(shown, f"/{name}/{i}/{field}", f"found {show(value)}", "wanted an integer")])
            found[i, j] = value
    return found


def _find_faults(annotations: Annotations, truth: DataSet, shown: str, wanted: int, prefix: str) -> list[Fault]:
    """Faults of rows whose types are right; sizes of polygons are filled in on the way."""
    whole = annotations.whole
    faults: list[Fault] = []

    def report(bad: NDArray[np.bool_], field: str, found: str, want: str, column: int | None = None) -> None:
        for row in np.flatnonzero(bad)[: MOST_FAULTS - len(faults)].tolist():
            value = "" if column is None else f" {whole[row, column]}"
            faults.append(Fault(shown, f"{prefix}/{row}/{field}", f"{found}{value}", want))

    names = {
        SEEN_ID: "id",
        SEEN_IMAGE: "image_id",
        SEEN_CATEGORY: "category_id",
        SEEN_SCORE: "score",
        SEEN_MASK: "segmentation",
        SEEN_AREA: "area",
    }
    for flag, name in names.items():
        if flag & wanted:
            report((whole[:, SEEN] & flag) == 0, name, "it is missing", "every one needs it")
    at = np.searchsorted(truth.images, whole[:, IMAGE])
    at = np.minimum(at, len(truth.images) - 1)
    strange = truth.images[at] != whole[:, IMAGE]
    report(strange, "image_id", "no image has the id", "use those of the data set", IMAGE)
    unknown = ~np.isin(whole[:, CATEGORY], truth.categories)
    report(unknown, "category_id", "no category has the id", "use those of the data set", CATEGORY)
    report(~np.isfinite(annotations.real[:, SCORE]), "score", "it is no finite number", "wanted a finite number")
    if wanted == OBJECT:
        twice = [i for i, n in Counter(whole[:, 0].tolist()).items() if n > 1] if _repeats(whole[:, 0]) else []
        report(np.isin(whole[:, 0], twice), "id", "more than one has the id", "ids must differ", 0)
    drawn = whole[:, KIND] == POLYGONS
    whole[drawn, HEIGHT], whole[drawn, WIDTH] = truth.heights[at[drawn]], truth.widths[at[drawn]]
    runs = (whole[:, KIND] == COMPRESSED) | (whole[:, KIND] == COUNTS)
    other = runs & ~strange & ((whole[:, HEIGHT] != truth.heights[at]) | (whole[:, WIDTH] != truth.widths[at]))
    for row in np.flatnonzero(other)[: MOST_FAULTS - len(faults)].tolist():
        found = f"found {whole[row, HEIGHT]} x {whole[row, WIDTH]}"
        image = f"{truth.heights[at[row]]} x {truth.widths[at[row]]} (height x width)"
        faults.append(Fault(shown, f"{prefix}/{row}/segmentation/size", found, f"the image is {image}"))
    report(whole[:, KIND] == NOTHING, "segmentation", FAULTS[NO_TEXT], "wanted run lengths or polygons")
    return faults


def _repeats(numbers: NDArray[np.int64]) -> bool:
    return len(np.unique(numbers)) < len(numbers)


def find_mask_faults(annotations: Annotations, shown: str, prefix: str = "") -> list[Fault]:
    """Masks that cannot be read, each with its place."""
    faults = []
    intervals = np.empty((2, 1024), np.int32)
    for row, line in enumerate(annotations.whole):
        kind, start, stop, height, width = (int(line[column]) for column in (KIND, START, STOP, HEIGHT, WIDTH))
        intervals, _, fault = read_mask(annotations.text, kind, start, stop, height, width, intervals, 0)
        if fault != FINE:
            faults.append(
                Fault(shown, f"{prefix}/{row}/segmentation", FAULTS[fault], "encode the mask with pycocotools")
            )
        if len(faults) >= MOST_FAULTS:
            break
    return faults
