"""COCO annotations as columns: the text of the file stays where it is, and masks are read out of it when needed."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from overtrace.errors import BadAnswer
from overtrace.formats.text import (
    BAD,
    CLOSE_LIST,
    CLOSE_OBJECT,
    COLON,
    COMMA,
    OPEN_LIST,
    OPEN_OBJECT,
    QUOTE,
    Text,
    check_string,
    check_value,
    read_integer,
    read_number,
    same,
    skip_space,
    skip_string,
    skip_value,
)

NOTHING, COMPRESSED, COUNTS, POLYGONS = 0, 1, 2, 3
"""How a mask is written: not at all, as COCO's compressed text, as a list of run lengths, as polygons."""
ID, IMAGE, CATEGORY, CROWD, KIND, START, STOP, HEIGHT, WIDTH, SEEN = range(10)
SCORE, AREA, LEFT, TOP, BOX_WIDTH, BOX_HEIGHT = range(6)
SEEN_ID, SEEN_IMAGE, SEEN_CATEGORY, SEEN_SCORE, SEEN_AREA, SEEN_BOX, SEEN_MASK, SEEN_CROWD = (1 << i for i in range(8))
SEEN_SIZE, SEEN_COUNTS = 1, 2
"""Of a mask."""
SENTINEL = 16
SHORTEST_ROW = 40
"""Bytes of an object, hardly less; room is made for as many, and what is not written to costs nothing."""


UNREADABLE = object()
"""What is no JSON."""


def _name(text: str) -> Text:
    return np.frombuffer(text.encode(), np.uint8).copy()


NAME_ID, NAME_IMAGE, NAME_CATEGORY, NAME_SCORE = map(_name, ("id", "image_id", "category_id", "score"))
NAME_AREA, NAME_BOX, NAME_CROWD, NAME_MASK = map(_name, ("area", "bbox", "iscrowd", "segmentation"))
NAME_SIZE, NAME_COUNTS = map(_name, ("size", "counts"))


@dataclass(frozen=True, slots=True)
class Annotations:
    """Objects of one file, in its order."""

    text: Text
    """The file, ended by zero bytes."""
    whole: NDArray[np.int64]
    """(n, 10) ids, image ids, category ids, crowd, and where and how the mask is written."""
    real: NDArray[np.float64]
    """(n, 6) score, area, and box as left, top, width, height."""

    def __len__(self) -> int:
        return len(self.whole)

    def has(self, flag: int) -> NDArray[np.bool_]:
        """(n,) whether a field was given."""
        return (self.whole[:, SEEN] & flag) > 0


def load_text(path: Path) -> Text:
    """A file as bytes that end in zeros."""
    size = path.stat().st_size
    text = np.zeros(size + SENTINEL, np.uint8)
    with open(path, "rb") as file:
        read = file.readinto(text[:size].data)
    if read != size:
        raise BadAnswer(f"{path} became shorter while it was read: run again")
    return text


def as_text(data: bytes) -> Text:
    """Bytes with zeros behind them."""
    # Not a view of the bytes: of what cannot be written to, numba would compile every kernel once more.
    text = np.zeros(len(data) + SENTINEL, np.uint8)
    text[: len(data)] = np.frombuffer(data, np.uint8)
    return text


def read_list(text: Text, at: int = 0) -> tuple[Annotations, int]:
    """A list of annotations or results.

    Args:
        at: where it begins.
    Returns:
        The annotations, and the place after the list; that place is BAD if the text is beyond this reader.
    """
    after, count, whole, real, hard = _scan_list(text, int(skip_space(text, at)))
    if after == BAD:
        return Annotations(text, whole[:0], real[:0]), BAD
    for row, column, start, stop in hard.tolist():
        real[row, column] = float(text[start:stop].tobytes())
    return Annotations(text, whole[:count], real[:count]), int(after)


