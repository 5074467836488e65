"""What the score of buildings hides: errors by kind, size and confidence, the worst images."""

from collections.abc import Callable, Collection, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from overtrace.challenges.challenge import Choose, Question, Row
from overtrace.challenges.deepglobe import BuildingScore, city_of
from overtrace.challenges.evidence import (
    COVERING_KINDS,
    LEFT_OUT_KIND,
    Evidence,
    Objects,
    Outline,
    Picture,
    Ring,
    name_bins,
    rows_of_kinds,
    tally_confidence,
    tally_kinds,
    tally_sizes,
    tell_errors,
    worst,
)
from overtrace.challenges.footprint_files import Footprints, read_footprints
from overtrace.scoring.errors import ALONE, FOUND_KINDS, HIT, LEFT_OUT, TRUE_KINDS, Kinds, name_errors
from overtrace.scoring.footprints import FootprintMatch, FootprintRule, match_footprints, overlap_footprints

AREAS = (50, 100, 250, 500, 1000, 2500, 5000)


def explain(question: Question, score: BuildingScore, table: Sequence[Row], choose: Choose | None = None) -> Evidence:
    """Read the files once more, match again, and tell what went wrong.

    Args:
        question: as it was scored.
        score: its outcome.
        table: rows of the cities.
        choose: which images are drawn.
    """
    size = question.pixel_size_m
    truth = read_footprints(question.truth, answer=False, pixel_size=size)
    answer = read_footprints(question.answers, answer=True, pixel_size=size)
    return tell(truth, answer, score, table, city_of, "city", choose=choose)


def tell(
    truth: Footprints,
    answer: Footprints,
    score: BuildingScore,
    table: Sequence[Row],
    part_of: Callable[[str], str],
    part: str,
    unit: str = "px²",
    choose: Choose | None = None,
) -> Evidence:
    """Match footprints again, and tell what went wrong.

    Args:
        truth: as they were scored.
        answer: likewise.
        score: its outcome; its cities are the parts.
        table: rows of the parts.
        part_of: the part of an image.
        part: what a part is called.
        unit: of areas; empty where they say nothing.
        choose: which images are drawn.
    """
    truth, true_image = _choose(truth, score.images)
    answer, image = _choose(answer, score.images)
    match = match_footprints(true_image, truth.polygons, image, answer.polygons, answer.confidence, score.rule)
    kinds = _judge(match, len(image), len(true_image))
    taken = np.full(len(image), -1, np.int64)
    taken[match.rows[match.taken >= 0]] = match.true_rows[match.taken[match.taken >= 0]]
    counts = kinds.true != LEFT_OUT
    names = [city.name for city in score.cities]
    own = np.searchsorted(names, [part_of(name) for name in score.images])
    rows, errors = rows_of_kinds(kinds.true, true_image, kinds.found, image, len(score.images))
    reliability, by_confidence = tally_confidence(answer.confidence, kinds.found)
    areas = shapely.area(truth.polygons), kinds.true, shapely.area(answer.polygons), kinds.found
    return Evidence(
        notes=_tell_left_out(score.rule, kinds),
        parts=table,
        shares=("F1",),
        images=rows,
        kinds=(*COVERING_KINDS, LEFT_OUT_KIND),
        tallies=(
            tally_kinds(f"Objects by {part}", part, names, own[true_image], kinds.true, found=False),
            tally_kinds(f"Detections by {part}", part, names, own[image], kinds.found, found=True),
            *(tally_sizes(*areas, AREAS, name_bins(AREAS, unit), "area") if unit else ()),
            by_confidence,
        ),
        reliability=reliability,
        pictures=tuple(
            _draw(
                score.images[i],
                part_of(score.images[i]),
                i,
                int(errors[i]),
                (truth, true_image, kinds.true, np.arange(len(true_image))),
                (answer, image, kinds.found, taken),
            )
            for i in (choose or worst)(errors)
        ),
        objects=Objects(np.flatnonzero(counts), true_image[counts], kinds.true[counts] == HIT),
    )


def _choose(footprints: Footprints, images: Collection[str]) -> tuple[Footprints, NDArray[np.int64]]:
    """The footprints of the images that count, and the index of the image of each."""
    index = {name: i for i, name in enumerate(images)}
    place = np.array([index.get(name, -1) for name in footprints.images.tolist()], np.int64)
    own = place >= 0
    chosen = Footprints(
        footprints.shown,
        footprints.images[own],
        footprints.polygons[own],
        footprints.confidence[own],
        footprints.named,
    )
    return chosen, place[own]


def _judge(match: FootprintMatch, detections: int, objects: int) -> Kinds:
    """The kind of each row of answer and truth."""
    hit, taken = match.taken >= 0, np.zeros(len(match.true_rows), bool)
    taken[match.taken[hit]] = True
    states = [np.where(side, HIT, ALONE).astype(np.uint8) for side in (hit, taken)]
    counted = name_errors(overlap_footprints(match), match.areas, match.true_areas, *states)
    kinds = Kinds(np.full(detections, LEFT_OUT, np.uint8), np.full(objects, LEFT_OUT, np.uint8))
    kinds.found[match.rows], kinds.true[match.true_rows] = counted.found, counted.true
    return kinds


def _tell_left_out(rule: FootprintRule, kinds: Kinds) -> tuple[str, ...]:
    buildings, footprints = (int((side == LEFT_OUT).sum()) for side in (kinds.true, kinds.found))
    if not buildings and not footprints:
        return ()
    return (
        f"The rule of {rule.name} leaves out {buildings:,} buildings and {footprints:,} footprints of the answer, "
        "which are too small for it: they are neither hits nor errors.",
    )


Side = tuple[Footprints, NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]
"""Footprints, their images, their kinds, and which object each is or hit."""


def _draw(name: str, part: str, i: int, errors: int, true: Side, found: Side) -> Picture:
    outlines = []
    footprints, image, kinds, objects = found
    for row in np.flatnonzero((image == i) & (kinds != LEFT_OUT)).tolist():
        told = f"detection: {FOUND_KINDS[kinds[row]]}, confidence {footprints.confidence[row]:.3g}"
        layer = "hit" if kinds[row] == HIT else "false"
        outlines.append(Outline(layer, told, rings_of(footprints.polygons[row]), int(objects[row])))
    footprints, image, kinds, objects = true
    outlines += [
        Outline("missed", f"object: {TRUE_KINDS[kinds[row]]}", rings_of(footprints.polygons[row]), int(objects[row]))
        for row in np.flatnonzero((image == i) & (kinds != LEFT_OUT) & (kinds != HIT)).tolist()
    ]
    return Picture(part, name, i, tell_errors(errors), None, tuple(outlines))


def rings_of(polygon: shapely.Polygon | shapely.MultiPolygon) -> tuple[Ring, ...]:
    """The vertices of each ring, the first not repeated."""
    rings = (ring for one in shapely.get_parts(polygon) for ring in (one.exterior, *one.interiors))
    return tuple(np.asarray(ring.coords)[:-1] for ring in rings)
