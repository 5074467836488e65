"""COCO data sets and results: read at full speed where they are in order, and slowly where they are not, to say why."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overtrace.errors import BadAnswer
from overtrace.formats.annotations import (
    SEEN_ID,
    SEEN_MASK,
    SENTINEL,
    Annotations,
    as_text,
    read_list,
    read_members,
)
from overtrace.formats.coco_faults import (
    LARGEST_SIDE,
    OBJECT,
    RESULT,
    Known,
    find_mask_faults,
    find_row_faults,
    mend,
)
from overtrace.formats.faults import MOST_FAULTS, Fault, Members, parse, refuse, show
from overtrace.formats.text import BAD, Text


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
    category_names: tuple[str, ...] = ()
    """(k,) the id where no name is told."""


@dataclass(frozen=True, slots=True)
class Results:
    """The detections of one file."""

    shown: str
    """What errors call the file."""
    annotations: Annotations
    """Row by row as in the file."""
    wanted: int
    """What each row needs: RESULT or BOX_RESULT."""
    told: bool
    """The file was read slowly, and all that is wrong with the types of its rows is told."""


def read_data_set(text: Text, name: str, shown: str, wanted: int = OBJECT) -> DataSet:
    """A COCO data set: images with their sizes, categories, annotations.

    Args:
        text: the file, ended by zero bytes.
        name: of the data set.
        shown: what errors call the file.
        wanted: OBJECT or BOX_OBJECT.
    Raises:
        BadAnswer: if it is not a data set, or its annotations are not in order.
    """
    members, annotations = read_members(text)
    told = annotations is None
    if annotations is None:
        members = parse(_bytes(text), shown)
        if not isinstance(members, dict) or not isinstance(members.get("annotations"), list):
            raise BadAnswer(f"{shown} is no COCO data set: wanted an object with images, categories and annotations")
        if isinstance(members, Members) and members.repeated:
            raise BadAnswer(f"{shown} has {' and '.join(sorted(members.repeated))} twice: give each once")
        faults: list[Fault] = []
        annotations = _rewrite(members["annotations"], shown, wanted, faults)
        if faults:
            raise refuse(faults)
    images = _rows(members, "images", ("id", "height", "width"), shown)
    categories = _rows(members, "categories", ("id",), shown)
    order = np.argsort(images[:, 0], kind="stable")
    ids, heights, widths = images[order].T
    if len(np.unique(ids)) < len(ids):
        raise BadAnswer(f"{shown} has two images of one id: ids must differ")
    if heights.min() < 1 or widths.min() < 1 or max(heights.max(), widths.max()) > LARGEST_SIDE:
        raise BadAnswer(f"{shown} has an image without a size, or larger than {LARGEST_SIDE:,} pixels on a side")
    files = tuple(str(members["images"][i].get("file_name", "")) for i in order.tolist())
    kinds, first = np.unique(categories[:, 0], return_index=True)
    told_names = [members["categories"][i].get("name", members["categories"][i]["id"]) for i in first.tolist()]
    found = DataSet(name, ids, heights, widths, kinds, annotations, files, tuple(map(str, told_names)))
    faults = find_row_faults(annotations, know([found]), shown, wanted, told)
    if faults:
        raise refuse(faults)
    return found


def know(data_sets: Sequence[DataSet]) -> Known:
    """What an answer to data sets may speak of; no two of them share an image id."""
    images = np.concatenate([data_set.images for data_set in data_sets])
    part = np.repeat(np.arange(len(data_sets)), [len(data_set.images) for data_set in data_sets])
    heights, widths = (np.concatenate([getattr(one, side) for one in data_sets]) for side in ("heights", "widths"))
    order = np.argsort(images, kind="stable")
    categories = tuple(data_set.categories for data_set in data_sets)
    return Known("the data set", images[order], heights[order], widths[order], part[order], categories)


def read_results(text: Text, shown: str, faults: list[Fault], wanted: int = RESULT) -> Results | None:
    """COCO results: a list of detections, each with image_id, category_id, score and segmentation.

    Args:
        text: the file, ended by zero bytes.
        shown: what errors call the file.
        faults: what is wrong with the types of its rows is added.
        wanted: RESULT or BOX_RESULT.
    Returns:
        None if it is no list.
    """
    annotations, after = read_list(text)
    if after != BAD and not _bytes(text[after:]).strip():
        return Results(shown, annotations, wanted, told=False)
    rows = parse(_bytes(text), shown)
    if not isinstance(rows, list):
        want = "wanted a list of results, [{'image_id': ...}, ...]"
        faults.append(Fault(shown, "", f"it holds {name_kind(rows)}", want))
        return None
    return Results(shown, _rewrite(rows, shown, wanted, faults), wanted, told=True)


def check_results(results: Results, known: Known | None, *, masks: bool) -> list[Fault]:
    """What keeps results from being scored, beyond the types of their rows; empty if nothing does.

    Args:
        known: the images and categories that they may name; None where any will do.
        masks: read the masks too, which scoring does anyway.
    """
    faults = find_row_faults(results.annotations, known, results.shown, results.wanted, results.told)
    masks = masks and bool(results.wanted & SEEN_MASK)
    return faults + (find_mask_faults(results.annotations, results.shown) if masks else [])


def _bytes(text: Text) -> bytes:
    return text[:-SENTINEL].tobytes()


def name_kind(value: object) -> str:
    """What JSON calls it."""
    names = {dict: "an object", Members: "an object", list: "a list", str: "text", bool: "true or false"}
    return names.get(type(value), "null" if value is None else "a number")


def _rewrite(rows: list[Any], shown: str, wanted: int, faults: list[Fault]) -> Annotations:
    """Rows that the fast reader does not understand, written as it does; what is wrong with them goes to the faults."""
    prefix = "/annotations" if wanted & SEEN_ID else ""
    mended: list[dict[str, Any]] = []
    found: list[Fault] = []
    for i, row in enumerate(rows):
        if not isinstance(row, Members):
            found.append(Fault(shown, f"{prefix}/{i}", f"found {name_kind(row)}", "wanted an object"))
            mended.append({})
        else:
            mended.append(mend(row, f"{prefix}/{i}", shown, wanted, found))
        if len(found) >= MOST_FAULTS:
            break
    faults.extend(found[:MOST_FAULTS])
    try:
        annotations, after = read_list(as_text(json.dumps(mended).encode()))
    except RecursionError:
        after = BAD
    if after == BAD:
        raise BadAnswer(f"{shown} is written in a way that is not understood: write it with a JSON library")
    return annotations


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