def read_members(text: Text) -> tuple[dict[str, Any], Annotations | None]:
    """The members of a data set, and its annotations apart; None for those if the text is beyond this reader."""
    members: dict[str, Any] = {}
    annotations: Annotations | None = None
    at = int(skip_space(text, 0))
    if text[at] != OPEN_OBJECT:
        return members, None
    at = int(skip_space(text, at + 1))
    while text[at] != CLOSE_OBJECT:
        end = int(skip_string(text, at))
        if end == BAD:
            return members, None
        name = _load_json(text, at, end)
        at = int(skip_space(text, end))
        if text[at] != COLON:
            return members, None
        at = int(skip_space(text, at + 1))
        if not isinstance(name, str) or name in members or (name == "annotations" and annotations is not None):
            return members, None
        if name == "annotations":
            annotations, after = read_list(text, at)
        else:
            after = int(skip_value(text, at))
        if after == BAD:
            return members, None
        if name != "annotations":
            members[name] = _load_json(text, at, after)
            if members[name] is UNREADABLE:
                return members, None
        at = int(skip_space(text, after))
        if text[at] == COMMA:
            at = int(skip_space(text, at + 1))
            if text[at] != QUOTE:
                return members, None
        elif text[at] != CLOSE_OBJECT:
            return members, None
    return members, annotations if skip_space(text, at + 1) == len(text) - SENTINEL else None


def _load_json(text: Text, start: int, stop: int) -> Any:
    """A value, or UNREADABLE."""
    try:
        return json.loads(text[start:stop].tobytes().decode())
    except (ValueError, RecursionError):
        return UNREADABLE


