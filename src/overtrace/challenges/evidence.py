"""What a score does not say: plain arrays and rows from which a page is made; each protocol fills them its own way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.challenge import Row
from overtrace.scoring.errors import FOUND_KINDS, TRUE_KINDS, count_kinds

MOST_PICTURES = 12
SIDES = (16, 32, 64, 96, 128, 256)
"""Bounds of classes of size; COCO's small, medium and large meet at 32 and 96."""
BINS = 10
"""Of confidence."""
Ring = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision over recall of one data set."""

    name: str
    recall: NDArray[np.float64]
    """(r,)."""
    ious: tuple[float, ...]
    """Least IoU of a hit, of each line; the first is that of the rule."""
    precision: NDArray[np.float64]
    """(lines, r)."""
    scores: NDArray[np.float64]
    """(r,) down to which score detections are kept on the first line; -1 where it does not reach."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a heading."""

    title: str
    note: str
    rows: Sequence[Row]
    shares: tuple[str, ...] = ()
    """Columns from 0 to 1 that are also drawn as bars."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many objects or detections are of each kind, by part, size or confidence."""

    title: str
    by: str
    """What the rows are."""
    rows: tuple[str, ...]
    kinds: tuple[str, ...]
    counts: NDArray[np.int64]
    """(rows, kinds)."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """Whether what is surer is right more often."""

    edges: NDArray[np.float64]
    """(b + 1,) of the bins; each but the last leaves its upper edge out."""
    detections: NDArray[np.int64]
    """(b,) that count: hits and errors."""
    hits: NDArray[np.int64]
    """(b,)."""
    confidence: NDArray[np.float64]
    """(b,) mean of the bin; nan where it is empty."""


@dataclass(frozen=True, slots=True)
class Outline:
    """An object or a detection of a picture."""

    layer: str
    """``hit``, ``false``, ``missed`` or ``cut``."""
    told: str
    """What is said of it."""
    rings: tuple[Ring, ...]
    """(v, 2) x and y in pixels of the image; a single vertex is a point."""
    object: int = -1
    """Key of the object that it is, or that it hit; -1 for none."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image with the outlines of truth and answer."""

    part: str
    """Data set or city, by whose name photos may be sorted into folders."""
    name: str
    """By which its photo is looked for."""
    row: int
    """Its place among the images of the verdict."""
    note: str
    size: tuple[int, int] | None
    """Height and width; None where the files do not tell them."""
    outlines: tuple[Outline, ...]


@dataclass(frozen=True, slots=True)
class LabelPicture:
    """An image whose pixels have classes."""

    name: str
    row: int
    note: str
    truth: NDArray[np.uint8]
    """(H, W) labels."""
    answer: NDArray[np.uint8]
    wrong: NDArray[np.uint8]
    """(H, W) 0 where nothing counts, 1 where the answer is right, 2 where it is wrong."""


@dataclass(frozen=True, slots=True)
class Objects:
    """Which objects were found, for telling two answers to one truth apart."""

    key: NDArray[np.int64]
    """(m,) of each object that counts: the same for all answers."""
    image: NDArray[np.int64]
    """(m,) its place among the images of the verdict."""
    found: NDArray[np.bool_]
    """(m,)."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a page shows beside the verdict."""

    notes: tuple[str, ...]
    """Plain sentences that come first."""
    parts: Sequence[Row]
    """Data sets, cities, classes."""
    shares: tuple[str, ...]
    """Columns of ``parts`` that are also drawn as bars."""
    images: Sequence[Row]
    """What is added to each row of the images of the verdict."""
    curves: tuple[Curve, ...] = ()
    kinds: Sequence[tuple[str, str, str]] = ()
    """Name of a kind, and what it means for an object and for a detection."""
    tallies: tuple[Tally, ...] = ()
    reliability: Reliability | None = None
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    label_pictures: tuple[LabelPicture, ...] = ()
    objects: Objects | None = None
    """None where answers have none, or they are not told apart."""
    class_names: Mapping[int, str] = field(default_factory=dict)
    """By label."""
    class_colours: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)


COVERING_KINDS = (
    (
        "hit",
        "Matched with a detection by the rule.",
        "Matched with an object by the rule.",
    ),
    (
        "merged",
        "No hit; a detection covers at least half of it and at least half of another object.",
        "No hit; it covers at least half of two objects or more.",
    ),
    (
        "split",
        "Neither; two detections or more lie at least half in it, and what they cover adds up to at least half of it.",
        "Neither; it lies at least half in an object that is already hit (a duplicate), or in which another detection "
        "lies at least half as well.",
    ),
    (
        "badly outlined",
        "None of these; its IoU with some detection is at least 0.1.",
        "None of these; its IoU with some object is at least 0.1.",
    ),
    ("missed / false", "Missed: no detection comes near it.", "False: there is no object near it."),
)
"""Name, meaning for objects, meaning for detections."""
LEFT_OUT_KIND = (
    "left out",
    "Does not count under the rule, and is neither hit nor error.",
    "Does not count under the rule, and is neither hit nor error.",
)


