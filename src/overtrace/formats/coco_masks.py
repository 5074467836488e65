"""Why a mask cannot be read, in words: the fast reader says no more than which kind of fault it met."""

import json
import re

import numpy as np
from numpy.typing import NDArray

from overtrace.formats.annotations import COMPRESSED, HEIGHT, KIND, POLYGONS, START, STOP, WIDTH
from overtrace.formats.faults import show
from overtrace.formats.masks import FARTHEST, FAULTS, NO_POLYGON, NO_TEXT, UNFILLED
from overtrace.formats.text import Text

ENCODE = "encode the mask with pycocotools"
Reason = tuple[str, str, str]
"""Where in the segmentation, what was found, what is wanted."""


def explain_mask(text: Text, line: NDArray[np.int64], fault: int) -> Reason:
    """What is wrong with a mask.

    Args:
        text: of the file.
        line: (10,) its row of ``Annotations.whole``.
        fault: what ``find_bad_masks`` says of it.
    """
    written = text[line[START] : line[STOP]].tobytes()
    if line[KIND] == COMPRESSED:
        return _explain_compressed(written, fault)
    try:
        numbers = json.loads(written)
    except (ValueError, RecursionError):
        return "", f"{FAULTS[fault]}; it is no JSON", "write it with a JSON library"
    if line[KIND] == POLYGONS:
        return _explain_polygons(numbers, fault)
    return _explain_counts(numbers, int(line[HEIGHT] * line[WIDTH]), fault)


def _explain_compressed(written: bytes, fault: int) -> Reason:
    strange = re.search(rb"[^0-o]|\\[^\\]", written.replace(rb"\\", b"^"))
    if fault == NO_TEXT and strange is not None:
        letter = show(strange[0].decode(errors="replace"))
        return "/counts", f"{FAULTS[fault]}: letter {strange.start() + 1} is {letter}", ENCODE
    return "", FAULTS[fault], ENCODE


def _explain_counts(counts: list[object], pixels: int, fault: int) -> Reason:
    for i, count in enumerate(counts):
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            what = FAULTS[UNFILLED if isinstance(count, int) else fault]
            return f"/counts/{i}", f"{what}: found {show(count)}", "wanted whole numbers from 0"
    whole = sum(count for count in counts if isinstance(count, int))
    told = f": they fill {show(whole)} of {pixels} pixels" if fault == UNFILLED else ""
    return "", f"{FAULTS[fault]}{told}", ENCODE


def _explain_polygons(polygons: list[object], fault: int) -> Reason:
    wanted = "wanted [x, y, x, y, x, y, ...] of each"
    for i, ring in enumerate(polygons):
        if not isinstance(ring, list):
            return f"/{i}", f"{FAULTS[fault]}: found {show(ring)}", wanted
        for j, value in enumerate(ring):
            if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < FARTHEST:
                return f"/{i}/{j}", f"{FAULTS[fault]}: found {show(value)}", "wanted pixels"
        if fault == NO_POLYGON and (len(ring) < 6 or len(ring) % 2):
            return f"/{i}", f"{FAULTS[fault]}: found {len(ring)} numbers", wanted
    return "", FAULTS[fault], wanted
