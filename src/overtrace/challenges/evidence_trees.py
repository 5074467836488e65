"""What the score of trees hides: errors by kind and size, the worst images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.challenge import Choose, Question, Row
from overtrace.challenges.evidence import (
    COVERING_KINDS,
    SIDES,
    Evidence,
    Outline,
    Picture,
    Ring,
    Tally,
    name_bins,
    rows_of_kinds,
    tally_kinds,
    tally_sizes,
    tell_errors,
    worst,
)
from overtrace.challenges.tree_files import BOX, POINT, Trees, read_trees
from overtrace.challenges.trees import LEAST_IOU, REACH_M, TreeScore
from overtrace.scoring.errors import (
    ALONE,
    FARTHER,
    FOUND_KINDS,
    HIT,
    TRUE_KINDS,
    Kinds,
    Pairs,
    name_errors,
    name_point_errors,
)
from overtrace.scoring.matching import box_iou, box_overlap, pair_boxes, pair_points, point_distance

POINT_KINDS = (
    ("hit", "Matched with a point of the answer by the rule.", "Matched with a tree by the rule."),
    ("merged", "No hit, but a point that another tree took lies within reach: one point for several trees.", "-"),
    ("split", "-", "No hit, but a tree that another point took lies within reach: several points for one tree."),
    (
        "badly placed",
        "None of these, but a point lies within twice the reach.",
        "None of these, but a tree lies within twice the reach.",
    ),
    ("missed / false", "Missed: no point comes near it.", "False: there is no tree near it."),
)


@dataclass(frozen=True, slots=True)
class _Image:
    """Trees and detections of one image, and the kind of each."""

    true: NDArray[np.float64]
    found: NDArray[np.float64]
    kinds: Kinds


def explain(question: Question, score: TreeScore, table: Sequence[Row], choose: Choose | None = None) -> Evidence:
    """Read the files once more, match again, and tell what went wrong.

    Args:
        question: as it was scored.
        score: its outcome.
        table: the one row of the set.
        choose: which images are drawn.
    """
    truth = read_trees(question.truth)
    answer = read_trees(question.answers, columns=truth.columns)
    return tell(truth, answer, score, table, question.pixel_size_m, choose)


def tell(
    truth: Trees,
    answer: Trees,
    score: TreeScore,
    table: Sequence[Row],
    pixel_size_m: float,
    choose: Choose | None = None,
) -> Evidence:
    """Match trees again, and tell what went wrong.

    Args:
        truth: as they were scored.
        answer: likewise.
        score: its outcome.
        table: the rows that are read first.
        pixel_size_m: metres in a unit of the coordinates.
        choose: which images are drawn.
    """
    nothing = np.zeros((0, len(score.columns)))
    judge = _judge_points if score.columns == POINT else _judge_boxes
    images = []
    for name in score.names:
        true, found = (trees.images.get(name, nothing) for trees in (truth, answer))
        images.append(_Image(true, found, judge(true, found, pixel_size_m)))
    kinds = Kinds(*(np.concatenate([getattr(image.kinds, side) for image in images]) for side in ("found", "true")))
    places = [
        np.repeat(np.arange(len(images)), [len(getattr(image, side)) for image in images]) for side in ("true", "found")
    ]
    rows, errors = rows_of_kinds(kinds.true, places[0], kinds.found, places[1], len(images))
    points = score.columns == POINT
    if points:
        rows = [{"badly placed" if name == "badly outlined" else name: row[name] for name in row} for row in rows]
    return Evidence(
        notes=(_tell_rule(points),),
        parts=table,
        shares=("precision", "recall", "F1"),
        images=rows,
        kinds=POINT_KINDS if points else COVERING_KINDS,
        tallies=(*_tally_all(kinds, points), *(() if points else _tally_boxes(images, kinds))),
        pictures=tuple(_draw(score.names[i], i, int(errors[i]), images[i]) for i in (choose or worst)(errors)),
    )


def _tell_rule(points: bool) -> str:
    if points:
        return f"A hit is a pair of points within {REACH_M:g} m, one to one. The files of trees hold no confidences."
    return f"A hit is a pair of boxes with an IoU of at least {LEAST_IOU:g}, one to one."


def _judge_boxes(true: NDArray[np.float64], found: NDArray[np.float64], pixel_size_m: float) -> Kinds:
    del pixel_size_m
    states = _states(pair_boxes(box_iou(found, true), LEAST_IOU), len(found), len(true))
    shared = box_overlap(found, true)
    i, j = np.nonzero(shared)
    return name_errors(Pairs(i, j, shared[i, j]), _areas(found), _areas(true), *states)


def _judge_points(true: NDArray[np.float64], found: NDArray[np.float64], pixel_size_m: float) -> Kinds:
    distance = point_distance(found * pixel_size_m, true * pixel_size_m)
    states = _states(pair_points(distance, REACH_M), len(found), len(true))
    i, j = np.nonzero(distance <= FARTHER * REACH_M)
    return name_point_errors(Pairs(i, j, distance[i, j]), REACH_M, *states)


def _states(
    matched: tuple[NDArray[np.intp], NDArray[np.intp]], detections: int, objects: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """HIT or ALONE, of detections and of objects."""
    found, true = np.full(detections, ALONE, np.uint8), np.full(objects, ALONE, np.uint8)
    found[matched[0]], true[matched[1]] = HIT, HIT
    return found, true


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    areas: NDArray[np.float64] = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return areas


def _tally_all(kinds: Kinds, points: bool) -> list[Tally]:
    tallies = [
        tally_kinds(title, "set", ["all"], np.zeros(len(side), np.int64), side, found=found)
        for title, side, found in (("Objects", kinds.true, False), ("Detections", kinds.found, True))
    ]
    return [replace(tally, kinds=tuple(_call(kind, points) for kind in tally.kinds)) for tally in tallies]


def _tally_boxes(images: Sequence[_Image], kinds: Kinds) -> tuple[Tally, Tally]:
    true, found = (_areas(np.concatenate([getattr(image, side) for image in images])) for side in ("true", "found"))
    bounds = [side**2 for side in SIDES]
    names = name_bins(SIDES, "px")
    return tally_sizes(true, kinds.true, found, kinds.found, bounds, names, "side of a square of the same area")


def _draw(name: str, row: int, errors: int, image: _Image) -> Picture:
    points = image.true.shape[1] != len(BOX)
    found = [
        Outline("hit" if kind == HIT else "false", f"detection: {_call(FOUND_KINDS[kind], points)}", (_ring(shape),))
        for kind, shape in zip(image.kinds.found.tolist(), image.found, strict=True)
    ]
    missed = [
        Outline("missed", f"object: {_call(TRUE_KINDS[kind], points)}", (_ring(shape),))
        for kind, shape in zip(image.kinds.true.tolist(), image.true, strict=True)
        if kind != HIT
    ]
    return Picture("", name, row, tell_errors(errors), None, (*found, *missed))


def _call(kind: str, points: bool) -> str:
    return "badly placed" if points and kind == "badly outlined" else kind


def _ring(shape: NDArray[np.float64]) -> Ring:
    """A point as it is, a box as its corners."""
    if len(shape) == len(POINT):
        return shape[None]
    left, top, right, bottom = shape
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
