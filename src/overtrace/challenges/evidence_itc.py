"""What the score of tree crowns hides: precision over recall, errors by kind, size and score, the worst images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.challenge import Choose, Question, Row
from overtrace.challenges.evidence import (
    COVERING_KINDS,
    LEFT_OUT_KIND,
    SIDES,
    Curve,
    Evidence,
    Objects,
    Outline,
    Picture,
    Table,
    Tally,
    name_bins,
    rows_of_kinds,
    tally_confidence,
    tally_kinds,
    tally_sizes,
    tell_errors,
    worst,
)
from overtrace.challenges.itc import NUMBERS, RECALL_NUMBERS, DataSetScore, ItcScore, read_question
from overtrace.formats.annotations import AREA, CROWD, SCORE, Annotations
from overtrace.formats.coco_files import DataSet
from overtrace.scoring.errors import (
    ALONE,
    CUT,
    FOUND_KINDS,
    HIT,
    LEFT_OUT,
    MERGED,
    ROUGH,
    SPLIT,
    TRUE_KINDS,
    Kinds,
    name_errors,
)
from overtrace.scoring.instances import HIT as COUNTED_HIT
from overtrace.scoring.instances import IGNORED
from overtrace.scoring.mask_outlines import trace_mask
from overtrace.scoring.mask_pairs import MaskPairs, pair_masks, take_objects

LOST = (MERGED, SPLIT, ROUGH, ALONE)
SHOWN_PX = 1400
"""Outlines are simplified to what can be seen on so many pixels."""
CAP_KINDS = (
    (
        "cap: lost, or cut",
        "Lost to the cap: not found, but a detection that the cap cut overlaps it with an IoU of at least 0.5. It "
        "counts as not found, but it is no error of the answer, and no image is called worse for it.",
        "Cut by the cap: the image has more detections than count, and this is not among the surest. It is "
        "neither hit nor error.",
    ),
)


@dataclass(frozen=True, slots=True)
class _Part:
    """One data set, and the kind of all that is in it."""

    data_set: DataSet
    answer: Annotations
    score: DataSetScore
    masks: MaskPairs
    kinds: Kinds
    image: NDArray[np.int64]
    """(n,) index of the image of each detection."""
    true_image: NDArray[np.int64]
    taken: NDArray[np.int64]
    """(n,) place of the object that each detection took, or -1."""
    first: int
    """Key of its first annotation: they are numbered through all data sets."""


def explain(question: Question, score: ItcScore, table: Sequence[Row], choose: Choose | None = None) -> Evidence:
    """Read the files once more, and tell what went wrong.

    Args:
        question: as it was scored.
        score: its outcome.
        table: rows of the data sets.
        choose: which images are drawn.
    """
    if score.profile.boxes:
        return _explain_boxes(score, table)
    truth, answers = read_question(question)
    firsts = np.cumsum([0, *(len(data_set.annotations) for data_set in truth)]).tolist()
    parts = [
        _judge(data_set, answer, part, question.workers, first)
        for data_set, answer, part, first in zip(truth, answers, score.data_sets, firsts, strict=False)
    ]
    images = [_rows(part) for part in parts]
    errors = np.concatenate([errors for _, errors in images])
    names = [part.score.name for part in parts]
    true, found = (np.concatenate([getattr(part.kinds, side) for part in parts]) for side in ("true", "found"))
    true_part, found_part = (
        np.repeat(np.arange(len(parts)), [len(getattr(part.kinds, side)) for part in parts])
        for side in ("true", "found")
    )
    scores = np.concatenate([part.answer.real[part.masks.found_rows, SCORE] for part in parts])
    reliability, by_confidence = tally_confidence(scores, found)
    return Evidence(
        notes=tuple(_tell_cap(score)),
        parts=table,
        shares=("AP50", "AP"),
        images=[row for rows, _ in images for row in rows],
        curves=tuple(_draw(part.score) for part in parts),
        kinds=(*COVERING_KINDS, *(CAP_KINDS if (found == CUT).any() else ()), LEFT_OUT_KIND),
        tallies=(
            tally_kinds("Objects by data set", "data set", names, true_part, true, found=False),
            tally_kinds("Detections by data set", "data set", names, found_part, found, found=True),
            *_tally_sizes(parts, true, found),
            by_confidence,
        ),
        reliability=reliability,
        tables=(_find_best(parts), _list_numbers(score)),
        pictures=_draw_worst(parts, (choose or worst)(errors), errors),
        objects=_list_objects(parts),
    )


def _judge(data_set: DataSet, answer: Annotations, score: DataSetScore, workers: int, first: int) -> _Part:
    """The kind of each detection and each object, at the lowest IoU and for all areas."""
    counts, truth = score.counts, data_set.annotations
    masks = pair_masks(truth, answer, counts.images, counts.categories, workers)
    starts = np.searchsorted(masks.found_group, masks.found_group)
    kept = np.arange(len(masks.found_rows)) - starts < max(counts.rule.max_detections)
    found = np.full(len(kept), CUT, np.uint8)
    outcome = counts.outcome[0, 0]
    found[kept] = np.select([outcome == COUNTED_HIT, outcome == IGNORED], [HIT, LEFT_OUT], ALONE)
    crowd = truth.whole[masks.true_rows, CROWD] != 0
    area, (low, high) = truth.real[masks.true_rows, AREA], counts.rule.areas[0]
    ignored = crowd | (area < low) | (area > high)
    least = float(counts.rule.thresholds[0])
    match = take_objects(masks, kept, ignored, crowd, least)
    true = np.where(ignored, LEFT_OUT, ALONE).astype(np.uint8)
    true[match[found == HIT]] = HIT
    pairs = masks.pairs
    union = masks.found_areas[pairs.found] + masks.true_areas[pairs.true] - pairs.shared
    lost = pairs.true[(found[pairs.found] == CUT) & (pairs.shared >= least * union)]
    true[lost[true[lost] == ALONE]] = CUT
    kinds = name_errors(pairs, masks.found_areas, masks.true_areas, found, true)
    images = len(counts.images)
    places = masks.found_group % images, masks.true_group % images
    return _Part(data_set, answer, score, masks, kinds, *places, np.where(found == HIT, match, -1), first)


def _list_objects(parts: Sequence[_Part]) -> Objects:
    images = np.cumsum([0, *(len(part.data_set.images) for part in parts)])
    counts = [part.kinds.true != LEFT_OUT for part in parts]
    return Objects(
        key=np.concatenate([part.first + part.masks.true_rows[own] for part, own in zip(parts, counts, strict=True)]),
        image=np.concatenate(
            [first + part.true_image[own] for part, own, first in zip(parts, counts, images[:-1], strict=True)]
        ),
        found=np.concatenate([part.kinds.true[own] == HIT for part, own in zip(parts, counts, strict=True)]),
    )


def _explain_boxes(score: ItcScore, table: Sequence[Row]) -> Evidence:
    """Without masks there are no outlines, and no kinds of errors."""
    return Evidence(
        notes=tuple(_tell_cap(score)),
        parts=table,
        shares=("AP50", "AP"),
        images=[{} for part in score.data_sets for _ in range(part.images)],
        curves=tuple(_draw(part) for part in score.data_sets),
        tables=(_list_numbers(score),),
    )


def _rows(part: _Part) -> tuple[list[Row], NDArray[np.int64]]:
    """What is added for each image, and how many errors it has."""
    images = len(part.data_set.images)
    rows, errors = rows_of_kinds(part.kinds.true, part.true_image, part.kinds.found, part.image, images)
    return [{"file": file, **row} for file, row in zip(part.data_set.files, rows, strict=True)], errors


def _tell_cap(score: ItcScore) -> list[str]:
    """What the cap cuts, in words."""
    cap = score.profile.max_detections[-1]
    cut = sum(part.detections_cut for part in score.data_sets)
    given = sum(part.detections for part in score.data_sets)
    beyond = sum(part.objects_beyond_cap for part in score.data_sets)
    objects = sum(part.objects for part in score.data_sets)
    if cap >= 10**9:
        return [f"All {given:,} detections count: this profile cuts none."]
    return [
        f"Of each image the {cap:,} surest detections count. {cut:,} of {given:,} detections are cut by this cap: they "
        "are neither hits nor errors.",
        f"{beyond:,} of {objects:,} true crowns lie beyond the cap: their images hold more than {cap:,}, so that no "
        "answer can find them. They count as not found.",
    ]


def _tally_sizes(parts: Sequence[_Part], true: NDArray[np.uint8], found: NDArray[np.uint8]) -> tuple[Tally, ...]:
    """By COCO's classes, and by finer ones; areas are those of the masks."""
    true_areas, found_areas = (
        np.concatenate([getattr(part.masks, side) for part in parts]) for side in ("true_areas", "found_areas")
    )
    coco = ["small, below 32² px", "medium, 32² to 96² px", "large, 96² px and more"]
    fine = name_bins(SIDES, "px")
    areas = (true_areas, true, found_areas, found)
    return (
        *tally_sizes(*areas, [32**2, 96**2], coco, "area", "size, in the classes of COCO"),
        *tally_sizes(*areas, [side**2 for side in SIDES], fine, "side of a square of the same area"),
    )