@njit(cache=True, nogil=True)
def _scan_list(text: Text, at: int) -> tuple[int, int, NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Place after the list, number of rows, the columns, and numbers to be read again: row, column, start, stop."""
    rows = (len(text) - at) // SHORTEST_ROW + 64
    whole = np.empty((rows, 10), np.int64)
    real = np.empty((rows, 6), np.float64)
    hard = np.zeros((64, 4), np.int64)
    row, doubts = 0, 0
    if text[at] != OPEN_LIST:
        return BAD, 0, whole, real, hard[:0]
    at = skip_space(text, at + 1)
    while text[at] != CLOSE_LIST:
        if row == len(whole):
            whole = np.concatenate((whole, np.empty_like(whole)))
            real = np.concatenate((real, np.empty_like(real)))
        if doubts + 8 > len(hard):
            hard = np.concatenate((hard, np.zeros_like(hard)))
        whole[row] = 0
        real[row] = 0
        at, doubts = _scan_object(text, at, row, whole, real, hard, doubts)
        if at == BAD:
            return BAD, 0, whole, real, hard[:0]
        row += 1
        at = skip_space(text, at)
        if text[at] == COMMA:
            at = skip_space(text, at + 1)
            if text[at] == CLOSE_LIST:
                return BAD, 0, whole, real, hard[:0]
        elif text[at] != CLOSE_LIST:
            return BAD, 0, whole, real, hard[:0]
    return at + 1, row, whole, real, hard[:doubts].copy()


@njit(cache=True, nogil=True)
def _scan_object(
    text: Text,
    at: int,
    row: int,
    whole: NDArray[np.int64],
    real: NDArray[np.float64],
    hard: NDArray[np.int64],
    doubts: int,
) -> tuple[int, int]:
    """One object into its row; the place after it, and how many numbers are to be read again."""
    if text[at] != OPEN_OBJECT:
        return BAD, doubts
    at = skip_space(text, at + 1)
    met = 0
    while text[at] != CLOSE_OBJECT:
        name = at + 1
        at = skip_string(text, at)
        if at == BAD:
            return BAD, doubts
        flag = 0
        length = at - 1 - name
        at = skip_space(text, at)
        if text[at] != COLON:
            return BAD, doubts
        at = skip_space(text, at + 1)
        if same(text, name, length, NAME_MASK):
            flag = SEEN_MASK
            at = _scan_mask(text, at, row, whole)
        elif same(text, name, length, NAME_IMAGE):
            flag = SEEN_IMAGE
            whole[row, IMAGE], at = read_integer(text, at)
        elif same(text, name, length, NAME_CATEGORY):
            flag = SEEN_CATEGORY
            whole[row, CATEGORY], at = read_integer(text, at)
        elif same(text, name, length, NAME_ID):
            flag = SEEN_ID
            whole[row, ID], at = read_integer(text, at)
        elif same(text, name, length, NAME_CROWD):
            flag = SEEN_CROWD
            whole[row, CROWD], at = read_integer(text, at)
        elif same(text, name, length, NAME_SCORE):
            flag = SEEN_SCORE
            at, doubts = _scan_real(text, at, row, SCORE, real, hard, doubts)
        elif same(text, name, length, NAME_AREA):
            flag = SEEN_AREA
            at, doubts = _scan_real(text, at, row, AREA, real, hard, doubts)
        elif same(text, name, length, NAME_BOX):
            flag = SEEN_BOX
            at, doubts = _scan_box(text, at, row, whole, real, hard, doubts)
        else:
            for i in range(length):
                # An escaped name may be one of the above.
                if text[name + i] == 92:
                    return BAD, doubts
            at = check_value(text, at) if check_string(text, name - 1) != BAD else BAD
        if at == BAD or met & flag:
            # What is given twice is not chosen from.
            return BAD, doubts
        met |= flag
        at = skip_space(text, at)
        if text[at] == COMMA:
            at = skip_space(text, at + 1)
            if text[at] == CLOSE_OBJECT:
                return BAD, doubts
        elif text[at] != CLOSE_OBJECT:
            return BAD, doubts
    whole[row, SEEN] |= met & ~SEEN_BOX
    return at + 1, doubts


@njit(cache=True, nogil=True)
def _scan_real(
    text: Text, at: int, row: int, column: int, real: NDArray[np.float64], hard: NDArray[np.int64], doubts: int
) -> tuple[int, int]:
    """A number into its column."""
    real[row, column], after, sure = read_number(text, at)
    if after != BAD and not sure:
        hard[doubts, 0], hard[doubts, 1], hard[doubts, 2], hard[doubts, 3] = row, column, at, after
        doubts += 1
    return after, doubts


@njit(cache=True, nogil=True)
def _scan_box(
    text: Text,
    at: int,
    row: int,
    whole: NDArray[np.int64],
    real: NDArray[np.float64],
    hard: NDArray[np.int64],
    doubts: int,
) -> tuple[int, int]:
    """Four numbers, or none."""
    if text[at] != OPEN_LIST:
        return BAD, doubts
    at = skip_space(text, at + 1)
    if text[at] == CLOSE_LIST:
        return at + 1, doubts
    for column in range(LEFT, BOX_HEIGHT + 1):
        at, doubts = _scan_real(text, at, row, column, real, hard, doubts)
        if at == BAD:
            return BAD, doubts
        at = skip_space(text, at)
        if text[at] != (CLOSE_LIST if column == BOX_HEIGHT else COMMA):
            return BAD, doubts
        at = skip_space(text, at + 1) if column < BOX_HEIGHT else at + 1
    whole[row, SEEN] |= SEEN_BOX
    return at, doubts


@njit(cache=True, nogil=True)
def _scan_mask(text: Text, at: int, row: int, whole: NDArray[np.int64]) -> int:
    """Where a mask is written, and how."""
    if text[at] == OPEN_LIST:
        whole[row, KIND], whole[row, START] = POLYGONS, at
        at = skip_value(text, at)
        whole[row, STOP] = at
        return at
    if text[at] != OPEN_OBJECT:
        return BAD
    whole[row, KIND] = NOTHING
    at = skip_space(text, at + 1)
    met = 0
    while text[at] != CLOSE_OBJECT:
        name = at + 1
        at = skip_string(text, at)
        if at == BAD:
            return BAD
        length = at - 1 - name
        at = skip_space(text, at)
        if text[at] != COLON:
            return BAD
        at = skip_space(text, at + 1)
        if same(text, name, length, NAME_COUNTS):
            flag = SEEN_COUNTS
            compressed = text[at] == QUOTE
            whole[row, KIND], whole[row, START] = (COMPRESSED, at + 1) if compressed else (COUNTS, at)
            if not compressed and text[at] != OPEN_LIST:
                return BAD
            at = skip_value(text, at)
            whole[row, STOP] = at - 1 if compressed else at
        elif same(text, name, length, NAME_SIZE):
            flag = SEEN_SIZE
            at = _scan_size(text, at, row, whole)
        else:
            return BAD
        if at == BAD or met & flag:
            return BAD
        met |= flag
        at = skip_space(text, at)
        if text[at] == COMMA:
            at = skip_space(text, at + 1)
            if text[at] == CLOSE_OBJECT:
                return BAD
        elif text[at] != CLOSE_OBJECT:
            return BAD
    return at + 1 if met == SEEN_SIZE | SEEN_COUNTS else BAD


@njit(cache=True, nogil=True)
def _scan_size(text: Text, at: int, row: int, whole: NDArray[np.int64]) -> int:
    """Height and width."""
    if text[at] != OPEN_LIST:
        return BAD
    whole[row, HEIGHT], at = read_integer(text, skip_space(text, at + 1))
    if at == BAD:
        return BAD
    at = skip_space(text, at)
    if text[at] != COMMA:
        return BAD
    whole[row, WIDTH], at = read_integer(text, skip_space(text, at + 1))
    if at == BAD:
        return BAD
    at = skip_space(text, at)
    return at + 1 if text[at] == CLOSE_LIST else BAD