def tally_kinds(
    title: str, by: str, rows: Sequence[str], place: NDArray[np.int64], kinds: NDArray[np.uint8], *, found: bool
) -> Tally:
    """Count kinds by row.

    Args:
        rows: names of the rows.
        place: (n,) row of each.
        kinds: (n,) kind of each.
        found: they are detections.
    """
    counts = count_kinds(kinds, place, len(rows))
    return Tally(title, by, tuple(rows), FOUND_KINDS if found else TRUE_KINDS, counts)


def name_bins(bounds: Sequence[int], unit: str) -> list[str]:
    """``below 16 px``, ``16 to 32 px``, ..., ``256 px and more``."""
    between = [f"{low:,} to {high:,} {unit}" for low, high in pairwise(bounds)]
    return [f"below {bounds[0]:,} {unit}", *between, f"{bounds[-1]:,} {unit} and more"]


def tally_sizes(
    true_areas: NDArray[np.float64],
    true: NDArray[np.uint8],
    found_areas: NDArray[np.float64],
    found: NDArray[np.uint8],
    bounds: Sequence[int],
    names: Sequence[str],
    by: str,
    measure: str = "size",
) -> tuple[Tally, Tally]:
    """Kinds by size, of objects and of detections, each by its own.

    Args:
        bounds: areas at which a class ends and the next begins, to which the bound belongs.
        names: of the classes, one more than bounds.
        by: what the names are.
        measure: what the headings say.
    """
    edges = np.asarray(bounds)
    return (
        tally_kinds(f"Objects by {measure}", by, names, np.searchsorted(edges, true_areas, "right"), true, found=False),
        tally_kinds(
            f"Detections by {measure}", by, names, np.searchsorted(edges, found_areas, "right"), found, found=True
        ),
    )


def tally_confidence(confidence: NDArray[np.float64], kinds: NDArray[np.uint8]) -> tuple[Reliability, Tally]:
    """How often detections of a confidence are right, in ten bins of equal width; from 0 to 1 if all lie there."""
    counting = kinds < FOUND_KINDS.index("cut by the cap")
    values, chosen = confidence[counting], kinds[counting]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    part = np.linspace(0, 1, BINS + 1)
    # Not the difference of the two, which may be beyond all numbers.
    edges = low * (1 - part) + high * part
    place = np.clip(np.searchsorted(edges, values, "right") - 1, 0, BINS - 1)
    sizes = np.bincount(place, minlength=BINS)
    sums = np.bincount(place, values, minlength=BINS)
    mean = np.divide(sums, sizes, out=np.full(BINS, np.nan), where=sizes > 0)
    names = [f"{a:.3g} to {b:.3g}" for a, b in pairwise(edges)]
    tally = tally_kinds("Detections by confidence", "confidence", names, place, chosen, found=True)
    return Reliability(edges, sizes, tally.counts[:, 0], mean), tally


def rows_of_kinds(
    true: NDArray[np.uint8], true_image: NDArray[np.int64], found: NDArray[np.uint8], image: NDArray[np.int64], n: int
) -> tuple[list[Row], NDArray[np.int64]]:
    """For each of n images: F1, and the errors of each kind; and (n,) how many there are in all, without what is lost
    to the cap.
    """
    objects, detections = count_kinds(true, true_image, n), count_kinds(found, image, n)
    lost, wrong = objects[:, 1:5].sum(axis=1), detections[:, 1:5].sum(axis=1)
    # What is lost to the cap was not found, though the answer is not to blame.
    total = 2 * detections[:, 0] + lost + objects[:, 5] + wrong
    f1 = np.divide(2 * detections[:, 0], total, out=np.zeros(n), where=total > 0)
    rows: list[Row] = [
        {
            "F1": float(f1[i]),
            "errors": int(lost[i] + wrong[i]),
            "missed": int(objects[i, 4]),
            "false": int(detections[i, 4]),
            "merged": int(objects[i, 1]),
            "split": int(objects[i, 2]),
            "badly outlined": int(objects[i, 3]),
        }
        for i in range(n)
    ]
    return rows, lost + wrong


def worst(errors: NDArray[np.int64] | NDArray[np.float64], most: int = MOST_PICTURES) -> list[int]:
    """The images with the most errors, the first of equal ones first; those without any are left out."""
    order = np.argsort(-errors, kind="stable")[:most]
    return [int(i) for i in order if errors[i] > 0]


def tell_errors(errors: int) -> str:
    """Said under a picture."""
    return "1 error" if errors == 1 else f"{errors:,} errors"