def _draw(score: DataSetScore) -> Curve:
    """At IoU 0.50 and 0.75, the mean of the categories that have objects."""
    counts = score.counts
    chosen = [0, int(np.argmin(np.abs(counts.rule.thresholds - 0.75)))]
    present = counts.objects[:, :, 0].sum(axis=1) > 0
    if not present.any():
        present[:] = True
    precision = score.curves.precision[chosen][:, :, present, 0, -1].mean(axis=2)
    reached = score.curves.precision[0, :, :, 0, -1][:, present].max(axis=1) > 0
    scores = np.where(reached, score.curves.scores[0, :, :, 0, -1][:, present].max(axis=1), -1)
    ious = tuple(float(counts.rule.thresholds[place]) for place in chosen)
    return Curve(score.name, np.linspace(0, 1, precision.shape[1]), ious, precision, scores)


def _find_best(parts: Sequence[_Part]) -> Table:
    """The score at which F1 is best, for each data set."""
    rows = []
    for part in parts:
        counting = part.kinds.found < CUT
        hit = part.kinds.found[counting] == HIT
        scores = part.answer.real[part.masks.found_rows[counting], SCORE]
        objects = int((part.kinds.true != LEFT_OUT).sum())
        rows.append(_best_row(part.score.name, scores, hit, objects))
    note = (
        "AP does not ask where to cut; whoever uses the crowns must. If only detections from this score on are kept, "
        "F1 at an IoU of 0.50 is best."
    )
    return Table("Where to cut by score", note, rows, ("precision", "recall", "best F1", "F1 of all"))


