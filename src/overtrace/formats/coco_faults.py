"""What can be wrong with COCO annotations and results, row by row: types, ids, numbers, sizes, masks."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overtrace.formats.annotations import (
    AREA,
    CATEGORY,
    COMPRESSED,
    COUNTS,
    HEIGHT,
    ID,
    IMAGE,
    KIND,
    LEFT,
    NOTHING,
    POLYGONS,
    SCORE,
    SEEN,
    SEEN_AREA,
    SEEN_BOX,
    SEEN_CATEGORY,
    SEEN_ID,
    SEEN_IMAGE,
    SEEN_MASK,
    SEEN_SCORE,
    WIDTH,
    Annotations,
)
from overtrace.formats.coco_masks import explain_mask
from overtrace.formats.faults import MOST_FAULTS, Fault, Members, in_order, show
from overtrace.formats.masks import FINE, find_bad_masks
from overtrace.formats.rows import are_in_order

RESULT = SEEN_IMAGE | SEEN_CATEGORY | SEEN_SCORE | SEEN_MASK
OBJECT = SEEN_ID | SEEN_IMAGE | SEEN_CATEGORY | SEEN_MASK | SEEN_AREA
BOX_RESULT = RESULT & ~SEEN_MASK | SEEN_BOX
BOX_OBJECT = OBJECT & ~SEEN_MASK | SEEN_BOX
"""Where boxes are compared, a mask is not asked for."""
NAMES = {
    SEEN_ID: "id",
    SEEN_IMAGE: "image_id",
    SEEN_CATEGORY: "category_id",
    SEEN_SCORE: "score",
    SEEN_MASK: "segmentation",
    SEEN_AREA: "area",
    SEEN_BOX: "bbox",
}
LARGEST_SIDE = 2**15
LARGEST_INTEGER = 10**18


@dataclass(frozen=True, slots=True)
class Known:
    """What an answer may speak of."""

    source: str
    """Who says so: the data set, or the list of images."""
    images: NDArray[np.int64]
    """(i,) ids, ascending; at least one."""
    heights: NDArray[np.int64]
    """(i,) pixels; 0 where nobody says."""
    widths: NDArray[np.int64]
    """(i,) likewise."""
    part: NDArray[np.int64]
    """(i,) index of the data set of each image."""
    categories: tuple[NDArray[np.int64], ...]
    """Ids of each data set; empty where any will do."""


def mend(row: Members, where: str, shown: str, wanted: int, faults: list[Fault]) -> dict[str, Any]:
    """What is in order of a row, so that it can be looked at further; what is not goes to the faults."""
    fine: dict[str, Any] = {}

    def report(name: str, found: str, want: str) -> None:
        faults.append(Fault(shown, f"{where}/{name}", found, want))

    known = ("id", "image_id", "category_id", "iscrowd", "score", "area", "bbox", "segmentation")
    for name in (name for name in known if name in row.repeated):
        report(name, "it is given twice", "give it once")
    for flag, name in NAMES.items():
        value, needed = row.get(name), bool(flag & wanted)
        right, want = _is_number(value), "wanted a number"
        if flag in (SEEN_ID, SEEN_IMAGE, SEEN_CATEGORY):
            right, want = _is_integer(value), "wanted an integer"
        if flag == SEEN_BOX:
            _mend_box(row, needed, fine, report)
        elif flag == SEEN_MASK:
            if needed or name in row:
                _mend_mask(row, fine, report)
        elif right:
            fine[name] = value
        elif needed:
            report(name, f"found {show(value)}" if name in row else "it is missing", want)
    crowd = row.get("iscrowd")
    if isinstance(crowd, int) and _is_integer(int(crowd)):
        fine["iscrowd"] = int(crowd)
    elif "iscrowd" in row and wanted & SEEN_ID:
        report("iscrowd", f"found {show(crowd)}", "wanted 0 or 1")
    return fine


def _mend_box(row: Members, needed: bool, fine: dict[str, Any], report: Any) -> None:
    box = row.get("bbox")
    if (box == [] and not needed) or (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
        fine["bbox"] = box
    elif "bbox" in row or needed:
        found = f"found {show(box)}" if "bbox" in row else "it is missing"
        report("bbox", found, "wanted four numbers: left, top, width, height")


def _mend_mask(row: Members, fine: dict[str, Any], report: Any) -> None:
    mask = row.get("segmentation")
    if isinstance(mask, list):
        fine["segmentation"] = mask
        return
    if not isinstance(mask, Members) or not isinstance(mask.get("counts"), str | list):
        found = f"found {show(mask)}" if "segmentation" in row else "it is missing"
        report("segmentation", found, "wanted {'size': ..., 'counts': ...} or polygons")
        return
    for name in ("size", "counts"):
        if name in mask.repeated:
            report(f"segmentation/{name}", "it is given twice", "give it once")
    size = mask.get("size")
    if isinstance(size, list) and len(size) == 2 and all(map(_is_integer, size)):
        fine["segmentation"] = {"size": size, "counts": mask["counts"]}
    else:
        found = f"found {show(size)}" if "size" in mask else "it is missing"
        report("segmentation/size", found, "wanted [height, width]")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST_INTEGER


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def find_row_faults(
    annotations: Annotations, known: Known | None, shown: str, wanted: int, told: bool = False
) -> list[Fault]:
    """Faults of rows whose types are right, by row; sizes of polygons are filled in on the way.

    Args:
        annotations: objects or detections.
        known: the images and categories that they may name; None where any will do.
        shown: what errors call the file.
        wanted: RESULT or OBJECT, or BOX_RESULT or BOX_OBJECT.
        told: what is missing was told before.
    """
    if known is not None and known.categories and _are_in_order(annotations, known, wanted):
        return []
    prefix = "/annotations" if wanted & SEEN_ID else ""
    every = _find_field_faults(annotations, wanted, told)
    faults = [Fault(shown, f"{prefix}/{where}", found, want) for where, found, want in every]
    if known is not None:
        strange = _find_strangers(annotations, known)
        faults += [Fault(shown, f"{prefix}/{where}", found, want) for where, found, want in strange]
    sizes = _find_wrong_sizes(annotations, known)
    faults += [Fault(shown, f"{prefix}/{where}", found, want) for where, found, want in sizes]
    return in_order(faults)


def _are_in_order(annotations: Annotations, known: Known, wanted: int) -> bool:
    ends = np.cumsum([0, *map(len, known.categories)])
    categories = np.concatenate(known.categories)
    sides = known.images, known.heights, known.widths, known.part
    return bool(are_in_order(annotations.whole, annotations.real, wanted, *sides, categories, ends))


Finding = tuple[str, str, str]
"""Row and field, what was found, what is wanted."""


def _rows(bad: NDArray[np.bool_]) -> list[int]:
    rows: list[int] = np.flatnonzero(bad)[:MOST_FAULTS].tolist()
    return rows


def _find_field_faults(annotations: Annotations, wanted: int, told: bool) -> Iterator[Finding]:
    whole, real = annotations.whole, annotations.real
    for flag, name in NAMES.items():
        if flag & wanted and not told:
            for row in _rows((whole[:, SEEN] & flag) == 0):
                yield f"{row}/{name}", "it is missing", "every one needs it"
    column, name = (AREA, "area") if wanted & SEEN_ID else (SCORE, "score")
    for row in _rows(~np.isfinite(real[:, column])):
        yield f"{row}/{name}", "it is no finite number", "wanted a finite number"
    for row in _rows(~np.all(np.isfinite(real[:, LEFT:]), axis=1)):
        yield f"{row}/bbox", "a number of it is not finite", "wanted four numbers: left, top, width, height"
    # Ids that rise, as most do, need not be sorted to be told apart.
    if wanted & SEEN_ID and not (np.diff(whole[:, ID]) > 0).all() and len(np.unique(whole[:, ID])) < len(whole):
        twice = [i for i, n in Counter(whole[:, ID].tolist()).items() if n > 1]
        for row in _rows(np.isin(whole[:, ID], twice) & annotations.has(SEEN_ID)):
            yield f"{row}/id", f"more than one has the id {whole[row, ID]}", "ids must differ"


def _find_strangers(annotations: Annotations, known: Known) -> Iterator[Finding]:
    """Rows of images or categories that nobody knows."""
    whole = annotations.whole
    at = _place(annotations, known)
    strange = known.images[at] != whole[:, IMAGE]
    for row in _rows(strange & annotations.has(SEEN_IMAGE)):
        yield f"{row}/image_id", f"no image has the id {whole[row, IMAGE]}", f"use those of {known.source}"
    if not known.categories:
        return
    right = np.zeros(len(whole), bool)
    for part, categories in enumerate(known.categories):
        right |= (strange | (known.part[at] == part)) & np.isin(whole[:, CATEGORY], categories)
    for row in _rows(~right & annotations.has(SEEN_CATEGORY)):
        yield f"{row}/category_id", f"no category has the id {whole[row, CATEGORY]}", f"use those of {known.source}"


def _place(annotations: Annotations, known: Known) -> NDArray[np.intp]:
    """(n,) index of the image of each row, or of another image where there is none."""
    at: NDArray[np.intp] = np.searchsorted(known.images, annotations.whole[:, IMAGE])
    return np.minimum(at, len(known.images) - 1)


def _find_wrong_sizes(annotations: Annotations, known: Known | None) -> Iterator[Finding]:
    whole = annotations.whole
    heights = np.zeros(len(whole), np.int64)
    widths = heights
    if known is not None:
        at = _place(annotations, known)
        there = (known.images[at] == whole[:, IMAGE]) & annotations.has(SEEN_IMAGE)
        heights, widths = np.where(there, known.heights[at], 0), np.where(there, known.widths[at], 0)
    drawn = whole[:, KIND] == POLYGONS
    whole[drawn, HEIGHT], whole[drawn, WIDTH] = heights[drawn], widths[drawn]
    runs = (whole[:, KIND] == COMPRESSED) | (whole[:, KIND] == COUNTS)
    mask_heights, mask_widths = whole[:, HEIGHT], whole[:, WIDTH]
    other = runs & (heights > 0) & ((mask_heights != heights) | (mask_widths != widths))
    for row in _rows(other):
        found = f"found {mask_heights[row]} x {mask_widths[row]}"
        yield f"{row}/segmentation/size", found, f"the image is {heights[row]} x {widths[row]} (height x width)"
    for row in _rows(runs & ~other & ~_is_sized(annotations)):
        found = f"found {mask_heights[row]} x {mask_widths[row]}"
        yield f"{row}/segmentation/size", found, f"wanted [height, width], each from 1 to {LARGEST_SIDE}"


def _is_sized(annotations: Annotations) -> NDArray[np.bool_]:
    sides = annotations.whole[:, (HEIGHT, WIDTH)]
    sized: NDArray[np.bool_] = np.all((sides > 0) & (sides <= LARGEST_SIDE), axis=1)
    return sized


def find_mask_faults(annotations: Annotations, shown: str, prefix: str = "") -> list[Fault]:
    """Masks that cannot be read, each with its place; polygons whose image has no known size are read for their form.

    Those whose size is out of bounds are left out: that is told of their size.
    """
    whole = annotations.whole.copy()
    whole[(whole[:, KIND] == POLYGONS) & ~_is_sized(annotations), HEIGHT : WIDTH + 1] = 1
    sized = Annotations(annotations.text, whole, annotations.real)
    rows = np.flatnonzero((whole[:, KIND] != NOTHING) & _is_sized(sized))
    found = find_bad_masks(annotations.text, whole, rows)
    bad = np.flatnonzero(found != FINE)[:MOST_FAULTS]
    faults = []
    for row, fault in zip(rows[bad].tolist(), found[bad].tolist(), strict=True):
        where, what, wanted = explain_mask(annotations.text, whole[row], fault)
        faults.append(Fault(shown, f"{prefix}/{row}/segmentation{where}", what, wanted))
    return faults
