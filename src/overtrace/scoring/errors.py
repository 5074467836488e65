"""What went wrong with each object and each detection: one kind for each, told from who covers whom.

Both sides are judged alike. What is no hit was merged if one detection covers several objects, split if several
detections lie in one object, badly outlined if there is a partner that is too different, and alone if there is none.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HIT, MERGED, SPLIT, ROUGH, ALONE, CUT, LEFT_OUT = range(7)
"""Kinds, the same for both sides: an object that is alone was missed, a detection that is alone is false."""
TRUE_KINDS = ("hit", "merged", "split", "badly outlined", "missed", "lost to the cap", "left out")
FOUND_KINDS = ("hit", "merged", "split", "badly outlined", "false", "cut by the cap", "left out")
HALF = 0.5
"""Share of an area from which on something covers it, or lies in it; inclusive."""
LEAST_IOU = 0.1
"""From here on two outlines are meant for the same thing; inclusive."""
FARTHER = 2
"""Points beyond the reach, but within this many times of it, are meant for the same thing."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Detections and objects that share something, each pair once."""

    found: NDArray[np.int64]
    """(p,) detection."""
    true: NDArray[np.int64]
    """(p,) object."""
    shared: NDArray[np.float64]
    """(p,) area that the two share, above 0; for points, how far they are apart."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """One kind for each."""

    found: NDArray[np.uint8]
    """(n,) of each detection."""
    true: NDArray[np.uint8]
    """(m,) of each object."""


def name_errors(
    pairs: Pairs,
    found_areas: NDArray[np.float64],
    true_areas: NDArray[np.float64],
    found: NDArray[np.uint8],
    true: NDArray[np.uint8],
) -> Kinds:
    """Tell what is alone so far into merged, split, badly outlined and alone, in this order.

    An object is merged if a detection covers at least half of it and at least half of another object; split if at least
    two detections lie at least half in it, and what they share with it adds up to at least half of it; badly outlined
    if its IoU with a detection is at least 0.1. A detection is merged if it covers at least half of two objects; split
    if it lies at least half in an object that was hit, or in which another detection lies at least half; badly outlined
    likewise.

    Args:
        pairs: all that share something.
        found_areas: (n,) of the detections.
        true_areas: (m,) of the objects.
        found: (n,) HIT or ALONE; CUT and LEFT_OUT take no part.
        true: (m,) HIT or ALONE; CUT, lost to the cap, takes part as one that was not hit; LEFT_OUT does not.
    """
    takes_part = (found[pairs.found] < CUT) & (true[pairs.true] < LEFT_OUT)
    i, j, shared = pairs.found[takes_part], pairs.true[takes_part], pairs.shared[takes_part]
    covers, lies_in = shared >= HALF * true_areas[j], shared >= HALF * found_areas[i]
    near = shared >= LEAST_IOU * (found_areas[i] + true_areas[j] - shared)
    merges = np.bincount(i[covers], minlength=len(found)) > 1
    parts = np.bincount(j[lies_in], minlength=len(true))
    together = np.bincount(j[lies_in], shared[lies_in], minlength=len(true))
    is_split = (parts > 1) & (together >= HALF * true_areas)
    again = lies_in & ((parts[j] > 1) | (true[j] == HIT))
    return Kinds(
        _tell(found, merges, _mark(i[again], len(found)), _mark(i[near], len(found))),
        _tell(true, _mark(j[covers & merges[i]], len(true)), is_split, _mark(j[near], len(true))),
    )


def name_point_errors(pairs: Pairs, reach: float, found: NDArray[np.uint8], true: NDArray[np.uint8]) -> Kinds:
    """The same for points, which cover nothing.

    An object is merged if a detection within reach was taken by another object, and a detection split if an object
    within reach was taken by another detection; both are badly placed (ROUGH) if there is one within twice the reach.

    Args:
        pairs: all that lie within twice the reach of each other, with their distance.
        reach: of a hit, inclusive.
        found: (n,) HIT or ALONE.
        true: (m,) HIT or ALONE.
    """
    within, near = pairs.shared <= reach, pairs.shared <= FARTHER * reach
    nothing = np.zeros(0, np.int64)
    return Kinds(
        _tell(found, _mark(nothing, len(found)), *(_mark(pairs.found[at], len(found)) for at in (within, near))),
        _tell(true, *(_mark(at, len(true)) for at in (pairs.true[within], nothing, pairs.true[near]))),
    )


def count_kinds(kinds: NDArray[np.uint8], rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """How many of each kind a row holds: (count, kinds).

    Args:
        kinds: (n,) from ``name_errors``.
        rows: (n,) the row of each, such as its image, from 0 to ``count`` - 1.
        count: how many rows there are.
    """
    size = len(TRUE_KINDS)
    counts: NDArray[np.int64] = np.bincount(rows * size + kinds, minlength=count * size).reshape(count, size)
    return counts


def _mark(places: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    """(size,) whether a place is among them."""
    marks = np.zeros(size, np.bool_)
    marks[places] = True
    return marks


def _tell(
    kinds: NDArray[np.uint8], merged: NDArray[np.bool_], split: NDArray[np.bool_], near: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """The first reason of those that apply to what is alone."""
    reasons = np.select([merged, split, near], [MERGED, SPLIT, ROUGH], ALONE).astype(np.uint8)
    told: NDArray[np.uint8] = np.where(kinds == ALONE, reasons, kinds)
    return told