def _best_row(name: str, scores: NDArray[np.float64], hit: NDArray[np.bool_], objects: int) -> Row:
    """Detections of equal score are kept or dropped together."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(scores[order][1:] != scores[order][:-1], True)[: len(order)]
    kept, hits = np.flatnonzero(last) + 1, np.cumsum(hit[order])[last]
    if len(kept) == 0:
        return {
            "data set": name,
            "keep from score": 0.0,
            "precision": 0.0,
            "recall": 0.0,
            "best F1": 0.0,
            "F1 of all": 0.0,
        }
    f1 = 2 * hits / (kept + objects)
    best = int(np.argmax(f1))
    return {
        "data set": name,
        "keep from score": float(scores[order][kept[best] - 1]),
        "precision": float(hits[best] / kept[best]),
        "recall": float(hits[best] / max(objects, 1)),
        "best F1": float(f1[best]),
        "F1 of all": float(f1[-1]),
    }


def _list_numbers(score: ItcScore) -> Table:
    """All that COCO prints."""
    titles = [*NUMBERS, *(f"AR {limit:,}" for limit in score.profile.max_detections), *RECALL_NUMBERS]
    rows: list[Row] = [
        {"data set": part.name, **dict(zip(titles, part.numbers.tolist(), strict=True))} for part in score.data_sets
    ]
    note = "AP over IoU 0.50 to 0.95, and average recall. A -1 stands where there is nothing to find."
    return Table("The twelve numbers of COCO", note, rows)


def _draw_worst(parts: Sequence[_Part], rows: Sequence[int], errors: NDArray[np.int64]) -> tuple[Picture, ...]:
    """The chosen images, of all data sets."""
    firsts = np.cumsum([0, *(len(part.data_set.images) for part in parts)])
    pictures = []
    for row in rows:
        p = int(np.searchsorted(firsts, row, "right")) - 1
        pictures.append(_draw_picture(parts[p], row - int(firsts[p]), row, int(errors[row])))
    return tuple(pictures)


def _draw_picture(part: _Part, i: int, row: int, errors: int) -> Picture:
    data_set, kinds = part.data_set, part.kinds
    size = int(data_set.heights[i]), int(data_set.widths[i])
    outlines = []
    for d in np.flatnonzero(part.image == i).tolist():
        kind, file_row = int(kinds.found[d]), int(part.masks.found_rows[d])
        if kind != LEFT_OUT:
            layer = {HIT: "hit", CUT: "cut"}.get(kind, "false")
            told = f"detection: {FOUND_KINDS[kind]}, score {part.answer.real[file_row, SCORE]:.3g}"
            taken = part.first + int(part.masks.true_rows[part.taken[d]]) if kind == HIT else -1
            outlines.append(Outline(layer, told, trace_mask(part.answer, file_row, max(size) / SHOWN_PX), taken))
    for g in np.flatnonzero((part.true_image == i) & np.isin(kinds.true, LOST)).tolist():
        told, file_row = f"object: {TRUE_KINDS[kinds.true[g]]}", int(part.masks.true_rows[g])
        rings = trace_mask(data_set.annotations, file_row, max(size) / SHOWN_PX)
        outlines.append(Outline("missed", told, rings, part.first + file_row))
    name = data_set.files[i] or str(data_set.images[i])
    return Picture(data_set.name, name, row, tell_errors(errors), size, tuple(outlines))
